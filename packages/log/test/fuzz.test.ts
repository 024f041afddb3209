/* oxlint-disable vitest/no-standalone-expect -- the driver is a class, and all of it runs within the one test */
import { equalBytes, type Offset, Prng } from '@trimaran/common'
import { readBatchHeader } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { type CrashMode, crashModes } from '../src/testing/index.ts'
import { batch, Bench, marker, settle } from './support.ts'

/** The log as an array of batches: what it must always look like from outside. */
interface ModelBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly epoch: number
  readonly maxTimestampMs: number
  readonly producerId: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly aborts: boolean
}

class Model {
  batches: ModelBatch[] = []
  startOffset: Offset = 0
  endOffset: Offset = 0

  push(bytes: Uint8Array, aborts = false): void {
    const header = readBatchHeader(bytes, 0)
    this.batches.push({
      bytes: bytes.slice(),
      baseOffset: header.baseOffset,
      endOffset: header.lastOffset + 1,
      epoch: header.partitionLeaderEpoch,
      maxTimestampMs: header.maxTimestampMs,
      producerId: header.producerId,
      baseSequence: header.baseSequence,
      lastSequence: header.lastSequence,
      isTransactional: header.isTransactional,
      isControl: header.isControl,
      aborts,
    })
    this.endOffset = header.lastOffset + 1
  }

  cut(offset: Offset): void {
    this.batches = this.batches.filter(one => one.endOffset <= offset)
    this.endOffset = this.batches.at(-1)?.endOffset ?? offset
  }

  /** Transactions in order, open ones with markerOffset null. */
  transactions(): {
    producerId: number
    first: Offset
    markerOffset: Offset | null
    aborted: boolean
  }[] {
    const all: {
      producerId: number
      first: Offset
      markerOffset: Offset | null
      aborted: boolean
    }[] = []
    for (const one of this.batches) {
      const open = all.find(txn => txn.producerId === one.producerId && txn.markerOffset === null)
      if (one.isControl) {
        if (open) Object.assign(open, { markerOffset: one.baseOffset, aborted: one.aborts })
      } else if (one.isTransactional && !open) {
        all.push({
          producerId: one.producerId,
          first: one.baseOffset,
          markerOffset: null,
          aborted: false,
        })
      }
    }
    return all
  }
}

class Fuzz {
  readonly prng: Prng
  readonly bench: Bench
  readonly model = new Model()
  epoch = 0
  nextProducerId = 100
  /** Batches lost from the front make older producers' state uncertain. */
  forgottenBelow: Offset = 0
  trace: string[] = []

  constructor(seed: number) {
    this.prng = new Prng(seed)
    this.bench = new Bench({
      seed: seed + 1,
      config: {
        segmentBytes: this.prng.pick([700, 2000, 6000]),
        indexIntervalBytes: this.prng.pick([0, 150, 600]),
        segmentIndexBytes: this.prng.pick([48, 4096]),
        retentionMs: -1,
        producerIdExpirationMs: Number.MAX_SAFE_INTEGER,
      },
    })
    void this.bench.log
  }

  async step(): Promise<void> {
    const { prng } = this
    const pick = prng.between(0, 99)
    if (pick < 30) this.appendPlain()
    else if (pick < 42) this.appendIdempotent()
    else if (pick < 50) this.transactional()
    else if (pick < 58) this.appendFollower()
    else if (pick < 61) this.epoch++
    else if (pick < 66) this.truncate()
    else if (pick < 69) this.note('roll', () => this.bench.log.roll())
    else if (pick < 73) this.retain()
    else if (pick < 82) await this.flush()
    else if (pick < 86) this.bench.directory.checkpointRecoveryPoints()
    else if (pick < 90) await this.restart()
    else if (pick < 97) this.crash(prng.pick(crashModes))
    else this.startOver()
    this.check()
  }

  note(what: string, work: () => void): void {
    this.trace.push(`${what} [${this.bench.log.logStartOffset},${this.bench.log.logEndOffset})`)
    work()
  }

