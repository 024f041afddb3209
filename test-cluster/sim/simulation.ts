import { AssertionError, ClusterError, Prng } from '@trimaran/common'
import type { LogLevel, NodeId } from '@trimaran/common'
import { Violation as QuorumViolation } from '@trimaran/raft/testing'
import type { SimulatedMistakes } from '@trimaran/server/node'
import { History } from 'trimaran/history'
import { checkHistory } from '../checkers/history-checks.ts'
import { Violation } from '../checkers/violation.ts'
import { NodeDisks } from './disk.ts'
import { withExtraHarm, withExtras } from './extras.ts'
import { Nemesis } from './faults.ts'
import { isSettled, watchReaders } from './liveness.ts'
import { Marks } from './marks.ts'
import { SimNetwork } from './network.ts'
import { SimNode } from './node-host.ts'
import { Oracle } from './oracle.ts'
import { drawPlan } from './plan.ts'
import type { Decision } from './plan.ts'
import { calmNetwork, drawSwarm } from './swarm.ts'
import type { FaultKind, Swarm } from './swarm.ts'
import { fieldsText, Trace } from './trace.ts'
import { trimmed } from './trims.ts'
import type { TrimName } from './trims.ts'
import { Workload } from './workload.ts'
import { Owner, World } from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly nodes: number
  /** Simulated, of which the last third is for healing and checking. */
  readonly seconds: number
  readonly mistakes?: SimulatedMistakes
  /** Instead of the one that is drawn from the seed. */
  readonly plan?: readonly Decision[]
  /** What the seed would have, and this run has not. */
  readonly trims?: readonly TrimName[]
  /** Keeps the last lines; prints all of them if told to. */
  /** Without, failures come without stacks, and everything is a good deal faster. */
  readonly stacks?: boolean
  readonly trace?: { readonly linesMax: number; readonly print: ((line: string) => void) | null }
}

export type FailureKind = 'crash' | 'liveness' | 'correctness'

export interface Failure {
  readonly kind: FailureKind
  readonly message: string
  readonly stack: string
}

export interface Outcome {
  readonly seed: number
  readonly failure: Failure | null
  readonly simulatedMs: number
  /** Of this process, while the seed ran. */
  readonly cpuMs: number
  readonly events: number
  readonly hash: number
  readonly faults: Record<FaultKind, number>
  readonly counts: Record<string, number>
  /** How often each situation was met; see marks.ts. */
  readonly marks: Readonly<Record<string, number>>
  /** Distinct states of leaders, as text. */
  readonly states: readonly string[]
  readonly plan: readonly Decision[]
  readonly trace: readonly string[]
}

/** Liveness: everything must be well again this long after the last fault. */
const recoveryMaxMs = 60_000
/** Twenty thousand records, a few at a time where a fetch holds no more. */
const finalReadsMaxMs = 120_000
/** Until all brokers are up and the topics are created. */
const warmUpMaxMs = 30_000
const keepAliveEveryUs = 500_000
/** A simulated second has about a thousand events. A hundred times that is nodes that keep each other busy with nothing. */
const eventsPerSecondMax = 100_000

/** Writes that came back in another order than they were made look like damage, and are treated as that. */
const expectedAfterPowerLoss: ReadonlySet<string> = new Set(['log damaged', 'partition offline'])

const expectedOfFailingDisk: ReadonlySet<string> = new Set([
  'log directory failed',
  'partition offline',
  'checkpoint failed',
  'group coordinator cannot load its partition',
  'node halts',
])

/** What was stored is not there any more, and that is said. */
const expectedOfRot: ReadonlySet<string> = new Set([
  'log damaged',
  'replica damaged',
  'damaged records are not served',
  'partition offline',
  'group coordinator cannot load its partition',
])

const diskFailures: ReadonlySet<string> = new Set(['DISK_FAILED', 'DISK_FULL'])

class LivenessError extends Error {
  override readonly name = 'LivenessError'
}

