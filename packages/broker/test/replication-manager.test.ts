import { ClusterError } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { highWatermarkLingerMs } from '../src/replication/fetch-sessions.ts'
import { asPartitionLog } from './replication-memory-log.ts'
import { Cluster, startedCluster, topicId, watch } from './replication-cluster.ts'

// Produce

test('acks all is answered when the in-sync replicas have it, acks 1 at once', async () => {
  const started = await startedCluster()
  const all = watch(started.append(1))
  const one = watch(started.append(1, { acks: 1 }))
  await Promise.resolve()
  await Promise.resolve()
  expect(one.value).toMatchObject({ errorCode: 0, baseOffset: 1 })
  expect(all.value).toBeUndefined()
  await started.time.pass(1)
  expect(all.value).toMatchObject({ errorCode: 0, baseOffset: 0, lastOffset: 0 })
})

test('appends happen within the call and in its order', async () => {
  const started = await startedCluster()
  void started.append(1, { records: 2 })
  void started.append(1, { records: 3 })
  expect(started.node(1).manager.partition(topicId, 0)?.logEndOffset).toBe(5)
})

test('acks all is refused before the append while the ISR is too small', async () => {
  const started = await startedCluster()
  started.controller.fence(2)
  started.controller.fence(3)
  expect(await started.append(1)).toMatchObject({
    errorCode: errorCodes.NOT_ENOUGH_REPLICAS,
    baseOffset: -1,
  })
  expect(started.node(1).manager.partition(topicId, 0)?.logEndOffset).toBe(0)
  expect(await started.append(1, { acks: 1 })).toMatchObject({ errorCode: 0, baseOffset: 0 })
  expect(started.node(1).manager.partition(topicId, 0)?.highWatermark).toBe(0)
})

test('a producer that waits learns at once that the ISR became too small', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  started.node(3).isCutOff = true
  await started.time.pass(600)
  const parked = watch(started.append(1, { timeoutMs: 30_000 }))
  await started.time.pass(10)
  started.controller.fence(2)
  await started.time.pass(1)
  expect(parked.value).toBeUndefined()
  started.controller.fence(3)
  await started.time.pass(1)
  expect(parked.value).toMatchObject({
    errorCode: errorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    baseOffset: 0,
  })
})

test('at the deadline a parked produce is answered with a timeout', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  await started.time.pass(600)
  const parked = watch(started.append(1, { timeoutMs: 700 }))
  await started.time.pass(699)
  expect(parked.value).toBeUndefined()
  await started.time.pass(1)
  expect(parked.value).toMatchObject({ errorCode: errorCodes.REQUEST_TIMED_OUT })
  expect(started.node(1).manager.status().parkedProduces).toBe(0)
})

test('a leader that lost its leadership says so to everyone who waits', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  await started.time.pass(600)
  const produce = watch(started.append(1))
  const fetch = watch(started.read(1, 0, { maxWaitMs: 5_000 }))
  await started.time.pass(10)
  started.elect(3)
  await started.time.pass(1)
  const notLeader = {
    errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER,
  }
  expect(produce.value).toMatchObject(notLeader)
  expect(fetch.value).toMatchObject({
    ...notLeader,
    currentLeader: { leaderId: 3, leaderEpoch: 1 },
  })
  expect(await started.append(1)).toMatchObject({ ...notLeader, currentLeader: { leaderId: 3 } })
})

test('a leader that is elected again in a newer epoch does not acknowledge what it appended in the old one', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  await started.time.pass(600)
  const produce = watch(started.append(1))
  await started.time.pass(1)
  started.elect(1)
  await started.time.pass(1)
  expect(produce.value).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
})

test('a coordinator that was deposed meanwhile does not append in the next epoch', async () => {
  const started = await startedCluster()
  expect(await started.append(1, { leaderEpoch: 0, acks: 1 })).toMatchObject({ errorCode: 0 })
  started.elect(1)
  expect(await started.append(1, { leaderEpoch: 0 })).toMatchObject({
    errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER,
  })
})

test('partitions and topics that are not here have their own errors', async () => {
  const started = await startedCluster()
  expect(await started.append(1, { partition: 7 })).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  })
  expect(await started.append(1, { topicId: 'otherAAAAAAAAAAAAAAAAA' })).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_ID,
  })
  expect(await started.append(1, { acks: 2 })).toMatchObject({
    errorCode: errorCodes.INVALID_REQUIRED_ACKS,
  })
})

