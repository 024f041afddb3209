import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { RaftDriver } from '../src/driver.ts'
import { defaultLimits, entryOverheadBytes } from '../src/limits.ts'
import type { Message } from '../src/messages.ts'
import type { DurableState, QuorumStore, RaftListener } from '../src/ports.ts'
import { DurableLog } from '../src/testing/simulated-store.ts'
import { decode, encode } from './lab.ts'
import { World } from './simulation/world.ts'

interface Rig {
  readonly world: World
  readonly disk: DurableLog
  readonly told: string[]
  readonly sent: { to: number; message: Message }[]
  readonly roles: unknown[]
  driver: RaftDriver
}

/** One driver with its listener's book and its outgoing mail; the disk is instant unless a store is given. */
function rig(
  options: {
    voters?: readonly number[]
    disk?: DurableLog
    store?: (disk: DurableLog) => QuorumStore
    onTold?: (rig: Rig, line: string) => void
    committedBytesPerTurn?: number
  } = {},
): Rig {
  const { voters = [1], disk = new DurableLog(), onTold = () => {} } = options
  const instant: QuorumStore = {
    write(write, done) {
      disk.apply(write)
      done()
    },
  }
  const tell = (line: string): void => {
    made.told.push(line)
    onTold(made, line)
  }
  const listener: RaftListener = {
    committed: (entries, endOffset) => {
      const texts = entries.map(({ offset, payload }) => `${offset}=${decode(payload)}`)
      tell(['committed', ...texts, `end=${endOffset}`].join(' '))
    },
    snapshotLoaded: snapshot => tell(`snapshot ${decode(snapshot.state)}`),
    leading: epoch => tell(`leading ${epoch}`),
    resigned: epoch => tell(`resigned ${epoch}`),
    leaderChanged: (epoch, leaderId) => tell(`leader ${leaderId} of ${epoch}`),
  }
  const world = new World()
  const made: Rig = { world, disk, told: [], sent: [], roles: [], driver: null as never }
  made.driver = new RaftDriver({
    config: {
      nodeId: 1,
      directoryId: 'directory-1',
      electionTimeoutMs: 1000,
      fetchTimeoutMs: 2000,
      electionBackoffMaxMs: 1000,
      bootstrapVoters: voters.map(nodeId => ({
        nodeId,
        host: `node-${nodeId}`,
        port: 9093,
        directoryId: `directory-${nodeId}`,
      })),
      bootstrapNodeIds: voters,
    },
    durable: disk.load(),
    clock: world,
    random: new Prng(1),
    network: { send: (to, message) => made.sent.push({ to, message }) },
    store: options.store?.(disk) ?? instant,
    listener,
    ...(options.committedBytesPerTurn !== undefined && {
      limits: { ...defaultLimits, committedBytesPerTurn: options.committedBytesPerTurn },
    }),
    logEvent: (level, phrase, fields) => made.roles.push([level, phrase, fields]),
  })
  made.driver.start()
  return made
}

function pass(world: World, ms: number): void {
  let over = false
  world.after(ms, () => {
    over = true
  })
  while (!over) world.step()
}

/** Elects node 1 of three by node 2's votes. */
function lead({ world, sent, driver }: Rig): void {
  pass(world, 150)
  for (const preVote of [true, false]) {
    const { epoch } = (sent.at(-1) as { message: Message }).message
    driver.receive(2, {
      kind: 'voteResponse',
      epoch,
      preVote,
      granted: true,
      leaderId: null,
      voterDirectoryId: null,
    })
  }
  expect(driver.status.role).toBe('leader')
}

test('a quorum of one leads at once and commits what it is given', () => {
  const { world, told, driver } = rig()
  expect(driver.propose([encode('early')])).toBeNull()
  pass(world, 150)
  expect(driver.propose([encode('a'), encode('b')])).toEqual({
    epoch: 1,
    baseOffset: 2,
    endOffset: 4,
  })
  expect(told).toEqual([
    'leader null of 1',
    'leader 1 of 1',
    'committed end=2',
    'leading 1',
    'committed 2=a 3=b end=4',
  ])
})

test('what is committed at once is told in turns of a bounded size, and nothing overtakes it', () => {
  const perTurn = 2 * (entryOverheadBytes + 1)
  const { world, told, driver } = rig({ committedBytesPerTurn: perTurn })
  pass(world, 150)
  const before = told.length
  driver.propose(['a', 'b', 'c', 'd', 'e'].map(encode))
  driver.propose([encode('f')])
  expect(driver.status.highWatermark).toBe(8)
  expect(told.slice(before)).toEqual(['committed 2=a 3=b end=4'])
  pass(world, 10)
  expect(told.slice(before)).toEqual([
    'committed 2=a 3=b end=4',
    'committed 4=c 5=d end=6',
    'committed 6=e end=7',
    'committed 7=f end=8',
  ])
})

test('a stopped driver tells nothing of what it had put off', () => {
  const { world, told, driver } = rig({ committedBytesPerTurn: 1 })
  pass(world, 150)
  driver.propose(['a', 'b', 'c'].map(encode))
  const before = told.length
  driver.stop()
  pass(world, 10)
  expect(told).toHaveLength(before)
})

