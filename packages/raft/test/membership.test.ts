import type { NodeId } from '@trimaran/common'
import { expect, test } from 'vitest'
import { DurableLog } from '../src/testing/simulated-store.ts'
import { fetchTimeoutMs, Lab } from './lab.ts'

/** Voters 1, 2 and 3, led by 1, with their disks written down. */
function cluster(): Lab {
  const lab = new Lab({ voters: [1, 2, 3], knowsDirectories: false })
  lab.run(500)
  expect(lab.leaders()).toEqual([1])
  expect(directories(lab, 1)).toEqual(['directory-1', 'directory-2', 'directory-3'])
  return lab
}

const directories = (lab: Lab, at: NodeId): readonly (string | null)[] =>
  [...lab.state(at).voters.current]
    .sort((a, b) => a.nodeId - b.nodeId)
    .map(({ directoryId }) => directoryId)

const cutOff =
  (...nodeIds: readonly NodeId[]) =>
  ({ from, to }: { from: NodeId; to: NodeId }): boolean =>
    !nodeIds.includes(from) && !nodeIds.includes(to)

test('the leader writes down the disk of each voter, once', () => {
  const lab = cluster()
  const end = lab.state(1).log.endOffset
  lab.run(3 * fetchTimeoutMs)
  expect(lab.state(1).log.endOffset).toBe(end)
  expect([2, 3].map(id => directories(lab, id))).toEqual([directories(lab, 1), directories(lab, 1)])
})

test('what a voter with a lost disk says it has does not commit anything', () => {
  const lab = cluster()
  lab.passes = cutOff(2, 3)
  lab.wipe(2)
  lab.propose(1, 'a')
  lab.settle()
  const before = lab.state(1).highWatermark
  const { log, epoch } = lab.state(1)
  lab.passes = ({ to }) => to === 1
  lab.deliver({
    from: 2,
    to: 1,
    message: {
      kind: 'fetchRequest',
      fetchId: 1,
      epoch,
      replicaDirectoryId: 'new-directory-2',
      fetchOffset: log.endOffset,
      lastFetchedEpoch: log.lastEpoch,
      highWatermark: before,
    },
  })
  lab.settle()
  expect(lab.state(1).highWatermark).toBe(before)
})

test('the vote of a voter with a lost disk elects nobody (R16)', () => {
  const lab = cluster()
  lab.passes = cutOff(3)
  lab.propose(1, 'a')
  lab.run(100)
  expect(lab.state(1).highWatermark).toBe(lab.state(1).log.endOffset)
  lab.crash(1)
  lab.passes = () => true
  lab.wipe(2)
  lab.run(10 * fetchTimeoutMs)
  // 3 lacks what 1 and 2 had committed; with the vote of the forgetful 2 it would lead, and "a" would be lost.
  expect(lab.leaders()).toEqual([])
  lab.restart(1)
  lab.run(5 * fetchTimeoutMs)
  expect(lab.leaders()).toHaveLength(1)
  expect(lab.drawLog(3)).toContain('1:a')
})

test('a voter with a new disk is taken out and in again when it has everything, one committed change at a time', () => {
  const lab = cluster()
  lab.propose(1, 'a')
  lab.run(100)
  lab.wipe(2)
  lab.run(2 * fetchTimeoutMs)
  for (const nodeId of [1, 2, 3]) {
    expect(directories(lab, nodeId)).toEqual(['directory-1', 'new-directory-2', 'directory-3'])
  }
  expect(lab.state(2).isVoter).toBe(true)
  lab.crash(3)
  lab.propose(1, 'b')
  lab.run(200)
  expect(lab.state(1).highWatermark).toBe(lab.state(1).log.endOffset)
  expect(lab.drawLog(2)).toContain('1:b')
})

test('a leader elected between the two changes makes the second', () => {
  const lab = cluster()
  const isOut = (): boolean => lab.state(1).voters.current.length === 2
  lab.passes = ({ from }) => from !== 2 || !isOut()
  lab.wipe(2)
  lab.run(fetchTimeoutMs)
  expect(lab.state(3).voters.current.map(({ nodeId }) => nodeId)).toEqual([1, 3])
  // Both must agree now: the one that is left of the other two, and the leader to be.
  lab.passes = cutOff(2)
  lab.run(200)
  lab.step(1, { kind: 'resign' })
  lab.run(500)
  expect(lab.leaders()).toEqual([3])
  lab.passes = () => true
  lab.run(3 * fetchTimeoutMs)
  expect(directories(lab, 3)).toEqual(['directory-1', 'new-directory-2', 'directory-3'])
})

const voterIds = (lab: Lab, at: NodeId): readonly NodeId[] =>
  lab
    .state(at)
    .voters.current.map(({ nodeId }) => nodeId)
    .sort((a, b) => a - b)