test('a log that fails takes only its partition offline', async () => {
  const started = new Cluster()
  await started.start([
    [1, 2, 3],
    [1, 2, 3],
  ])
  started.node(1).logs.log(topicId, 0)!.appendAsLeader = () => {
    throw new ClusterError('DISK_FAILED', 'simulated')
  }
  expect(await started.append(1)).toMatchObject({ errorCode: errorCodes.KAFKA_STORAGE_ERROR })
  expect(await started.append(1)).toMatchObject({ errorCode: errorCodes.KAFKA_STORAGE_ERROR })
  expect(await started.read(1, 0)).toMatchObject({ errorCode: errorCodes.KAFKA_STORAGE_ERROR })
  expect(started.node(1).manager.partition(topicId, 0)?.role).toBe('offline')
  const other = watch(started.append(1, { partition: 1 }))
  await started.time.pass(1)
  expect(other.value).toMatchObject({ errorCode: 0 })
  expect(started.node(1).manager.status().offlineReplicaCount).toBe(1)
})

test('a leader whose log failed gives its leadership up, however often it has to ask', async () => {
  const started = await startedCluster()
  started.controllerFailure = new ClusterError('RPC_UNAVAILABLE', 'simulated')
  started.node(1).logs.log(topicId, 0)!.appendAsLeader = () => {
    throw new ClusterError('CORRUPT', 'simulated')
  }
  expect(await started.append(1)).toMatchObject({ errorCode: errorCodes.KAFKA_STORAGE_ERROR })
  await started.time.pass(3_000)
  started.controllerFailure = null
  await started.time.pass(6_000)
  expect(started.node(2).manager.partition(topicId, 0)).toMatchObject({
    role: 'leader',
    leaderEpoch: 1,
    isr: [2, 3],
  })
  const produce = watch(started.append(2))
  await started.time.pass(10)
  expect(produce.value).toMatchObject({ errorCode: 0 })
  const asked = started.asked.length
  await started.time.pass(20_000)
  expect(started.asked.length).toBe(asked)
})

test('a damaged log that the metadata makes a leader is no leader for long', async () => {
  const started = new Cluster()
  const { logs } = started.node(1)
  const error = new ClusterError('CORRUPT', 'simulated')
  const damaged = [{ topicId, topicName: 'orders', partition: 0, directory: 'x', error }]
  logs.damaged = () => damaged as never
  logs.setAside = () => {
    damaged.length = 0
  }
  await started.start()
  await started.time.pass(1_000)
  expect(started.node(2).manager.partition(topicId, 0)).toMatchObject({
    role: 'leader',
    isr: [2, 3, 1],
  })
  expect(damaged).toEqual([])
})

// Followers

test('what one turn of the event loop appends travels to a follower in one answer', async () => {
  const started = new Cluster()
  await started.start([
    [1, 2, 3],
    [1, 2, 3],
  ])
  await started.time.pass(20)
  started.fetches.length = 0
  const appends = [0, 1, 0, 1, 0].map(partition => watch(started.append(1, { partition })))
  await started.time.pass(1)
  expect(appends.every(({ value }) => value?.errorCode === 0)).toBe(true)
  const first = started.fetches.find(({ from }) => from === 2)
  expect(first?.request.partitions.map(({ fetchOffset }) => fetchOffset).toSorted()).toEqual([2, 3])
})

test('an idle pair of brokers exchanges one message per longest wait', async () => {
  const started = await startedCluster()
  await started.time.pass(1_000)
  started.fetches.length = 0
  await started.time.pass(5_000)
  expect(started.fetches.filter(({ from }) => from === 2)).toHaveLength(10)
  expect(started.fetches.every(({ request }) => request.partitions.length === 0)).toBe(true)
})

test('a fetch names what changed, whatever else is followed', async () => {
  const started = new Cluster()
  await started.start(Array.from({ length: 50 }, () => [1, 2, 3]))
  await started.time.pass(1_000)
  started.fetches.length = 0
  const appended = watch(started.append(1, { partition: 17 }))
  await started.time.pass(1)
  expect(appended.value?.errorCode).toBe(0)
  for (const { request, response } of started.fetches) {
    expect(request.partitions.length).toBeLessThanOrEqual(1)
    expect(response?.partitions.length ?? 0).toBeLessThanOrEqual(1)
  }
})

