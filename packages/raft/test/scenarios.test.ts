import { expect, test } from 'vitest'
import type { Message } from '../src/messages.ts'
import { Lab, fetchTimeoutMs } from './lab.ts'
import type { Parcel } from './lab.ts'

type FetchResponse = Extract<Message, { kind: 'fetchResponse' }>

/** Three voters, node 1 leads epoch 1, its first entry committed. */
function quietCluster(options: Partial<ConstructorParameters<typeof Lab>[0]> = {}): Lab {
  const lab = new Lab({ voters: [1, 2, 3], ...options })
  lab.run(45)
  expect(lab.leaders()).toEqual([1])
  return lab
}

const isolate =
  (...alone: number[]) =>
  ({ from, to }: Parcel): boolean =>
    alone.includes(from) === alone.includes(to)

/** Raft, figure 8: up to step (c), where an entry of epoch 1 is on a majority but not committed. */
export function figure8(lab: Lab): void {
  const only =
    (...pairs: string[]) =>
    ({ from, to }: Parcel): boolean =>
      pairs.includes(`${from}>${to}`)
  // (a) Node 1 leads epoch 1 and replicates its entry to node 2 alone.
  lab.elect(1, [2, 3])
  lab.passes = only('1>2', '2>1')
  lab.run(1100)
  expect(lab.drawLog(2)).toBe('[0] 0:voters 1:leaderChange')
  // (b) It crashes; node 5 leads epoch 2 by votes of 3 and 4 and keeps its entry for itself.
  lab.crash(1)
  lab.passes = () => false
  lab.elect(5, [3, 4])
  lab.settle()
  lab.crash(5)
  // (c) Node 1 leads epoch 3 and brings its old entry, and that alone, to node 3.
  lab.restart(1)
  lab.elect(1, [2, 3])
  expect(lab.leaders()).toEqual([1])
  let fetched = 0
  lab.passes = parcel => {
    if (parcel.message.kind === 'fetchRequest' && parcel.from === 3) fetched++
    // The second fetch acknowledges the old entry; its answer, the new one, is lost.
    return only('1>2', '2>1', '1>3', '3>1')(parcel) && !isNewEntry(parcel) && fetched < 3
  }
  lab.run(1500)
  expect(lab.drawLog(3)).toBe('[0] 0:voters 1:leaderChange')
}

const isNewEntry = ({ message }: Parcel): boolean =>
  message.kind === 'fetchResponse' && message.entries.some(entry => entry.epoch === 3)

const figure8Lab = (bugs = {}): Lab =>
  new Lab({ voters: [1, 2, 3, 4, 5], limits: { fetchResponseBytesMax: 1 }, bugs })

test('an entry of an older epoch on a majority is not committed by counting (figure 8)', () => {
  const lab = figure8Lab()
  figure8(lab)
  expect(lab.state(1).highWatermark).toBe(0)
  // (d) It can still be replaced: node 5 comes back and wins with its later epoch.
  lab.crash(1)
  lab.restart(5)
  lab.passes = () => true
  lab.elect(5, [2, 3, 4])
  lab.run(3000)
  lab.restart(1)
  lab.run(3000)
  for (const nodeId of [1, 2, 3, 4, 5]) {
    expect(lab.drawLog(nodeId)).toBe('[0] 0:voters 2:leaderChange 4:leaderChange')
  }
})

test('figure 8 shows a leader that commits by counting alone', () => {
  const lab = figure8Lab({ commitOlderEpochs: true })
  figure8(lab)
  expect(lab.state(1).highWatermark).toBe(2)
})

test('an older epoch commits together with the first entry of the new one', () => {
  const lab = quietCluster()
  lab.passes = () => false
  lab.propose(1, 'a')
  lab.settle()
  // Node 2 gets the entry, nobody hears of it.
  lab.passes = ({ from, to }) => from + to === 3
  lab.run(1100)
  lab.crash(1)
  lab.passes = () => true
  lab.elect(2, [3])
  lab.run(1100)
  expect(lab.drawLog(3)).toBe('[0] 0:voters 1:leaderChange 1:a 2:leaderChange')
  expect(lab.state(3).highWatermark).toBe(4)
})

