import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { CliError, exitCodes } from '../output.ts'
import { History, HistoryFormatError, HistoryReader } from './history/index.ts'
import type { Poll, Send } from './history/index.ts'

/** Lines wait for each other up to this, so that a record does not cost a system call. */
const bufferBytesMax = 64 * 1024

/** Writes a history while it happens. What is not on the disk yet never exceeds one buffer. */
export class HistoryFile {
  readonly path: string
  readonly #file: number
  readonly #startedMs = performance.now()
  #waiting: string[] = []
  #waitingBytes = 0
  #nextOp = 1

  constructor(path: string) {
    this.path = path
    try {
      this.#file = openSync(path, 'w')
    } catch (error) {
      throw new CliError(
        `The history cannot be written: ${(error as Error).message}`,
        exitCodes.usage,
      )
    }
  }

  /** Milliseconds since the history began. */
  get now(): number {
    return Math.round((performance.now() - this.#startedMs) * 1000) / 1000
  }

  /** The result is told to `endSend`. */
  beginSend(send: Pick<Send, 'process' | 'partition' | 'values' | 'acks' | 'atMostOnce'>): number {
    const op = this.#nextOp++
    const { process, partition, values, acks, atMostOnce: idempotent } = send
    const time = this.now
    this.#write({
      f: 'send',
      type: 'invoke',
      op,
      time,
      process,
      partition,
      values,
      acks,
      idempotent,
    })
    return op
  }

  acknowledged(op: number, offset: number): void {
    const told = offset < 0 ? {} : { offset }
    this.#write({ f: 'send', type: 'ok', op, time: this.now, ...told })
  }

  unknown(op: number, error: string): void {
    this.#write({ f: 'send', type: 'info', op, time: this.now, error })
  }

  poll({ process, partition, invokedAt: invoked, stream, records }: Omit<Poll, 'endedAt'>): void {
    const pairs = records.map(({ offset, value }) => [offset, value])
    this.#write({ f: 'poll', invoked, time: this.now, process, partition, stream, records: pairs })
  }

  /** By this stream, from its start. */
  readToEnd(partition: string, stream: string): void {
    this.#write({ f: 'read-to-end', partition, stream })
  }

  fault(what: string, node: number, harms: boolean): void {
    this.#write({ f: 'fault', time: this.now, what, node, harms })
    // Whoever looks at the file of a run that hangs sees what was done last.
    this.flush()
  }

  note(content: Readonly<Record<string, unknown>>): void {
    this.#write({ f: 'note', time: this.now, ...content })
  }

  #write(line: Readonly<Record<string, unknown>>): void {
    const text = `${JSON.stringify(line)}\n`
    this.#waiting.push(text)
    this.#waitingBytes += text.length
    if (this.#waitingBytes >= bufferBytesMax) this.flush()
  }

  flush(): void {
    const bytes = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
    this.#waitingBytes = 0
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at)
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }
}

/** A last line that was cut off, as by a kill, is left out. */
export async function readHistory(path: string): Promise<History> {
  const history = new History()
  const reader = new HistoryReader(history)
  let number = 0
  let broken: string | null = null
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (broken !== null) throw new CliError(broken, exitCodes.usage)
      number++
      try {
        reader.take(line)
      } catch (error) {
        if (!(error instanceof HistoryFormatError)) throw error
        broken = `${path}:${number}: ${error.message}. See packages/cli/src/chaos/history/README.md for the format.`
        if (line.endsWith('}')) throw new CliError(broken, exitCodes.usage)
      }
    }
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`The history cannot be read: ${(error as Error).message}`, exitCodes.usage)
  }
  return history
}