  append(bytes: Uint8Array, aborts = false): void {
    const result = this.bench.log.appendAsLeader(bytes, this.epoch)
    this.trace.push(
      `append ${result.kind} ${result.kind === 'rejected' ? result.errorMessage : result.baseOffset}`,
    )
    if (result.kind !== 'appended') throw new Error(JSON.stringify(result))
    expect(result.baseOffset).toBe(this.model.endOffset)
    this.model.push(bytes, aborts)
  }

  appendPlain(): void {
    const { prng } = this
    this.append(
      batch({
        count: prng.between(1, 5),
        valueBytes: prng.between(0, 90),
        timestampMs: 1_700_000_000_000 + prng.between(0, 100) * 1000,
      }),
    )
  }

  appendIdempotent(): void {
    const { prng, model } = this
    const known = model.batches.filter(
      one => one.producerId >= 0 && !one.isTransactional && !one.isControl,
    )
    const last = known.length > 0 && prng.chance(3, 4) ? prng.pick(known) : null
    if (last === null) {
      const producerId = this.nextProducerId++
      this.append(
        batch({ producerId, producerEpoch: 0, baseSequence: 0, count: prng.between(1, 4) }),
      )
      return
    }
    const mine = known.filter(one => one.producerId === last.producerId)
    const newest = mine.at(-1) as ModelBatch
    // A retry of one of the last five answers with the first offset; a gap is refused; the next one goes on.
    for (const one of mine.slice(-5)) {
      const retry = this.bench.log.appendAsLeader(one.bytes.slice(), this.epoch)
      expect(retry).toMatchObject({
        kind: 'duplicate',
        baseOffset: one.baseOffset,
        lastOffset: one.endOffset - 1,
      })
    }
    const next = { producerId: last.producerId, producerEpoch: 0, count: prng.between(1, 4) }
    const gap = batch({ ...next, baseSequence: newest.lastSequence + 7 })
    expect(this.bench.log.appendAsLeader(gap, this.epoch)).toMatchObject({
      kind: 'rejected',
      errorCode: 45,
    })
    this.append(batch({ ...next, baseSequence: newest.lastSequence + 1 }))
  }

  transactional(): void {
    const { prng, model } = this
    const open = model.transactions().filter(txn => txn.markerOffset === null)
    if (open.length > 0 && prng.chance(1, 2)) {
      const { producerId } = prng.pick(open)
      const committed = prng.chance(1, 2)
      this.append(marker({ producerId, committed }), !committed)
      return
    }
    const producerId = this.nextProducerId++
    this.append(batch({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }))
  }

  appendFollower(): void {
    const { prng, model } = this
    const parts: Uint8Array[] = []
    let offset = model.endOffset
    for (let left = prng.between(1, 5); left > 0; left--) {
      if (prng.chance(1, 5)) this.epoch++
      const count = prng.between(1, 3)
      parts.push(
        batch({
          count,
          valueBytes: prng.between(0, 200),
          timestampMs: 1_700_000_000_000 + prng.between(0, 100) * 1000,
          baseOffset: offset,
          leaderEpoch: this.epoch,
        }),
      )
      offset += count
    }
    this.trace.push(`follower ${parts.length} batches at ${model.endOffset}`)
    const result = this.bench.log.appendAsFollower(Buffer.concat(parts))
    expect(result).toEqual({ firstOffset: model.endOffset, endOffset: offset })
    for (const part of parts) model.push(part)
  }

  truncate(): void {
    const candidates = this.model.batches.filter(one => one.baseOffset >= this.model.startOffset)
    if (candidates.length === 0) return
    const from = this.prng.pick(candidates.slice(-6))
    const offset = this.prng.between(from.baseOffset, from.endOffset - 1)
    this.note(`truncate ${offset}`, () => this.bench.log.truncateTo(offset))
    this.model.cut(from.baseOffset)
    this.epoch++
  }

