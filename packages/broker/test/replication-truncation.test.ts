import { emptyBytes } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import type { ReplicaFetchResult } from '../src/channels.ts'
import { divergenceOf, endOffsetAtLeader } from '../src/replication/epoch-ends.ts'
import type { EpochView } from '../src/replication/epoch-ends.ts'
import { PartitionFollower } from '../src/replication/follower.ts'

/** A log of one-record batches, as the epochs of its records and whether each is the history that won. */
class ModelLog implements EpochView {
  readonly logStartOffset = 0
  records: readonly { readonly epoch: number; readonly writer: string }[]

  constructor(records: readonly { readonly epoch: number; readonly writer: string }[]) {
    this.records = records
  }

  get logEndOffset(): number {
    return this.records.length
  }
  get latestEpoch(): number {
    return this.records.at(-1)?.epoch ?? -1
  }
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    if (epoch < 0 || epoch > this.latestEpoch) return { epoch: -1, endOffset: -1 }
    const known = this.records.filter(record => record.epoch <= epoch)
    if (known.length === 0) return { epoch: -1, endOffset: -1 }
    return { epoch: known.at(-1)!.epoch, endOffset: known.length }
  }
}

/** Of a leader that has appended nothing since its election. */
const inEpoch = (leaderEpoch: number, log: EpochView): EpochView => ({
  logStartOffset: log.logStartOffset,
  logEndOffset: log.logEndOffset,
  latestEpoch: leaderEpoch,
  endOffsetForEpoch: epoch =>
    endOffsetAtLeader(epoch, log, { leaderEpoch, epochStartOffset: log.logEndOffset }),
})

/** All ways in which `epochs` (ascending, repeated) may fill at most `length` records. */
function histories(length: number, epochs: readonly number[]): number[][] {
  const all: number[][] = [[]]
  for (let grown = all, size = 0; size < length; size++) {
    grown = grown.flatMap(history =>
      epochs.filter(epoch => epoch >= (history.at(-1) ?? 0)).map(epoch => [...history, epoch]),
    )
    all.push(...grown)
  }
  return all
}

/** An epoch has one leader, so records of one epoch at one offset are the same: the writer is the epoch's leader. */
const withWriters = (epochs: readonly number[]): ModelLog =>
  new ModelLog(epochs.map(epoch => ({ epoch, writer: `leader of ${epoch}` })))

/**
 * Whether two replicas can have these logs: in an epoch that both have, they have it from the same leader, from the same
 * offset on, over the same history.
 */
function canCoexist(one: readonly number[], other: readonly number[]): boolean {
  for (const epoch of new Set(one)) {
    if (!other.includes(epoch)) continue
    const from = one.indexOf(epoch)
    if (other.indexOf(epoch) !== from) return false
    if (one.slice(0, from).join() !== other.slice(0, from).join()) return false
  }
  return true
}

function commonPrefix(one: readonly number[], other: readonly number[]): number {
  let length = 0
  while (length < one.length && length < other.length && one[length] === other[length]) length++
  return length
}

/** One fetch after the other, as leader and follower do it, until the follower may append or has started again. */
function truncate(follower: ModelLog, leader: ModelLog): { truncatedTo: number; rounds: number } {
  const core = new PartitionFollower(1, 9)
  for (let rounds = 0; rounds <= 8; rounds++) {
    const asked = core.nextFetch(follower)
    const left = divergenceOf(asked.fetchOffset, asked.lastFetchedEpoch, inEpoch(9, leader))
    const isOutside = left === 'unknown' || (!left && asked.fetchOffset > leader.logEndOffset)
    const result: ReplicaFetchResult = {
      topicId: 't',
      partition: 0,
      errorCode: isOutside ? errorCodes.OFFSET_OUT_OF_RANGE : errorCodes.NONE,
      leaderEpoch: 9,
      highWatermark: leader.logEndOffset,
      logStartOffset: 0,
      diverging: left === 'unknown' ? null : left,
      records: emptyBytes,
    }
    const action = core.decide(asked, result, follower)
    if (action.kind === 'append') return { truncatedTo: follower.logEndOffset, rounds }
    if (action.kind === 'restart') follower.records = []
    else if (action.kind === 'truncate')
      follower.records = follower.records.slice(0, action.toOffset)
    else throw new Error(`a follower that ${action.kind}s does not come to an end`)
  }
  throw new Error('truncation did not come to an end')
}

