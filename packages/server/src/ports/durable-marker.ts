import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { checked, corrupt, withCrc } from './quorum-codec.ts'
import { diskError } from './disk-errors.ts'

/** One slot is always whole, whatever a power loss does to the other: they are written in turn, a sector apart. */
const SLOT_BYTES = 512
const SLOT_CONTENT_BYTES = 12

/**
 * A file beside the database, with an fsync of its own: the number of the last write known to be durable. If the
 * database has not got that write, it lost something that it had promised.
 */
export class DurableMarker {
  readonly #fd: number
  readonly #path: string
  #next: 0 | 1 = 0
  #wanted: number
  #written: number
  #writing: Promise<void> | null = null

  /** Null where there is none. Throws CORRUPT when the file is there and holds no whole slot. */
  static read(path: string): number | null {
    let bytes: Buffer
    try {
      bytes = fs.readFileSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw diskError('read', path, error)
    }
    const slots = [0, SLOT_BYTES].flatMap(at => {
      try {
        const content = checked(bytes.subarray(at, at + SLOT_CONTENT_BYTES), 'marker')
        return [content.readUInt32BE(0) * 2 ** 32 + content.readUInt32BE(4)]
      } catch {
        return []
      }
    })
    if (slots.length === 0) throw corrupt(`${path} holds no whole slot`)
    return Math.max(...slots)
  }

  /** Writes `sequence` at once, durably, into a file that may not be there yet. */
  constructor(path: string, sequence: number) {
    this.#path = path
    this.#wanted = sequence
    this.#written = sequence
    try {
      const slot = encodeSlot(sequence)
      const both = Buffer.alloc(SLOT_BYTES + SLOT_CONTENT_BYTES)
      both.set(slot, 0)
      both.set(slot, SLOT_BYTES)
      const temporary = `${path}.tmp`
      this.#fd = fs.openSync(temporary, 'w+')
      fs.writeSync(this.#fd, both, 0, both.length, 0)
      fs.fsyncSync(this.#fd)
      fs.renameSync(temporary, path)
      const directory = fs.openSync(dirname(path), 'r')
      fs.fsyncSync(directory)
      fs.closeSync(directory)
    } catch (error) {
      throw diskError('write', path, error)
    }
  }

  /**
   * `sequence` is durable in the database. Written behind the answer that it allows: it would only be missed if power
   * failed within that fraction of a millisecond and the last write rotted as well. Resolves when written.
   */
  advance(sequence: number): Promise<void> {
    this.#wanted = Math.max(this.#wanted, sequence)
    this.#writing ??= this.#catchUp().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async close(): Promise<void> {
    await this.#writing
    fs.closeSync(this.#fd)
  }

  async #catchUp(): Promise<void> {
    while (this.#written < this.#wanted) {
      const sequence = this.#wanted
      const slot = encodeSlot(sequence)
      const position = this.#next * SLOT_BYTES
      this.#next = this.#next === 0 ? 1 : 0
      await new Promise<void>((resolve, reject) => {
        const settle = (error: NodeJS.ErrnoException | null): void => {
          if (error === null) resolve()
          else reject(diskError('write', this.#path, error))
        }
        fs.write(this.#fd, slot, 0, slot.length, position, error => {
          if (error === null) fs.fdatasync(this.#fd, settle)
          else settle(error)
        })
      })
      this.#written = sequence
    }
  }
}

function encodeSlot(sequence: number): Buffer {
  const content = Buffer.alloc(8)
  content.writeUInt32BE(Math.floor(sequence / 2 ** 32), 0)
  content.writeUInt32BE(sequence % 2 ** 32, 4)
  return withCrc(content)
}
