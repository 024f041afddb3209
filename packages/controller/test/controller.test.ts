import { ClusterError } from '@trimaran/common'
import type { VoterRefusal } from '@trimaran/common'
import { type ControllerRequests, encodeSnapshot, errorCodes } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { partitionsPerTurnMax, recordsPerEntryMax } from '../src/cluster.ts'
import { TestCluster } from './harness.ts'

const createOrders = {
  validateOnly: false,
  topics: [
    { name: 'orders', partitionCount: 1, replicationFactor: 1, assignments: [], configs: [] },
  ],
} as const

const codeOf = async (answer: Promise<unknown>): Promise<string> => {
  try {
    await answer
    return 'answered'
  } catch (error) {
    return error instanceof ClusterError ? error.code : String(error)
  }
}

/** Whether the answer is there, without waiting for it. */
async function isSettled(answer: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([answer, Promise.resolve(pending)])) !== pending
}

test('a controller that is not active answers nothing', async () => {
  const cluster = new TestCluster()
  expect(cluster.controller.isActive).toBe(false)
  expect(await codeOf(cluster.controller.request('createTopics', createOrders))).toBe(
    'NOT_CONTROLLER',
  )
  expect(cluster.controller.metrics.activeControllerCount).toBe(0)
})

test('an answer waits until what it says is committed', async () => {
  const cluster = await TestCluster.of([1])
  const answer = cluster.controller.request('createTopics', createOrders)
  expect(await isSettled(answer)).toBe(false)
  expect(cluster.controller.metrics.pendingAnswerCount).toBe(1)
  cluster.commit()
  expect(await answer).toMatchObject({ topics: [{ errorCode: 0 }] })
})

test('an answer that is based on what is not committed yet waits, too', async () => {
  const cluster = await TestCluster.of([1])
  const first = cluster.controller.request('createTopics', createOrders)
  const second = cluster.controller.request('createTopics', createOrders)
  expect(await isSettled(second)).toBe(false)
  cluster.commit()
  await first
  expect(await second).toMatchObject({ topics: [{ errorCode: 36 }] })
})

test('an answer without records is given at once when all is committed', async () => {
  const cluster = await TestCluster.of([1])
  const answer = cluster.controller.request('createTopics', { ...createOrders, topics: [] })
  expect(await isSettled(answer)).toBe(true)
})

test('losing leadership fails what is parked and forgets what was pending', async () => {
  const cluster = await TestCluster.of([1])
  const { endOffset } = cluster.image
  const answer = cluster.controller.request('createTopics', createOrders)
  cluster.controller.resign()
  expect(await codeOf(answer), 'whether it took effect is unknown').toBe('RPC_UNAVAILABLE')
  expect(await codeOf(cluster.controller.request('createTopics', createOrders))).toBe(
    'NOT_CONTROLLER',
  )
  // The entry was lost with the leadership: the next leader's log ends before it.
  cluster.log.entries.pop()
  cluster.log.nextOffset = endOffset
  cluster.controller.activate(2, cluster.image)
  expect(await cluster.ask('createTopics', createOrders)).toMatchObject({
    topics: [{ errorCode: 0 }],
  })
})

test('an append that the log refuses ends the term', async () => {
  const cluster = await TestCluster.of([1])
  cluster.log.isLeading = false
  expect(await codeOf(cluster.controller.request('createTopics', createOrders))).toBe(
    'NOT_CONTROLLER',
  )
  expect(cluster.controller.isActive).toBe(false)
})

test('a new controller gives every unfenced broker a full session', async () => {
  const cluster = await TestCluster.of([1, 2])
  cluster.clock.pass(8_000)
  cluster.controller.resign()
  const next = new TestCluster({ after: cluster })
  next.activate()
  next.clock.pass(8_999)
  next.commit()
  expect(next.image.brokers.get(1)?.fenced).toBe(false)
  next.clock.pass(1)
  next.commit()
  expect(next.image.brokers.get(1)?.fenced).toBe(true)
})

test('a new controller fences at once what it already knows to be gone', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  cluster.controller.resign()
  const next = new TestCluster({ after: cluster })
  next.controller.peerGone(1)
  next.controller.peerGone(2)
  next.controller.peerReachable(2)
  next.activate()
  expect(next.describe('orders')).toBe('2/2')
  expect(next.image.brokers.get(2)?.fenced).toBe(false)
})

test('a new controller elects what its own configuration allows', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  cluster.kill(2)
  cluster.kill(1)
  await cluster.start(2)
  cluster.controller.resign()
  const staticBrokerConfig = new Map([['unclean.leader.election.enable', 'true']])
  const next = new TestCluster({ after: cluster, config: { staticBrokerConfig } })
  next.activate()
  expect(next.describe('orders')).toBe('2/2 recovering')
})