test('followers hear of the high watermark without waiting for records', async () => {
  const started = await startedCluster()
  const appended = watch(started.append(1))
  await started.time.pass(10)
  expect(appended.value?.errorCode).toBe(0)
  await started.time.pass(highWatermarkLingerMs)
  for (const { manager } of started.nodes)
    expect(manager.partition(topicId, 0)?.highWatermark).toBe(1)
})

test('a new partition does not wait for the long poll of the others', async () => {
  const started = await startedCluster()
  await started.time.pass(100)
  started.controller.createTopic('secondAAAAAAAAAAAAAAAA', 'second', [[1, 2, 3]])
  const appended = watch(started.append(1, { topicId: 'secondAAAAAAAAAAAAAAAA' }))
  await started.time.pass(1)
  expect(appended.value).toMatchObject({ errorCode: 0 })
})

test('a follower that knows of an election before its leader is served as soon as the leader knows', async () => {
  const started = await startedCluster()
  started.node(3).held = []
  started.elect(3)
  await started.time.pass(30)
  const appendsTo3 = await started.append(3)
  expect(appendsTo3).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
  for (const deliver of started.node(3).held ?? []) deliver()
  started.node(3).held = null
  const appended = watch(started.append(3))
  await started.time.pass(1)
  expect(appended.value).toMatchObject({ errorCode: 0 })
})

test('one corrupt partition does not keep a fetcher from the others (B18)', async () => {
  const started = new Cluster()
  await started.start([
    [1, 2, 3],
    [1, 2, 3],
  ])
  const log = started.node(2).logs.log(topicId, 0)!
  const append = log.appendAsFollower.bind(log)
  log.appendAsFollower = () => {
    throw new ClusterError('CORRUPT', 'simulated')
  }
  const damaged = watch(started.append(1, { timeoutMs: 60_000 }))
  const sound = watch(started.append(1, { partition: 1 }))
  await started.time.pass(5)
  expect(sound.value).toMatchObject({ errorCode: 0 })
  expect(damaged.value).toBeUndefined()
  log.appendAsFollower = append
  await started.time.pass(3_000)
  expect(damaged.value).toMatchObject({ errorCode: 0 })
})

test('records that were fetched for an earlier position are not appended again', async () => {
  const started = await startedCluster()
  started.tamper = response => ({
    ...response,
    partitions: response.partitions.flatMap(result => [result, result]),
  })
  const appended = watch(started.append(1))
  await started.time.pass(10)
  expect(appended.value).toMatchObject({ errorCode: 0 })
  expect(started.node(2).logs.log(topicId, 0)?.logEndOffset).toBe(1)
})

test('a follower below the start of its leader begins anew there', async () => {
  const started = await startedCluster()
  started.node(3).isCutOff = true
  started.controller.fence(3)
  for (let count = 0; count < 4; count++) void started.append(1, { acks: 1 })
  await started.time.pass(20)
  const leaderLog = started.node(1).logs.log(topicId, 0)!
  leaderLog.batches = leaderLog.batches.slice(2)
  leaderLog.logStartOffset = 2
  started.node(3).isCutOff = false
  started.controller.unfence(3, started.node(3).brokerEpoch)
  // Its session broke with the link.
  started.elect(1)
  await started.time.pass(50 + highWatermarkLingerMs)
  expect(started.node(3).logs.log(topicId, 0)).toMatchObject({ logStartOffset: 2, logEndOffset: 4 })
})

test('DeleteRecords waits until the live followers begin there, too', async () => {
  const started = await startedCluster()
  const appends = [1, 2, 3].map(() => watch(started.append(1)))
  await started.time.pass(10)
  expect(appends.every(({ value }) => value?.errorCode === 0)).toBe(true)
  const deletion = { topicId, partition: 0, timeoutMs: 1_000 }
  const deleted = watch(started.node(1).manager.deleteRecords({ ...deletion, offset: 2 }))
  expect(await started.node(1).manager.deleteRecords({ ...deletion, offset: 4 })).toMatchObject({
    errorCode: errorCodes.OFFSET_OUT_OF_RANGE,
  })
  await started.time.pass(2 * highWatermarkLingerMs)
  expect(deleted.value).toEqual({ errorCode: 0, lowWatermark: 2 })
  for (const { manager } of started.nodes)
    expect(manager.partition(topicId, 0)?.logStartOffset).toBe(2)
  expect(await started.read(1, 1)).toMatchObject({ errorCode: errorCodes.OFFSET_OUT_OF_RANGE })
})