test('a restarted leader never leads its epoch again, though its peers still follow it', () => {
  const lab = quietCluster()
  lab.passes = () => false
  lab.propose(1, 'lost')
  lab.mail = []
  lab.crash(1)
  lab.passes = () => true
  lab.restart(1)
  expect(lab.state(1).role.kind).toBe('unattached')
  lab.run(3000)
  const [leader] = lab.leaders()
  expect(lab.state(leader as number).epoch).toBeGreaterThan(1)
  expect(lab.drawLog(1)).not.toContain('lost')
  expect(lab.drawLog(1)).toBe(lab.drawLog(2))
})

test('a leader counts itself only once its own write is durable', () => {
  const lab = new Lab({ voters: [1] })
  lab.run(45)
  expect(lab.state(1).highWatermark).toBe(2)
  lab.propose(1, 'a')
  expect(lab.state(1).highWatermark).toBe(2)
  lab.persistOne(1)
  expect(lab.state(1).highWatermark).toBe(3)
})

test('a follower acknowledges only what is durable', () => {
  const lab = quietCluster()
  lab.propose(1, 'a')
  const toFollower = lab.mail.find(parcel => parcel.to === 2) as Parcel
  lab.mail = []
  lab.deliver(toFollower)
  expect(lab.state(2).log.endOffset).toBe(3)
  expect(lab.mail).toEqual([])
  lab.persistOne(2)
  expect(lab.mail).toMatchObject([{ from: 2, message: { kind: 'fetchRequest', fetchOffset: 3 } }])
})

test('a vote leaves only once it is durable, and a restart does not forget it', () => {
  const lab = new Lab({ voters: [1, 2, 3] })
  lab.settle()
  const request = (from: number): Parcel => ({
    from,
    to: 3,
    message: {
      kind: 'voteRequest',
      epoch: 5,
      preVote: false,
      candidateDirectoryId: `directory-${from}`,
      lastEpoch: 0,
      endOffset: 1,
    },
  })
  lab.deliver(request(1))
  expect(lab.mail).toEqual([])
  lab.persistOne(3)
  expect(lab.mail).toMatchObject([{ to: 1, message: { kind: 'voteResponse', granted: true } }])
  lab.mail = []
  lab.crash(3)
  lab.restart(3)
  lab.deliver(request(2))
  lab.deliver(request(1))
  lab.persistOne(3)
  expect(lab.mail).toMatchObject([
    { to: 2, message: { granted: false } },
    { to: 1, message: { granted: true } },
  ])
})

test('a candidate whose disk is another than the voter set names gets no vote', () => {
  const lab = quietCluster()
  const voters = [
    { nodeId: 2, directoryId: 'the-lost-disk', host: 'node-2', port: 9093 },
    { nodeId: 3, directoryId: 'directory-3', host: 'node-3', port: 9093 },
  ]
  lab.state(3).voters.append(2, { voters, lost: [] })
  lab.deliver({
    from: 2,
    to: 3,
    message: {
      kind: 'voteRequest',
      epoch: 5,
      preVote: false,
      candidateDirectoryId: 'directory-2',
      lastEpoch: 9,
      endOffset: 9,
    },
  })
  lab.persistOne(3)
  expect(lab.mail.at(-1)).toMatchObject({ to: 2, message: { granted: false } })
})

test('a voter with the longer log wins at once when another has asked in vain', () => {
  const lab = quietCluster()
  lab.passes = isolate(3)
  lab.propose(1, 'a')
  lab.settle()
  lab.crash(1)
  lab.passes = () => true
  lab.step(2, { kind: 'peerGone', nodeId: 1 })
  lab.step(3, { kind: 'peerGone', nodeId: 1 })
  lab.stand(3)
  lab.run(150)
  expect(lab.leaders()).toEqual([2])
})

