import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { joining, stableGroup, subscription, syncing, text } from './requests.ts'
import { World } from './world.ts'

/** A stable group of the static members `one` (the leader) and `two`. */
async function staticPair(world: World): Promise<{ readonly one: string; readonly two: string }> {
  const first = world.coordinator.joinGroup(joining({ groupInstanceId: 'one' }))
  const second = world.coordinator.joinGroup(joining({ groupInstanceId: 'two' }))
  const [{ memberId: one, generationId }, { memberId: two }] = await world.wait(
    Promise.all([first, second]),
  )
  const assignments = [
    { memberId: one, assignment: text('left') },
    { memberId: two, assignment: text('right') },
  ]
  const sync = (memberId: string, groupInstanceId: string) =>
    world.coordinator.syncGroup(syncing({ generationId, memberId, groupInstanceId, assignments }))
  await world.wait(Promise.all([sync(one, 'one'), sync(two, 'two')]))
  return { one, two }
}

const pairWorld = () => new World({ config: { initialRebalanceDelayMs: 100 } }).start()

test('a static member joins in one step, named after its instance', async () => {
  const world = await pairWorld()
  const { one } = await staticPair(world)
  expect(one).toMatch(/^one-/)
})

test('a static member that comes back takes its assignment over without a rebalance', async () => {
  const world = await pairWorld()
  const { one, two } = await staticPair(world)
  const back = await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'two' })))
  expect(back).toMatchObject({
    errorCode: errorCodes.NONE,
    generationId: 1,
    leader: one,
    skipAssignment: false,
  })
  expect(back.memberId).not.toBe(two)
  expect(world.coordinator.describeGroup('g').groupState).toBe('Stable')
  const request = syncing({ memberId: back.memberId, groupInstanceId: 'two' })
  expect((await world.wait(world.coordinator.syncGroup(request))).assignment).toEqual(text('right'))
  const stored = world.log.records(0).at(-1)
  expect(
    stored?.kind === 'group' && stored.value?.members.map(member => member.memberId),
  ).toContain(back.memberId)
})

test('the old id of a static member is fenced everywhere', async () => {
  const world = await pairWorld()
  const { two } = await staticPair(world)
  await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'two' })))
  const old = { groupId: 'g', generationId: 1, memberId: two, groupInstanceId: 'two' }
  const { coordinator } = world
  const topics = [
    { name: 'orders', partitions: [{ partition: 0, offset: 1, leaderEpoch: 0, metadata: null }] },
  ]
  const commit = { ...old, retentionTimeMs: -1, knowsGroupIdNotFound: true, topics }
  const codes = [
    (await world.wait(coordinator.heartbeat(old))).errorCode,
    (await world.wait(coordinator.syncGroup(syncing(old)))).errorCode,
    (await world.wait(coordinator.joinGroup(joining(old)))).errorCode,
    (await world.wait(coordinator.commitOffsets(commit))).topics[0]?.partitions[0]?.errorCode,
    (
      await world.wait(
        coordinator.leaveGroup({ groupId: 'g', members: [{ ...old, reason: null }] }),
      )
    ).members[0]?.errorCode,
  ]
  expect(new Set(codes)).toEqual(new Set([errorCodes.FENCED_INSTANCE_ID]))
})

test('a static leader that comes back leads on and skips the assignment (v9)', async () => {
  const world = await pairWorld()
  await staticPair(world)
  const back = await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'one' })))
  expect(back).toMatchObject({ leader: back.memberId, skipAssignment: true, generationId: 1 })
  expect(back.members).toHaveLength(2)
})

test('a static leader of an older client is not told that it leads, so that it does not assign again', async () => {
  const world = await pairWorld()
  const { one } = await staticPair(world)
  const request = joining({ groupInstanceId: 'one', supportsSkippingAssignment: false })
  const back = await world.wait(world.coordinator.joinGroup(request))
  expect(back).toMatchObject({ leader: one, skipAssignment: false, members: [] })
})

