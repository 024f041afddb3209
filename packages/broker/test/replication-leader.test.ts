import type { BrokerEpoch, BrokerId } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { PartitionLeader } from '../src/replication/leader.ts'
import type { LeaderContext, PartitionLeaderOptions } from '../src/replication/leader.ts'
import type { ReplicationBug } from '../src/replication/types.ts'

const image = (overrides: Partial<PartitionImage> = {}): PartitionImage => ({
  partition: 0,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  addingReplicas: [],
  removingReplicas: [],
  leader: 1,
  leaderEpoch: 5,
  partitionEpoch: 10,
  recovering: false,
  ...overrides,
})

const lagTimeMaxMs = 30_000

interface Setup extends Partial<Omit<PartitionLeaderOptions, 'image' | 'context'>> {
  readonly broker?: LeaderContext['broker']
  readonly bugs?: ReadonlySet<ReplicationBug>
  readonly image?: Partial<PartitionImage>
  readonly fenced?: ReadonlySet<BrokerId>
}

function leaderOf(setup: Setup = {}): PartitionLeader {
  const { image: overrides, fenced, broker, bugs = new Set(), ...options } = setup
  return new PartitionLeader({
    context: {
      me: 1,
      lagTimeMaxMs,
      broker:
        broker ??
        (brokerId => ({
          epoch: epochOf(brokerId),
          fenced: fenced?.has(brokerId) ?? false,
          inControlledShutdown: false,
        })),
      bugs,
    },
    image: image(overrides),
    logStartOffset: 0,
    logEndOffset: 10,
    durableEndOffset: 10,
    highWatermark: 5,
    minInsyncReplicas: 2,
    nowMs: 0,
    ...options,
  })
}

const epochOf = (brokerId: BrokerId): BrokerEpoch => 100 + brokerId

/** Whatever has become of the partition, the follower knows of it. */
const newest = 1_000

function fetched(
  leader: PartitionLeader,
  brokerId: BrokerId,
  fetchOffset: number,
  nowMs = 0,
  partitionEpoch = newest,
): boolean {
  return leader.followerFetched(
    brokerId,
    { brokerEpoch: epochOf(brokerId), partitionEpoch, fetchOffset, logStartOffset: 0 },
    nowMs,
  )
}

const answer = (
  isr: readonly number[],
  partitionEpoch = 11,
  errorCode: number = errorCodes.NONE,
) => ({
  errorCode,
  leaderEpoch: 5,
  partitionEpoch,
  isr,
})

test('the high watermark moves when the last member of the ISR has fetched past it in this epoch', () => {
  const leader = leaderOf()
  expect(leader.highWatermark).toBe(5)
  fetched(leader, 2, 10)
  expect(leader.highWatermark).toBe(5)
  fetched(leader, 3, 8)
  expect(leader.highWatermark).toBe(8)
  fetched(leader, 3, 10)
  expect(leader.highWatermark).toBe(10)
})

test('the high watermark never falls, even when a follower comes back with less', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  leader.followerFetched(
    3,
    { brokerEpoch: 500, partitionEpoch: newest, fetchOffset: 0, logStartOffset: 0 },
    1,
  )
  expect(leader.highWatermark).toBe(10)
})

test('the high watermark stands still while the ISR is smaller than the effective minimum (B06)', () => {
  const leader = leaderOf({ image: { isr: [1] } })
  leader.appended(20, 20, 1)
  expect(leader.highWatermark).toBe(5)
  leader.configured(1, 2)
  expect(leader.highWatermark).toBe(20)
})

test('the effective minimum is at most the replication factor', () => {
  const leader = leaderOf({ image: { replicas: [1], isr: [1] }, minInsyncReplicas: 3 })
  expect(leader.effectiveMinIsr).toBe(1)
  expect(leader.hasEnoughReplicas).toBe(true)
  expect(leader.highWatermark).toBe(10)
})

test('a leader counts for itself only what it may', () => {
  const leader = leaderOf({ image: { replicas: [1], isr: [1] }, minInsyncReplicas: 1 })
  leader.appended(20, 10, 1)
  expect(leader.highWatermark).toBe(10)
  leader.durable(20, 2)
  expect(leader.highWatermark).toBe(20)
})

