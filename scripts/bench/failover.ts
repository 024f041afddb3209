import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodes } from '@trimaran/protocol'
import { KafkaConnection } from 'trimaran/client'
import { connect, createTopic, layoutOf, prepareBatch, produce, retryPauseMs } from './client.ts'
import type { Measurement } from './measurement.ts'
import { ProcessCluster } from './process-cluster.ts'

const usualRounds = 20
/** So long may a fail-over take before it counts as none. */
const patienceMs = 20_000
/** Records flow for at least so long before the kill, so that it meets work under way. */
const steadyMs = 300

/** The worst node to lose: it leads the quorum, is the active controller and leads the partition. */
export const failover: Measurement = {
  name: 'failover',
  title: 'kill -9 of the partition leader that is also the active controller → next acked record',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const cluster = new ProcessCluster(context)
    await cluster.launch()
    const samples: number[] = []
    for (let at = 1; at <= rounds; at++) {
      const victim = await cluster.untilHealthy()
      const others = cluster.nodeIds.filter(nodeId => nodeId !== victim)
      const topic = `failover-${at}`
      const admin = await connect(cluster.address(victim))
      await createTopic(admin, { name: topic, replicas: [victim, ...others] })
      admin.close()
      await cluster.untilHealthy()
      const tookMs = await killUnderLoad(cluster, topic, victim, at)
      samples.push(tookMs)
      context.progress(`${at}/${rounds}: node ${victim}, ${Math.round(tookMs)} ms`)
      await cluster.restart(victim)
    }
    await cluster.stop()
    return {
      figures: [
        {
          name: 'kill -9 of leader and active controller → next acked record',
          unit: 'ms',
          samples,
          must: [
            { of: 'median', below: 500 },
            { of: 'max', below: 1000 },
          ],
        },
      ],
      settings: `one node leads the quorum and the partition; a client writes one record after another with acks=all (RF 3, min.insync.replicas 2); the time runs from SIGKILL to the first acknowledgement by another node. The client asks for the new leader every ${retryPauseMs} ms; one with Kafka's defaults waits up to 100 ms more.`,
    }
  },
}

async function killUnderLoad(
  cluster: ProcessCluster,
  topic: string,
  victim: number,
  round: number,
): Promise<number> {
  const writer = new Writer(cluster, topic)
  try {
    await writer.open()
    // The moment differs from round to round, relative to heartbeats, fetches and timers.
    const killAtMs = performance.now() + steadyMs + ((round * 37) % 100)
    let killedMs: number | null = null
    for (;;) {
      if (killedMs === null && performance.now() >= killAtMs) {
        cluster.kill(victim)
        killedMs = performance.now()
      }
      const leader = await writer.write()
      const nowMs = performance.now()
      if (killedMs !== null && leader !== null && leader !== victim) return nowMs - killedMs
      if (killedMs !== null && nowMs - killedMs > patienceMs)
        throw new Error(`no record was acknowledged within ${patienceMs} ms after the kill`)
    }
  } finally {
    writer.close()
  }
}

/** Writes records one by one, and looks for the leader wherever somebody answers. */
class Writer {
  readonly #cluster: ProcessCluster
  readonly #topic: string
  readonly #connections = new Map<number, KafkaConnection>()
  readonly #batch = prepareBatch(1, 100)
  #leader: number | null = null
  #topicId = ''

  constructor(cluster: ProcessCluster, topic: string) {
    this.#cluster = cluster
    this.#topic = topic
  }

  async open(): Promise<void> {
    for (const nodeId of this.#cluster.nodeIds)
      this.#connections.set(nodeId, await connect(this.#cluster.address(nodeId)))
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
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