/** One seed, from the first start of its nodes to the last check. */
export class Simulation {
  readonly #options: SimulationOptions
  readonly #swarm: Swarm
  readonly #world: World
  readonly #network: SimNetwork
  readonly #nodes: SimNode[] = []
  readonly #oracle: Oracle
  readonly #nemesis: Nemesis
  readonly #workload: Workload
  readonly #history = new History()
  readonly #marks = new Marks()
  readonly #plan: readonly Decision[]
  readonly #trace: Trace | null
  #failure: unknown = null
  #isLooking = false
  #second = { number: 0, from: 0 }

  constructor(options: SimulationOptions) {
    this.#options = options
    const root = new Prng(options.seed)
    const swarm = withExtras(drawSwarm(root.fork(1), options), options.seed)
    this.#swarm = trimmed(swarm, options.trims ?? [])
    // Drawn in any case: what else is drawn must not depend on whether the plan is.
    const drawn = withExtraHarm(drawPlan(root.fork(5), this.#swarm, options), this.#swarm, options)
    this.#plan = options.plan ?? drawn
    this.#trace = options.trace ? new Trace(options.trace.linesMax, options.trace.print) : null
    const world = new World(root.fork(2))
    this.#world = world
    this.#network = new SimNetwork({
      world,
      random: root.fork(3),
      profile: this.#swarm.network,
      watch: {
        sending: (from, to, message) => {
          this.#marks.sent(message)
          this.#oracle.quorum.sending(from, to, message)
        },
        delivered: (from, to, message) => this.#oracle.quorum.delivered(from, to, message),
      },
    })
    const voters = Array.from({ length: this.#swarm.voterCount }, (_, at) => at + 1)
    this.#oracle = new Oracle({
      world,
      nodes: this.#nodes,
      fetchTimeoutMs: this.#swarm.fetchTimeoutMs,
      properties: this.#swarm.properties,
    })
    const machines = root.fork(4)
    for (let id = 1; id <= this.#swarm.nodeCount; id++) this.#addNode(id, voters, machines.fork(id))
    this.#nemesis = new Nemesis({
      world,
      plan: this.#plan,
      swarm: this.#swarm,
      network: this.#network,
      nodes: this.#nodes,
      image: () => this.#oracle.metadata.latest,
      diskFails: victim => this.#diskFails(victim),
      trace: what => this.#note(0, `! ${what}`),
      mark: what => this.#marks.hit(what),
      rotten: (nodeId, topicId, partition) =>
        this.#oracle.logs.mirror(nodeId, topicId, partition)?.rots(),
    })
    this.#workload = new Workload(
      {
        world,
        network: this.#network,
        nodes: new Map(this.#nodes.map(node => [node.id, node])),
        history: this.#history,
        oracle: this.#oracle.clients,
        askedToAddVoter: nodeId => this.#oracle.quorum.askedToAdd(nodeId),
        marks: this.#marks,
        isDraining: false,
        fail: error => this.#fail(error),
      },
      this.#swarm,
      root.fork(6),
    )
  }

  /** Never rejects. Runs in a turn of its own: promise jobs can only be run from outside of promise jobs. */
  run(): Promise<Outcome> {
    return new Promise(resolve => {
      setImmediate(() => {
        const before = process.cpuUsage()
        const { stackTraceLimit } = Error
        if (this.#options.stacks !== true) Error.stackTraceLimit = 0
        const onRejection = (error: unknown): void => this.#fail(error)
        process.on('unhandledRejection', onRejection)
        try {
          this.#phases()
        } catch (error) {
          this.#fail(error)
        } finally {
          // What is still alive must not run on into the next seed.
          for (const node of this.#nodes) node.node?.halt()
          process.off('unhandledRejection', onRejection)
          Error.stackTraceLimit = stackTraceLimit
        }
        const { user, system } = process.cpuUsage(before)
        resolve(this.#outcome((user + system) / 1000))
      })
    })
  }

  #phases(): void {
    const { seconds } = this.#options
    this.#every(keepAliveEveryUs, () => this.#network.keepAlive())
    for (const node of this.#nodes) node.start()
    this.#workload.start()
    this.#runUntil('warm-up', warmUpMaxMs, () => this.#workload.isReady)
    this.#note(0, '== faults')
    this.#nemesis.start()
    this.#runFor(seconds * 1000)
    this.#note(0, '== heal')
    this.#network.profile = calmNetwork
    this.#nemesis.heal()
    const picture = (): string | null =>
      isSettled({
        nodes: this.#nodes,
        oracle: this.#oracle,
        workload: this.#workload,
        replicaCount: 3,
      })
    this.#runUntil('recovery', recoveryMaxMs, () => picture() === null, picture)
    const endOf = (topicId: string, partition: number): number =>
      this.#oracle.logs.log(topicId, partition)?.end ?? 0
    const stuck = watchReaders(this.#workload, endOf)
    this.#runUntil('reading on', recoveryMaxMs, () => stuck() === null, stuck)
    this.#note(0, '== drain')
    this.#workload.drain()
    const busy = (): string => `busy: ${this.#workload.busy.join(', ')}`
    this.#runUntil('drain', recoveryMaxMs, () => this.#workload.isIdle, busy)
    this.#note(0, '== final reads')
    let isRead = false
    this.#workload.readAll(endOf).then(
      () => {
        isRead = true
      },
      (error: unknown) => this.#fail(error),
    )
    this.#runUntil('final reads', finalReadsMaxMs, () => isRead)
    this.#oracle.atEnd()
    checkHistory(this.#history)
  }

  #addNode(id: NodeId, voters: readonly NodeId[], random: Prng): void {
    const world = this.#world
    const owner = new Owner(id)
    const { wallSkewMaxMs, properties, disk, hasVoterChanges } = this.#swarm
    const node = new SimNode({
      spec: {
        nodeId: id,
        roles: { broker: true, controller: hasVoterChanges || voters.includes(id) },
        voters,
        properties,
        wallSkewMs: random.between(0, wallSkewMaxMs),
        mistakes: this.#options.mistakes ?? {},
      },
      world,
      owner,
      network: this.#network,
      disks: new NodeDisks({
        world,
        owner,
        random: random.fork(1),
        profile: disk,
        watch: {
          writing: write => this.#oracle.quorum.writing(id, write),
          durable: write => this.#oracle.quorum.durable(id, write),
        },
      }),
      random: random.fork(2),
      watch: {
        started: started => this.#oracle.started(started),
        stopped: stopped => this.#oracle.stopped(stopped),
        log: (from, level, phrase, fields) => this.#log(from, level, phrase, fields),
        failed: error => this.#fail(error),
        halted: (from, error) => {
          const isExpected = error instanceof ClusterError && diskFailures.has(error.code)
          if (!isExpected || !from.hasFailingDisk) return this.#fail(error)
          // Nothing of it can be looked at from now on.
          this.#oracle.stopped(from)
          this.#nemesis.diskStoppedNode(from)
        },
      },
    })
    this.#nodes.push(node)
  }

  #log(
    node: SimNode,
    level: LogLevel,
    phrase: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    this.#world.note(phrase.length)
    this.#marks.logged(phrase, fields)
    if (this.#trace !== null && level !== 'trace') {
      this.#note(node.id, `${level.padEnd(5)} ${phrase} ${fieldsText(fields)}`)
    }
    const isExpected =
      (node.lostWrites && expectedAfterPowerLoss.has(phrase)) ||
      (node.hasRot && expectedOfRot.has(phrase)) ||
      (node.hasFailingDisk && expectedOfFailingDisk.has(phrase))
    if ((level === 'error' || level === 'fatal') && !isExpected) {
      const { err } = fields as { err?: unknown }
      this.#fail(
        err instanceof Error ? err : new Violation('log', `${phrase} ${fieldsText(fields)}`),
      )
    }
  }

  #note(nodeId: NodeId, what: string): void {
    this.#trace?.add(this.#world.nowMs, this.#world.events, nodeId, what)
  }

  #fail(error: unknown): void {
    this.#failure ??= error ?? new Error('a failure without an error')
  }

  #every(periodUs: number, run: () => void): void {
    this.#world.after(periodUs, this.#world.outside, () => {
      run()
      this.#every(periodUs, run)
    })
  }

  #runFor(forMs: number): void {
    const untilUs = this.#world.nowUs + forMs * 1000
    while (this.#step(untilUs));
  }

  #runUntil(
    phase: string,
    withinMs: number,
    isDone: () => boolean,
    picture: () => string | null = () => null,
  ): void {
    const untilUs = this.#world.nowUs + withinMs * 1000
    for (let steps = 0; ; steps++) {
      // Looking at everything after every event would cost more than the event.
      if (steps % 16 === 0 && isDone()) return
      if (!this.#step(untilUs)) {
        const links = this.#network.picture()
        throw new LivenessError(
          `${phase} is not over after ${withinMs} ms: ${picture() ?? ''}\n${links}`,
        )
      }
    }
  }

  #step(untilUs: number): boolean {
    const isMore = this.#world.step(untilUs)
    const second = Math.floor(this.#world.nowUs / 1_000_000)
    if (second !== this.#second.number) this.#second = { number: second, from: this.#world.events }
    if (this.#world.events - this.#second.from > eventsPerSecondMax) {
      throw new LivenessError(`more than ${eventsPerSecondMax} events in a second`)
    }
    if (this.#failure === null) this.#look(this.#world.current.id)
    if (this.#failure !== null) throw this.#failure
    return isMore
  }

  /** With disks that work: the checkers see what is stored, whatever a disk does to its node. */
  #look(nodeId: NodeId): void {
    this.#isLooking = true
    try {
      this.#oracle.afterEvent(nodeId)
    } finally {
      this.#isLooking = false
    }
  }

  /** An operation is about to fail, and that ends the process: what it did in this event is seen now or never. */
  #diskFails(victim: SimNode): boolean {
    if (this.#isLooking) return false
    try {
      if (this.#failure === null) this.#look(victim.id)
    } catch (error) {
      this.#fail(error)
    }
    return true
  }

  /** With what the checkers have counted. */
  #marksHit(): Readonly<Record<string, number>> {
    const { electionsFromElr, electionsFromLastKnownElr, reassignmentsDone } =
      this.#oracle.metadata.counts
    const { reassignmentsCancelled } = this.#workload.admin.counts
    const counted: Record<string, number> = {
      'elected: from the ELR': electionsFromElr,
      'elected: from the last known ELR': electionsFromLastKnownElr,
      'reassignment: done': reassignmentsDone,
      'reassignment: cancelled': reassignmentsCancelled,
      'retention: batches deleted': this.#oracle.logs.starts.retained,
    }
    for (const state of this.#oracle.marks) counted[state] = 1
    return { ...this.#marks.counts, ...counted }
  }

  #outcome(cpuMs: number): Outcome {
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    const { producers, consumers, members, admin } = this.#workload
    return {
      seed: this.#options.seed,
      failure: this.#failure === null ? null : describe(this.#failure),
      simulatedMs: this.#world.nowMs,
      cpuMs,
      events: this.#world.events,
      hash: this.#world.hash,
      faults: this.#nemesis.counts,
      counts: {
        ackedBatches: sum(producers.map(({ acked }) => acked.batches)),
        ackedRecords: sum(producers.map(({ acked }) => acked.records)),
        unknownBatches: sum(producers.map(({ unknown }) => unknown)),
        recordsRead: sum(consumers.map(({ reader }) => reader.records)),
        recordsReadByGroup: sum(members.map(({ records }) => records)),
        generations: sum(members.map(({ generations }) => generations)),
        offsetCommits: sum(members.map(({ commits }) => commits)),
        ...admin.counts,
        deletions: this.#marks.counts['deleteRecords: done'] ?? 0,
        batchesRetained: this.#oracle.logs.starts.retained,
        quorumElections: this.#oracle.quorum.elections,
        voterChanges: this.#oracle.quorum.voterChanges,
        metadataEntries: this.#oracle.quorum.committed,
        ...this.#oracle.metadata.counts,
        truncations: this.#oracle.logs.truncations,
        ...this.#network.counts,
      },
      marks: this.#marksHit(),
      states: [...this.#oracle.states],
      plan: this.#plan,
      trace: this.#trace?.last ?? [],
    }
  }
}

function describe(error: unknown): Failure {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof LivenessError) return { kind: 'liveness', message, stack }
  const isCheck = error instanceof Violation || error instanceof QuorumViolation
  if (isCheck || error instanceof AssertionError) return { kind: 'correctness', message, stack }
  return { kind: 'crash', message, stack }
}
