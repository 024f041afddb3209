import { encodeBatch, errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { encodeGroupRecords } from '../src/group/records.ts'
import { committing, joining, joinWithId, stableGroup, syncing, text } from './requests.ts'
import { World } from './world.ts'

const topics = [{ name: 'orders', partitions: [0] }]
const request = { groupId: 'g', topics, requireStable: true }
const fetched = (world: World) => {
  const {
    errorCode,
    topics: [first],
  } = world.coordinator.fetchOffsets(request)
  return errorCode || first?.partitions[0]?.offset
}

test("a broker that does not lead the group's partition answers NOT_COORDINATOR", async () => {
  const world = new World()
  const { NOT_COORDINATOR } = errorCodes
  const { coordinator } = world
  const beat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }
  const members = [{ memberId: 'm', groupInstanceId: null, reason: null }]
  const codes = [
    (await coordinator.joinGroup(joining())).errorCode,
    (await coordinator.syncGroup(syncing())).errorCode,
    (await coordinator.heartbeat(beat)).errorCode,
    (await coordinator.leaveGroup({ groupId: 'g', members })).errorCode,
    (await coordinator.commitOffsets(committing(1))).topics[0]?.partitions[0]?.errorCode,
    coordinator.fetchOffsets(request).errorCode,
    coordinator.describeGroup('g').errorCode,
    (await coordinator.deleteGroup('g')).errorCode,
    (await coordinator.deleteOffsets({ groupId: 'g', topics })).errorCode,
  ]
  expect(codes).toEqual(codes.map(() => NOT_COORDINATOR))
  expect(coordinator.listGroups({ statesFilter: [], typesFilter: [] })).toEqual({
    errorCode: 0,
    groups: [],
  })
})

test('while the partition is being loaded only heartbeats are answered', async () => {
  const world = await new World({ nodes: 2 }).start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  world.elect(1, { knownTo: 0 })
  const { COORDINATOR_LOAD_IN_PROGRESS } = errorCodes
  const { coordinator } = world
  await world.clock.run(1000)
  const beat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }
  const codes = [
    (await coordinator.joinGroup(joining())).errorCode,
    (await coordinator.syncGroup(syncing())).errorCode,
    (await coordinator.commitOffsets(committing(1))).topics[0]?.partitions[0]?.errorCode,
    coordinator.fetchOffsets(request).errorCode,
    coordinator.describeGroup('g').errorCode,
    (await coordinator.deleteGroup('g')).errorCode,
    coordinator.listGroups({ statesFilter: [], typesFilter: [] }).errorCode,
  ]
  expect(codes).toEqual(codes.map(() => COORDINATOR_LOAD_IN_PROGRESS))
  expect(await coordinator.heartbeat(beat)).toEqual({ errorCode: errorCodes.NONE })
  world.log.replicate(0)
  await world.clock.run(200)
  expect(fetched(world)).toBe(1)
})

test('a new coordinator waits for its high watermark: an acknowledged offset is above what it knows at first', async () => {
  const world = await new World({ nodes: 2 }).start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  await world.wait(world.coordinator.commitOffsets(committing(2)))
  world.elect(1, { knownTo: 1 })
  await world.clock.run(500)
  expect(fetched(world)).toBe(errorCodes.COORDINATOR_LOAD_IN_PROGRESS)
  world.log.replicate(0)
  await world.clock.run(200)
  expect(fetched(world)).toBe(2)
})

test('a stable group survives the death of its coordinator: members go on with their heartbeats', async () => {
  const world = await new World({ nodes: 2 }).start()
  const { memberIds, generationId } = await stableGroup(world, 3)
  const before = world.coordinator.describeGroup('g')
  world.elect(1)
  await world.clock.run(200)
  for (const memberId of memberIds) {
    const beat = { groupId: 'g', generationId, memberId, groupInstanceId: null }
    expect(await world.wait(world.coordinator.heartbeat(beat))).toEqual({ errorCode: 0 })
    const synced = await world.wait(
      world.coordinator.syncGroup(syncing({ generationId, memberId })),
    )
    expect(synced.assignment).toEqual(text(`part ${memberIds.indexOf(memberId)}`))
  }
  expect(world.coordinator.describeGroup('g')).toEqual(before)
})

