import { ClusterError, must } from '@trimaran/common'
import { errorCodes, readBatchHeader } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { highWatermarkLingerMs } from '../src/replication/fetch-sessions.ts'
import { batchOf, startedCluster, topicId, watch } from './replication-cluster.ts'

test('a consumer sees nothing at or above the high watermark, and gets it as soon as it is committed', async () => {
  const started = await startedCluster()
  started.node(2).isCutOff = true
  await started.time.pass(600)
  void started.append(1)
  const read = watch(started.read(1, 0, { maxWaitMs: 10_000 }))
  await started.time.pass(100)
  expect(read.value).toBeUndefined()
  started.controller.fence(2)
  await started.time.pass(1)
  expect(read.value).toMatchObject({ errorCode: 0, highWatermark: 1 })
  expect(readBatchHeader(read.value!.records, 0).baseOffset).toBe(0)
})

test('a fetch waits for its least bytes, but not longer than it said', async () => {
  const started = await startedCluster()
  const askedFor = batchOf(1).length + 1
  const read = watch(started.read(1, 0, { maxWaitMs: 300, minBytes: askedFor }))
  void started.append(1)
  await started.time.pass(299)
  expect(read.value).toBeUndefined()
  await started.time.pass(1)
  expect(read.value?.records.length).toBe(askedFor - 1)
  const second = watch(started.read(1, 0, { maxWaitMs: 300, minBytes: askedFor }))
  void started.append(1)
  await started.time.pass(2)
  expect(second.value?.records.length).toBe(2 * (askedFor - 1))
})

test('a follower that is far behind gets what one message between nodes holds, answer after answer', async () => {
  const started = await startedCluster()
  for (let count = 0; count < 30; count++) void started.append(1, { acks: 1, records: 3000 })
  await started.time.pass(10)
  expect(started.node(2).manager.partition(topicId, 0)?.logEndOffset).toBe(90_000)
  const sizes = started.fetches
    .filter(fetch => fetch.from === 2)
    .flatMap(({ response }) => response?.partitions ?? [])
    .map(({ records }) => records.length)
    .filter(sizeBytes => sizeBytes > 0)
  expect(sizes.length).toBeGreaterThan(2)
  expect(Math.max(...sizes)).toBeGreaterThan(800 * 1024)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(960 * 1024)
})

test('a fetch whose connection closes is parked no more', async () => {
  const started = await startedCluster()
  let close = () => {}
  const waiting = {
    closed: false,
    onClose: (listener: () => void) => {
      close = listener
      return () => {}
    },
  }
  const part = {
    topicId,
    partition: 0,
    fetchOffset: 0,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    maxBytes: 1,
  }
  const limits = { maxWaitMs: 1e6, minBytes: 1, maxBytes: 1, allowFollower: false }
  void started
    .node(1)
    .manager.fetch({ ...limits, isolation: 'readUncommitted', partitions: [part] }, waiting)
  expect(started.node(1).manager.status().parkedFetches).toBe(1)
  close()
  expect(started.node(1).manager.status().parkedFetches).toBe(0)
})

test('followers serve consumers that may read from them, up to their own high watermark', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10 + highWatermarkLingerMs)
  expect(await started.read(2, 0)).toMatchObject({ errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER })
  expect((await started.read(2, 0, { allowFollower: true })).records.length).toBeGreaterThan(0)
  expect(await started.read(2, 5, { allowFollower: true })).toMatchObject({
    errorCode: errorCodes.OFFSET_NOT_AVAILABLE,
  })
  expect(await started.read(1, 5)).toMatchObject({ errorCode: errorCodes.OFFSET_OUT_OF_RANGE })
})

test('who asks with another leader epoch is fenced or told to wait (P9)', async () => {
  const started = await startedCluster()
  started.elect(1)
  expect(await started.read(1, 0, { currentLeaderEpoch: 0 })).toMatchObject({
    errorCode: errorCodes.FENCED_LEADER_EPOCH,
  })
  expect(await started.read(1, 0, { currentLeaderEpoch: 2 })).toMatchObject({
    errorCode: errorCodes.UNKNOWN_LEADER_EPOCH,
  })
  const { manager } = started.node(1)
  const asked = { topicId, partition: 0, isolation: 'readUncommitted' as const, timestamp: -1 }
  expect(manager.listOffset({ ...asked, currentLeaderEpoch: 0 }).errorCode).toBe(
    errorCodes.FENCED_LEADER_EPOCH,
  )
  expect(
    manager.offsetForLeaderEpoch({ topicId, partition: 0, currentLeaderEpoch: 2, leaderEpoch: 0 })
      .errorCode,
  ).toBe(errorCodes.UNKNOWN_LEADER_EPOCH)
})