test('a stopped controller wakes no more', async () => {
  const cluster = await TestCluster.of([1])
  cluster.controller.stop()
  const end = cluster.log.nextOffset
  cluster.clock.pass(100_000)
  expect(cluster.log.nextOffset).toBe(end)
})

/** Two brokers, and partitions on both of them that the first one leads: more than two turns decide about. */
async function largeCluster(): Promise<TestCluster> {
  const cluster = await TestCluster.of([1, 2])
  const assignments = Array.from({ length: 1_200 }, () => [1, 2])
  await cluster.topic('a', assignments)
  await cluster.topic('b', assignments)
  return cluster
}

/** What each turn appends, from now on until there is nothing more to do. */
function recordsByTurn(cluster: TestCluster): number[] {
  const counts: number[] = []
  for (;;) {
    counts.push(cluster.log.appended.length)
    cluster.log.appended = []
    cluster.commit()
    if (!cluster.clock.turn()) return counts.filter(count => count > 0)
  }
}

test('what a broker takes with it is cut into turns and entries, and the cluster is sound after each', async () => {
  const cluster = await largeCluster()
  const entries = cluster.log.entries.length
  cluster.log.appended = []
  cluster.controller.peerGone(1)
  expect(cluster.log.entries.length - entries).toBe(partitionsPerTurnMax / recordsPerEntryMax)
  // The broker's own record is the last one.
  expect(recordsByTurn(cluster)).toEqual([partitionsPerTurnMax, partitionsPerTurnMax, 401])
  const replayed = new TestCluster()
  for (const entry of cluster.log.entries) {
    replayed.loader.committed([entry], entry.offset + 1)
    if (entry.offset < entries) continue
    const snapshot = encodeSnapshot(replayed.image)
    const copy = new TestCluster()
    copy.loader.snapshotLoaded(snapshot, replayed.image.endOffset)
    expect(encodeSnapshot(copy.image)).toEqual(snapshot)
  }
  expect(cluster.partition('b', 1_199)).toMatchObject({ leader: 2, isr: [2] })
  expect(cluster.image.brokers.get(1)?.fenced).toBe(true)
})

test('what a broker leads goes to others before what it follows', async () => {
  const cluster = await largeCluster()
  await cluster.topic('led', [[2, 1]])
  cluster.log.appended = []
  cluster.controller.peerGone(2)
  expect(cluster.log.appended[0]).toMatchObject({ kind: 'partitionChange', leader: 1 })
})

test('a broker that stops in order hands over in turns, and is told when it is done', async () => {
  const cluster = await largeCluster()
  cluster.log.appended = []
  const asked = cluster.beat(1, { wantShutDown: true })
  expect(recordsByTurn(cluster)).toEqual([partitionsPerTurnMax, partitionsPerTurnMax, 401])
  expect(await asked).toMatchObject({ isFenced: false, shouldShutDown: false })
  expect(cluster.image.brokers.get(1)).toMatchObject({ inControlledShutdown: true, fenced: false })
  await cluster.beat(2)
  await cluster.beat(1, { wantShutDown: true })
  await cluster.beat(2)
  expect(await cluster.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: true })
})

test('a broker that returns is elected in turns; a new controller goes on with what is left', async () => {
  const cluster = await largeCluster()
  for (const brokerId of [1, 2]) {
    cluster.controller.peerGone(brokerId)
    recordsByTurn(cluster)
  }
  await cluster.ask('registerBroker', cluster.registration(2))
  cluster.log.appended = []
  void cluster.beat(2)
  // Its own record, and elections.
  expect(cluster.log.appended).toHaveLength(1 + partitionsPerTurnMax)
  cluster.commit()
  cluster.controller.resign()
  expect(cluster.clock.turn()).toBe(false)
  const next = new TestCluster({ after: cluster })
  next.log.appended = []
  next.activate()
  expect(recordsByTurn(next)).toEqual([partitionsPerTurnMax, 400])
  expect(next.partition('b', 1_199)).toMatchObject({ leader: 2 })
})

test('what was left to do about a broker does not concern its next incarnation', async () => {
  const cluster = await largeCluster()
  cluster.controller.peerGone(1)
  cluster.commit()
  const { brokerEpoch } = await cluster.ask('registerBroker', cluster.registration(1))
  await cluster.ask('heartbeat', {
    brokerId: 1,
    brokerEpoch,
    metadataOffset: cluster.image.endOffset,
    wantFence: false,
    wantShutDown: false,
  })
  recordsByTurn(cluster)
  expect(cluster.image.brokers.get(1)).toMatchObject({ epoch: brokerEpoch, fenced: false })
})

test('the quorum is described by whoever knows it', async () => {
  const cluster = await TestCluster.of([])
  expect(await cluster.ask('describeQuorum', {})).toMatchObject({ errorCode: 0, leaderId: 1 })
})

