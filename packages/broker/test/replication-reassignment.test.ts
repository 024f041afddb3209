import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { Cluster, startedCluster, topicId, watch } from './replication-cluster.ts'

const change = { kind: 'partitionChange' as const, topicId, partition: 0 }

test('a replica that is added gets a log, follows, and joins the ISR', async () => {
  const started = new Cluster()
  await started.start([[1, 2]])
  void started.append(1, { records: 5 })
  await started.time.pass(10)
  expect(started.node(3).manager.partition(topicId, 0)).toBeUndefined()
  started.commit({ ...change, replicas: [1, 3, 2], addingReplicas: [3], removingReplicas: [2] })
  await started.time.pass(10)
  expect(started.node(3).manager.partition(topicId, 0)).toMatchObject({
    role: 'follower',
    logEndOffset: 5,
    highWatermark: 5,
  })
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
})

test('a replica that is removed stops following and deletes its log; the leader goes on in its new epoch', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  started.commit({ ...change, replicas: [1, 2], isr: [1, 2], leader: 1 })
  await started.time.pass(10)
  expect(started.node(3).manager.partition(topicId, 0)).toBeUndefined()
  expect(started.node(3).logs.deleted).toEqual([`${topicId}/0`])
  const before = started.fetches.length
  const appended = watch(started.append(1))
  await started.time.pass(600)
  expect(appended.value).toMatchObject({ errorCode: 0, baseOffset: 1 })
  expect(started.fetches.slice(before).map(({ from }) => from)).not.toContain(3)
})

test('a leader that is removed says so to everyone who waits, and the new one serves them', async () => {
  const started = await startedCluster()
  const produce = watch(started.append(1))
  const fetch = watch(started.read(1, 0, { maxWaitMs: 60_000 }))
  started.commit({ ...change, replicas: [2, 3], isr: [2, 3], leader: 2 })
  await started.time.pass(10)
  expect(produce.value).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
  expect(fetch.value).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
  expect(started.node(1).manager.partition(topicId, 0)).toBeUndefined()
  expect(started.node(1).logs.deleted).toEqual([`${topicId}/0`])
  expect(await started.append(1)).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
  const appended = watch(started.append(2))
  await started.time.pass(10)
  expect(appended.value).toMatchObject({ errorCode: 0 })
})

test('a replica that leaves and comes again begins with an empty log', async () => {
  const started = await startedCluster()
  void started.append(1, { records: 3 })
  await started.time.pass(10)
  started.commit({ ...change, replicas: [1, 2], isr: [1, 2], leader: 1 })
  started.commit({ ...change, replicas: [1, 2, 3], addingReplicas: [3] })
  await started.time.pass(10)
  expect(started.node(3).logs.deleted).toEqual([`${topicId}/0`])
  expect(started.node(3).manager.partition(topicId, 0)).toMatchObject({ logEndOffset: 3 })
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
})