test('a follower whose own link broke does not disturb a leader that the others hear', () => {
  const lab = quietCluster()
  lab.passes = ({ from, to }) => !(from + to === 4 && from !== to)
  lab.step(3, { kind: 'peerGone', nodeId: 1 })
  lab.run(10_000)
  expect(lab.leaders()).toEqual([1])
  expect(lab.state(1).epoch).toBe(1)
  lab.passes = () => true
  lab.step(3, { kind: 'peerReachable', nodeId: 1 })
  lab.propose(1, 'a')
  lab.run(2 * fetchTimeoutMs)
  expect(lab.state(3).highWatermark).toBe(3)
})

test('logs that diverge over several epochs become the leader’s', () => {
  const lab = new Lab({ voters: [1, 2, 3, 4, 5] })
  lab.settle()
  // Each epoch's leader writes its first entry for itself alone; node 1 leads 1, 3, 5, node 2 leads 2, 4.
  for (const [leader, voters] of [
    [1, [3, 4]],
    [2, [3, 4]],
    [1, [3, 4]],
    [2, [3, 4]],
    [1, [3, 4]],
  ] as const) {
    lab.passes = () => false
    for (const nodeId of [1, 2]) {
      if (lab.node(nodeId).up) lab.crash(nodeId)
    }
    lab.restart(leader)
    lab.elect(leader, voters)
    expect(lab.leaders()).toEqual([leader])
  }
  expect(lab.drawLog(1)).toBe('[0] 0:voters 1:leaderChange 3:leaderChange 5:leaderChange')
  lab.restart(2)
  lab.passes = () => true
  lab.run(5000)
  for (const nodeId of [2, 3, 4, 5]) expect(lab.drawLog(nodeId)).toBe(lab.drawLog(1))
  expect(lab.state(2).highWatermark).toBe(lab.state(1).highWatermark)
})

/** Node 2 has fetched entries a and b; an answer to its first fetch of the epoch comes again. */
function repeatOldDivergence(bugs: { acceptOldAnswers: boolean }): Lab {
  const lab = quietCluster({ bugs })
  lab.propose(1, 'a', 'b')
  lab.settle()
  const late: FetchResponse = {
    kind: 'fetchResponse',
    fetchId: 1,
    epoch: 1,
    leaderId: 1,
    leaderAddress: null,
    outcome: 'diverging',
    highWatermark: 0,
    logStartOffset: 0,
    baseOffset: 1,
    entries: [],
    hint: { epoch: 0, endOffset: 1 },
  }
  lab.deliver({ from: 1, to: 2, message: late })
  return lab
}

test('a late, repeated answer about divergence cuts nothing that was fetched since', () => {
  expect(repeatOldDivergence({ acceptOldAnswers: false }).state(2).log.endOffset).toBe(4)
})

test('a follower that is told to cut what is committed stops instead', () => {
  expect(() => repeatOldDivergence({ acceptOldAnswers: true })).toThrow(
    'nothing below the high watermark is truncated',
  )
})

test('a node that does not know that it is a voter votes for a good candidate all the same', () => {
  const lab = quietCluster({ observers: [9] })
  lab.deliver({
    from: 1,
    to: 9,
    message: {
      kind: 'voteRequest',
      epoch: 7,
      preVote: false,
      candidateDirectoryId: 'directory-1',
      lastEpoch: 1,
      endOffset: 2,
    },
  })
  lab.settle()
  expect(lab.node(9).disk.vote).toEqual({ epoch: 7, votedFor: 1, led: false })
  expect(lab.trace).toContain('9>1 voteResponse epoch=7 granted leader=null')
})