  retain(): void {
    const { model, prng } = this
    const highWatermark = prng.between(model.startOffset, model.endOffset)
    const { log } = this.bench
    if (prng.chance(1, 2)) {
      this.note(`start ${highWatermark}`, () => log.incrementLogStartOffset(highWatermark))
      model.startOffset = Math.max(model.startOffset, highWatermark)
      // In the checkpoint, or a crash may bring back what was deleted by record.
      this.bench.directory.checkpointRecoveryPoints()
    }
    log.config = { ...log.config, retentionBytes: prng.between(0, 5000) }
    this.note(`retain ${highWatermark}`, () =>
      log.enforceRetention(highWatermark, this.bench.clock.wallMs()),
    )
    log.config = { ...log.config, retentionBytes: -1 }
    expect(log.logStartOffset).toBeLessThanOrEqual(Math.max(highWatermark, model.startOffset))
    this.dropBelow(log.logStartOffset)
    if (log.isOnDisk) this.bench.disk.syncDirectory(this.bench.logDirectory)
    this.bench.clock.advance(prng.between(0, 100_000))
  }

  dropBelow(startOffset: Offset): void {
    this.model.startOffset = startOffset
    const kept = this.model.batches.filter(one => one.endOffset > startOffset)
    if (kept.length < this.model.batches.length) this.forgottenBelow = startOffset
    this.model.batches = kept
  }

  async flush(): Promise<void> {
    const end = this.bench.log.logEndOffset
    await this.bench.log.flush()
    this.trace.push(`flushed to ${end}`)
    expect(this.bench.log.recoveryPoint).toBe(end)
  }

  async restart(): Promise<void> {
    const mode = this.prng.pick(['process', 'process', 'lose-all'] as const)
    this.trace.push(`restart, then ${mode}`)
    await this.bench.restart(mode)
    expect(this.bench.directory.wasCleanShutdown).toBe(true)
    if (mode === 'process') expect(this.bench.log.recovery).toBe(null)
    else expect(this.bench.log.recovery?.truncatedBytes ?? 0).toBe(0)
  }

  crash(mode: CrashMode): void {
    const durable = this.bench.log.recoveryPoint
    const { logStartOffset } = this.bench.log
    this.trace.push(`crash ${mode}, durable ${durable}`)
    this.bench.kill(mode)
    const { log } = this.bench
    expect(this.bench.directory.wasCleanShutdown).toBe(false)
    if (mode === 'process') expect(log.logEndOffset).toBe(this.model.endOffset)
    else expect(log.logEndOffset).toBeGreaterThanOrEqual(Math.min(durable, this.model.endOffset))
    if (log.logEndOffset < this.model.endOffset) {
      this.model.cut(log.logEndOffset)
      this.epoch++
    }
    this.model.endOffset = log.logEndOffset
    // A log whose unsynced directory is gone starts anew; otherwise the start never goes back.
    if (log.logEndOffset >= logStartOffset) expect(log.logStartOffset).toBe(logStartOffset)
    this.dropBelow(log.logStartOffset)
  }

  startOver(): void {
    const offset = this.model.endOffset + this.prng.between(0, 50)
    this.note(`start over ${offset}`, () => this.bench.log.truncateFullyAndStartAt(offset))
    this.model.batches = []
    this.model.startOffset = offset
    this.model.endOffset = offset
    this.epoch++
  }

  check(): void {
    const { log } = this.bench
    const { model, prng } = this
    expect(log.logStartOffset).toBe(model.startOffset)
    expect(log.logEndOffset).toBe(model.endOffset)
    if (model.batches.length === 0) return
    if (prng.chance(1, 6)) {
      const all = Buffer.concat(model.batches.map(one => one.bytes))
      expect(equalBytes(this.bench.readAll(), all), 'the whole log').toBe(true)
    }
    this.checkRead()
    this.checkEpochs()
    this.checkTimestamps()
    this.checkTransactions()
  }