const voter = { nodeId: 4, directoryId: 'AAAAAAAAAAAAAAAAAAAAAQ' }
const adding: ControllerRequests['addRaftVoter']['request'] = {
  ...voter,
  clusterId: null,
  host: 'node4',
  port: 9093,
  waitsForCommit: true,
}

test('a change of voters is answered when its entry is committed, or at once where that is wanted', async () => {
  let endOffset = 0
  const changes: unknown[] = []
  const cluster: TestCluster = await TestCluster.of([], {
    config: {
      changeVoters: change => {
        changes.push(change)
        endOffset = cluster.log.nextOffset + 1
        return { endOffset }
      },
    },
  })
  let answered = false
  const { controller } = cluster
  void controller.request('addRaftVoter', adding).then(() => (answered = true))
  await Promise.resolve()
  expect(answered).toBe(false)
  const early = controller.request('addRaftVoter', { ...adding, waitsForCommit: false })
  expect(await early).toEqual({ errorCode: 0, errorMessage: null })
  controller.committed({ ...cluster.image, endOffset })
  await Promise.resolve()
  await Promise.resolve()
  expect(answered).toBe(true)
  void controller.request('removeRaftVoter', { ...voter, clusterId: 'cluster' }).catch(() => {})
  const unheard = { nodeId: 3, directoryId: 'AAAAAAAAAAAAAAAAAAAAAA', clusterId: null }
  void controller.request('removeRaftVoter', unheard).catch(() => {})
  expect(changes.slice(2)).toEqual([
    { kind: 'remove', ...voter },
    { kind: 'remove', nodeId: 3, directoryId: null },
  ])
})

test('a change of voters whose leader is deposed has an unknown outcome', async () => {
  const cluster: TestCluster = await TestCluster.of([], {
    config: { changeVoters: () => ({ endOffset: cluster.log.nextOffset + 1 }) },
  })
  const answer = cluster.controller.request('addRaftVoter', adding)
  cluster.controller.resign()
  await expect(answer).rejects.toMatchObject({ code: 'RPC_UNAVAILABLE' })
})

test('a change of voters that cannot begin says why in the words of Kafka, at once', async () => {
  const codes = new Map<VoterRefusal, number>([
    ['notLeading', errorCodes.REQUEST_TIMED_OUT],
    ['changePending', errorCodes.REQUEST_TIMED_OUT],
    ['duplicate', errorCodes.DUPLICATE_VOTER],
    ['notFound', errorCodes.VOTER_NOT_FOUND],
    ['notFetching', errorCodes.REQUEST_TIMED_OUT],
    ['lagging', errorCodes.REQUEST_TIMED_OUT],
    ['lastVoter', errorCodes.INVALID_REQUEST],
    ['noMajority', errorCodes.REQUEST_TIMED_OUT],
  ])
  for (const [refusal, errorCode] of codes) {
    const cluster = await TestCluster.of([], { config: { changeVoters: () => refusal } })
    const answer = await cluster.controller.request('addRaftVoter', adding)
    expect(answer).toEqual({ errorCode, errorMessage: expect.stringMatching(/\.$/) as unknown })
  }
})

test('a change of voters that makes no sense reaches no quorum', async () => {
  const cluster = await TestCluster.of([], {
    config: {
      changeVoters: () => {
        throw new Error('asked')
      },
    },
  })
  const { controller } = cluster
  const codeOf = async (changes: Partial<typeof adding>) =>
    (await controller.request('addRaftVoter', { ...adding, ...changes })).errorCode
  expect(await codeOf({ clusterId: 'x'.repeat(30_000) })).toBe(errorCodes.INCONSISTENT_CLUSTER_ID)
  expect(await codeOf({ nodeId: -1 })).toBe(errorCodes.INVALID_REQUEST)
  expect(await codeOf({ directoryId: 'AAAAAAAAAAAAAAAAAAAAAA' })).toBe(errorCodes.INVALID_REQUEST)
})

test('metrics count what is there', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [
    [1, 2],
    [2, 1],
  ])
  await cluster.topic('gone', [[1, 3]])
  cluster.kill(3)
  await cluster.ask('deleteTopics', { topics: [{ name: 'gone', topicId: null }] })
  await cluster.topic('alone', [[2]])
  cluster.kill(2)
  expect(cluster.controller.metrics).toEqual({
    activeControllerCount: 1,
    activeBrokerCount: 1,
    fencedBrokerCount: 2,
    globalTopicCount: 2,
    globalPartitionCount: 3,
    offlinePartitionsCount: 1,
    preferredReplicaImbalanceCount: 2,
    topicsToDeleteCount: 1,
    replicasToDeleteCount: 2,
    replicasIneligibleToDeleteCount: 1,
    pendingAnswerCount: 0,
  })
})