test('members that do not come back after a fail-over lose their sessions', async () => {
  const world = await new World({ nodes: 2 }).start()
  await stableGroup(world, 2)
  world.elect(1)
  await world.clock.run(11_000)
  expect(world.coordinator.describeGroup('g').groupState).toBe('Empty')
})

test('a coordinator that dies between generation and assignment: the next one asks the members to join again', async () => {
  const world = await new World({ nodes: 2, config: { initialRebalanceDelayMs: 100 } }).start()
  const first = await joinWithId(world)
  const second = await joinWithId(world)
  const { generationId } = await world.wait(first.joined)
  const parked = world.coordinator.syncGroup(syncing({ generationId, memberId: second.memberId }))
  world.elect(1)
  expect(await world.wait(parked)).toMatchObject({ errorCode: errorCodes.NOT_COORDINATOR })
  await world.clock.run(200)
  const beat = { groupId: 'g', generationId, memberId: first.memberId, groupInstanceId: null }
  expect(await world.wait(world.coordinator.heartbeat(beat))).toEqual({
    errorCode: errorCodes.REBALANCE_IN_PROGRESS,
  })
  const stale = await world.wait(
    world.coordinator.syncGroup(syncing({ generationId, memberId: first.memberId })),
  )
  expect(stale.errorCode).toBe(errorCodes.REBALANCE_IN_PROGRESS)
  const again = [first, second].map(({ memberId }) =>
    world.coordinator.joinGroup(joining({ memberId })),
  )
  const responses = await world.wait(Promise.all(again))
  expect(responses.map(response => response.generationId)).toEqual([
    generationId + 1,
    generationId + 1,
  ])
})

test('whoever waits when leadership goes hears NOT_COORDINATOR', async () => {
  const world = await new World({ nodes: 2 }).start()
  await stableGroup(world, 1)
  const { joined } = await joinWithId(world)
  await world.clock.run(10)
  world.log.faults.delayMs = () => null
  const committed = world.coordinator.commitOffsets(committing(1, { groupId: 'h' }))
  world.elect(1, { keepTo: 0 })
  expect(await world.wait(joined)).toMatchObject({ errorCode: errorCodes.NOT_COORDINATOR })
  expect((await world.wait(committed)).topics[0]?.partitions[0]?.errorCode).toBe(
    errorCodes.NOT_COORDINATOR,
  )
  world.log.replicate(0)
  await world.clock.run(200)
  expect(world.coordinator.describeGroup('h').errorCode).toBe(errorCodes.GROUP_ID_NOT_FOUND)
})

test('a coordinator that loses an append and keeps the partition loads it again', async () => {
  const world = await new World().start()
  world.log.faults.delayMs = () => null
  const committed = world.coordinator.commitOffsets(committing(1))
  for (const waiting of world.log.partition(0).waiting.splice(0)) waiting.settle({ kind: 'lost' })
  expect((await world.wait(committed)).topics[0]?.partitions[0]?.errorCode).toBe(
    errorCodes.NOT_COORDINATOR,
  )
  expect(fetched(world)).toBe(errorCodes.COORDINATOR_LOAD_IN_PROGRESS)
  world.log.replicate(0)
  await world.clock.run(200)
  expect(fetched(world)).toBe(1)
})

test('news of an election that is older than what is known is ignored', async () => {
  const world = await new World().start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  world.coordinator.elected(0, world.log.partition(0).epoch - 1)
  world.coordinator.elected(0, world.log.partition(0).epoch)
  expect(fetched(world)).toBe(1)
})

test('leader, follower, leader again: everything is loaded anew', async () => {
  const world = await new World({ nodes: 2 }).start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  world.elect(1)
  await world.clock.run(200)
  await world.wait(world.coordinator.commitOffsets(committing(2)))
  world.elect(0)
  await world.clock.run(200)
  expect(fetched(world)).toBe(2)
})

