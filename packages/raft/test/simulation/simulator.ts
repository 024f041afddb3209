import { Prng } from '@trimaran/common'
import type { Voter } from '@trimaran/common'
import type { Bugs } from '../../src/bugs.ts'
import { RaftDriver } from '../../src/driver.ts'
import type { Message } from '../../src/messages.ts'
import type { RaftConfig } from '../../src/ports.ts'
import { mix, QuorumChecker, Violation } from '../../src/testing/quorum-checker.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { decodeVoters, noVoters } from '../../src/voters.ts'
import { World } from './world.ts'

export interface Outcome {
  /** Hash of everything that happened: two runs of a seed must agree. */
  readonly trace: number
  readonly events: number
  readonly committed: number
  readonly elections: number
  readonly crashes: number
  readonly wipes: number
  readonly voterChanges: number
  readonly snapshotsLoaded: number
  readonly simulatedMs: number
}

/** A replica that gets an entry per fetch over a slow network has thousands of them to fetch. */
const livenessMs = 600_000

/** One seed: a cluster, its faults and its work, all drawn from it (swarm testing). Throws what broke. */
export function simulate(seed: number, options: { bugs?: Bugs; events?: number } = {}): Outcome {
  return new Simulation(seed, options).run(options.events ?? 3000)
}

class Simulation {
  readonly #world = new World()
  readonly #checker: QuorumChecker
  readonly #swarm: ReturnType<typeof drawSwarm>
  readonly #net: Prng
  readonly #nemesis: Prng
  readonly #workload: Prng
  readonly #cores: Prng
  readonly #operator: Prng
  readonly #bugs: Bugs | undefined
  readonly #voters: readonly number[]
  readonly #nodeIds: readonly number[]
  readonly #stores = new Map<number, SimulatedStore>()
  readonly #up = new Map<number, RaftDriver>()
  readonly #directories = new Map<number, string>()
  #parted: ReadonlySet<number> = new Set()
  /** Until when a node stands still, as under SIGSTOP: nothing reaches it, no timer wakes it. */
  readonly #pausedUntilMs = new Map<number, number>()
  #healed = false
  #trace = 0
  #crashes = 0
  #snapshotsLoaded = 0
  #proposals = 0
  #wipes = 0

  constructor(seed: number, options: { bugs?: Bugs }) {
    const prng = new Prng(seed)
    this.#swarm = drawSwarm(prng.fork(1))
    this.#net = prng.fork(2)
    this.#nemesis = prng.fork(3)
    this.#workload = prng.fork(4)
    this.#cores = prng.fork(5)
    this.#operator = prng.fork(7)
    this.#bugs = options.bugs
    const { voterCount, observerCount } = this.#swarm
    this.#nodeIds = Array.from({ length: voterCount + observerCount }, (_, at) => at + 1)
    this.#voters = this.#nodeIds.slice(0, voterCount)
    this.#checker = new QuorumChecker({ fetchTimeoutMs: this.#swarm.fetchTimeoutMs })
    const disks = prng.fork(6)
    for (const nodeId of this.#nodeIds) {
      const { diskMsMax } = this.#swarm
      const store = new SimulatedStore({
        clock: this.#world,
        random: disks.fork(nodeId),
        delayMs: { min: 0, max: diskMsMax },
      })
      store.onDurable = write => this.#checker.durable(nodeId, write)
      this.#stores.set(nodeId, store)
    }
  }

