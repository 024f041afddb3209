import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { joining, joinWithId, stableGroup, subscription, syncing, text } from './requests.ts'
import { World } from './world.ts'

const range = { name: 'range', metadata: subscription('a') }
const sticky = { name: 'sticky', metadata: subscription('b') }

test('a member without an id is given one and joins with it', async () => {
  const world = await new World().start()
  const first = await world.wait(world.coordinator.joinGroup(joining()))
  expect(first.errorCode).toBe(errorCodes.MEMBER_ID_REQUIRED)
  expect(first.memberId).toMatch(
    /^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  const joined = await world.wait(
    world.coordinator.joinGroup(joining({ memberId: first.memberId })),
  )
  expect(joined).toMatchObject({
    errorCode: errorCodes.NONE,
    generationId: 1,
    leader: first.memberId,
    protocolName: 'range',
    protocolType: 'consumer',
  })
  expect(joined.members.map(member => member.memberId)).toEqual([first.memberId])
})

test('a client of JoinGroup v3 and older is taken in one step', async () => {
  const world = await new World().start()
  const joined = await world.wait(
    world.coordinator.joinGroup(joining({ requireKnownMemberId: false })),
  )
  expect(joined).toMatchObject({ errorCode: errorCodes.NONE, generationId: 1 })
})

test('an id that nobody gave out, or whose time is over, is unknown', async () => {
  const world = await new World().start()
  const guessed = await world.wait(world.coordinator.joinGroup(joining({ memberId: 'guessed' })))
  expect(guessed.errorCode).toBe(errorCodes.UNKNOWN_MEMBER_ID)
  const { memberId } = await world.wait(world.coordinator.joinGroup(joining()))
  await world.clock.run(10_001)
  const late = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(late.errorCode).toBe(errorCodes.UNKNOWN_MEMBER_ID)
  expect(world.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups).toEqual([])
})

test.each([
  ['an empty group id', { groupId: '' }, errorCodes.INVALID_GROUP_ID],
  ['a huge group id', { groupId: 'x'.repeat(20_000) }, errorCodes.INVALID_GROUP_ID],
  ['a session timeout of 0', { sessionTimeoutMs: 0 }, errorCodes.INVALID_SESSION_TIMEOUT],
  [
    'a session timeout beyond the maximum',
    { sessionTimeoutMs: 2 ** 31 - 1 },
    errorCodes.INVALID_SESSION_TIMEOUT,
  ],
  ['no protocol', { protocols: [] }, errorCodes.INCONSISTENT_GROUP_PROTOCOL],
  ['no protocol type', { protocolType: '' }, errorCodes.INCONSISTENT_GROUP_PROTOCOL],
  [
    'ten thousand protocols',
    {
      protocols: Array.from({ length: 10_000 }, (_, each) => ({
        name: `p${each}`,
        metadata: text(''),
      })),
    },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'a subscription that cannot be read',
    { protocols: [{ name: 'range', metadata: text('?') }] },
    errorCodes.INCONSISTENT_GROUP_PROTOCOL,
  ],
  [
    'an instance id longer than a topic name',
    { groupInstanceId: 'i'.repeat(250) },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'a client id that cannot be stored',
    { clientId: 'c'.repeat(32_767) },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'a protocol name that cannot be stored',
    { protocols: [{ ...range, name: 'p'.repeat(40_000) }] },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'a protocol type that cannot be stored',
    { protocolType: 't'.repeat(40_000) },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'more metadata than a record holds',
    { protocols: [{ name: 'range', metadata: new Uint8Array((1 << 20) + 1) }] },
    errorCodes.INVALID_REQUEST,
  ],
])('JoinGroup with %s is refused', async (_what, change, errorCode) => {
  const world = await new World().start()
  const response = await world.wait(world.coordinator.joinGroup(joining(change)))
  expect(response.errorCode).toBe(errorCode)
  expect(world.coordinator.status().groupsByState.Empty).toBe(0)
})

test('a member that shares no protocol with the others, or is of another type, is refused', async () => {
  const world = await new World().start()
  await stableGroup(world, 1, { protocols: [range] })
  const other = await world.wait(world.coordinator.joinGroup(joining({ protocols: [sticky] })))
  expect(other.errorCode).toBe(errorCodes.INCONSISTENT_GROUP_PROTOCOL)
  const connect = await world.wait(
    world.coordinator.joinGroup(joining({ protocolType: 'connect', protocols: [range] })),
  )
  expect(connect.errorCode).toBe(errorCodes.INCONSISTENT_GROUP_PROTOCOL)
})

test('the protocol that most members like best, of those that all know, is selected', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 100 } }).start()
  const offers = [
    [{ name: 'new', metadata: subscription('c') }, sticky, range],
    [sticky, range],
    [range, sticky],
  ]
  const joins = []
  for (const protocols of offers) joins.push((await joinWithId(world, { protocols })).joined)
  const responses = await world.wait(Promise.all(joins))
  expect(responses.map(response => response.protocolName)).toEqual(['sticky', 'sticky', 'sticky'])
  expect(responses[0]?.members.map(member => member.metadata)).toEqual([
    sticky.metadata,
    sticky.metadata,
    sticky.metadata,
  ])
})

