/** Stored bytes turn out not to be what was stored, while the broker runs. */
import { expect, test } from 'vitest'
import { ClusterError, partitionKey } from '@trimaran/common'
import type { BrokerId } from '@trimaran/common'
import { startedCluster, topicId, watch } from './replication-cluster.ts'
import type { Cluster } from './replication-cluster.ts'

const rot = new ClusterError('CORRUPT', 'simulated: checksum mismatch')
const key = partitionKey(topicId, 0)

interface AskedBy {
  readonly brokerId: BrokerId
}

const findDamage = (cluster: Cluster, at: BrokerId): void =>
  cluster.node(at).logs.foundDamage(topicId, 0, rot)

async function withRecords(count: number): Promise<Cluster> {
  const cluster = await startedCluster()
  for (let at = 0; at < count; at++) void cluster.append(1)
  await cluster.time.pass(100)
  return cluster
}

test('a damaged leader hands over, begins anew and is in sync again', async () => {
  const cluster = await withRecords(3)
  findDamage(cluster, 1)
  await cluster.time.pass(1_000)
  expect(cluster.node(2).manager.partition(topicId, 0)).toMatchObject({
    role: 'leader',
    isr: [2, 3, 1],
    logEndOffset: 3,
  })
  expect(cluster.node(1).logs.aside).toEqual([key])
  expect(cluster.node(1).manager.partition(topicId, 0)).toMatchObject({ logEndOffset: 3 })
})

test('without another one in sync it goes on, and hands over as soon as there is one', async () => {
  const cluster = await withRecords(3)
  for (const id of [2, 3]) cluster.controller.fence(id)
  await cluster.time.pass(100)
  findDamage(cluster, 1)
  await cluster.time.pass(10_000)
  expect(cluster.node(1).manager.partition(topicId, 0)).toMatchObject({ role: 'leader', isr: [1] })
  expect(cluster.asked.filter(({ kind }) => kind === 'alterPartition')).toEqual([])
  expect(await cluster.read(1, 0)).toMatchObject({ errorCode: 0, highWatermark: 3 })
  cluster.controller.unfence(2, cluster.node(2).brokerEpoch)
  await cluster.time.pass(5_000)
  expect(cluster.node(2).manager.partition(topicId, 0)).toMatchObject({
    role: 'leader',
    isr: [2, 1],
  })
  expect(cluster.node(1).logs.aside).toEqual([key])
})

test('alone in sync it hands over to who is eligible, as soon as that one is up', async () => {
  const cluster = await withRecords(3)
  cluster.commit({ kind: 'partitionChange', topicId, partition: 0, isr: [1], elr: [2] })
  cluster.controller.fence(2)
  cluster.controllerFailure = new ClusterError('NOT_CONTROLLER', 'only asked')
  findDamage(cluster, 1)
  await cluster.time.pass(1_000)
  const givesUp = () =>
    cluster.asked.filter(
      ({ kind, request }) =>
        kind === 'alterPartition' && JSON.stringify(request).includes('"newIsr":[]'),
    )
  expect(givesUp()).toEqual([])
  cluster.controller.unfence(2, cluster.node(2).brokerEpoch)
  await cluster.time.pass(100)
  expect(givesUp()).not.toEqual([])
})

test('a damaged follower of an idle partition leaves the ISR at once, and then begins anew', async () => {
  const cluster = await withRecords(3)
  // The new copy takes its time.
  const { promise, resolve } = Promise.withResolvers<void>()
  cluster.tamper = (response, to) => (to === 3 ? promise.then(() => response) : response)
  findDamage(cluster, 3)
  await cluster.time.pass(1)
  expect(cluster.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2])
  expect(cluster.node(3).logs.aside).toEqual([key])
  const appended = watch(cluster.append(1))
  await cluster.time.pass(100)
  expect(appended.value).toMatchObject({ errorCode: 0 })
  resolve()
  await cluster.time.pass(1_000)
  expect(cluster.node(3).manager.partition(topicId, 0)).toMatchObject({ logEndOffset: 4 })
  expect(cluster.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
})