  run(eventsMax: number): Outcome {
    for (const nodeId of this.#nodeIds) this.#start(nodeId)
    this.#work()
    this.#harm()
    if (this.#swarm.changeMsMax > 0) this.#changeVoters()
    while (this.#world.events < eventsMax) this.#step()
    this.#heal()
    return {
      trace: this.#trace,
      events: this.#world.events,
      committed: this.#checker.committed.length - 1,
      elections: this.#checker.elections,
      crashes: this.#crashes,
      wipes: this.#wipes,
      voterChanges: this.#checker.voterChanges,
      snapshotsLoaded: this.#snapshotsLoaded,
      simulatedMs: this.#world.nowMs,
    }
  }

  /** Liveness: with all faults gone, something new commits everywhere within a bound. */
  #heal(): void {
    this.#healed = true
    this.#parted = new Set()
    for (const nodeId of this.#nodeIds) if (!this.#up.has(nodeId)) this.#start(nodeId)
    const untilMs = this.#world.nowMs + livenessMs
    const before = this.#checker.committed.length
    while (!this.#allBeyond(before)) {
      this.#step()
      if (this.#world.nowMs > untilMs) {
        const picture = [...this.#up.values()].map(driver => driver.describe()).join('\n')
        throw new Violation(`liveness: nothing new commits everywhere\n${picture}`)
      }
    }
  }

  #allBeyond(offset: number): boolean {
    return this.#nodeIds.every(id => (this.#up.get(id)?.status.highWatermark ?? 0) > offset)
  }

  #step(): void {
    if (!this.#world.step()) throw new Violation('liveness: nothing will ever happen again')
    const { nowMs } = this.#world
    // One that stands still cannot know that its time is over; it must as soon as it moves.
    this.#checker.afterEvent(nowMs, id => (this.#pausedUntilMs.get(id) ?? -1) >= nowMs)
  }

  #start(nodeId: number): void {
    const store = this.#stores.get(nodeId) as SimulatedStore
    const isVoter = this.#voters.includes(nodeId)
    const config: RaftConfig = {
      nodeId,
      directoryId: this.#directoryOf(nodeId),
      electionTimeoutMs: this.#swarm.electionTimeoutMs,
      fetchTimeoutMs: this.#swarm.fetchTimeoutMs,
      electionBackoffMaxMs: this.#swarm.electionTimeoutMs,
      bootstrapVoters: isVoter
        ? this.#voters.map(id => ({ nodeId: id, host: `node-${id}`, port: 9093 }))
        : [],
      bootstrapNodeIds: this.#voters,
    }
    let snapshotAfter = 0
    const driver: RaftDriver = new RaftDriver({
      config,
      durable: store.durable.load(),
      clock: {
        monotonicMs: () => this.#world.nowMs,
        wallMs: () => this.#world.wallMs(),
        wakeAt: (deadlineMs, wake) => {
          let cancelled = false
          const ring = (): void => {
            if (!cancelled) wake()
          }
          const cancel = this.#world.wakeAt(deadlineMs, () => this.#whenAwake(nodeId, ring))
          return () => {
            cancelled = true
            cancel()
          }
        },
      },
      random: this.#cores.fork(nodeId),
      network: { send: (to, message) => this.#send(nodeId, to, message) },
      store: {
        write: (write, done) => {
          this.#checker.writing(nodeId, write)
          store.write(write, () => this.#whenAwake(nodeId, done))
        },
      },
      listener: {
        committed: (entries, endOffset) => {
          this.#checker.applied(nodeId, entries, endOffset)
          const { snapshotEvery } = this.#swarm
          if (snapshotEvery === 0 || endOffset - snapshotAfter < snapshotEvery) return
          snapshotAfter = endOffset
          driver.saveSnapshot(encodeState(this.#checker.stateHash(nodeId)), endOffset)
        },
        snapshotLoaded: snapshot => {
          this.#snapshotsLoaded++
          snapshotAfter = snapshot.id.endOffset
          this.#checker.loaded(nodeId, snapshot, decodeState(snapshot.state))
        },
        leading: epoch => this.#note(mix(nodeId, epoch)),
        resigned: epoch => this.#note(mix(nodeId + 100, epoch)),
        leaderChanged: (epoch, leaderId) => this.#note(mix(leaderId ?? -1, epoch)),
      },
      limits: this.#swarm.limits,
      ...(this.#bugs && { bugs: this.#bugs }),
    })
    this.#up.set(nodeId, driver)
    this.#checker.started(nodeId, driver)
    driver.start()
    this.#tellOthers(nodeId, 'reachable')
  }

  #crash(nodeId: number): void {
    this.#crashes++
    this.#up.get(nodeId)?.stop()
    this.#up.delete(nodeId)
    this.#pausedUntilMs.delete(nodeId)
    this.#checker.stopped(nodeId)
    this.#stores.get(nodeId)?.crash()
    this.#tellOthers(nodeId, 'gone')
    if (this.#nemesis.chance(this.#swarm.wipePercent, 100) && this.#everyDiskIsKnown(3)) {
      this.#wipes++
      this.#stores.get(nodeId)?.wipe()
      this.#checker.wiped(nodeId)
      this.#directories.set(nodeId, `directory-${nodeId}-${this.#wipes}`)
    }
    const downMs = this.#nemesis.between(1, this.#swarm.downMsMax)
    this.#world.after(downMs, () => {
      if (!this.#up.has(nodeId)) this.#start(nodeId)
    })
  }

  #directoryOf(nodeId: number): string {
    return this.#directories.get(nodeId) ?? `directory-${nodeId}`
  }

  /**
   * What a lost disk costs is bounded as in life: no second one goes before the first is made up for, and none before all
   * nodes have it on disk who the voters are, and nothing else in mind.
   */
  #everyDiskIsKnown(atLeast: number): boolean {
    const onDisk = this.#nodeIds.map(id => {
      const { entries, snapshot } = (this.#stores.get(id) as SimulatedStore).durable
      const bytes = entries.findLast(({ kind }) => kind === 'voters')?.payload ?? snapshot?.voters
      return bytes === undefined ? noVoters : decodeVoters(bytes)
    })
    const inMemory = [...this.#up.values()].map(({ core }) => core.state.voters.currentSet)
    // Who was never a voter may know nothing yet.
    const known = [...onDisk, ...inMemory].filter(({ voters }) => voters.length > 0)
    const { voters, lost } = known[0] ?? noVoters
    const isKnown = ({ nodeId, directoryId }: Voter): boolean =>
      directoryId === this.#directoryOf(nodeId) && (onDisk[nodeId - 1]?.voters.length ?? 0) > 0
    return (
      lost.length === 0 &&
      voters.length >= atLeast &&
      voters.every(isKnown) &&
      known.every(other => sameVoters(other.voters, voters))
    )
  }

  /** An operator adds and removes voters, one after the other, and does not wait for anything. */
  #changeVoters(): void {
    if (this.#healed) return
    for (const [, driver] of this.#up) {
      if (driver.status.role !== 'leader') continue
      const { voters } = driver.status
      const nodeId = this.#operator.pick(this.#nodeIds)
      const voter = voters.find(each => each.nodeId === nodeId)
      if (voter !== undefined) {
        // Not while a disk is lost: two at a time may be too many.
        if (this.#everyDiskIsKnown(2)) {
          driver.changeVoters({ kind: 'remove', nodeId, directoryId: voter.directoryId })
        }
        continue
      }
      this.#checker.askedToAdd(nodeId)
      const directoryId = this.#directoryOf(nodeId)
      const added = { nodeId, directoryId, host: `node-${nodeId}`, port: 9093 }
      driver.changeVoters({ kind: 'add', voter: added })
      this.#checker.addEnds(nodeId)
    }
    const pauseMs = this.#operator.between(5, this.#swarm.changeMsMax)
    this.#world.after(pauseMs, () => this.#changeVoters())
  }

  /** A broken connection is noticed within milliseconds where the network tells at all. */
  #tellOthers(nodeId: number, what: 'gone' | 'reachable'): void {
    if (!this.#swarm.linksTell) return
    for (const other of this.#nodeIds) {
      if (other === nodeId) continue
      this.#world.after(this.#net.between(1, 30), () => {
        if (this.#up.has(nodeId) !== (what === 'reachable')) return
        if (what === 'gone') this.#up.get(other)?.peerGone(nodeId)
        else {
          this.#up.get(other)?.peerReachable(nodeId)
          this.#up.get(nodeId)?.peerReachable(other)
        }
      })
    }
  }

  #send(from: number, to: number, message: Message): void {
    this.#checker.sending(from, to, message)
    const { lossPercent, repeatPercent, delayMsMax } = this.#swarm
    const lossless = this.#healed
    if (!lossless && this.#net.chance(lossPercent, 100)) return
    this.#deliver(from, to, message, this.#net.between(1, delayMsMax))
    if (!lossless && this.#net.chance(repeatPercent, 100)) {
      this.#deliver(from, to, message, this.#net.between(1, 20 * delayMsMax))
    }
  }

  #deliver(from: number, to: number, message: Message, delayMs: number): void {
    if (this.#parted.has(from) !== this.#parted.has(to)) return
    this.#world.after(delayMs, () => {
      if (this.#parted.has(from) !== this.#parted.has(to)) return
      this.#whenAwake(to, () => {
        const driver = this.#up.get(to)
        if (driver === undefined) return
        this.#note(mix(mix(from, to), message.epoch * 16 + message.kind.length))
        this.#checker.delivered(from, to, message, this.#world.nowMs)
        driver.receive(from, message)
      })
    })
  }

  #whenAwake(nodeId: number, run: () => void): void {
    const untilMs = this.#pausedUntilMs.get(nodeId) ?? 0
    if (untilMs <= this.#world.nowMs) run()
    else this.#world.wakeAt(untilMs, () => this.#whenAwake(nodeId, run))
  }

  #work(): void {
    for (const [nodeId, driver] of this.#up) {
      if ((this.#pausedUntilMs.get(nodeId) ?? 0) > this.#world.nowMs) continue
      const count = this.#workload.between(1, 3)
      const payloads = Array.from({ length: count }, () => {
        const serial = this.#proposals++
        return Uint8Array.of(serial >>> 24, serial >>> 16, serial >>> 8, serial)
      })
      driver.propose(payloads)
    }
    const pauseMs = this.#healed ? 1000 : this.#workload.between(5, this.#swarm.workMsMax)
    this.#world.after(pauseMs, () => this.#work())
  }

  #harm(): void {
    if (this.#healed) return
    const { crashPercent, partPercent, pausePercent, harmMsMax } = this.#swarm
    if (this.#nemesis.chance(crashPercent, 100)) {
      const leaders = this.#nodeIds.filter(id => this.#up.get(id)?.status.role === 'leader')
      const victims =
        leaders.length > 0 && this.#nemesis.chance(1, 2) ? leaders : [...this.#up.keys()]
      if (victims.length > 0) this.#crash(this.#nemesis.pick(victims))
      if (this.#nemesis.chance(1, 10)) for (const id of this.#up.keys()) this.#crash(id)
    }
    if (this.#nemesis.chance(partPercent, 100)) {
      this.#parted = this.#nemesis.chance(1, 2)
        ? new Set()
        : new Set(this.#nodeIds.filter(() => this.#nemesis.chance(2, 5)))
    }
    if (this.#nemesis.chance(pausePercent, 100)) {
      const untilMs = this.#world.nowMs + this.#nemesis.between(1, 4 * this.#swarm.fetchTimeoutMs)
      const victim = this.#nemesis.pick(this.#nodeIds)
      const alreadyMs = this.#pausedUntilMs.get(victim) ?? 0
      this.#pausedUntilMs.set(victim, Math.max(alreadyMs, untilMs))
    }
    this.#world.after(this.#nemesis.between(10, harmMsMax), () => this.#harm())
  }

  #note(value: number): void {
    this.#trace = mix(mix(this.#trace, value), Math.floor(this.#world.nowMs))
  }
}

function drawSwarm(prng: Prng) {
  const electionTimeoutMs = prng.pick([100, 300, 1000])
  return {
    voterCount: prng.pick([1, 3, 3, 3, 5]),
    observerCount: prng.pick([0, 1, 2]),
    electionTimeoutMs,
    fetchTimeoutMs: electionTimeoutMs * 2,
    lossPercent: prng.pick([0, 2, 10, 25]),
    repeatPercent: prng.pick([0, 3, 10]),
    delayMsMax: prng.pick([2, 10, 40]),
    diskMsMax: prng.pick([0, 2, 10, 40]),
    crashPercent: prng.pick([0, 30, 60, 90]),
    partPercent: prng.pick([0, 20, 50]),
    pausePercent: prng.pick([0, 0, 20]),
    harmMsMax: prng.pick([100, 300, 1000]),
    downMsMax: prng.pick([20, 200, 2000]),
    linksTell: prng.chance(2, 3),
    snapshotEvery: prng.pick([0, 3, 20, 100]),
    workMsMax: prng.pick([10, 40, 200]),
    limits: {
      fetchResponseBytesMax: prng.pick([1, 100, 1024 * 1024]),
      snapshotChunkBytesMax: prng.pick([5, 40, 512 * 1024]),
      replicasMax: prng.pick([5, 4096]),
      committedBytesPerTurn: prng.pick([200, 65_536, 65_536]),
    },
    wipePercent: prng.pick([0, 0, 10, 50]),
    /** Of an operator's patience between two changes of the voters; 0: nobody makes any. */
    changeMsMax: prng.pick([0, 0, 50, 500]),
  }
}

const sameVoters = (a: readonly Voter[], b: readonly Voter[]): boolean =>
  a.length === b.length &&
  a.every(voter =>
    b.some(other => other.nodeId === voter.nodeId && other.directoryId === voter.directoryId),
  )

/** Longer than a small chunk. */
function encodeState(hash: number): Uint8Array {
  const state = new Uint8Array(64)
  new DataView(state.buffer).setUint32(60, hash)
  return state
}

const decodeState = (state: Uint8Array): number =>
  new DataView(state.buffer, state.byteOffset).getUint32(60)