test('the first rebalance waits while members keep coming, but not beyond the rebalance timeout', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 3000 } }).start()
  const members = [await joinWithId(world, { rebalanceTimeoutMs: 7000 })]
  await world.clock.run(2000)
  members.push(await joinWithId(world, { rebalanceTimeoutMs: 7000 }))
  await world.clock.run(2000)
  members.push(await joinWithId(world, { rebalanceTimeoutMs: 7000 }))
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  await world.clock.run(2500)
  members.push(await joinWithId(world, { rebalanceTimeoutMs: 7000 }))
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  await world.clock.run(550)
  const responses = await world.wait(Promise.all(members.map(member => member.joined)))
  expect(responses.map(response => response.generationId)).toEqual([1, 1, 1, 1])
})

test('a second member makes the first one join again; both are in the next generation', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 1)
  const [first = ''] = memberIds
  const second = await joinWithId(world)
  await world.clock.run(10)
  const beat = { groupId: 'g', generationId: 1, memberId: first, groupInstanceId: null }
  expect(await world.wait(world.coordinator.heartbeat(beat))).toEqual({
    errorCode: errorCodes.REBALANCE_IN_PROGRESS,
  })
  const again = world.coordinator.joinGroup(joining({ memberId: first }))
  const [leader, follower] = await world.wait(Promise.all([again, second.joined]))
  expect(leader).toMatchObject({ generationId: 2, leader: first })
  expect(follower).toMatchObject({ generationId: 2, leader: first, members: [] })
  expect(leader.members).toHaveLength(2)
})

test('members that do not join in time are dropped, and the group goes on without them', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 2, {
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 20_000,
  })
  const [first = '', second = ''] = memberIds
  const again = world.coordinator.joinGroup(joining({ memberId: first, sessionTimeoutMs: 60_000 }))
  await world.clock.run(19_000)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  expect(await world.wait(again)).toMatchObject({ errorCode: errorCodes.NONE, generationId: 2 })
  const late = await world.wait(world.coordinator.joinGroup(joining({ memberId: second })))
  expect(late.errorCode).toBe(errorCodes.UNKNOWN_MEMBER_ID)
})

test('a member whose session expires leaves a stable group to the others', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 2)
  const [first = ''] = memberIds
  for (let beat = 0; beat < 4; beat++) {
    await world.clock.run(3000)
    void world.coordinator.heartbeat({
      groupId: 'g',
      generationId: 1,
      memberId: first,
      groupInstanceId: null,
    })
  }
  const joined = await world.wait(world.coordinator.joinGroup(joining({ memberId: first })))
  expect(joined).toMatchObject({ generationId: 2, leader: first })
  expect(joined.members).toHaveLength(1)
})

test('a client that vanishes between JoinGroup and SyncGroup does not hold the others up', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 100 } }).start()
  const leader = await joinWithId(world, { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 15_000 })
  const follower = await joinWithId(world, { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 15_000 })
  const { generationId } = await world.wait(follower.joined)
  expect((await leader.joined).leader).toBe(leader.memberId)
  const sync = world.coordinator.syncGroup(syncing({ generationId, memberId: follower.memberId }))
  await world.clock.run(14_000)
  expect(await world.wait(sync)).toMatchObject({ errorCode: errorCodes.REBALANCE_IN_PROGRESS })
  const again = await world.wait(
    world.coordinator.joinGroup(joining({ memberId: follower.memberId })),
  )
  expect(again).toMatchObject({ generationId: generationId + 1, leader: follower.memberId })
})

test('a JoinGroup that is repeated because its answer got lost changes nothing', async () => {
  const world = await new World().start()
  const { memberId, joined } = await joinWithId(world)
  const answer = await world.wait(joined)
  expect(await world.wait(world.coordinator.joinGroup(joining({ memberId })))).toEqual(answer)
  expect(world.coordinator.describeGroup('g').groupState).toBe('CompletingRebalance')
})