test('a listener that proposes while it is told hears everything once and in order', () => {
  const { world, told, driver } = rig({
    onTold: (made, line) => {
      if (line === 'leading 1') made.driver.propose([encode('x')])
      if (line.includes('=x')) made.driver.propose([encode('y')])
    },
  })
  pass(world, 150)
  driver.propose([encode('z')])
  expect(told.slice(2)).toEqual([
    'committed end=2',
    'leading 1',
    'committed 2=x end=3',
    'committed 3=y end=4',
    'committed 4=z end=5',
  ])
})

test('a restart tells the snapshot first, and the entries after it once they are known committed', () => {
  const first = rig()
  pass(first.world, 150)
  first.driver.propose([encode('a')])
  first.driver.saveSnapshot(encode('state after a'), 3)
  first.driver.propose([encode('b')])
  first.driver.stop()
  const second = rig({ disk: first.disk })
  expect(second.told).toEqual(['snapshot state after a'])
  expect(second.driver.status).toMatchObject({
    logStartOffset: 3,
    logEndOffset: 4,
    highWatermark: 3,
  })
  pass(second.world, 150)
  expect(second.told.slice(1)).toEqual([
    'leader null of 2',
    'leader 1 of 2',
    'committed 3=b end=5',
    'leading 2',
  ])
})

test('what claims a write leaves only when that write is durable, in order', () => {
  const waiting: (() => void)[] = []
  const made = rig({
    voters: [1, 2, 3],
    store: disk => ({
      write(write, done) {
        waiting.push(() => {
          disk.apply(write)
          done()
        })
      },
    }),
  })
  const { driver, sent } = made
  const ask = (epoch: number): void =>
    driver.receive(2, {
      kind: 'voteRequest',
      epoch,
      preVote: false,
      candidateDirectoryId: null,
      lastEpoch: 0,
      endOffset: 1,
    })
  ask(3)
  ask(3)
  ask(4)
  expect(sent).toEqual([])
  waiting.shift()?.()
  expect(sent).toEqual([])
  waiting.shift()?.()
  expect(sent.map(({ message }) => message.epoch)).toEqual([3, 3])
  waiting.shift()?.()
  expect(sent.map(({ message }) => message.epoch)).toEqual([3, 3, 4])
})

test('resigning resolves when another leads', async () => {
  const made = rig({ voters: [1, 2, 3] })
  lead(made)
  let resolved = false
  const resigning = made.driver.resign().then(() => {
    resolved = true
  })
  expect(made.sent.slice(-2).map(({ message }) => message.kind)).toEqual([
    'endQuorumEpoch',
    'endQuorumEpoch',
  ])
  await Promise.resolve()
  expect(resolved).toBe(false)
  made.driver.receive(2, { kind: 'beginQuorumEpoch', epoch: 2 })
  await resigning
  expect(made.driver.status).toMatchObject({ role: 'follower', leaderId: 2 })
})

test('resigning resolves after the election timeout when nobody takes over, and on stop', async () => {
  const made = rig({ voters: [1, 2, 3] })
  lead(made)
  const resigning = made.driver.resign()
  pass(made.world, 1001)
  await expect(resigning).resolves.toBeUndefined()
  const other = rig({ voters: [1, 2, 3] })
  lead(other)
  const stopped = other.driver.resign()
  other.driver.stop()
  await expect(stopped).resolves.toBeUndefined()
  // Who does not lead has nothing to hand over.
  await expect(rig({ voters: [1, 2, 3] }).driver.resign()).resolves.toBeUndefined()
})

test('a stopped driver does and says nothing', () => {
  const made = rig()
  made.driver.stop()
  pass(made.world, 10_000)
  made.driver.receive(2, { kind: 'beginQuorumEpoch', epoch: 5 })
  expect(made.driver.propose([encode('a')])).toBeNull()
  expect(made.told).toEqual([])
  expect(made.sent).toEqual([])
})

test('an idle leader’s status shows every replica and when it was caught up', () => {
  const made = rig({ voters: [1, 2, 3] })
  lead(made)
  const fetch = (fetchOffset: number, fetchId: number, highWatermark: number): void =>
    made.driver.receive(2, {
      kind: 'fetchRequest',
      fetchId,
      epoch: 1,
      replicaDirectoryId: 'directory-2',
      fetchOffset,
      lastFetchedEpoch: fetchOffset === 1 ? 0 : 1,
      highWatermark,
    })
  fetch(1, 1, 0)
  pass(made.world, 7)
  fetch(2, 2, 0)
  const { status } = made.driver
  const [self, two, three] = status.replicas
  expect(self).toMatchObject({ nodeId: 1, isVoter: true, endOffset: 2 })
  expect(two).toMatchObject({ nodeId: 2, isVoter: true, endOffset: 2 })
  expect(two?.lastCaughtUpMs).toBe(two?.lastFetchMs)
  expect(three).toMatchObject({ nodeId: 3, endOffset: 0, lastCaughtUpMs: 0 })
  expect(status.highWatermark).toBe(2)
  expect(made.driver.describe()).toContain('majority 2')
  expect(made.roles.at(-1)).toEqual([
    'info',
    'quorum role changed',
    { nodeId: 1, role: 'leader', epoch: 1, leaderId: 1 },
  ])
})

test('a log that does not start where its snapshot ends is refused', () => {
  const durable: DurableState = { ...new DurableLog().load(), logStartOffset: 4 }
  const disk = Object.assign(new DurableLog(), { load: () => durable })
  expect(() => rig({ disk })).toThrow('the log starts where the snapshot ends')
})
