import { describe, expect, test } from 'vitest'
import { ProtocolError, Reader, Writer } from '../src/index.ts'

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer()
  write(writer)
  return Uint8Array.from(writer.finishOne())
}

const read = <T>(bytes: ArrayLike<number>, of: (reader: Reader) => T): T =>
  of(new Reader(Uint8Array.from(bytes)))

describe('numbers', () => {
  test.each([
    [0, [0]],
    [127, [127]],
    [128, [0x80, 1]],
    [300, [0xac, 2]],
    [0xffffffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('uvarint %d', (value, bytes) => {
    expect([...written(w => w.uvarint(value))]).toEqual(bytes)
    expect(read(bytes, r => r.uvarint())).toBe(value)
  })

  test.each([
    [0, [0]],
    [-1, [1]],
    [1, [2]],
    [-64, [0x7f]],
    [64, [0x80, 1]],
    [2147483647, [0xfe, 0xff, 0xff, 0xff, 0x0f]],
    [-2147483648, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('varint %d is zigzag', (value, bytes) => {
    expect([...written(w => w.varint(value))]).toEqual(bytes)
    expect(read(bytes, r => r.varint())).toBe(value)
    expect([...written(w => w.varlong(value))]).toEqual(bytes)
    expect(read(bytes, r => r.varlong())).toBe(value)
  })

  test.each([2 ** 52 - 1, -(2 ** 52 - 1), 1_700_000_000_000, -4_294_967_296])(
    'varlong %d is exact',
    value => {
      const bytes = written(w => w.varlong(value))
      expect(read(bytes, r => r.varlong())).toBe(value)
    },
  )

  test('a varint longer than needed is fine, as in Kafka; longer than five bytes is not', () => {
    expect(read([0x81, 0x80, 0x00], r => r.uvarint())).toBe(1)
    expect(() => read([0x80, 0x80, 0x80, 0x80, 0x80, 1], r => r.uvarint())).toThrow(ProtocolError)
    expect(() => read(new Uint8Array(11).fill(0x80), r => r.varlong())).toThrow(ProtocolError)
  })

  test.each([
    0,
    -1,
    1,
    4294967295,
    4294967296,
    -4294967296,
    Number.MAX_SAFE_INTEGER,
    -Number.MAX_SAFE_INTEGER,
  ])('int64 %d', value => {
    const bytes = written(w => w.int64(value))
    expect(Buffer.from(bytes).readBigInt64BE(0)).toBe(BigInt(value))
    expect(read(bytes, r => r.int64())).toBe(value)
  })

  test.each([2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)])(
    'int64 %d is not a number any more: a ProtocolError, or the end of the range where that is meant',
    value => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(value)
      expect(() => read(bytes, r => r.int64())).toThrow(ProtocolError)
      expect(read(bytes, r => r.saturatedInt64())).toBe(
        Math.sign(Number(value)) * Number.MAX_SAFE_INTEGER,
      )
    },
  )

  test('the ends of a saturated int64 are written as the ends of 64 bits', () => {
    const bytes = written(w => w.saturatedInt64(Number.MAX_SAFE_INTEGER))
    expect(Buffer.from(bytes).readBigInt64BE(0)).toBe(2n ** 63n - 1n)
  })
})

describe('lengths', () => {
  test('null where none is allowed is a ProtocolError', () => {
    expect(() => read([0xff, 0xff], r => r.string())).toThrow('null')
    expect(() => read([0], r => r.compactString())).toThrow('null')
    expect(() => read([0xff, 0xff, 0xff, 0xff], r => r.bytes())).toThrow('null')
    expect(() => read([0xff, 0xff, 0xff, 0xff], r => r.arrayLength(1))).toThrow('null')
  })

  test('any negative length is null where null is allowed, as in Kafka', () => {
    expect(read([0xff, 0xfe], r => r.nullableString())).toBeNull()
    expect(read([0xff, 0xff, 0xff, 0xfe], r => r.nullableArrayLength(1))).toBe(-1)
  })

  test('a length beyond the bytes that are there is refused before anything is allocated by it', () => {
    expect(() => read([0x7f, 0xff, 0x61], r => r.string())).toThrow('only 1 remain')
    expect(() => read([0x7f, 0xff, 0xff, 0xff], r => r.bytes())).toThrow('only 0 remain')
    expect(() => read([0xff, 0xff, 0xff, 0xff, 0x0f], r => r.compactBytes())).toThrow(ProtocolError)
  })

  test('an array must have as many bytes left as its elements take at least', () => {
    expect(() => read([0x7f, 0xff, 0xff, 0xff, 1, 2, 3], r => r.arrayLength(1))).toThrow(
      'an array of 2147483647',
    )
    expect(() => read([0, 0, 0, 2, 1, 2, 3], r => r.arrayLength(2))).toThrow('an array of 2')
    expect(read([0, 0, 0, 3, 1, 2, 3], r => r.arrayLength(1))).toBe(3)
  })

  test('all arrays of a message together have a bound', () => {
    const bytes = Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 2, 1, 1)
    const reader = new Reader(bytes, 0, bytes.length, 3)
    expect(reader.arrayLength(1)).toBe(2)
    expect(() => reader.arrayLength(1)).toThrow('too many')
  })

  test('a request of more than 131,072 elements is refused unless the reader is told otherwise', () => {
    const claim = (count: number): Uint8Array => {
      const bytes = Buffer.alloc(4 + count)
      bytes.writeInt32BE(count)
      return bytes
    }
    expect(new Reader(claim(131_072)).arrayLength(1)).toBe(131_072)
    expect(() => new Reader(claim(131_073)).arrayLength(1)).toThrow('too many')
  })

  test('a field must not reach past the end of the tagged field it is in', () => {
    const reader = new Reader(Uint8Array.of(2, 9, 9, 9, 9))
    const outer = reader.openTag()
    expect(() => reader.int32()).toThrow('only 2 remain')
    reader.closeTag(outer)
    expect(reader.remaining).toBe(2)
  })

  test('a string too long for its int16 length is a broken invariant of the caller, not a wrong length', () => {
    expect(() => written(w => w.string('x'.repeat(32_768)))).toThrow('too long')
  })
})

describe('text', () => {
  test.each(['', 'ascii', 'größe', '日本', '🦀'])('%s', text => {
    expect(
      read(
        written(w => w.string(text)),
        r => r.string(),
      ),
    ).toBe(text)
    expect(
      read(
        written(w => w.compactString(text)),
        r => r.compactString(),
      ),
    ).toBe(text)
  })

  test('a uuid is base64url text of 22 characters', () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, at) => 240 + at)
    expect(read(bytes, r => r.uuid())).toBe('8PHy8_T19vf4-fr7_P3-_w')
    expect(written(w => w.uuid('8PHy8_T19vf4-fr7_P3-_w'))).toEqual(bytes)
    expect(() => written(w => w.uuid('short'))).toThrow('a uuid is')
  })
})

describe('chunks', () => {
  test('growing keeps what was written, whatever falls on the seams', () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n)
    const bytes = written(w => numbers.forEach(n => w.uvarint(n)))
    const reader = new Reader(bytes)
    expect(numbers.every(n => reader.uvarint() === n)).toBe(true)
    expect(reader.remaining).toBe(0)
  })

  test('small bytes are copied, large ones are passed on as they are', () => {
    const small = new Uint8Array(10).fill(1)
    const large = new Uint8Array(10_000).fill(2)
    const writer = new Writer()
    writer.bytes(small)
    writer.bytes(large)
    writer.int8(3)
    expect(writer.sizeBytes).toBe(4 + 10 + 4 + 10_000 + 1)
    const chunks = writer.finish()
    expect(chunks).toHaveLength(3)
    expect(chunks[1]).toBe(large)
    small.fill(9)
    expect(chunks[0]![4]).toBe(1)
  })

  test('bytes that were read are a view on the input', () => {
    const input = Uint8Array.of(0, 0, 0, 2, 5, 6)
    const view = new Reader(input).bytes()
    input[4] = 7
    expect([...view]).toEqual([7, 6])
  })
})