  checkRead(): void {
    const { prng, model } = this
    const offset = prng.between(model.startOffset, model.endOffset)
    const endOffset = prng.between(model.startOffset, model.endOffset)
    const maxBytes = prng.pick([1, 100, 300, 1000, 100_000])
    const minOneBatch = prng.chance(1, 2)
    const bytes = this.bench.log.read(offset, { maxBytes, endOffset, minOneBatch })
    const first = model.batches.findIndex(one => one.endOffset > offset)
    let at = 0
    let number = first
    while (at < bytes.length) {
      const expected = model.batches[number++] as ModelBatch
      const got = bytes.subarray(at, at + expected.bytes.length)
      expect(equalBytes(got, expected.bytes), `batch ${expected.baseOffset}`).toBe(true)
      expect(expected.endOffset).toBeLessThanOrEqual(endOffset)
      at += expected.bytes.length
    }
    const head = model.batches[first]
    const fits =
      head !== undefined &&
      head.endOffset <= endOffset &&
      (minOneBatch || head.bytes.length <= maxBytes)
    expect(bytes.length > 0, `read ${offset} below ${endOffset}`).toBe(fits)
    if (number - first !== 1) expect(bytes.length).toBeLessThanOrEqual(maxBytes)
  }

  checkEpochs(): void {
    const { model } = this
    for (const epoch of new Set(model.batches.map(one => one.epoch))) {
      const later = model.batches.find(one => one.epoch > epoch)
      const answer = this.bench.log.endOffsetForEpoch(epoch)
      expect(answer).toEqual({ epoch, endOffset: later?.baseOffset ?? model.endOffset })
    }
  }

  checkTimestamps(): void {
    const { model, prng } = this
    const timestampMs = 1_700_000_000_000 + prng.between(-1, 101) * 1000
    const expected = model.batches
      .filter(one => one.maxTimestampMs >= timestampMs)
      .flatMap(one => recordsOf(one))
      .find(record => record.timestampMs >= timestampMs && record.offset >= model.startOffset)
    const found = this.bench.log.offsetForTimestamp(timestampMs)
    expect(found?.offset ?? null, `timestamp ${timestampMs}`).toBe(expected?.offset ?? null)
  }

  checkTransactions(): void {
    const { model, prng } = this
    const { log } = this.bench
    const transactions = model.transactions()
    const highWatermark = prng.between(model.startOffset, model.endOffset)
    const open = transactions.filter(txn => txn.markerOffset === null)
    const firstOpen = Math.min(...open.map(txn => txn.first), highWatermark)
    const stable = log.lastStableOffset(highWatermark)
    // Transactions whose first records are gone are not in the model.
    expect(stable).toBeLessThanOrEqual(Math.max(firstOpen, model.startOffset))
    if (this.forgottenBelow === 0 && highWatermark === model.endOffset)
      expect(stable).toBe(firstOpen)
    const from = prng.between(model.startOffset, model.endOffset)
    const aborted = log.abortedTransactions(from, model.endOffset)
    const expected = transactions.filter(txn => txn.aborted && (txn.markerOffset as number) >= from)
    for (const txn of expected) {
      expect(aborted).toContainEqual({ producerId: txn.producerId, firstOffset: txn.first })
    }
    if (this.forgottenBelow === 0) expect(aborted.length).toBe(expected.length)
  }
}

function recordsOf(one: ModelBatch): { offset: Offset; timestampMs: number }[] {
  const count = one.endOffset - one.baseOffset
  const first = one.maxTimestampMs - (count - 1)
  return Array.from({ length: count }, (_, number) => ({
    offset: one.baseOffset + number,
    timestampMs: first + number,
  }))
}

const seeds = Number(process.env['SEEDS'] ?? 200)
const firstSeed = Number(process.env['SEED'] ?? 1)

/** null, or the story that led to the first difference. */
async function firstFailure(): Promise<string | null> {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const fuzz = new Fuzz(seed)
    try {
      for (let step = 0; step < 60; step++) await fuzz.step()
      await settle()
    } catch (error) {
      const events = fuzz.bench.events.slice(-4).map(event => JSON.stringify(event))
      const cause = error instanceof Error ? error.stack : String(error)
      return [`seed ${seed}`, ...fuzz.trace.slice(-25), ...events, cause].join('\n')
    }
  }
  return null
}

test('a log behaves as an array of batches through hundreds of lives of appends, cuts, crashes and restarts', async () => {
  expect(await firstFailure()).toBe(null)
})
