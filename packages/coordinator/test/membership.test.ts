import { emptyBytes } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { ClassicGroup } from '../src/group/group.ts'
import { StoredGroups } from '../src/group/stored-groups.ts'
import { legalPreviousStates } from '../src/index.ts'
import { Timer } from '../src/timers.ts'
import { joining, joinWithId, stableGroup, syncing, text } from './requests.ts'
import { World } from './world.ts'

test("the table of states is Kafka's, and no other step is taken", () => {
  expect(Object.isFrozen(legalPreviousStates)).toBe(true)
  expect([...legalPreviousStates.PreparingRebalance].sort()).toEqual([
    'CompletingRebalance',
    'Empty',
    'Stable',
  ])
  const group = new ClassicGroup('g', {
    stored: new StoredGroups(),
    joinTimer: new Timer(() => {}),
    syncTimer: new Timer(() => {}),
  })
  expect(() => group.transitionTo('Stable')).toThrow('group g cannot go from Empty to Stable')
})

test('the assignment of the leader reaches everyone, and only after it is stored', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 100 } }).start()
  const leader = await joinWithId(world)
  const follower = await joinWithId(world)
  const { generationId } = await world.wait(leader.joined)
  world.log.faults.delayMs = () => null
  const answers: string[] = []
  const note = (who: string) => (response: { errorCode: number; assignment: Uint8Array }) =>
    void answers.push(
      `${who} ${response.errorCode} ${new TextDecoder().decode(response.assignment)}`,
    )
  void world.coordinator
    .syncGroup(syncing({ generationId, memberId: follower.memberId }))
    .then(note('follower'))
  const assignments = [
    { memberId: leader.memberId, assignment: text('left') },
    { memberId: follower.memberId, assignment: text('right') },
    { memberId: 'nobody', assignment: text('lost') },
  ]
  void world.coordinator
    .syncGroup(syncing({ generationId, memberId: leader.memberId, assignments }))
    .then(note('leader'))
  await world.clock.run(1000)
  expect(answers).toEqual([])
  world.log.replicate(0)
  await world.clock.run(1)
  expect(answers.sort()).toEqual(['follower 0 right', 'leader 0 left'])
  const stored = world.log.records(0).at(-1)
  expect(stored?.kind === 'group' && stored.value?.members.map(member => member.memberId)).toEqual([
    leader.memberId,
    follower.memberId,
  ])
})

test('an assignment from a follower is not taken', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 100 } }).start()
  const leader = await joinWithId(world)
  const follower = await joinWithId(world)
  const { generationId } = await world.wait(leader.joined)
  const assignments = [{ memberId: follower.memberId, assignment: text('everything') }]
  void world.coordinator.syncGroup(
    syncing({ generationId, memberId: follower.memberId, assignments }),
  )
  await world.clock.run(1000)
  expect(world.coordinator.describeGroup('g').groupState).toBe('CompletingRebalance')
})

test('a member that the leader forgot gets an empty assignment', async () => {
  const world = await new World({ config: { initialRebalanceDelayMs: 100 } }).start()
  const leader = await joinWithId(world)
  const follower = await joinWithId(world)
  const { generationId } = await world.wait(leader.joined)
  const assignments = [{ memberId: leader.memberId, assignment: text('all') }]
  const followed = world.coordinator.syncGroup(
    syncing({ generationId, memberId: follower.memberId }),
  )
  await world.wait(
    world.coordinator.syncGroup(syncing({ generationId, memberId: leader.memberId, assignments })),
  )
  expect(await world.wait(followed)).toMatchObject({
    errorCode: errorCodes.NONE,
    assignment: emptyBytes,
  })
})

test('an assignment that the log refuses fails everyone and begins a rebalance', async () => {
  const world = await new World().start()
  const { memberId, joined } = await joinWithId(world)
  const { generationId } = await world.wait(joined)
  const huge = [{ memberId, assignment: new Uint8Array(10 << 20) }]
  const tooLarge = await world.wait(
    world.coordinator.syncGroup(syncing({ generationId, memberId, assignments: huge })),
  )
  expect(tooLarge.errorCode).toBe(errorCodes.UNKNOWN_SERVER_ERROR)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  const again = await world.wait(world.coordinator.joinGroup(joining({ memberId })))
  expect(again).toMatchObject({ errorCode: errorCodes.NONE, generationId: generationId + 1 })
})

