import type { NodeStatus } from '@trimaran/server'
import { fetchStatus } from '../../local-cluster/node-status.ts'
import { signal, spawnNode, stopNodes, waitUntilGone } from '../../local-cluster/processes.ts'
import { waitUntilReady } from '../../local-cluster/startup.ts'
import { readPid, requireNode, type LocalCluster } from '../../local-cluster/state.ts'
import { CliError } from '../../output.ts'
import { controllerIn, leaderIn } from './leaders.ts'
import type { ClusterView, Fault, Torture } from './torture.ts'
import { waitUntil } from './wait-until.ts'

/** A dead process leaves the table within moments. */
const goneTimeoutMs = 5000
const leaderTimeoutMs = 30_000
/** Recovery, catching up and the return to the ISR, on a machine that others use. */
const healTimeoutMs = 60_000

/** Processes of `trimaran cluster up`. */
export class LocalTorture implements Torture {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault> = new Set<Fault>(['kill', 'pause', 'stop'])
  readonly #directory: string
  readonly #state: LocalCluster
  readonly #topic: string

  constructor(directory: string, state: LocalCluster, topic: string) {
    this.#directory = directory
    this.#state = state
    this.#topic = topic
    this.nodes = state.nodes.map(({ id }) => id)
  }

  async kill(node: number): Promise<void> {
    this.#signal(node, 'SIGKILL')
    if (await waitUntilGone(this.#directory, node, goneTimeoutMs)) return
    throw new CliError(`Node ${node} is still there ${goneTimeoutMs / 1000} s after SIGKILL.`)
  }

  async pause(node: number): Promise<void> {
    this.#signal(node, 'SIGSTOP')
  }

  async resume(node: number): Promise<void> {
    this.#signal(node, 'SIGCONT')
  }

  async stop(node: number): Promise<void> {
    const killed = await stopNodes(this.#directory, [node])
    if (killed.length > 0) throw new CliError(`Node ${node} did not stop on SIGTERM.`)
  }

  async start(node: number): Promise<void> {
    if (readPid(this.#directory, node) !== null) return
    spawnNode(this.#directory, this.#state, node)
    const nodes = [requireNode(this.#state, node)]
    await waitUntilReady(this.#directory, { ...this.#state, nodes })
  }

  leader(partition: number): Promise<number> {
    const of = { topic: this.#topic, partition, timeoutMs: leaderTimeoutMs }
    return leaderIn(() => this.view(), of)
  }

  controller(): Promise<number> {
    return controllerIn(() => this.view(), leaderTimeoutMs)
  }

  async healed(): Promise<void> {
    await waitUntil('a healed cluster', async () => this.#wound(), healTimeoutMs)
  }

  async view(): Promise<ClusterView> {
    const newest = (await this.#statuses())
      .filter(status => status !== null)
      .toSorted((a, b) => a.metadataOffset - b.metadataOffset)
      .at(-1)
    if (newest === undefined) return { leaders: [], controller: -1 }
    const leaders: number[] = []
    for (const { topic, partition, leader } of newest.partitions) {
      if (topic === this.#topic) leaders[partition] = leader
    }
    return { leaders, controller: newest.controllerId }
  }

  #statuses(): Promise<(NodeStatus | null)[]> {
    return Promise.all(this.#state.nodes.map(node => fetchStatus(node)))
  }

  async #wound(): Promise<string | null> {
    for (const [at, status] of (await this.#statuses()).entries()) {
      const node = this.nodes[at] as number
      if (status === null) return `node ${node} does not answer`
      if (status.broker?.state !== 'RUNNING') return `node ${node} is ${status.broker?.state}`
      if (status.controllerId < 0) return `node ${node} knows no controller`
      const bad = status.partitions.find(
        ({ topic, leader, isr, replicas }) =>
          topic === this.#topic && (leader < 0 || isr.length < replicas.length),
      )
      if (bad === undefined) continue
      const { topic, partition, leader, isr, replicas } = bad
      return `${topic}-${partition} has leader ${leader} and ISR ${isr.join()} of ${replicas.join()}`
    }
    return null
  }

  #signal(node: number, name: NodeJS.Signals): void {
    const pid = readPid(this.#directory, node)
    if (pid === null) throw new CliError(`Node ${node} has died by itself; see its node.log.`)
    signal(pid, name)
  }
}
