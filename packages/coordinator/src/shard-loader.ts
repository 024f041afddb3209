import type { Clock, LeaderEpoch, Offset } from '@trimaran/common'
import { decodeBatch, forEachBatch, ProtocolError, verifyBatchCrc } from '@trimaran/protocol'
import { decodeGroupRecord } from './group/records.ts'
import type { GroupRecord } from './group/records.ts'
import type { StoredGroups } from './group/stored-groups.ts'
import type { OffsetsLog } from './offsets-log.ts'

/** First and longest wait for a high watermark that is still to come. */
const firstPauseMs = 2
const longestPauseMs = 100

/** Compressed batches of other writers are bounded like any: 100 times what the topic lets in. */
const maxDecompressedBytes = 100 << 20

export type LoadResult =
  | { readonly kind: 'loaded'; readonly records: number; readonly skipped: number }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'corrupt'; readonly offset: Offset; readonly reason: string }

/**
 * Folds a partition of `__consumer_offsets` into what it says.
 *
 * The end to reach is the *log end* at the beginning: a new leader's log has every record that was acknowledged, but
 * its high watermark may not know yet. So it waits until the watermark is there, and replays nothing above it.
 */
export class ShardLoader {
  readonly #clock: Clock
  readonly #log: OffsetsLog
  readonly #partition: number
  readonly #leaderEpoch: LeaderEpoch
  readonly #bufferBytes: number
  readonly #stored: StoredGroups
  /** Offsets of transactions that are not decided, by producer (KIP-98). Other brokers' data may hold some. */
  readonly openTransactions: Map<number, GroupRecord[]> = new Map()
  #records = 0
  #skipped = 0
  #cancelled = false
  #endPause: (() => void) | null = null

  constructor(options: {
    readonly clock: Clock
    readonly log: OffsetsLog
    readonly partition: number
    readonly leaderEpoch: LeaderEpoch
    readonly bufferBytes: number
    readonly stored: StoredGroups
  }) {
    this.#clock = options.clock
    this.#log = options.log
    this.#partition = options.partition
    this.#leaderEpoch = options.leaderEpoch
    this.#bufferBytes = options.bufferBytes
    this.#stored = options.stored
  }

  cancel(): void {
    this.#cancelled = true
    this.#endPause?.()
  }

  async load(): Promise<LoadResult> {
    let next: Offset = -1
    let end: Offset = -1
    let pauseMs = firstPauseMs
    while (!this.#cancelled) {
      const bounds = this.#log.bounds(this.#partition, this.#leaderEpoch)
      if (bounds !== null) {
        if (end < 0) end = bounds.logEndOffset
        next = Math.max(next, bounds.logStartOffset)
        if (next >= end) return this.#loaded()
        const batches =
          next < bounds.highWatermark
            ? await this.#log.read(this.#partition, next, this.#bufferBytes)
            : null
        if (batches !== null && batches.length > 0) {
          try {
            next = this.#replay(batches, next)
          } catch (error) {
            if (!(error instanceof ProtocolError)) throw error
            return { kind: 'corrupt', offset: next, reason: error.message }
          }
          pauseMs = firstPauseMs
          // Lets everything else of the node have its turn between two buffers.
          await this.#pause(0)
          continue
        }
        // Compaction took what was last in the log.
        if (batches !== null && bounds.highWatermark >= end) return this.#loaded()
      }
      await this.#pause(pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    }
    return { kind: 'cancelled' }
  }

  #loaded(): LoadResult {
    return { kind: 'loaded', records: this.#records, skipped: this.#skipped }
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.#clock.wakeAt(this.#clock.monotonicMs() + ms, () => {
        this.#endPause = null
        resolve()
      })
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }

  #replay(batches: Uint8Array, from: Offset): Offset {
    if (this.#cancelled) return from
    let next = from
    forEachBatch(batches, (header, at) => {
      if (header.lastOffset < from) return
      if (!verifyBatchCrc(batches, at, header.sizeBytes)) {
        throw new ProtocolError(`batch at offset ${header.baseOffset} has a wrong checksum`)
      }
      next = header.lastOffset + 1
      const { records } = decodeBatch(batches, at, { maxDecompressedBytes })
      if (header.isControl) {
        this.#endTransaction(header.producerId, records[0]?.key ?? null)
        return
      }
      for (const { key, value } of records) {
        const record = key === null ? null : decodeGroupRecord(key, value)
        if (record === null) this.#skipped++
        else if (header.isTransactional) this.#hold(header.producerId, record)
        else this.#stored.replay(record)
        this.#records++
      }
    })
    return next
  }

  #hold(producerId: number, record: GroupRecord): void {
    const held = this.openTransactions.get(producerId)
    if (held === undefined) this.openTransactions.set(producerId, [record])
    else held.push(record)
  }

  /** The offsets of a transaction take their place in the order of the markers, not of the commits. */
  #endTransaction(producerId: number, markerKey: Uint8Array | null): void {
    const held = this.openTransactions.get(producerId)
    this.openTransactions.delete(producerId)
    // Key of a control record: version i16, type i16; 0 aborts, 1 commits.
    const isCommit = markerKey !== null && markerKey[2] === 0 && markerKey[3] === 1
    if (held !== undefined && isCommit) for (const record of held) this.#stored.replay(record)
  }
}