test('a voter that was removed on purpose stays out, whatever disk it comes with', () => {
  const lab = cluster()
  expect(lab.remove(1, 3)).toBe(null)
  lab.run(100)
  expect(voterIds(lab, 1)).toEqual([1, 2])
  lab.run(3 * fetchTimeoutMs)
  lab.wipe(3)
  lab.run(5 * fetchTimeoutMs)
  for (const nodeId of [1, 2, 3]) expect(voterIds(lab, nodeId)).toEqual([1, 2])
  expect(lab.state(3).isVoter).toBe(false)
  expect(lab.state(3).log.endOffset).toBe(lab.state(1).log.endOffset)
  lab.crash(1)
  lab.crash(2)
  lab.restart(2)
  lab.run(5 * fetchTimeoutMs)
  expect(lab.leaders()).toEqual([])
})

test('who may come back by itself is in the log, snapshots included', () => {
  const lab = cluster()
  const isOut = (): boolean => lab.state(1).voters.current.length === 2
  lab.passes = ({ from }) => from !== 2 || !isOut()
  lab.wipe(2)
  lab.run(fetchTimeoutMs)
  for (const nodeId of [1, 3]) {
    const { log, highWatermark } = lab.state(nodeId)
    expect(highWatermark).toBe(log.endOffset)
    const state = new Uint8Array(4)
    lab.step(nodeId, { kind: 'saveSnapshot', state, endOffset: log.endOffset })
    lab.settle()
    lab.crash(nodeId)
    lab.restart(nodeId)
  }
  lab.passes = () => true
  lab.run(5 * fetchTimeoutMs)
  expect(directories(lab, 3)).toEqual(['directory-1', 'new-directory-2', 'directory-3'])
})

test('a voter on its way back that is removed does not come back', () => {
  const lab = cluster()
  const isOut = (): boolean => lab.state(1).voters.current.length === 2
  lab.passes = ({ from }) => from !== 2 || !isOut()
  lab.wipe(2)
  lab.run(fetchTimeoutMs)
  expect(lab.remove(1, 2)).toBe(null)
  lab.run(100)
  lab.passes = () => true
  lab.run(3 * fetchTimeoutMs)
  expect(voterIds(lab, 1)).toEqual([1, 3])
  expect(lab.remove(1, 2)).toBe('notFound')
})

test('an observer that has caught up becomes a voter, and counts', () => {
  const lab = new Lab({ voters: [1, 2, 3], observers: [4] })
  lab.run(500)
  expect(lab.add(1, 4)).toBe(null)
  lab.run(100)
  for (const nodeId of [1, 2, 3, 4]) expect(voterIds(lab, nodeId)).toEqual([1, 2, 3, 4])
  lab.crash(2)
  lab.run(100)
  const before = lab.state(1).highWatermark
  lab.propose(1, 'a')
  lab.run(200)
  expect(lab.state(1).highWatermark).toBe(before + 1)
  lab.crash(3)
  lab.propose(1, 'b')
  lab.run(200)
  expect(lab.state(1).highWatermark).toBe(before + 1)
})

test('a voter that was added and loses its disk comes back by itself, though no configuration names it', () => {
  const lab = new Lab({ voters: [1, 2, 3], observers: [4] })
  lab.run(500)
  expect(lab.add(1, 4)).toBe(null)
  lab.run(100)
  lab.wipe(4)
  lab.run(2 * fetchTimeoutMs)
  for (const nodeId of [1, 2, 3, 4]) {
    expect(directories(lab, nodeId)).toEqual([
      'directory-1',
      'directory-2',
      'directory-3',
      'new-directory-4',
    ])
  }
  expect(lab.state(4).isVoter).toBe(true)
})

test('what cannot begin says why', () => {
  const lab = new Lab({ voters: [1, 2, 3], observers: [4, 5] })
  expect(lab.add(1, 4)).toBe('notLeading')
  lab.run(500)
  expect(lab.leaders()).toEqual([1])
  expect(lab.add(2, 4)).toBe('notLeading')
  expect(lab.add(1, 2)).toBe('duplicate')
  expect(lab.add(1, 9)).toBe('notFetching')
  expect(lab.remove(1, 9)).toBe('notFound')
  const otherDisk = { kind: 'remove', nodeId: 3, directoryId: 'directory-9' } as const
  expect(lab.changeVoters(1, otherDisk)).toBe('notFound')
  const voter = { nodeId: 4, directoryId: 'directory-9', host: 'node-4', port: 9093 }
  expect(lab.changeVoters(1, { kind: 'add', voter })).toBe('notFetching')
  lab.crash(4)
  lab.run(fetchTimeoutMs + 500)
  expect(lab.add(1, 4)).toBe('notFetching')
  expect(lab.add(1, 5)).toBe(null)
  expect(lab.remove(1, 2)).toBe('changePending')
  lab.run(100)
  expect(voterIds(lab, 1)).toEqual([1, 2, 3, 5])
})