test('a fail-over during the load ends that load', async () => {
  const world = await new World({ nodes: 2 }).start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  world.elect(1, { knownTo: 0 })
  await world.clock.run(50)
  world.elect(0)
  world.log.replicate(0)
  await world.clock.run(500)
  expect(fetched(world)).toBe(1)
  expect(world.coordinators[1]?.status()).toMatchObject({ partitions: 0, loadingPartitions: 0 })
})

test('a compacted log with gaps, also at its end, and batches larger than the buffer is loaded', async () => {
  const world = new World({ config: { offsetsLoadBufferBytes: 100 } })
  const offsetRecord = (partition: number, metadata: string) => ({
    kind: 'offset' as const,
    groupId: 'g',
    topic: 'orders',
    partition,
    value: { offset: 5, leaderEpoch: -1, metadata, commitTimestampMs: 1, expireTimestampMs: -1 },
  })
  world.log.put(0, encodeGroupRecords([offsetRecord(0, 'x'.repeat(4000))], 1), 10)
  world.log.put(0, encodeGroupRecords([offsetRecord(1, '')], 1), 500)
  world.log
    .partition(0)
    .batches.push({ baseOffset: 900, endOffset: 1000, bytes: new Uint8Array(0) })
  world.log.partition(0).highWatermark = 1000
  world.elect(0)
  await world.clock.run(1000)
  const all = world.coordinator.fetchOffsets({ ...request, topics: null })
  expect(all.topics[0]?.partitions.map(each => each.partition)).toEqual([0, 1])
})

test('a partition that cannot be read is not served, and a later election tries again', async () => {
  const world = new World()
  const batch = encodeBatch({
    records: [{ key: new Uint8Array([0, 1, 0, 99]), value: null, timestampMs: 1 }],
  })
  world.log.put(0, batch)
  world.log.replicate(0)
  await world.start()
  expect(fetched(world)).toBe(errorCodes.NOT_COORDINATOR)
  expect(world.events.some(event => event.level === 'error')).toBe(true)
  world.log.partition(0).batches = []
  world.elect(0)
  await world.clock.run(200)
  expect(fetched(world)).toBe(-1)
})

test('a topic that is deleted during the load loses its offsets after it', async () => {
  const world = await new World({ nodes: 2 }).start()
  await world.wait(world.coordinator.commitOffsets(committing(1)))
  world.elect(1, { knownTo: 0 })
  world.coordinator.topicDeleted('orders')
  world.log.replicate(0)
  await world.clock.run(500)
  expect(fetched(world)).toBe(-1)
})

test('a group that is larger than allowed when it is loaded has to rebalance', async () => {
  const world = await new World().start()
  await stableGroup(world, 3)
  const smaller = new World({ config: { maxSize: 2 } })
  for (const { bytes } of world.log.partition(0).batches) smaller.log.put(0, bytes)
  smaller.log.replicate(0)
  await smaller.start()
  expect(smaller.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
})

test('after stop nothing is served and nothing wakes', async () => {
  const world = await new World().start()
  await stableGroup(world, 1)
  world.coordinator.stop()
  expect(fetched(world)).toBe(errorCodes.NOT_COORDINATOR)
  world.coordinator.elected(0, 99)
  expect(fetched(world)).toBe(errorCodes.NOT_COORDINATOR)
})

test('a stored group that has a member twice is not served', async () => {
  const world = new World()
  const member = {
    memberId: 'm',
    groupInstanceId: null,
    clientId: 'c',
    clientHost: '/h',
    rebalanceTimeoutMs: 1,
    sessionTimeoutMs: 1,
    subscription: text(''),
    assignment: text('a'),
  }
  const value = {
    protocolType: 'consumer',
    generation: 1,
    protocolName: 'range',
    leader: 'm',
    currentStateTimestampMs: 1,
    members: [member, member],
  }
  world.log.put(0, encodeGroupRecords([{ kind: 'group', groupId: 'g', value }], 1))
  world.log.replicate(0)
  await world.start()
  expect(fetched(world)).toBe(errorCodes.NOT_COORDINATOR)
})