test('in a stable group a follower that joins again unchanged gets its generation, a leader a new one', async () => {
  const world = await new World().start()
  const { memberIds, generationId, leader } = await stableGroup(world, 2)
  const follower = memberIds.find(memberId => memberId !== leader) ?? ''
  const unchanged = await world.wait(world.coordinator.joinGroup(joining({ memberId: follower })))
  expect(unchanged).toMatchObject({ generationId, leader, members: [] })
  void world.coordinator.joinGroup(joining({ memberId: leader }))
  await world.clock.run(10)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
})

test('a follower with changed metadata brings about a rebalance', async () => {
  const world = await new World().start()
  const { memberIds, leader } = await stableGroup(world, 2)
  const follower = memberIds.find(memberId => memberId !== leader) ?? ''
  void world.coordinator.joinGroup(joining({ memberId: follower, protocols: [range] }))
  await world.clock.run(10)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
})

test('a full group takes nobody in', async () => {
  const world = await new World({ config: { maxSize: 2 } }).start()
  await stableGroup(world, 2)
  const third = await world.wait(world.coordinator.joinGroup(joining()))
  expect(third).toMatchObject({ errorCode: errorCodes.GROUP_MAX_SIZE_REACHED, memberId: '' })
})

test('of too many members that join at once, some are turned away and the rest get a generation', async () => {
  const world = await new World({ config: { maxSize: 2, initialRebalanceDelayMs: 1000 } }).start()
  const members = []
  for (let each = 0; each < 4; each++)
    members.push(await world.wait(world.coordinator.joinGroup(joining())))
  const responses = await world.wait(
    Promise.all(members.map(({ memberId }) => world.coordinator.joinGroup(joining({ memberId })))),
  )
  const { NONE, GROUP_MAX_SIZE_REACHED } = errorCodes
  const codes = responses.map(response => response.errorCode)
  expect(codes).toEqual([NONE, NONE, GROUP_MAX_SIZE_REACHED, GROUP_MAX_SIZE_REACHED])
})

test('ids that are asked for and not used are bounded', async () => {
  const world = await new World().start()
  const codes = new Map<number, number>()
  for (let each = 0; each < 10_001; each++) {
    const { errorCode } = await world.coordinator.joinGroup(joining())
    codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1)
  }
  expect(Object.fromEntries(codes)).toEqual({
    [errorCodes.MEMBER_ID_REQUIRED]: 10_000,
    [errorCodes.GROUP_MAX_SIZE_REACHED]: 1,
  })
})

test('a new member that is parked for five minutes is told to begin anew', async () => {
  const world = await new World().start()
  const slow = { sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 1_800_000 }
  await stableGroup(world, 1, slow)
  const { joined } = await joinWithId(world, slow)
  await world.clock.run(299_000)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  expect(await world.wait(joined, 2000)).toMatchObject({ errorCode: errorCodes.UNKNOWN_MEMBER_ID })
})

test('nobody hears of a generation that the log refused', async () => {
  const world = await new World().start()
  const { memberId } = await world.wait(world.coordinator.joinGroup(joining()))
  world.log.faults.refuse = () => errorCodes.NOT_ENOUGH_REPLICAS
  const refused = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(refused).toMatchObject({
    errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE,
    generationId: -1,
  })
  world.log.faults.refuse = () => 0
  const joined = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(joined).toMatchObject({ errorCode: errorCodes.NONE, generationId: 1 })
})

test('nobody is kept waiting for a log that does not decide; the generation begins when it does', async () => {
  const world = await new World().start()
  const { memberId } = await world.wait(world.coordinator.joinGroup(joining()))
  world.log.faults.delayMs = () => null
  const joined = world.coordinator.joinGroup(joining({ memberId }))
  const beat = world.coordinator.heartbeat({
    groupId: 'g',
    generationId: 0,
    memberId,
    groupInstanceId: null,
  })
  await world.clock.run(5001)
  expect(await world.wait(joined)).toMatchObject({
    errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE,
  })
  expect(await world.wait(beat)).toEqual({ errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE })
  const meanwhile = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(meanwhile.errorCode).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
  world.log.replicate(0)
  await world.clock.run(1)
  const again = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(again).toMatchObject({ errorCode: errorCodes.NONE, generationId: 1, leader: memberId })
})