test('a damaged follower asks until a controller hears it, and keeps its log until then', async () => {
  const cluster = await withRecords(3)
  cluster.controllerFailure = new ClusterError('NOT_CONTROLLER', 'nobody yet')
  findDamage(cluster, 3)
  await cluster.time.pass(10_000)
  expect(cluster.node(3).logs.aside).toEqual([])
  cluster.controllerFailure = null
  await cluster.time.pass(10_000)
  expect(cluster.node(3).logs.aside).toEqual([key])
})

test('whoever is eligible to lead (ELR) keeps a damaged log until the controller has struck it out', async () => {
  const cluster = await withRecords(3)
  cluster.node(3).isCutOff = true
  cluster.commit({ kind: 'partitionChange', topicId, partition: 0, isr: [1, 2], elr: [3] })
  cluster.controllerFailure = new ClusterError('NOT_CONTROLLER', 'nobody yet')
  findDamage(cluster, 3)
  cluster.commit({ kind: 'partitionChange', topicId, partition: 0, isr: [1] })
  await cluster.time.pass(10_000)
  expect(cluster.node(3).logs.aside).toEqual([])
  const asked = cluster.asked.filter(({ request }) => (request as AskedBy).brokerId === 3)
  expect(asked.at(-1)).toMatchObject({ request: { partitions: [{ newIsr: [{ brokerId: 1 }] }] } })
  cluster.commit({ kind: 'partitionChange', topicId, partition: 0, elr: [] })
  await cluster.time.pass(100)
  expect(cluster.node(3).logs.aside).toEqual([key])
})

test('a damaged follower on which nobody counts follows on until somebody does, and then leaves', async () => {
  const cluster = await withRecords(3)
  const { manager, logs, brokerEpoch } = cluster.node(3)
  cluster.controller.fence(3)
  await cluster.time.pass(1_000)
  expect(manager.partition(topicId, 0)?.isr).toEqual([1, 2])
  findDamage(cluster, 3)
  void cluster.append(1)
  await cluster.time.pass(1_000)
  // The leader may be about to take it into the ISR, and an empty log could be elected there.
  expect(manager.partition(topicId, 0)).toMatchObject({ isr: [1, 2], logEndOffset: 4 })
  expect(logs.aside).toEqual([])
  cluster.controller.unfence(3, brokerEpoch)
  await cluster.time.pass(60_000)
  expect(logs.aside).toEqual([key])
  expect(manager.partition(topicId, 0)).toMatchObject({ isr: [1, 2, 3], logEndOffset: 4 })
})

test('a damaged follower that is elected leads until another one is in sync', async () => {
  const cluster = await withRecords(3)
  findDamage(cluster, 3)
  cluster.elect(3)
  await cluster.time.pass(1_000)
  const leader = cluster.controller.image.topicsById.get(topicId)?.partitions[0]?.leader as BrokerId
  expect([1, 2]).toContain(leader)
  expect(cluster.node(leader).manager.partition(topicId, 0)).toMatchObject({ logEndOffset: 3 })
  expect(cluster.node(3).logs.aside).toEqual([key])
})

test('who finds damage in the new copy, too, keeps it for an hour: more copies would only fill the disk', async () => {
  const cluster = await withRecords(3)
  findDamage(cluster, 1)
  await cluster.time.pass(1_000)
  findDamage(cluster, 1)
  findDamage(cluster, 2)
  await cluster.time.pass(60_000)
  expect(cluster.node(1).logs.aside).toEqual([key])
  expect(cluster.node(2).logs.aside).toEqual([key])
  await cluster.time.pass(3_600_000)
  expect(cluster.node(3).manager.partition(topicId, 0)).toMatchObject({ role: 'leader' })
  findDamage(cluster, 1)
  void cluster.append(3, { acks: 1 })
  await cluster.time.pass(60_000)
  expect(cluster.node(1).logs.aside).toEqual([key, key])
})
