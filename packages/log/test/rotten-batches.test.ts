/** Bits that turn in a log after a clean stop, when nothing is scanned: whoever reads is told, and is shown nothing else instead. */
import { expect, test } from 'vitest'
import { ClusterError } from '@trimaran/common'
import type { Offset } from '@trimaran/common'
import { batchSizeBytes, readBatchHeader } from '@trimaran/protocol'
import { Bench } from './support.ts'

const batches = 9
const recordsPerBatch = 4
const end = batches * recordsPerBatch

/** Three segments of three batches each. */
async function filled(): Promise<Bench> {
  const bench = new Bench()
  for (let count = 1; count <= batches; count++) {
    bench.append({ count: recordsPerBatch, valueBytes: 3 })
    if (count % 3 === 0 && count < batches) bench.log.roll()
  }
  await bench.restart()
  return bench
}

/** Reads on as a consumer does. Returns where it was told of damage; -1: never. */
function readOn(bench: Bench, from: Offset, maxBytes: number): Offset {
  for (let offset = from; offset < end;) {
    let bytes: Uint8Array
    try {
      bytes = bench.log.read(offset, { maxBytes, endOffset: end, minOneBatch: true })
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'CORRUPT') return offset
      throw error
    }
    if (bytes.length === 0) throw new Error(`nothing is read at ${offset}`)
    for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
      const { baseOffset, lastOffset } = readBatchHeader(bytes, at)
      if (baseOffset > offset) throw new Error(`${baseOffset} is read at ${offset}`)
      offset = lastOffset + 1
    }
  }
  return -1
}

/** Of base offset and leader epoch no checksum knows. */
const isChecked = (byte: number): boolean => (byte >= 8 && byte < 12) || byte >= 16

test.each([0, 1, 2, 7, 8])('whatever bit of batch %i turns, a reader is told so', async number => {
  const bench = await filled()
  const segmentBase = number - (number % 3)
  const name = String(segmentBase * recordsPerBatch).padStart(20, '0')
  const path = `${bench.logDirectory}/${name}.log`
  const sizeBytes = batchSizeBytes(bench.disk.content(path), 0)
  const damagedAt = number * recordsPerBatch
  const unnoticed: string[] = []
  for (let byte = 0; byte < sizeBytes; byte++) {
    if (!isChecked(byte)) continue
    for (let bit = 0; bit < 8; bit++) {
      const turned = ((number - segmentBase) * sizeBytes + byte) * 8 + bit
      bench.disk.flip(path, turned)
      // Also in the middle of it, and with room for more than one batch.
      const isTold =
        readOn(bench, 0, 1) === damagedAt && readOn(bench, damagedAt + 2, 10_000) === damagedAt + 2
      if (!isTold) unnoticed.push(`byte ${byte}, bit ${bit}`)
      bench.disk.flip(path, turned)
    }
  }
  expect(unnoticed).toEqual([])
  expect(readOn(bench, 0, 1)).toBe(-1)
})
