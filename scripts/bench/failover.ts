import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodes } from '@trimaran/protocol'
import type { KafkaConnection } from 'trimaran/client'
import {
  brokersOf,
  connect,
  createTopic,
  layoutOf,
  prepareBatch,
  produce,
  retryPauseMs,
  type Address,
} from './client.ts'
import { untilHealthy, type Cluster } from './cluster.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { ProcessCluster } from './process-cluster.ts'
import { noteOf } from './turns.ts'

const usualRounds = 50
/** Each waits out a session of nine seconds and the start of a JVM. */
const besideRounds = 5
/** So long may a fail-over take before it counts as none. */
const patienceMs = 60_000
/** Records flow for at least so long before the kill, so that it meets work under way. */
const steadyMs = 300

type Brokers = ReadonlyMap<number, Address>

/** The worst node to lose: it leads the quorum, is the active controller and leads the partition. */
export const failover: Measurement = {
  name: 'failover',
  title: 'kill -9 of the partition leader that is also the active controller → next acked record',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const { besideCluster } = context
    const samples = await measureCluster(context, new ProcessCluster(context), rounds)
    const beside =
      besideCluster?.isControlled === true
        ? await measureCluster(context, besideCluster, Math.min(rounds, besideRounds))
        : null
    const needs = { needsControl: true, needsProcesses: false }
    return {
      figures: [
        {
          name: 'kill -9 of leader and active controller → next acked record',
          unit: 'ms',
          samples,
          ...(beside !== null && { beside }),
          must: [
            { of: 'median', below: 300 },
            { of: 'max', below: 1000 },
          ],
          ratioMust: { below: 0.06 },
        },
      ],
      settings: `one node leads the quorum and the partition; a client writes one record after another with acks=all (RF 3, min.insync.replicas 2); the time runs from SIGKILL to the first acknowledgement by another node. The client asks for the new leader every ${retryPauseMs} ms; one with Kafka's defaults waits up to 100 ms more.${noteOf(besideCluster, needs)}`,
    }
  },
}

async function measureCluster(
  context: BenchContext,
  cluster: Cluster,
  rounds: number,
): Promise<number[]> {
  const samples: number[] = []
  await cluster.launch()
  for (let at = 1; at <= rounds; at++) {
    const victim = await untilHealthy(cluster.addresses)
    const brokers = await brokersOf(cluster.addresses)
    const others = [...brokers.keys()].filter(nodeId => nodeId !== victim)
    const address = brokers.get(victim)
    if (address === undefined) throw new Error(`node ${victim} leads the quorum and is no broker`)
    const topic = `failover-${at}`
    const admin = await connect(address)
    await createTopic(admin, { name: topic, replicas: [victim, ...others] })
    admin.close()
    await untilHealthy(cluster.addresses)
    const tookMs = await killUnderLoad(cluster, new Writer(brokers, topic), victim, at)
    samples.push(tookMs)
    context.progress(`${at}/${rounds}${cluster.label}: node ${victim}, ${Math.round(tookMs)} ms`)
    await cluster.restart(victim)
  }
  await cluster.stop()
  return samples
}

async function killUnderLoad(
  cluster: Cluster,
  writer: Writer,
  victim: number,
  round: number,
): Promise<number> {
  try {
    await writer.open()
    // The moment differs from round to round, relative to heartbeats, fetches and timers.
    await writer.writeUntil(performance.now() + steadyMs + ((round * 37) % 100))
    let killedMs: number | null = null
    let failure: Error | null = null
    void cluster.kill(victim).then(
      () => (killedMs = performance.now()),
      (error: unknown) => (failure = error as Error),
    )
    for (const startMs = performance.now(); ;) {
      const leader = await writer.write()
      const nowMs = performance.now()
      if (failure !== null) throw failure
      if (killedMs !== null && leader !== null && leader !== victim) return nowMs - killedMs
      if (nowMs - startMs > patienceMs)
        throw new Error(`no record was acknowledged within ${patienceMs} ms after the kill`)
    }
  } finally {
    writer.close()
  }
}

/** Writes records one by one, and looks for the leader wherever somebody answers. */
class Writer {
  readonly #brokers: Brokers
  readonly #topic: string
  readonly #connections = new Map<number, KafkaConnection>()
  readonly #batch = prepareBatch(1, 100)
  #leader: number | null = null
  #topicId = ''

  constructor(brokers: Brokers, topic: string) {
    this.#brokers = brokers
    this.#topic = topic
  }

  async open(): Promise<void> {
    for (const [nodeId, address] of this.#brokers)
      this.#connections.set(nodeId, await connect(address))
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
  }

  async writeUntil(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) await this.write()
  }

  /** Who acknowledged it; null: nobody, and the leader is looked for next time. */
  async write(): Promise<number | null> {
    const leader = this.#leader ?? (await this.#findLeader())
    const connection = leader === null ? undefined : this.#connections.get(leader)
    if (leader !== null && connection?.isOpen === true) {
      try {
        const topic = { name: this.#topic, topicId: this.#topicId }
        if ((await produce(connection, topic, 0, this.#batch)) === errorCodes.NONE) {
          this.#leader = leader
          return leader
        }
      } catch {
        // The connection broke: somebody else leads now, or will.
      }
    }
    this.#leader = null
    await sleep(retryPauseMs)
    return null
  }

  async #findLeader(): Promise<number | null> {
    for (const connection of this.#connections.values()) {
      if (!connection.isOpen) continue
      try {
        const layout = await layoutOf(connection, this.#topic)
        if (layout === null) continue
        this.#topicId = layout.topicId
        return layout.leaders[0] ?? null
      } catch {
        // It is the one that was killed.
      }
    }
    return null
  }
}