// ISR

test('an unfenced replica that catches up joins the ISR through the controller', async () => {
  const started = await startedCluster()
  started.controller.fence(3)
  void started.append(1)
  await started.time.pass(10)
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2])
  expect(started.node(1).manager.status().underReplicatedPartitions).toBe(1)
  started.controller.unfence(3, started.node(3).brokerEpoch)
  await started.time.pass(10)
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
  expect(started.node(1).manager.status()).toMatchObject({
    underReplicatedPartitions: 0,
    isrExpands: 1,
  })
})

test('an ISR change is asked for until a controller answers (B10)', async () => {
  const started = await startedCluster()
  started.controller.fence(3)
  started.controllerFailure = new ClusterError('RPC_TIMEOUT', 'simulated')
  started.controller.unfence(3, started.node(3).brokerEpoch)
  await started.time.pass(3_000)
  expect(started.node(1).manager.partition(topicId, 0)?.isrState).toBe('pendingExpand')
  const { length } = started.asked
  expect(length).toBeGreaterThan(3)
  expect(length).toBeLessThan(15)
  started.controllerFailure = null
  await started.time.pass(1_200)
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
})

test('the changes of many partitions go to the controller in one request', async () => {
  const started = new Cluster()
  await started.start(Array.from({ length: 20 }, () => [1, 2, 3]))
  started.controller.fence(3)
  await started.time.pass(10)
  started.asked.length = 0
  started.controller.unfence(3, started.node(3).brokerEpoch)
  await started.time.pass(100)
  expect(started.asked).toHaveLength(1)
  for (let partition = 0; partition < 20; partition++) {
    expect(started.node(1).manager.partition(topicId, partition)?.isr).toEqual([1, 2, 3])
  }
})

test('a silent follower leaves the ISR after the lag time', async () => {
  const started = await startedCluster()
  started.node(3).isCutOff = true
  await started.time.pass(600)
  void started.append(1, { timeoutMs: 100_000 })
  await started.time.pass(46_000)
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2])
  expect(started.node(1).manager.partition(topicId, 0)?.highWatermark).toBe(1)
})

// Lifecycle

test('nothing is led before the metadata has this incarnation of the broker', async () => {
  const started = new Cluster()
  const [node] = started.nodes
  const brokerEpoch = started.controller.register(1, true)
  started.controller.unfence(1, brokerEpoch)
  started.controller.createTopic(topicId, 'orders', [[1]])
  await started.time.pass(200)
  expect(node!.manager.partition(topicId, 0)).toBeUndefined()
  node!.brokerEpoch = brokerEpoch
  await started.time.pass(20)
  expect(node!.manager.partition(topicId, 0)?.role).toBe('leader')
})

test('a removed topic leaves the disk, and the controller hears of it even when it was away', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  started.asked.length = 0
  started.controllerFailure = new ClusterError('NOT_CONTROLLER', 'simulated')
  const parked = watch(started.read(1, 1, { maxWaitMs: 60_000 }))
  started.commit(
    { kind: 'removeTopic', topicId },
    ...[1, 2, 3].map(brokerId => ({
      kind: 'replicaDeletion' as const,
      topicId,
      topicName: 'orders',
      brokerId,
      partitions: [0],
      state: 'started' as const,
    })),
  )
  await started.time.pass(50)
  expect(parked.value).toMatchObject({ errorCode: errorCodes.UNKNOWN_TOPIC_ID })
  expect(started.node(1).manager.partition(topicId, 0)).toBeUndefined()
  for (const { logs } of started.nodes) expect(logs.deleted).toEqual([`${topicId}/0`])
  started.asked.length = 0
  started.controllerFailure = null
  await started.time.pass(1_000)
  expect(started.asked.filter(({ kind }) => kind === 'replicasDeleted')).toHaveLength(3)
})