test('a follower that lags behind the log’s start gets the snapshot in chunks, then entries', () => {
  const lab = quietCluster({ limits: { snapshotChunkBytesMax: 50 } })
  lab.passes = isolate(3)
  lab.propose(1, 'a', 'b', 'c')
  lab.settle()
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(120).fill(7), endOffset: 5 })
  lab.settle()
  lab.propose(1, 'd')
  lab.settle()
  expect(lab.drawLog(1)).toBe('[5] 1:d')
  lab.passes = () => true
  const at = lab.trace.length
  lab.run(fetchTimeoutMs)
  const chunks = lab.trace.slice(at).filter(line => line.includes('fetchSnapshotResponse'))
  expect(chunks.length).toBeGreaterThan(3)
  expect(lab.drawLog(3)).toBe('[5] 1:d')
  expect(lab.node(3).disk.snapshot?.state).toEqual(new Uint8Array(120).fill(7))
  const told = lab.node(3).notices.map(notice => notice.kind)
  expect(told.slice(-2)).toEqual(['snapshotLoaded', 'committed'])
  // The voter set came with it: the follower can win an election.
  expect(lab.state(3).voters.current.map(voter => voter.nodeId)).toEqual([1, 2, 3])
})

test('late and repeated snapshot chunks change nothing', () => {
  const lab = quietCluster({ limits: { snapshotChunkBytesMax: 50 } })
  const seen: Parcel[] = []
  lab.passes = isolate(3)
  lab.propose(1, 'a', 'b', 'c')
  lab.settle()
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(120), endOffset: 5 })
  lab.settle()
  lab.passes = parcel => {
    if (parcel.message.kind === 'fetchSnapshotResponse') seen.push(parcel)
    for (const old of seen) if (old !== parcel) lab.deliver(old)
    return true
  }
  lab.run(fetchTimeoutMs)
  lab.passes = () => true
  for (const old of seen) lab.deliver(old)
  lab.propose(1, 'd')
  lab.settle()
  expect(lab.drawLog(3)).toBe('[5] 1:d')
  expect(lab.node(3).notices.filter(notice => notice.kind === 'snapshotLoaded')).toHaveLength(1)
})

test('a snapshot is not replaced while a replica fetches it', () => {
  const lab = quietCluster({ limits: { snapshotChunkBytesMax: 50 } })
  lab.passes = isolate(3)
  lab.propose(1, 'a', 'b', 'c')
  lab.settle()
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(120), endOffset: 4 })
  let chunks = 0
  lab.passes = ({ message }) => message.kind !== 'fetchSnapshotResponse' || ++chunks <= 1
  lab.run(1200)
  expect(chunks).toBeGreaterThan(0)
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(130), endOffset: 5 })
  expect(lab.state(1).snapshot?.id.endOffset).toBe(4)
  lab.passes = () => true
  lab.run(fetchTimeoutMs)
  expect(lab.state(3).log.startOffset).toBe(4)
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(130), endOffset: 5 })
  expect(lab.state(1).snapshot?.id.endOffset).toBe(5)
})

test('a snapshot is made only of what is committed, and never goes back', () => {
  const lab = quietCluster()
  lab.propose(1, 'a', 'b')
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(1), endOffset: 4 })
  expect(lab.state(1).snapshot).toBeNull()
  lab.settle()
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(1), endOffset: 4 })
  lab.step(1, { kind: 'saveSnapshot', state: new Uint8Array(2), endOffset: 3 })
  expect(lab.state(1).snapshot?.id).toEqual({ endOffset: 4, epoch: 1 })
})

test('an observer gets what is committed, soon, and never counts', () => {
  const lab = quietCluster({ observers: [9] })
  lab.run(2000)
  lab.passes = isolate(1, 9)
  lab.propose(1, 'a')
  lab.settle()
  expect(lab.state(1).highWatermark).toBe(2)
  expect(lab.state(9).log.endOffset).toBe(2)
  lab.passes = () => true
  lab.run(1100)
  expect(lab.state(9).highWatermark).toBe(3)
  lab.propose(1, 'b')
  lab.settle()
  expect(lab.state(9).highWatermark).toBe(4)
})

test('an observer whose leader is gone finds the next one', () => {
  const lab = quietCluster({ observers: [9] })
  lab.run(2000)
  lab.crash(1)
  for (const nodeId of [2, 3, 9]) lab.step(nodeId, { kind: 'peerGone', nodeId: 1 })
  lab.run(400)
  const [leader] = lab.leaders()
  expect(lab.state(9).leaderId).toBe(leader)
})