test('truncation ends at the last record that both logs have, for all histories of 4 records in 3 epochs', () => {
  const all = histories(4, [1, 2, 3])
  let pairs = 0
  for (const followerEpochs of all) {
    for (const leaderEpochs of all) {
      if (!canCoexist(followerEpochs, leaderEpochs)) continue
      pairs++
      const { truncatedTo } = truncate(withWriters(followerEpochs), withWriters(leaderEpochs))
      const agreed = commonPrefix(followerEpochs, leaderEpochs)
      // P8: no record that the leader lacks stays. P7: what both have is never cut.
      expect([followerEpochs, leaderEpochs, truncatedTo]).toEqual([
        followerEpochs,
        leaderEpochs,
        agreed,
      ])
    }
  }
  expect(pairs).toBeGreaterThan(600)
})

test('two fast failovers without a common latest epoch need more than one round (B02)', () => {
  // KIP-279: each led once while the other was away.
  const { truncatedTo, rounds } = truncate(withWriters([1, 1, 2, 4]), withWriters([1, 1, 1, 3, 5]))
  expect(truncatedTo).toBe(2)
  expect(rounds).toBeGreaterThanOrEqual(2)
})

test('truncation never cuts to the high watermark: what the leader has stays (B01)', () => {
  expect(truncate(withWriters([1, 1, 1]), withWriters([1, 1, 1, 1])).truncatedTo).toBe(3)
})

test('an answer to another position or epoch says nothing (B17)', () => {
  const log = withWriters([1, 1])
  const core = new PartitionFollower(1, 9)
  const asked = core.nextFetch(log)
  const result: ReplicaFetchResult = {
    topicId: 't',
    partition: 0,
    errorCode: 0,
    leaderEpoch: 9,
    highWatermark: 2,
    logStartOffset: 0,
    diverging: { epoch: 0, endOffset: 0 },
    records: emptyBytes,
  }
  expect(core.decide({ ...asked, fetchOffset: 1 }, result, log).kind).toBe('discard')
  expect(core.decide({ ...asked, currentLeaderEpoch: 8 }, result, log).kind).toBe('discard')
  expect(core.decide(asked, { ...result, leaderEpoch: 8 }, log).kind).toBe('discard')
  expect(core.decide(asked, result, log).kind).not.toBe('discard')
})

test('the high watermark of an answer that carries a divergence is not taken (B05)', () => {
  const result = { diverging: { epoch: 0, endOffset: 0 } } as ReplicaFetchResult
  expect(new PartitionFollower(1, 9).raisesHighWatermark(result)).toBe(false)
})

test('a follower knows the high watermark as far as its log reaches, and never forgets it', () => {
  const core = new PartitionFollower(1, 9)
  expect(core.highWatermark(3, 10, 7)).toBe(7)
  expect(core.highWatermark(3, 5, 7)).toBe(5)
  expect(core.highWatermark(6, 5, 7)).toBe(6)
})

test('an answer from another leader epoch drops nothing, whatever it says about offsets', () => {
  const follower = new PartitionFollower(2, 5)
  const log = {
    logStartOffset: 0,
    logEndOffset: 10,
    latestEpoch: 5,
    endOffsetForEpoch: (epoch: number) => ({ epoch, endOffset: 10 }),
  }
  const answer = (leaderEpoch: number) =>
    follower.decide(
      follower.nextFetch(log),
      {
        topicId: 'topicAAAAAAAAAAAAAAAAA',
        partition: 0,
        errorCode: errorCodes.OFFSET_OUT_OF_RANGE,
        leaderEpoch,
        highWatermark: 3,
        logStartOffset: 3,
        diverging: null,
        records: new Uint8Array(0),
      },
      log,
    )
  expect(answer(4).kind).toBe('error')
  expect(answer(-1).kind).toBe('error')
  expect(answer(5)).toEqual({ kind: 'restart', atOffset: 3 })
})