test('a replica that was silent for the lag time leaves, and counts until the controller agrees', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  leader.appended(20, 20, 100)
  fetched(leader, 2, 20, 101)
  leader.tick(100 + lagTimeMaxMs)
  expect(leader.isrState.kind).toBe('committed')
  leader.tick(101 + lagTimeMaxMs)
  expect(leader.isrState).toMatchObject({ kind: 'pendingShrink', removing: new Set([3]) })
  expect(leader.highWatermark).toBe(10)
  const proposal = leader.takeProposal()
  expect(proposal).toEqual({
    leaderEpoch: 5,
    partitionEpoch: 10,
    newIsr: [
      { brokerId: 1, brokerEpoch: -1 },
      { brokerId: 2, brokerEpoch: 102 },
    ],
  })
  expect(leader.takeProposal()).toBeNull()
  expect(leader.answered(proposal!, answer([1, 2]), true, 200 + lagTimeMaxMs)).toBe('committed')
  expect(leader.highWatermark).toBe(20)
  expect(leader.partitionEpoch).toBe(11)
})

test('a replica that is always a little behind stays in the ISR', () => {
  const leader = leaderOf()
  fetched(leader, 3, 10)
  for (let nowMs = 0, end = 10; nowMs < 4 * lagTimeMaxMs; nowMs += 1_000) {
    fetched(leader, 3, end, nowMs)
    fetched(leader, 2, end, nowMs)
    end += 5
    leader.appended(end, end, nowMs + 1)
    // It fetches from where the leader ended at its last fetch, never from where it ends now.
    leader.tick(nowMs + 2)
  }
  expect(leader.isrState.kind).toBe('committed')
})

test('a replica that had everything before a long silence is not late the moment something is appended', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  const laterMs = 100 * lagTimeMaxMs
  leader.appended(11, 11, laterMs)
  leader.tick(laterMs + 1)
  expect(leader.isrState.kind).toBe('committed')
})

test('a member of the ISR that never fetches in a new epoch leaves after the lag time', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  leader.tick(lagTimeMaxMs + 1)
  expect(leader.isrState).toMatchObject({ kind: 'pendingShrink', removing: new Set([3]) })
})

test('a replica that catches up joins the ISR only after the controller agrees, and counts from the proposal on', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 2, 10)
  expect(leader.highWatermark).toBe(10)
  fetched(leader, 3, 10)
  expect(leader.isrState).toMatchObject({ kind: 'pendingExpand', adding: 3 })
  leader.appended(12, 12, 1)
  fetched(leader, 2, 12, 1)
  expect(leader.highWatermark).toBe(10)
  const proposal = leader.takeProposal()!
  expect(leader.answered(proposal, answer([1, 2, 3]), true, 2)).toBe('committed')
  expect(leader.isrState).toEqual({ kind: 'committed', isr: new Set([1, 2, 3]) })
  fetched(leader, 3, 12, 3)
  expect(leader.highWatermark).toBe(12)
})

test('a replica that loses its log on its way into the ISR leaves it again at once', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  const joining = leader.takeProposal()!
  fetched(leader, 3, 0, 1)
  expect(leader.answered(joining, answer([1, 2, 3]), true, 2)).toBe('committed')
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2])
})

test('who has left the ISR comes back only with a fetch that was sent after that', () => {
  const leader = leaderOf({ image: { isr: [1, 2, 3] } })
  fetched(leader, 2, 10, 0, 10)
  fetched(leader, 3, 10, 0, 10)
  // It has asked for this itself, for it is about to lose its log; the leader believes it in sync.
  leader.metadata(image({ isr: [1, 2], partitionEpoch: 11 }), 1)
  leader.tick(2)
  expect(leader.takeProposal()).toBe(null)
  fetched(leader, 3, 10, 3, 10)
  expect(leader.takeProposal(), 'a fetch that was long on its way').toBe(null)
  fetched(leader, 3, 10, 4, 11)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2, 3])
})

test('so does who has left the ELR', () => {
  const fenced = new Set([3])
  const leader = leaderOf({ image: { isr: [1, 2], elr: [3] }, fenced })
  fetched(leader, 3, 10, 0, 10)
  // Its log is damaged, and it has said that nobody is to count on it; then it begins anew.
  leader.metadata(image({ isr: [1, 2], partitionEpoch: 11 }), 1)
  fenced.clear()
  leader.tick(2)
  expect(leader.takeProposal()).toBe(null)
  fetched(leader, 3, 10, 3, 11)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2, 3])
})