test('a static member that comes back with other metadata but the same protocol causes no rebalance', async () => {
  const world = await pairWorld()
  await staticPair(world)
  const protocols = [{ name: 'range', metadata: subscription('changed') }]
  await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'two', protocols })))
  expect(world.coordinator.describeGroup('g').groupState).toBe('Stable')
})

test('a static member that comes back while the group completes brings about a new rebalance', async () => {
  const world = await pairWorld()
  const first = world.coordinator.joinGroup(joining({ groupInstanceId: 'one' }))
  const second = world.coordinator.joinGroup(joining({ groupInstanceId: 'two' }))
  const [leader, follower] = await world.wait(Promise.all([first, second]))
  const parked = world.coordinator.syncGroup(
    syncing({ memberId: follower.memberId, groupInstanceId: 'two' }),
  )
  const back = world.coordinator.joinGroup(joining({ groupInstanceId: 'two' }))
  expect(await world.wait(parked)).toMatchObject({ errorCode: errorCodes.FENCED_INSTANCE_ID })
  const again = world.coordinator.joinGroup(
    joining({ groupInstanceId: 'one', memberId: leader.memberId }),
  )
  const responses = await world.wait(Promise.all([back, again]))
  expect(responses.map(response => response.generationId)).toEqual([2, 2])
})

test('two clients with one instance id: the later one wins, the parked one is fenced', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 1000 } }).start()
  const first = world.coordinator.joinGroup(joining({ groupInstanceId: 'one' }))
  const second = world.coordinator.joinGroup(joining({ groupInstanceId: 'one' }))
  expect(await world.wait(first)).toMatchObject({ errorCode: errorCodes.FENCED_INSTANCE_ID })
  const winner = await world.wait(second)
  expect(winner).toMatchObject({ errorCode: errorCodes.NONE })
  expect(winner.members).toHaveLength(1)
})

test('an administrator removes a static member by its instance id', async () => {
  const world = await pairWorld()
  await staticPair(world)
  const members = ['two', 'three'].map(groupInstanceId => ({
    memberId: '',
    groupInstanceId,
    reason: null,
  }))
  const response = await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  expect(response.members.map(member => member.errorCode)).toEqual([
    0,
    errorCodes.UNKNOWN_MEMBER_ID,
  ])
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
})

test('static members that are away stay in the group until their sessions expire', async () => {
  const world = await new World().start()
  const lone = await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'one' })))
  const assignments = [{ memberId: lone.memberId, assignment: text('all') }]
  await world.wait(
    world.coordinator.syncGroup(
      syncing({ memberId: lone.memberId, groupInstanceId: 'one', assignments }),
    ),
  )
  await world.clock.run(9000)
  expect(world.coordinator.describeGroup('g').members).toHaveLength(1)
  await world.clock.run(2000)
  expect(world.coordinator.describeGroup('g').groupState).toBe('Empty')
})

test('a replacement that the log refuses leaves the old member in its place', async () => {
  const world = await pairWorld()
  const { two } = await staticPair(world)
  world.log.faults.refuse = () => errorCodes.NOT_ENOUGH_REPLICAS
  const refused = await world.wait(world.coordinator.joinGroup(joining({ groupInstanceId: 'two' })))
  expect(refused.errorCode).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
  const beat = { groupId: 'g', generationId: 1, memberId: two, groupInstanceId: 'two' }
  expect(await world.wait(world.coordinator.heartbeat(beat))).toEqual({
    errorCode: errorCodes.NONE,
  })
})

test('dynamic members without an instance are not touched by any of this', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 1)
  void world.coordinator.joinGroup(joining({ groupInstanceId: 'one' }))
  const again = await world.wait(
    world.coordinator.joinGroup(joining({ memberId: memberIds[0] ?? '' })),
  )
  expect(again.members.map(member => member.groupInstanceId)).toEqual([null, 'one'])
})
