import { emptyImage } from '@trimaran/metadata'
import type { ConfigRecord } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import type { MemoryLog } from './replication-memory-log.ts'
import { replicaConfig, startedCluster, topicId, watch } from './replication-cluster.ts'

/** Of this log an fsync takes until the result is called. */
function slowFsync(log: MemoryLog): () => void {
  let flushed = () => {}
  log.flush = () =>
    new Promise(resolve => {
      flushed = () => {
        log.recoveryPoint = log.logEndOffset
        resolve()
      }
    })
  return () => flushed()
}

test('with flush.messages=1 nothing is acknowledged before it is on the device of the leader and of the ISR', async () => {
  const started = await startedCluster(replicaConfig({ flushMessages: 1 }))
  const flushed = slowFsync(started.node(1).logs.log(topicId, 0)!)
  const all = watch(started.append(1))
  const one = watch(started.append(1, { acks: 1 }))
  await started.time.pass(20)
  expect([all.value, one.value]).toEqual([undefined, undefined])
  // The followers have fetched, and claim it because their own fsync is done.
  expect(started.node(2).logs.log(topicId, 0)).toMatchObject({ recoveryPoint: 2, logEndOffset: 2 })
  flushed()
  await started.time.pass(1)
  expect(all.value).toMatchObject({ errorCode: 0 })
  expect(one.value).toMatchObject({ errorCode: 0 })
})

test('a follower with flush.messages=1 claims nothing before its fsync', async () => {
  const started = await startedCluster(replicaConfig({ flushMessages: 1 }))
  const log = started.node(2).logs.log(topicId, 0)!
  const flushed = slowFsync(log)
  const all = watch(started.append(1))
  await started.time.pass(400)
  expect(log.logEndOffset).toBe(1)
  expect(all.value).toBeUndefined()
  flushed()
  await started.time.pass(1)
  expect(all.value).toMatchObject({ errorCode: 0 })
})

test('nor what an earlier life of its process left in the page cache, when it follows again', async () => {
  const started = await startedCluster(replicaConfig({ flushMessages: 1 }))
  await Promise.all([started.append(1), started.time.pass(400)])
  const log = started.node(2).logs.log(topicId, 0)!
  log.recoveryPoint = 0
  const flushed = slowFsync(log)
  started.elect(1)
  const fetchesBefore = started.fetches.length
  await started.time.pass(400)
  const claims = () =>
    started.fetches
      .slice(fetchesBefore)
      .filter(({ from }) => from === 2)
      .flatMap(({ request }) => request.partitions.map(({ fetchOffset }) => fetchOffset))
  expect(claims()).toEqual([])
  flushed()
  await started.time.pass(1)
  expect(claims()).toEqual([1])
})

test.each(['in the ISR', 'fenced'])(
  'a follower (%s) that waits for its fsync when flush.messages stops being 1 goes on',
  async where => {
    let flushMessages = 1
    const config = replicaConfig()
    const { log: defaults } = config.topic(emptyImage, 'orders')
    const topic = () => ({ log: { ...defaults, flushMessages }, minInsyncReplicas: 2 })
    const started = await startedCluster({ ...config, topic })
    const log = started.node(2).logs.log(topicId, 0)!
    const flushed = slowFsync(log)
    if (where === 'fenced') started.controller.fence(2)
    void started.append(1)
    await started.time.pass(400)
    expect(log.logEndOffset).toBe(1)
    flushMessages = 1_000_000
    const [key, value] = ['flush.messages', '1000000']
    const change = { kind: 'config', resourceType: 'topic', resourceName: 'orders', key, value }
    started.commit(change as ConfigRecord)
    flushed()
    await started.time.pass(5)
    if (where === 'fenced') started.controller.unfence(2, started.node(2).brokerEpoch)
    for (let at = 0; at < 3; at++) void started.append(1)
    await started.time.pass(1_000)
    expect(log.logEndOffset).toBe(4)
  },
)
