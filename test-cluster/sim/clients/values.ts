/** Records carry a number that is used once in a simulation, and filler behind it. */
const numberBytes = 4

export function encodeValue(value: number, fillerBytes: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(numberBytes + fillerBytes)
  bytes.writeUInt32BE(value)
  return bytes.fill(0, numberBytes)
}

export function decodeValue(bytes: Uint8Array): number {
  let value = 0
  for (let at = 0; at < numberBytes; at++) value = value * 256 + (bytes[at] as number)
  return value
}

export class Values {
  #last = 0

  take(count: number): number[] {
    const values: number[] = []
    while (values.length < count) values.push(++this.#last)
    return values
  }
}