test('so does who was in the ELR for so short a time that the metadata never said so', () => {
  const fenced = new Set<BrokerId>()
  const leader = leaderOf({ image: { isr: [1, 2] }, fenced })
  leader.tick(lagTimeMaxMs + 1)
  const proposal = leader.takeProposal()!
  const granted = { errorCode: 0, leaderEpoch: 0, partitionEpoch: 11, isr: [1] }
  leader.answered(proposal, { ...granted, leaderEpoch: leader.leaderEpoch }, true, 0)
  // It knows that it is in the ELR, which the leader does not, and is fenced for a moment; then its log is damaged.
  fenced.add(2)
  fetched(leader, 2, 10, 1, 11)
  leader.metadata(image({ isr: [1], partitionEpoch: 12 }), 2)
  fenced.clear()
  leader.tick(3)
  expect(leader.takeProposal()).toBe(null)
  fetched(leader, 2, 10, 4, 12)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2])
})

test('and who had left before this leader heard of its own election', () => {
  const leader = leaderOf({ image: { isr: [1, 2], partitionEpoch: 12 } })
  fetched(leader, 3, 10, 0, 11)
  expect(leader.takeProposal()).toBe(null)
  fetched(leader, 3, 10, 1, 12)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2, 3])
})

test('a replica in the ISR that has lost its log leaves it at once', () => {
  const leader = leaderOf({ image: { isr: [1, 2, 3] } })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  fetched(leader, 3, 0, 1)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2])
})

test('a replica below the high watermark does not join', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 2, 10)
  fetched(leader, 3, 9)
  expect(leader.isrState.kind).toBe('committed')
})

test('a replica below the start of the epoch does not join a leader with an old high watermark (B04)', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 3, 5)
  expect(leader.isrState.kind).toBe('committed')
  fetched(leader, 3, 10)
  expect(leader.isrState.kind).toBe('pendingExpand')
})

test('a fenced replica joins once it is unfenced (B08)', () => {
  const fenced = new Set([3])
  const leader = leaderOf({ image: { isr: [1, 2] }, fenced })
  fetched(leader, 3, 10)
  expect(leader.isrState.kind).toBe('committed')
  fenced.clear()
  leader.tick(1)
  expect(leader.isrState.kind).toBe('pendingExpand')
})

test('what an earlier incarnation claims counts for nothing (B09)', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  expect(
    leader.followerFetched(
      3,
      { brokerEpoch: 200, partitionEpoch: newest, fetchOffset: 3, logStartOffset: 0 },
      0,
    ),
  ).toBe(true)
  expect(fetched(leader, 3, 10)).toBe(false)
  expect(leader.progress.find(({ brokerId }) => brokerId === 3)?.logEndOffset).toBe(3)
  // The newer incarnation is not in the metadata yet.
  leader.followerFetched(
    3,
    { brokerEpoch: 200, partitionEpoch: newest, fetchOffset: 10, logStartOffset: 0 },
    0,
  )
  expect(leader.isrState.kind).toBe('committed')
})

test('a proposal carries the incarnations that the leader saw', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  expect(leader.takeProposal()?.newIsr).toEqual([
    { brokerId: 1, brokerEpoch: -1 },
    { brokerId: 2, brokerEpoch: 102 },
    { brokerId: 3, brokerEpoch: 103 },
  ])
})

test('a rejected change rolls back to the committed ISR', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  leader.appended(12, 12, 1)
  fetched(leader, 2, 12, 1)
  const proposal = leader.takeProposal()!
  const rejected = answer([], -1, errorCodes.INELIGIBLE_REPLICA)
  expect(leader.answered(proposal, rejected, true, 2 + lagTimeMaxMs)).toBe('rejected')
  expect(leader.isrState).toEqual({ kind: 'committed', isr: new Set([1, 2]) })
  expect(leader.highWatermark).toBe(12)
})

test('a refusal settles nothing while an earlier attempt may still be accepted', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 3, 10)
  const proposal = leader.takeProposal()!
  const rejected = answer([], -1, errorCodes.INELIGIBLE_REPLICA)
  expect(leader.answered(proposal, rejected, false, 1)).toBe('retry')
  expect(leader.isrState.kind).toBe('pendingExpand')
})

test('a refusal settles it when the incarnation that was to join is over', () => {
  let epoch = epochOf(3)
  const broker = () => ({ epoch, fenced: false, inControlledShutdown: false })
  const leader = leaderOf({ image: { isr: [1, 2] }, broker })
  fetched(leader, 3, 10)
  const proposal = leader.takeProposal()!
  epoch++
  const rejected = answer([], -1, errorCodes.INELIGIBLE_REPLICA)
  expect(leader.answered(proposal, rejected, false, 1)).toBe('rejected')
})