test('an observer that fetches and never catches up is not added', () => {
  const lab = new Lab({
    voters: [1, 2, 3],
    observers: [4],
    limits: { fetchResponseBytesMax: 1 },
  })
  lab.run(500)
  lab.propose(1, ...Array.from({ length: 200 }, (_, at) => `${at}`))
  lab.run(fetchTimeoutMs)
  lab.crash(4)
  lab.node(4).disk = new DurableLog()
  lab.run(3 * fetchTimeoutMs)
  let fetches = 0
  lab.passes = ({ from, to }) => !(from === 1 && to === 4) || fetches++ < 20
  lab.restart(4)
  lab.run(500)
  expect(lab.state(4).log.endOffset).toBeGreaterThan(0)
  expect(lab.state(4).log.endOffset).toBeLessThan(lab.state(1).log.endOffset)
  expect(lab.add(1, 4)).toBe('lagging')
})

test('a removal that would leave no majority is refused', () => {
  const lab = cluster()
  lab.crash(3)
  lab.run(2 * fetchTimeoutMs)
  expect(lab.remove(1, 2)).toBe('noMajority')
  expect(lab.remove(1, 3)).toBe(null)
  lab.run(100)
  expect(lab.remove(1, 2)).toBe(null)
  lab.run(100)
  expect(voterIds(lab, 1)).toEqual([1])
  expect(lab.remove(1, 1)).toBe('lastVoter')
})

test('a leader that removes itself leads until that is committed, and not a moment longer', () => {
  const lab = cluster()
  lab.passes = ({ to }) => to !== 1
  expect(lab.remove(1, 1)).toBe(null)
  lab.settle()
  expect(lab.leaders()).toEqual([1])
  // Its own disk has it, and counts no more.
  expect(lab.state(1).highWatermark).toBeLessThan(lab.state(1).log.endOffset)
  lab.passes = () => true
  lab.run(2 * fetchTimeoutMs)
  const [leaderId] = lab.leaders()
  expect([2, 3]).toContain(leaderId)
  expect(lab.state(1).isVoter).toBe(false)
  expect(lab.state(1).leaderId).toBe(leaderId)
  for (const nodeId of [1, 2, 3]) expect(voterIds(lab, nodeId)).toEqual([2, 3])
  lab.propose(leaderId as NodeId, 'a')
  lab.run(100)
  expect(lab.drawLog(1)).toContain(':a')
})

test('a leader that dies with its own removal uncommitted may lead again: nobody else can', () => {
  const lab = new Lab({ voters: [1, 2] })
  lab.run(500)
  expect(lab.leaders()).toEqual([1])
  lab.passes = () => false
  expect(lab.remove(1, 1)).toBe(null)
  lab.settle()
  lab.crash(1)
  lab.passes = () => true
  lab.restart(1)
  // 2 does not know that it is the quorum by itself, and its log is too short for the vote of 1.
  lab.run(10 * fetchTimeoutMs)
  expect(lab.leaders()).toEqual([2])
  expect(voterIds(lab, 2)).toEqual([2])
})

test('a change that is not committed is taken back with its entry', () => {
  const lab = new Lab({ voters: [1, 2, 3], observers: [4] })
  lab.run(500)
  lab.passes = ({ from }) => from !== 1
  expect(lab.add(1, 4)).toBe(null)
  lab.run(200)
  expect(voterIds(lab, 1)).toEqual([1, 2, 3, 4])
  lab.run(4 * fetchTimeoutMs)
  lab.passes = () => true
  lab.run(4 * fetchTimeoutMs)
  expect(lab.leaders()).toHaveLength(1)
  for (const nodeId of [1, 2, 3, 4]) expect(voterIds(lab, nodeId)).toEqual([1, 2, 3])
})

test('a node whose configuration names other voters takes them from the log', () => {
  const lab = new Lab({
    voters: [1, 2, 3],
    observers: [4],
    configuredVoters: new Map([[4, [1, 2, 3, 4]]]),
  })
  lab.run(2 * fetchTimeoutMs)
  for (const nodeId of [1, 2, 3, 4]) expect(voterIds(lab, nodeId)).toEqual([1, 2, 3])
  const payloadOf = (nodeId: NodeId): Uint8Array => lab.state(nodeId).log.entryAt(0).payload
  expect(payloadOf(4)).toEqual(payloadOf(1))
  expect(lab.add(1, 4)).toBe(null)
  lab.run(100)
  expect(voterIds(lab, 4)).toEqual([1, 2, 3, 4])
})
