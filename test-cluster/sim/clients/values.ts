/** Records carry a number that is used once in a simulation, and filler behind it. */
const numberBytes = 4

export function encodeValue(value: number, fillerBytes: number): Uint8Array {
  const bytes = new Uint8Array(numberBytes + fillerBytes)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export function decodeValue(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
}

export class Values {
  #last = 0

  take(count: number): number[] {
    const values: number[] = []
    while (values.length < count) values.push(++this.#last)
    return values
  }
}
