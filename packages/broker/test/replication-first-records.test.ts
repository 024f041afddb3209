import { expect, test } from 'vitest'
import { startedCluster, topicId, watch } from './replication-cluster.ts'

test('first records that are not on the disk yet are acknowledged by nobody, neither for acks 1 nor for all', async () => {
  const started = await startedCluster()
  const log = started.node(1).logs.log(topicId, 0)!
  log.birth = Promise.withResolvers()
  const all = watch(started.append(1))
  const one = watch(started.append(1, { acks: 1 }))
  await started.time.pass(20)
  expect(started.node(2).logs.log(topicId, 0)).toMatchObject({ logEndOffset: 2 })
  expect([all.value, one.value]).toEqual([undefined, undefined])
  log.born()
  await started.time.pass(1)
  expect(all.value).toMatchObject({ errorCode: 0 })
  expect(one.value).toMatchObject({ errorCode: 0 })
})

test('a follower claims no first records before they are on its disk, and then at once', async () => {
  const started = await startedCluster()
  const log = started.node(2).logs.log(topicId, 0)!
  log.birth = Promise.withResolvers()
  const all = watch(started.append(1))
  await started.time.pass(400)
  expect(log.logEndOffset).toBe(1)
  expect(all.value).toBeUndefined()
  log.born()
  await started.time.pass(1)
  expect(all.value).toMatchObject({ errorCode: 0 })
})
