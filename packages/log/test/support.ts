import { type Offset, Prng } from '@trimaran/common'
import { encodeBatch, setInt16, setInt32 } from '@trimaran/protocol'
import { defaultLogConfig, type LogConfig, LogDirectory, type PartitionLog } from '../src/index.ts'
import { SimClock, SimDisk } from '../src/testing/index.ts'

export const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
export const topicName = 'orders'

export interface BatchOptions {
  readonly count?: number
  readonly valueBytes?: number
  readonly timestampMs?: number
  readonly value?: string
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly baseOffset?: number
  readonly leaderEpoch?: number
}

export function batch(options: BatchOptions = {}): Uint8Array {
  const records = Array.from({ length: options.count ?? 1 }, (_, number) => ({
    timestampMs: (options.timestampMs ?? 1_700_000_000_000) + number,
    value: options.value
      ? Buffer.from(options.value)
      : new Uint8Array(options.valueBytes ?? 10).fill(number),
  }))
  return encodeBatch({
    records,
    baseOffset: options.baseOffset ?? 0,
    partitionLeaderEpoch: options.leaderEpoch ?? -1,
    producerId: options.producerId ?? -1,
    producerEpoch: options.producerEpoch ?? -1,
    baseSequence: options.baseSequence ?? -1,
    isTransactional: options.isTransactional ?? false,
  })
}

export function marker(options: {
  readonly producerId: number
  readonly producerEpoch?: number
  readonly committed: boolean
  readonly coordinatorEpoch?: number
  readonly timestampMs?: number
}): Uint8Array {
  const key = new Uint8Array(4)
  setInt16(key, 2, options.committed ? 1 : 0)
  const value = new Uint8Array(6)
  setInt32(value, 2, options.coordinatorEpoch ?? 0)
  return encodeBatch({
    records: [{ timestampMs: options.timestampMs ?? 1_700_000_000_000, key, value }],
    producerId: options.producerId,
    producerEpoch: options.producerEpoch ?? 0,
    isTransactional: true,
    isControl: true,
  })
}

/** A data directory with one log, through the lives of its process. */
export class Bench {
  disk: SimDisk
  clock: SimClock = new SimClock()
  events: { level: string; phrase: string; fields: unknown }[] = []
  readonly flushesMs: number[] = []
  config: LogConfig
  readonly warmBytes: number | undefined
  directory!: LogDirectory

  constructor(
    options: {
      config?: Partial<LogConfig>
      seed?: number
      disk?: SimDisk
      warmBytes?: number
    } = {},
  ) {
    this.warmBytes = options.warmBytes
    this.disk = options.disk ?? new SimDisk({ random: new Prng(options.seed ?? 1) })
    this.config = { ...defaultLogConfig, ...options.config }
    this.open()
  }

  open(): void {
    this.clock.forgetWakes()
    this.directory = LogDirectory.open({
      disk: this.disk,
      directory: 'data',
      clock: this.clock,
      configFor: () => this.config,
      ...(this.warmBytes !== undefined && { warmBytes: this.warmBytes }),
      flushed: elapsedMs => this.flushesMs.push(elapsedMs),
      logEvent: (level, phrase, fields) => this.events.push({ level, phrase, fields }),
    })
  }

  get log(): PartitionLog {
    return (
      this.directory.log(topicId, 0) ??
      this.directory.create({ topicId, topicName, partition: 0, config: this.config })
    )
  }

  get logDirectory(): string {
    return `data/${topicName}-0`
  }

  /** A clean stop; the power may then go, too. */
  async restart(mode: Parameters<SimDisk['crash']>[0] = 'process'): Promise<void> {
    await this.directory.close({ brokerEpoch: 7 })
    this.disk.crash(mode)
    this.open()
  }

  kill(mode: Parameters<SimDisk['crash']>[0]): void {
    this.disk.crash(mode)
    this.open()
  }

  append(options: BatchOptions = {}, leaderEpoch = 0): Offset {
    const result = this.log.appendAsLeader(batch(options), leaderEpoch)
    if (result.kind === 'rejected') throw new Error(result.errorMessage)
    return result.baseOffset
  }

  readAll(log: PartitionLog = this.log): Uint8Array {
    const parts: Uint8Array[] = []
    let offset = log.logStartOffset
    while (offset < log.logEndOffset) {
      const bytes = log.read(offset, {
        maxBytes: 1_000_000,
        endOffset: log.logEndOffset,
        minOneBatch: true,
      })
      if (bytes.length === 0) throw new Error(`nothing to read at ${offset}`)
      parts.push(bytes)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      let at = 0
      while (at < bytes.length) {
        offset = Number(view.getBigInt64(at)) + view.getInt32(at + 23) + 1
        at += view.getInt32(at + 8) + 12
      }
    }
    return Buffer.concat(parts)
  }
}

/** Lets promises that are already resolved run their course. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}