test('a new leader does not say where the log ends before its high watermark has reached its epoch (KIP-207)', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  started.node(1).isCutOff = true
  void started.append(1)
  const { manager } = started.node(3)
  const latest = {
    topicId,
    partition: 0,
    isolation: 'readUncommitted' as const,
    timestamp: -1,
    currentLeaderEpoch: -1,
  }
  started.node(1).isCutOff = false
  await started.time.pass(1)
  // Broker 3 has the second record, and has not heard that it is committed.
  expect(manager.partition(topicId, 0)).toMatchObject({ logEndOffset: 2, highWatermark: 1 })
  started.elect(3)
  expect(manager.listOffset(latest)).toMatchObject({
    errorCode: errorCodes.OFFSET_NOT_AVAILABLE,
    offset: -1,
  })
  await started.time.pass(10)
  expect(manager.listOffset(latest)).toMatchObject({ errorCode: 0, offset: 2, leaderEpoch: 1 })
  expect(manager.listOffset({ ...latest, timestamp: -2 })).toMatchObject({
    offset: 0,
    leaderEpoch: 0,
  })
  expect(manager.listOffset({ ...latest, timestamp: -3 })).toMatchObject({
    offset: 1,
    timestampMs: 1_000,
  })
  expect(manager.listOffset({ ...latest, timestamp: 1_000 })).toMatchObject({
    offset: 0,
    timestampMs: 1_000,
  })
  expect(manager.listOffset({ ...latest, timestamp: 9_999 })).toMatchObject({
    errorCode: 0,
    offset: -1,
  })
  expect(manager.listOffset({ ...latest, timestamp: -5 })).toMatchObject({
    errorCode: 0,
    offset: -1,
  })
  expect(manager.listOffset({ ...latest, timestamp: -9 }).errorCode).toBe(
    errorCodes.UNSUPPORTED_VERSION,
  )
})

test('the end of an epoch is known even when it left no record', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  started.elect(1)
  started.elect(1)
  const asked = { topicId, partition: 0, currentLeaderEpoch: -1 }
  const { manager } = started.node(1)
  const endOf = (leaderEpoch: number) => manager.offsetForLeaderEpoch({ ...asked, leaderEpoch })
  expect(endOf(0)).toEqual({ errorCode: 0, leaderEpoch: 0, endOffset: 1 })
  expect(endOf(1)).toEqual({ errorCode: 0, leaderEpoch: 0, endOffset: 1 })
  expect(endOf(2)).toEqual({ errorCode: 0, leaderEpoch: 2, endOffset: 1 })
  expect(endOf(3)).toEqual({ errorCode: 0, leaderEpoch: -1, endOffset: -1 })
})

test('a leader whose log was emptied before its election knows where earlier epochs end, as with Kafka', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  started.elect(1)
  const { manager, logs } = started.node(3)
  // As a follower does that has lost its disk, when its leader begins behind a deletion.
  must(logs.log(topicId, 0), 'node 3 has the log').truncateFullyAndStartAt(1)
  started.elect(3)
  const asked = { topicId, partition: 0, currentLeaderEpoch: -1 }
  const endOf = (leaderEpoch: number) => manager.offsetForLeaderEpoch({ ...asked, leaderEpoch })
  expect(endOf(0)).toEqual({ errorCode: 0, leaderEpoch: 0, endOffset: 1 })
  expect(endOf(1)).toEqual({ errorCode: 0, leaderEpoch: 1, endOffset: 1 })
  expect(endOf(2)).toEqual({ errorCode: 0, leaderEpoch: 2, endOffset: 1 })
  expect(endOf(3)).toEqual({ errorCode: 0, leaderEpoch: -1, endOffset: -1 })
  const earliest = { ...asked, isolation: 'readUncommitted' as const, timestamp: -2 }
  expect(manager.listOffset(earliest)).toMatchObject({ offset: 1, leaderEpoch: 2 })
  expect(await started.read(3, 1, { lastFetchedEpoch: 0 })).toMatchObject({
    errorCode: 0,
    diverging: null,
  })
  expect(await started.read(3, 2, { lastFetchedEpoch: 0 })).toMatchObject({
    diverging: { epoch: 0, endOffset: 1 },
  })
})

test('reads from far behind are loaded first, two fetches at a time, while others are answered', async () => {
  const started = await startedCluster()
  for (let count = 0; count < 10; count++) void started.append(1)
  await started.time.pass(10)
  const log = must(started.node(1).logs.log(topicId, 0), 'node 1 has the log')
  const loads: (() => void)[] = []
  log.cold = { below: 5, load: () => new Promise(resolve => loads.push(resolve)) }
  const behind = [0, 1, 2].map(offset => watch(started.read(1, offset)))
  const atEnd = watch(started.read(1, 7))
  await started.time.pass(0)
  expect(readBatchHeader(atEnd.value!.records, 0).baseOffset).toBe(7)
  expect(behind.map(({ value }) => value)).toEqual([undefined, undefined, undefined])
  expect(loads).toHaveLength(2)
  loads[0]?.()
  await started.time.pass(0)
  expect(readBatchHeader(behind[0]!.value!.records, 0).baseOffset).toBe(0)
  expect(loads).toHaveLength(3)
  loads[1]?.()
  loads[2]?.()
  await started.time.pass(0)
  expect(behind.every(({ value }) => value?.errorCode === errorCodes.NONE)).toBe(true)
  expect(log.releases).toBe(3)
})

test('what could not be loaded is read all the same', async () => {
  const started = await startedCluster()
  void started.append(1)
  await started.time.pass(10)
  const log = must(started.node(1).logs.log(topicId, 0), 'node 1 has the log')
  log.cold = { below: 5, load: () => Promise.reject(new ClusterError('DISK_FAILED', 'for once')) }
  const read = watch(started.read(1, 0))
  await started.time.pass(0)
  expect(read.value).toMatchObject({ errorCode: errorCodes.NONE, highWatermark: 1 })
})
