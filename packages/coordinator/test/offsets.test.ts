import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { encodeGroupRecords } from '../src/group/records.ts'
import type { CommitOffsetsRequest } from '../src/index.ts'
import { committing, joining, joinWithId, stableGroup, text } from './requests.ts'
import { World } from './world.ts'

const dayMs = 24 * 3_600_000

const commit = async (world: World, request: CommitOffsetsRequest): Promise<number | undefined> =>
  (await world.wait(world.coordinator.commitOffsets(request))).topics[0]?.partitions[0]?.errorCode

function fetched(world: World, groupId = 'g', topic = 'orders', partition = 0): number | undefined {
  const topics = [{ name: topic, partitions: [partition] }]
  const response = world.coordinator.fetchOffsets({ groupId, topics, requireStable: true })
  return response.topics[0]?.partitions[0]?.offset
}

const allOffsets = (world: World, groupId = 'g') =>
  world.coordinator.fetchOffsets({ groupId, topics: null, requireStable: false }).topics

test('a consumer without group management commits into a group that is empty', async () => {
  const world = await new World().start()
  expect(await commit(world, committing(42, { metadata: 'note' }))).toBe(errorCodes.NONE)
  expect(allOffsets(world)).toEqual([
    {
      name: 'orders',
      partitions: [{ partition: 0, offset: 42, leaderEpoch: 3, metadata: 'note', errorCode: 0 }],
    },
  ])
  expect(
    world.coordinator.listGroups({ statesFilter: ['empty'], typesFilter: ['Classic'] }).groups,
  ).toEqual([{ groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' }])
})

test('where nothing was committed the offset is −1 and no error', async () => {
  const world = await new World().start()
  const topics = [{ name: 'orders', partitions: [0, 7] }]
  const response = world.coordinator.fetchOffsets({ groupId: 'new', topics, requireStable: true })
  expect(response).toEqual({
    errorCode: 0,
    topics: [
      {
        name: 'orders',
        partitions: [0, 7].map(partition => ({
          partition,
          offset: -1,
          leaderEpoch: -1,
          metadata: '',
          errorCode: 0,
        })),
      },
    ],
  })
})

test('an offset is told to nobody before it is committed in the log', async () => {
  const world = await new World().start()
  world.log.faults.delayMs = () => null
  const committed = world.coordinator.commitOffsets(committing(42))
  await world.clock.run(100)
  expect(fetched(world)).toBe(-1)
  world.log.replicate(0)
  await world.wait(committed)
  expect(fetched(world)).toBe(42)
})

test('commits take effect in the order of the calls, none waits for the one before', async () => {
  const world = await new World().start()
  world.log.faults.delayMs = () => null
  const commits = [1, 2, 3].map(offset => world.coordinator.commitOffsets(committing(offset)))
  expect(
    world.log.records(0).map(record => record.kind === 'offset' && record.value?.offset),
  ).toEqual([1, 2, 3])
  world.log.advance(0, 2)
  await world.wait(Promise.all(commits.slice(0, 2)))
  expect(fetched(world)).toBe(2)
  world.log.replicate(0)
  await world.wait(Promise.all(commits))
  expect(fetched(world)).toBe(3)
})

test('any offset is taken, as with Kafka', async () => {
  const world = await new World().start()
  expect(await commit(world, committing(-5))).toBe(errorCodes.NONE)
  expect(fetched(world)).toBe(-5)
})

test('metadata that is too long fails its partition alone', async () => {
  const world = await new World().start()
  const topics = [
    {
      name: 'orders',
      partitions: [
        { partition: 0, offset: 1, leaderEpoch: 0, metadata: 'x'.repeat(4097) },
        { partition: 1, offset: 1, leaderEpoch: 0, metadata: 'x'.repeat(4096) },
      ],
    },
  ]
  const response = await world.wait(world.coordinator.commitOffsets(committing(0, { topics })))
  expect(response.topics[0]?.partitions.map(each => each.errorCode)).toEqual([
    errorCodes.OFFSET_METADATA_TOO_LARGE,
    0,
  ])
})

test('a commit that does not fit into a batch is too large', async () => {
  const world = await new World().start()
  const partitions = Array.from({ length: 300 }, (_, partition) => ({
    partition,
    offset: 1,
    leaderEpoch: 0,
    metadata: 'x'.repeat(4096),
  }))
  const request = committing(0, { topics: [{ name: 'orders', partitions }] })
  expect(await commit(world, request)).toBe(errorCodes.INVALID_COMMIT_OFFSET_SIZE)
})

test.each([
  [
    'of a generation of a group that is not there',
    { groupId: 'other', generationId: 1, memberId: 'm' },
    errorCodes.ILLEGAL_GENERATION,
  ],
  [
    'of a generation of a group that is not there (v9)',
    { groupId: 'other', generationId: 1, memberId: 'm', knowsGroupIdNotFound: true },
    errorCodes.GROUP_ID_NOT_FOUND,
  ],
  ['of a stranger', { generationId: 1, memberId: 'stranger' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['of an old generation', { generationId: 0 }, errorCodes.ILLEGAL_GENERATION],
  ['of a member that names no generation', { generationId: -1 }, errorCodes.ILLEGAL_GENERATION],
  ['of nobody in particular', { generationId: -1, memberId: '' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['of an unknown instance', { groupInstanceId: 'i' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['of a member', {}, errorCodes.NONE],
])('a commit into a stable group %s', async (_what, change, errorCode) => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  expect(
    await commit(world, committing(1, { generationId, memberId: memberIds[0] ?? '', ...change })),
  ).toBe(errorCode)
})

test('members may commit while a rebalance is prepared, not while it completes', async () => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  const memberId = memberIds[0] ?? ''
  await joinWithId(world)
  await world.clock.run(10)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  expect(await commit(world, committing(1, { generationId, memberId }))).toBe(errorCodes.NONE)
  await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  const next = committing(1, { generationId: generationId + 1, memberId })
  expect(await commit(world, next)).toBe(errorCodes.REBALANCE_IN_PROGRESS)
})

test('a commit keeps the session of its member alive', async () => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  for (let each = 0; each < 5; each++) {
    await world.clock.run(8000)
    expect(
      await commit(world, committing(each, { generationId, memberId: memberIds[0] ?? '' })),
    ).toBe(0)
  }
})

test('a commit that the log does not decide on is answered in time, and counts when it does', async () => {
  const world = await new World().start()
  world.log.faults.delayMs = () => null
  const request = world.coordinator.commitOffsets(committing(1))
  await world.clock.run(4999)
  const late = world.coordinator.commitOffsets(committing(2, { partition: 1 }))
  await world.clock.run(2)
  expect((await world.wait(request)).topics[0]?.partitions[0]?.errorCode).toBe(
    errorCodes.COORDINATOR_NOT_AVAILABLE,
  )
  expect((await world.wait(late, 5000)).topics[0]?.partitions[0]?.errorCode).toBe(
    errorCodes.COORDINATOR_NOT_AVAILABLE,
  )
  world.log.replicate(0)
  await world.clock.run(1)
  expect([fetched(world), fetched(world, 'g', 'orders', 1)]).toEqual([1, 2])
})

test('too few replicas: the coordinator is not available, and nothing is stored', async () => {
  const world = await new World().start()
  world.log.faults.refuse = () => errorCodes.NOT_ENOUGH_REPLICAS
  expect(await commit(world, committing(1))).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
  expect(allOffsets(world)).toEqual([])
})

test('DeleteGroups ends an empty group with its offsets, and no other', async () => {
  const world = await new World().start()
  const remove = async (groupId: string) =>
    (await world.wait(world.coordinator.deleteGroup(groupId))).errorCode
  expect(await remove('g')).toBe(errorCodes.GROUP_ID_NOT_FOUND)
  const { memberIds } = await stableGroup(world, 1)
  expect(await remove('g')).toBe(errorCodes.NON_EMPTY_GROUP)
  const members = memberIds.map(memberId => ({ memberId, groupInstanceId: null, reason: null }))
  await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  await commit(world, committing(5))
  expect(await remove('g')).toBe(errorCodes.NONE)
  expect(fetched(world)).toBe(-1)
  expect(world.coordinator.describeGroup('g')).toMatchObject({
    errorCode: errorCodes.GROUP_ID_NOT_FOUND,
    groupState: 'Dead',
    errorMessage: 'Group g not found.',
  })
  expect(
    world.log
      .records(0)
      .slice(-2)
      .map(record => [record.kind, record.value]),
  ).toEqual([
    ['offset', null],
    ['group', null],
  ])
})

test('a group with more offsets than fit into a batch is deleted whole', async () => {
  const world = await new World().start()
  for (let topic = 0; topic < 5; topic++) {
    const partitions = Array.from({ length: 500 }, (_, partition) => ({
      partition,
      offset: 1,
      leaderEpoch: 0,
      metadata: '',
    }))
    await commit(
      world,
      committing(0, { topics: [{ name: `${'t'.repeat(240)}${topic}`, partitions }] }),
    )
  }
  expect((await world.wait(world.coordinator.deleteGroup('g'))).errorCode).toBe(errorCodes.NONE)
  expect(allOffsets(world)).toEqual([])
})

test('a group is not deleted under a commit that is on its way', async () => {
  const world = await new World().start()
  await commit(world, committing(1))
  world.log.faults.delayMs = () => 100
  const late = world.coordinator.commitOffsets(committing(2, { partition: 1 }))
  const removed = world.coordinator.deleteGroup('g')
  await world.wait(Promise.all([late, removed]))
  expect(allOffsets(world)).toEqual([])
})

test('OffsetDelete ends offsets that nobody subscribes to', async () => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  const partitions = [{ partition: 0, offset: 9, leaderEpoch: 0, metadata: '' }]
  const topics = ['orders', 'old'].map(name => ({ name, partitions }))
  await commit(world, committing(0, { generationId, memberId: memberIds[0] ?? '', topics }))
  const wanted = ['orders', 'old', 'never'].map(name => ({ name, partitions: [0] }))
  const response = await world.wait(
    world.coordinator.deleteOffsets({ groupId: 'g', topics: wanted }),
  )
  expect(response.errorCode).toBe(errorCodes.NONE)
  expect(response.topics.map(topic => topic.partitions[0]?.errorCode)).toEqual([
    errorCodes.GROUP_SUBSCRIBED_TO_TOPIC,
    0,
    0,
  ])
  expect(allOffsets(world).map(topic => topic.name)).toEqual(['orders'])
})

test('OffsetDelete is not for groups of another type with members, nor for those that are not there', async () => {
  const world = await new World().start()
  const request = { groupId: 'g', topics: [{ name: 'orders', partitions: [0] }] }
  const remove = async (groupId = 'g') =>
    (await world.wait(world.coordinator.deleteOffsets({ ...request, groupId }))).errorCode
  expect(await remove('')).toBe(errorCodes.INVALID_GROUP_ID)
  expect(await remove()).toBe(errorCodes.GROUP_ID_NOT_FOUND)
  void world.coordinator.joinGroup(
    joining({ protocolType: 'connect', requireKnownMemberId: false }),
  )
  await world.clock.run(10)
  expect(await remove()).toBe(errorCodes.NON_EMPTY_GROUP)
})

test('the offsets of a deleted topic go in all groups, even if the log refuses at first', async () => {
  const world = await new World().start()
  await commit(world, committing(1))
  await commit(world, committing(2, { groupId: 'h' }))
  world.log.faults.refuse = () => errorCodes.NOT_ENOUGH_REPLICAS
  world.coordinator.topicDeleted('orders')
  await world.clock.run(10)
  world.log.faults.refuse = () => 0
  await world.clock.run(2000)
  expect([allOffsets(world), allOffsets(world, 'h')]).toEqual([[], []])
  expect(world.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups).toEqual([])
})

test('offsets without group management expire a while after their commit', async () => {
  const world = await new World().start()
  await commit(world, committing(1))
  await world.clock.run(6 * dayMs)
  await commit(world, committing(2, { partition: 1 }))
  await world.clock.run(1.5 * dayMs)
  expect(allOffsets(world)[0]?.partitions.map(each => each.partition)).toEqual([1])
  await world.clock.run(8 * dayMs)
  expect(world.coordinator.status().groupsByState.Empty).toBe(0)
})

test("an expiry of its own, as old clients send it, counts instead of the broker's", async () => {
  const world = await new World().start()
  await commit(world, committing(1, { retentionTimeMs: dayMs }))
  await commit(world, committing(2, { partition: 1, retentionTimeMs: 20 * dayMs }))
  await world.clock.run(9 * dayMs)
  expect([fetched(world), fetched(world, 'g', 'orders', 1)]).toEqual([-1, 2])
})

/** A group whose member sends heartbeats for eight days. */
async function eightDays(world: World, memberId: string, generationId: number): Promise<void> {
  for (let beat = 0; beat < 8 * 24; beat++) {
    await world.clock.run(dayMs / 24)
    await world.coordinator.heartbeat({
      groupId: 'g',
      generationId,
      memberId,
      groupInstanceId: null,
    })
  }
}

const patient = { sessionTimeoutMs: 1_800_000 * 4, rebalanceTimeoutMs: 100 * dayMs }
const patientWorld = () => new World({ config: { maxSessionTimeoutMs: 1_800_000 * 4 } }).start()

test('offsets of a stable group do not expire while it subscribes to the topic; others do', async () => {
  const world = await patientWorld()
  const { memberIds, generationId } = await stableGroup(world, 1, patient)
  const [memberId = ''] = memberIds
  const partitions = [{ partition: 0, offset: 9, leaderEpoch: 0, metadata: '' }]
  const topics = ['orders', 'old'].map(name => ({ name, partitions }))
  await commit(world, committing(0, { generationId, memberId, topics }))
  await eightDays(world, memberId, generationId)
  expect(allOffsets(world).map(topic => topic.name)).toEqual(['orders'])
})

test('nothing expires while a rebalance is under way or while subscriptions are not to be read', async () => {
  const world = await patientWorld()
  const connect = {
    ...patient,
    protocolType: 'connect',
    protocols: [{ name: 'range', metadata: text('?') }],
  }
  const { memberIds, generationId } = await stableGroup(world, 1, connect)
  const [memberId = ''] = memberIds
  await commit(world, committing(5, { generationId, memberId }))
  await eightDays(world, memberId, generationId)
  expect(fetched(world)).toBe(5)
  void world.coordinator.joinGroup(joining({ ...connect, requireKnownMemberId: false }))
  await world.clock.run(10)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  await eightDays(world, memberId, generationId)
  expect(fetched(world)).toBe(5)
})

test("the clock of a group's offsets runs from the moment that it became empty, also after a fail-over", async () => {
  const world = await patientWorld()
  const { memberIds, generationId } = await stableGroup(world, 1, patient)
  const [memberId = ''] = memberIds
  await commit(world, committing(5, { generationId, memberId }))
  await eightDays(world, memberId, generationId)
  const members = [{ memberId, groupInstanceId: null, reason: null }]
  await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  world.elect(0)
  await world.clock.run(6 * dayMs)
  expect(fetched(world)).toBe(5)
  await world.clock.run(1.1 * dayMs)
  expect(fetched(world)).toBe(-1)
  expect(world.coordinator.describeGroup('g').errorCode).toBe(errorCodes.GROUP_ID_NOT_FOUND)
})

test('offsets of an undecided transaction are not stable', async () => {
  const world = new World()
  const { encodeBatch } = await import('@trimaran/protocol')
  const { encodeGroupRecord } = await import('../src/group/records.ts')
  const pending = (partition: number, producerId: number) =>
    encodeBatch({
      records: [
        {
          ...encodeGroupRecord({
            kind: 'offset',
            groupId: 'g',
            topic: 'orders',
            partition,
            value: {
              offset: 10 + partition,
              leaderEpoch: -1,
              metadata: '',
              commitTimestampMs: 1,
              expireTimestampMs: -1,
            },
          }),
          timestampMs: 1,
        },
      ],
      producerId,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: true,
    })
  const marker = (type: number, producerId: number) =>
    encodeBatch({
      records: [{ key: new Uint8Array([0, 0, 0, type]), value: new Uint8Array(6), timestampMs: 1 }],
      producerId,
      producerEpoch: 0,
      isTransactional: true,
      isControl: true,
    })
  for (const batch of [pending(0, 1), pending(1, 2), pending(2, 3), marker(1, 1), marker(0, 2)])
    world.log.put(0, batch)
  world.log.replicate(0)
  await world.start()
  const topics = [{ name: 'orders', partitions: [0, 1, 2] }]
  const read = (requireStable: boolean) =>
    world.coordinator
      .fetchOffsets({ groupId: 'g', topics, requireStable })
      .topics[0]?.partitions.map(each => each.errorCode || each.offset)
  expect(read(true)).toEqual([10, -1, errorCodes.UNSTABLE_OFFSET_COMMIT])
  expect(read(false)).toEqual([10, -1, -1])
})

test('records of other kinds of groups are left alone', async () => {
  const world = new World()
  const { encodeBatch } = await import('@trimaran/protocol')
  const key = new Uint8Array([0, 3, 0, 1, 103])
  world.log.put(0, encodeBatch({ records: [{ key, value: null, timestampMs: 1 }] }))
  world.log.put(0, encodeGroupRecords([{ kind: 'group', groupId: 'never was', value: null }], 1))
  world.log.replicate(0)
  await world.start()
  expect(await commit(world, committing(1))).toBe(0)
})

test('commits that the log does not decide on are bounded', async () => {
  const world = await new World().start()
  world.log.faults.delayMs = () => null
  for (let each = 0; each < 10_000; each++) void world.coordinator.commitOffsets(committing(each))
  expect(await commit(world, committing(1))).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
})

test('metadata that cannot be stored is too large, whatever the configuration says', async () => {
  const world = await new World({ config: { offsetMetadataMaxBytes: 1_000_000 } }).start()
  const metadata = '€'.repeat(11_000)
  expect(await commit(world, committing(1, { metadata }))).toBe(
    errorCodes.OFFSET_METADATA_TOO_LARGE,
  )
  expect(await commit(world, committing(1, { metadata: metadata.slice(0, 10_900) }))).toBe(0)
})
