import type { NodeId } from '@trimaran/common'
import { expect, test } from 'vitest'
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
