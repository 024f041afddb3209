import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { crc32cByTable } from '../src/records/crc32c.ts'
import { crc32c } from '../src/index.ts'

// RFC 3720 §B.4, and the check value of the catalogue of CRCs.
test.each([
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes counting up', Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
  ['32 bytes counting down', Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
  ['123456789', Uint8Array.from(Buffer.from('123456789')), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
])('CRC-32C of %s', (_, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc)
  expect(crc32cByTable(bytes, 0, bytes.length)).toBe(crc)
})

test('the table and the native code agree on any range', () => {
  const prng = new Prng(5)
  const bytes = prng.bytes(2000)
  for (let round = 0; round < 500; round++) {
    const start = prng.between(0, bytes.length)
    const end = prng.between(start, bytes.length)
    expect(crc32c(bytes, start, end)).toBe(crc32cByTable(bytes, start, end))
  }
})