test('a leader without a majority resigns after one and a half fetch timeouts, and says so', () => {
  const lab = quietCluster()
  lab.passes = isolate(1)
  lab.run(1.5 * fetchTimeoutMs - 600)
  expect(lab.state(1).role.kind).toBe('leader')
  lab.run(1000)
  expect(lab.state(1).role.kind).toBe('resigned')
  expect(lab.node(1).notices).toContainEqual({ kind: 'resigned', epoch: 1 })
  lab.propose(1, 'too late')
  expect(lab.drawLog(1)).not.toContain('too late')
})

test('a message of a newer epoch deposes a leader, and those who wait on it hear so', () => {
  const lab = quietCluster()
  lab.deliver({ from: 3, to: 1, message: { kind: 'beginQuorumEpoch', epoch: 9 } })
  expect(lab.state(1).leaderId).toBe(3)
  lab.persistOne(1)
  expect(lab.mail).toContainEqual(
    expect.objectContaining({
      from: 1,
      to: 2,
      message: expect.objectContaining({ outcome: 'notLeader', epoch: 9, leaderId: 3 }),
    }),
  )
})

test('a deposed leader that still announces itself is told the new epoch', () => {
  const lab = quietCluster()
  lab.passes = isolate(1)
  lab.elect(2, [3])
  lab.run(1100)
  lab.passes = () => true
  lab.deliver({ from: 1, to: 3, message: { kind: 'beginQuorumEpoch', epoch: 1 } })
  lab.settle()
  expect(lab.state(1).role.kind).toBe('follower')
  expect(lab.state(1).leaderId).toBe(2)
})

test('two leaders of one epoch stop the node that sees them', () => {
  const lab = quietCluster()
  lab.state(2).become({ kind: 'unattached', standsAtMs: Infinity, asksAtMs: Infinity, asked: 0 })
  expect(() =>
    lab.deliver({ from: 3, to: 2, message: { kind: 'beginQuorumEpoch', epoch: 1 } }),
  ).toThrow('one leader per epoch')
})

test('a voter set takes effect when appended and reverts when truncated', () => {
  const lab = quietCluster()
  const { voters, log } = lab.state(3)
  const end = log.endOffset
  const alone = { nodeId: 3, directoryId: null, host: 'node-3', port: 9093 }
  voters.append(end, { voters: [alone], lost: [] })
  expect(lab.state(3).peers).toEqual([])
  lab.state(3).truncate(end)
  expect(lab.state(3).peers).toEqual([1, 2])
})

test('a fetch response holds its bytes of payload at most, but one entry at least', () => {
  const lab = quietCluster({ limits: { fetchResponseBytesMax: 100 } })
  lab.passes = isolate(3)
  lab.propose(1, 'x'.repeat(200), 'y'.repeat(30), 'z')
  lab.settle()
  lab.passes = () => true
  lab.run(fetchTimeoutMs)
  const counts = lab.trace
    .filter(line => line.startsWith('1>3 fetchResponse'))
    .map(line => /count=(\d+)/.exec(line)?.[1])
  expect(counts.filter(count => count !== '0').slice(-2)).toEqual(['1', '2'])
  expect(lab.state(3).log.endOffset).toBe(5)
})

test('replicas beyond the bound make room by the longest silent observer', () => {
  const lab = quietCluster({ observers: [7, 8, 9], limits: { replicasMax: 3 } })
  lab.run(4000)
  const { role } = lab.state(1)
  expect(role.kind === 'leader' && role.replicas.size).toBe(3)
  expect(role.kind === 'leader' && [2, 3].every(nodeId => role.replicas.has(nodeId))).toBe(true)
})

test('a voter that restarts with lost unsynced entries catches up from what it has', () => {
  const lab = quietCluster()
  lab.propose(1, 'a')
  const toFollower = lab.mail.find(parcel => parcel.to === 3) as Parcel
  lab.deliver(toFollower)
  lab.crash(3)
  lab.settle()
  lab.restart(3)
  expect(lab.state(3).log.endOffset).toBe(2)
  lab.run(200)
  expect(lab.state(3).highWatermark).toBe(3)
})