test('a topic that was removed and created again has nothing of the old one (B72)', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  const newId = 'againAAAAAAAAAAAAAAAAA'
  started.commit(
    { kind: 'removeTopic', topicId },
    { kind: 'topic', topicId: newId, name: 'orders' },
    {
      kind: 'partition',
      topicId: newId,
      partition: 0,
      replicas: [2, 3, 1],
      isr: [2, 3, 1],
      addingReplicas: [],
      removingReplicas: [],
      leader: 2,
      leaderEpoch: 0,
      partitionEpoch: 0,
      recovering: false,
    },
    ...[1, 2, 3].map(brokerId => ({
      kind: 'replicaDeletion' as const,
      topicId,
      topicName: 'orders',
      brokerId,
      partitions: [0],
      state: 'started' as const,
    })),
  )
  await started.time.pass(20)
  expect(await started.read(2, 0, { topicId })).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_ID,
  })
  const appended = watch(started.append(2, { topicId: newId }))
  await started.time.pass(10)
  expect(appended.value).toMatchObject({ errorCode: 0, baseOffset: 0 })
})

test('high watermarks are written down now and then, and at the end', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(5_000)
  const { logs, manager } = started.node(2)
  expect(logs.highWatermarks.get('orders-0')).toBe(1)
  void started.append(1)
  await started.time.pass(2 * highWatermarkLingerMs)
  await manager.shutdown()
  expect(logs.highWatermarks.get('orders-0')).toBe(2)
})

test('a shutdown answers everything that is parked', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  await started.time.pass(600)
  const produce = watch(started.append(1))
  const fetch = watch(started.read(1, 0, { maxWaitMs: 60_000 }))
  await started.node(1).manager.shutdown()
  await started.time.pass(0)
  expect(produce.value?.errorCode).toBe(errorCodes.NOT_LEADER_OR_FOLLOWER)
  expect(fetch.value?.errorCode).toBe(errorCodes.NOT_LEADER_OR_FOLLOWER)
  expect(await started.append(1)).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
})

test('listeners hear who leads, in which epoch, and who does not any more', async () => {
  const started = new Cluster()
  const heard: string[] = []
  const stop = started.node(1).manager.onLeadership({
    elected: (topic, partition, epoch) => heard.push(`elected ${topic}-${partition} ${epoch}`),
    resigned: (topic, partition) => heard.push(`resigned ${topic}-${partition}`),
  })
  await started.start()
  started.elect(2)
  started.elect(1)
  stop()
  started.elect(3)
  expect(heard).toEqual(['elected orders-0 0', 'resigned orders-0', 'elected orders-0 2'])
})

test('a damaged replica stays offline while it is in the ISR, and begins anew when it is not', async () => {
  const started = new Cluster()
  const { logs, manager } = started.node(3)
  const error = new ClusterError('CORRUPT', 'simulated')
  const damaged = [{ topicId, topicName: 'orders', partition: 0, directory: 'x', error }]
  logs.damaged = () => damaged as never
  logs.setAside = () => {
    damaged.length = 0
  }
  started.controllerFailure = new ClusterError('NOT_CONTROLLER', 'nobody yet')
  await started.start()
  await started.time.pass(5_000)
  expect(damaged).toHaveLength(1)
  expect(await started.read(3, 0, { allowFollower: true })).toMatchObject({
    errorCode: errorCodes.KAFKA_STORAGE_ERROR,
  })
  void started.append(1, { acks: 1 })
  started.controllerFailure = null
  // Well within replica.lag.time.max.ms: it does not wait for the leader to miss it.
  await started.time.pass(10_000)
  expect(damaged).toEqual([])
  expect(manager.partition(topicId, 0)).toMatchObject({ role: 'follower', logEndOffset: 1 })
  expect(started.node(1).manager.partition(topicId, 0)?.isr).toEqual([1, 2, 3])
})

test('the description of the log directory has every replica', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  const log = asPartitionLog(started.node(2).logs.log(topicId, 0)!)
  expect(started.node(2).manager.describeLogDirs()).toEqual({
    errorCode: 0,
    replicas: [
      { topicId, topicName: 'orders', partition: 0, sizeBytes: log.sizeBytes, offsetLag: 0 },
    ],
  })
})