test.each([
  ['an unknown member', { memberId: 'nobody' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['an old generation', { generationId: 0 }, errorCodes.ILLEGAL_GENERATION],
  ['another protocol type', { protocolType: 'connect' }, errorCodes.INCONSISTENT_GROUP_PROTOCOL],
  ['another protocol', { protocolName: 'sticky' }, errorCodes.INCONSISTENT_GROUP_PROTOCOL],
  ['an unknown instance', { groupInstanceId: 'i' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['an unknown group', { groupId: 'other' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['no group', { groupId: '' }, errorCodes.INVALID_GROUP_ID],
  [
    'no word on the protocol (before v5)',
    { protocolType: null, protocolName: null },
    errorCodes.NONE,
  ],
])('SyncGroup with %s', async (_what, change, errorCode) => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  const request = syncing({ generationId, memberId: memberIds[0] ?? '', ...change })
  expect((await world.wait(world.coordinator.syncGroup(request))).errorCode).toBe(errorCode)
})

test.each([
  ['an unknown member', { memberId: 'nobody' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['an old generation', { generationId: 0 }, errorCodes.ILLEGAL_GENERATION],
  ['an unknown group', { groupId: 'other' }, errorCodes.UNKNOWN_MEMBER_ID],
  ['no group', { groupId: '' }, errorCodes.INVALID_GROUP_ID],
  ['all as it should be', {}, errorCodes.NONE],
])('Heartbeat with %s', async (_what, change, errorCode) => {
  const world = await new World().start()
  const { memberIds, generationId } = await stableGroup(world, 1)
  const request = {
    groupId: 'g',
    generationId,
    memberId: memberIds[0] ?? '',
    groupInstanceId: null,
    ...change,
  }
  expect(await world.wait(world.coordinator.heartbeat(request))).toEqual({ errorCode })
})

test('a member that has its generation but not its assignment may send heartbeats', async () => {
  const world = await new World().start()
  const { memberId, joined } = await joinWithId(world)
  const { generationId } = await world.wait(joined)
  const request = { groupId: 'g', generationId, memberId, groupInstanceId: null }
  expect(await world.wait(world.coordinator.heartbeat(request))).toEqual({
    errorCode: errorCodes.NONE,
  })
})

test('several members leave at once, and the last ones leave an empty group behind', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 2)
  const members = [...memberIds, 'nobody'].map(memberId => ({
    memberId,
    groupInstanceId: null,
    reason: null,
  }))
  const response = await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  expect(response.members.map(member => member.errorCode)).toEqual([
    0,
    0,
    errorCodes.UNKNOWN_MEMBER_ID,
  ])
  expect(world.coordinator.describeGroup('g')).toMatchObject({ groupState: 'Empty', members: [] })
  const stored = world.log.records(0).at(-1)
  expect(stored).toMatchObject({
    kind: 'group',
    value: { generation: 2, members: [], leader: null, protocolName: null },
  })
})

test('when one member leaves, the others rebalance', async () => {
  const world = await new World().start()
  const { memberIds, leader } = await stableGroup(world, 2)
  const follower = memberIds.find(memberId => memberId !== leader) ?? ''
  const members = [{ memberId: leader, groupInstanceId: null, reason: 'tired' }]
  await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  const joined = await world.wait(world.coordinator.joinGroup(joining({ memberId: follower })))
  expect(joined).toMatchObject({ generationId: 2, leader: follower })
})

test('a member that has only an id so far can leave, and does not hold the others up', async () => {
  const world = await new World().start()
  const { memberIds } = await stableGroup(world, 1)
  const pending = await world.wait(world.coordinator.joinGroup(joining()))
  const again = world.coordinator.joinGroup(joining({ memberId: memberIds[0] ?? '' }))
  await world.clock.run(100)
  expect(world.coordinator.describeGroup('g').groupState).toBe('PreparingRebalance')
  const members = [{ memberId: pending.memberId, groupInstanceId: null, reason: null }]
  const left = await world.wait(world.coordinator.leaveGroup({ groupId: 'g', members }))
  expect(left.members[0]?.errorCode).toBe(errorCodes.NONE)
  expect((await world.wait(again)).generationId).toBe(2)
})

test('leaving a group that is not there', async () => {
  const world = await new World().start()
  const members = [{ memberId: 'm', groupInstanceId: null, reason: null }]
  const response = await world.wait(world.coordinator.leaveGroup({ groupId: 'other', members }))
  expect(response).toMatchObject({
    errorCode: 0,
    members: [{ errorCode: errorCodes.UNKNOWN_MEMBER_ID }],
  })
  const nameless = await world.wait(world.coordinator.leaveGroup({ groupId: '', members }))
  expect(nameless.errorCode).toBe(errorCodes.INVALID_GROUP_ID)
})
