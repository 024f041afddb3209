import { expect, test } from 'vitest'
import { FrameReader } from '../src/frame-reader.ts'

const frameOf = (content: string): Buffer => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(content.length)
  return Buffer.concat([size, Buffer.from(content)])
}

/** As a socket gives it: a chunk is all of its memory. */
const chunksOf = (bytes: Buffer, ...ends: number[]): Buffer[] =>
  [0, ...ends].map((start, at) =>
    Buffer.from(Uint8Array.from(bytes.subarray(start, ends[at] ?? bytes.length)).buffer),
  )

const textOf = (frame: Uint8Array | null): string | null =>
  frame === null ? null : Buffer.from(frame).toString()

test('frames are the same however the stream is cut', () => {
  const contents = ['a', 'bcd', 'e'.repeat(50), 'fg']
  const stream = Buffer.concat(contents.map(frameOf))
  for (let first = 1; first < stream.length - 1; first++) {
    for (let second = first + 1; second < stream.length; second += 3) {
      const reader = new FrameReader(100)
      const frames: Uint8Array[] = []
      for (const chunk of chunksOf(stream, first, second)) {
        reader.add(chunk)
        for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame)
      }
      // All are looked at after the last was taken: none may lose its bytes to another.
      expect(frames.map(textOf)).toEqual(contents)
      expect(reader.bufferedBytes).toBe(0)
    }
  }
})

test('the memory of a chunk is given back as soon as a frame was made of it', () => {
  const stream = Buffer.concat([frameOf('first'), frameOf('x'.repeat(90)), frameOf('last')])
  const [begin, middle, end] = chunksOf(stream, 20, 60) as [Buffer, Buffer, Buffer]
  const reader = new FrameReader(100)
  for (const chunk of [begin, middle, end]) reader.add(chunk)
  const frames = [reader.next(), reader.next(), reader.next()]
  expect(middle.buffer.byteLength).toBe(0)
  expect(begin.buffer.byteLength).toBe(20)
  expect(end.buffer.byteLength).toBe(stream.length - 60)
  expect(frames.map(textOf)).toEqual(['first', 'x'.repeat(90), 'last'])
})

test('memory that a chunk shares with others is left alone', () => {
  const shared = Buffer.from(Uint8Array.from([0, 0, 0, 4, 1, 2, 3, 4]).buffer)
  const reader = new FrameReader(100)
  for (const part of [shared.subarray(0, 5), shared.subarray(5, 7), shared.subarray(7)])
    reader.add(part)
  expect([...(reader.next() as Uint8Array)]).toEqual([1, 2, 3, 4])
  expect([...shared]).toEqual([0, 0, 0, 4, 1, 2, 3, 4])
})