test('a refused shrink rolls back at once: a smaller ISR that comes true later is harmless', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  leader.tick(lagTimeMaxMs + 1)
  const proposal = leader.takeProposal()!
  const rejected = answer([], -1, errorCodes.INELIGIBLE_REPLICA)
  expect(leader.answered(proposal, rejected, false, 1)).toBe('rejected')
})

test.each([
  'INVALID_UPDATE_VERSION',
  'FENCED_LEADER_EPOCH',
  'NOT_CONTROLLER',
  'UNKNOWN_TOPIC_ID',
  'STALE_BROKER_EPOCH',
] as const)('%s leaves the outcome open: the joining replica goes on counting', name => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 3, 10)
  const proposal = leader.takeProposal()!
  expect(leader.answered(proposal, answer([], -1, errorCodes[name]), true, 1)).toBe('retry')
  expect(leader.isrState.kind).toBe('pendingExpand')
})

test('metadata before the answer settles the change, and the answer is stale (B11)', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 3, 10)
  const proposal = leader.takeProposal()!
  leader.metadata(image({ isr: [1, 2, 3], partitionEpoch: 11 }), 1)
  expect(leader.isrState).toEqual({ kind: 'committed', isr: new Set([1, 2, 3]) })
  expect(leader.answered(proposal, answer([1, 2]), true, 2)).toBe('stale')
  expect(leader.isrState.isr).toEqual(new Set([1, 2, 3]))
})

test('the answer before the metadata settles it, and the same metadata changes nothing (B11)', () => {
  const leader = leaderOf({ image: { isr: [1, 2] } })
  fetched(leader, 3, 10)
  leader.answered(leader.takeProposal()!, answer([1, 2, 3]), true, 1)
  leader.metadata(image({ isr: [1, 2], partitionEpoch: 10 }), 2)
  expect(leader.isrState.isr).toEqual(new Set([1, 2, 3]))
  leader.metadata(image({ isr: [1, 2, 3], partitionEpoch: 11 }), 3)
  expect(leader.isrState).toEqual({ kind: 'committed', isr: new Set([1, 2, 3]) })
})

test('a fenced member leaves the ISR at once through the metadata, and the high watermark goes on', () => {
  const leader = leaderOf()
  fetched(leader, 2, 10)
  expect(leader.highWatermark).toBe(5)
  leader.metadata(image({ isr: [1, 2], partitionEpoch: 11 }), 1)
  expect(leader.highWatermark).toBe(10)
})

test('one change is out at a time', () => {
  const leader = leaderOf({ image: { isr: [1] }, minInsyncReplicas: 1 })
  fetched(leader, 2, 10)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2])
  fetched(leader, 3, 10)
  leader.tick(1)
  expect(leader.takeProposal()).toBeNull()
  leader.metadata(image({ isr: [1, 2], partitionEpoch: 11 }), 2)
  leader.tick(3)
  expect(leader.takeProposal()?.newIsr.map(({ brokerId }) => brokerId)).toEqual([1, 2, 3])
})

test('a replica about to join is waited for, so that it does not chase the high watermark for ever', () => {
  const fenced = new Set([3])
  const leader = leaderOf({ image: { isr: [1, 2] }, fenced })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  leader.appended(20, 20, 1)
  fenced.clear()
  fetched(leader, 2, 20, 2)
  expect(leader.highWatermark).toBe(10)
  fetched(leader, 3, 20, 3)
  expect(leader.highWatermark).toBe(20)
})

test('a replica that stopped on its way into the ISR is waited for no longer than the lag time', () => {
  const fenced = new Set([3])
  const leader = leaderOf({ image: { isr: [1, 2] }, fenced })
  fetched(leader, 2, 10)
  fetched(leader, 3, 10)
  leader.appended(20, 20, 1)
  fenced.clear()
  fetched(leader, 2, 20, 2)
  expect(leader.highWatermark).toBe(10)
  fenced.add(3)
  leader.tick(3)
  expect(leader.highWatermark).toBe(20)
})

test('a broker that is no replica has no say', () => {
  const leader = leaderOf()
  expect(fetched(leader, 9, 10)).toBe(false)
})

test('a leader outside of its ISR, or that truncates, is a broken invariant', () => {
  expect(() => leaderOf({ image: { isr: [2, 3] } })).toThrow('the leader is in the ISR')
  expect(() => leaderOf().appended(9, 9, 0)).toThrow('never truncates')
})
