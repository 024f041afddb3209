import { decodeBatch, encodeBatch, readBatchHeader } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { recompress } from '../src/recompress.ts'

const text = Array.from(
  { length: 3000 },
  (_, at) => `{"id":${at},"of":"user-${(at * at) % 997}"}`,
).join()
const batch = encodeBatch({
  records: [{ timestampMs: 1, key: null, value: new TextEncoder().encode(text), headers: [] }],
})
const levels = { compressionGzipLevel: -1, compressionZstdLevel: 3 }

function stored(compressionType: 'gzip' | 'zstd', change: Partial<typeof levels>): Uint8Array {
  const config = { compressionType, ...levels, ...change }
  const result = recompress(batch, readBatchHeader(batch, 0), config)
  if (result.kind === 'refused') throw new Error(result.errorMessage)
  return result.batch
}

test.each([
  ['gzip', { compressionGzipLevel: 1 }, { compressionGzipLevel: 9 }],
  ['zstd', { compressionZstdLevel: 1 }, { compressionZstdLevel: 19 }],
] as const)(
  'compression.%s.level of the topic decides how small a batch becomes',
  (codec, low, high) => {
    const [fast, small] = [stored(codec, low), stored(codec, high)]
    expect(small.length).toBeLessThan(fast.length)
    for (const packed of [fast, small]) {
      expect(readBatchHeader(packed, 0).compression).toBe(codec)
      expect(decodeBatch(packed, 0).records).toEqual(decodeBatch(batch, 0).records)
    }
  },
)
