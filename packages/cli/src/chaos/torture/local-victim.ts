import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeStatus } from '@trimaran/server'
import { postToNode } from '../../local-cluster/node-control.ts'
import { fetchStatus } from '../../local-cluster/node-status.ts'
import { signal, spawnNode, stopNodes, waitUntilGone } from '../../local-cluster/processes.ts'
import { waitUntilReady } from '../../local-cluster/startup.ts'
import {
  nodeDirectory,
  readPid,
  requireNode,
  type LocalCluster,
} from '../../local-cluster/state.ts'
import { CliError } from '../../output.ts'
import type { LinkNetwork } from '../network/link-network.ts'
import { controllerIn, leaderIn } from './leaders.ts'
import type { ClusterView, Deed, Fault, Victim } from './victim.ts'
import { waitUntil } from './wait-until.ts'

/** A dead process leaves the table within moments. */
const goneTimeoutMs = 5000
/** A node whose disk is full stops at its next write, and its checkpoints are written every few seconds. */
const fullTimeoutMs = 20_000
const leaderTimeoutMs = 30_000
/** Recovery, catching up and the return to the ISR, on a machine that others use. */
const healTimeoutMs = 60_000

export interface LocalVictimOptions {
  readonly directory: string
  readonly state: LocalCluster
  readonly topic: string
  /** Between the nodes; null: they are linked directly, and no link can be cut. */
  readonly network: LinkNetwork | null
}

const always: readonly Fault[] = ['kill', 'pause', 'stop']
export const ofNetwork: readonly Fault[] = ['cut', 'unplug', 'mute', 'deafen', 'slow-links']
export const ofSwitches: readonly Fault[] = ['slow-disk', 'fill-disk', 'cut-power']

/** Processes of `trimaran cluster up`. */
export class LocalVictim implements Victim {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault>
  readonly #directory: string
  readonly #state: LocalCluster
  readonly #topic: string
  readonly #network: LinkNetwork | null

  constructor({ directory, state, topic, network }: LocalVictimOptions) {
    this.#directory = directory
    this.#state = state
    this.#topic = topic
    this.#network = network
    this.nodes = state.nodes.map(({ id }) => id)
    const hasSwitches = this.nodes.every(node => isUnderTest(directory, node))
    this.can = new Set([
      ...always,
      ...(network === null ? [] : ofNetwork),
      ...(hasSwitches ? ofSwitches : []),
    ])
  }

  async act(deed: Deed, node: number): Promise<void> {
    switch (deed) {
      case 'kill':
        signal(this.#pid(node), 'SIGKILL')
        return this.#mustEnd(node, deed, goneTimeoutMs)
      case 'pause':
        return signal(this.#pid(node), 'SIGSTOP')
      case 'resume':
        return signal(this.#pid(node), 'SIGCONT')
      case 'stop':
        return this.#stop(node)
      case 'start':
        return this.#start(node)
      case 'cut':
      case 'unplug':
      case 'mute':
      case 'deafen':
      case 'slow-links':
        return this.#network?.strike(node, deed)
      case 'reconnect':
        return this.#network?.reconnect(node)
      case 'slow-disk':
        return this.#post(node, '/faults/slow-disk?ms=300')
      case 'repair-disk':
        return this.#post(node, '/faults/repaired-disk')
      case 'fill-disk':
        await this.#post(node, '/faults/full-disk')
        return this.#mustEnd(node, deed, fullTimeoutMs)
      case 'cut-power':
        // It dies in the middle of the answer.
        await this.#post(node, '/faults/power-cut').catch(() => {})
        return this.#mustEnd(node, deed, goneTimeoutMs)
    }
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

  async #stop(node: number): Promise<void> {
    const killed = await stopNodes(this.#directory, [node])
    if (killed.length > 0) throw new CliError(`Node ${node} did not stop on SIGTERM.`)
  }

  async #start(node: number): Promise<void> {
    if (readPid(this.#directory, node) !== null) return
    spawnNode(this.#directory, this.#state, node)
    const nodes = [requireNode(this.#state, node)]
    await waitUntilReady(this.#directory, { ...this.#state, nodes })
  }

  async #mustEnd(node: number, deed: Deed, timeoutMs: number): Promise<void> {
    if (await waitUntilGone(this.#directory, node, timeoutMs)) return
    throw new CliError(`Node ${node} is still there ${timeoutMs / 1000} s after ${deed}.`)
  }

  #pid(node: number): number {
    const pid = readPid(this.#directory, node)
    if (pid === null) throw new CliError(`Node ${node} has died by itself; see its node.log.`)
    return pid
  }

  #post(node: number, path: string): Promise<void> {
    return postToNode(requireNode(this.#state, node), path)
  }
}

/** Its fault switches are there: `cluster up --override test.faults=true`, or a cluster of a run's own. */
function isUnderTest(directory: string, node: number): boolean {
  try {
    const settings = readFileSync(join(nodeDirectory(directory, node), 'server.properties'), 'utf8')
    return /^test\.faults=true$/m.test(settings)
  } catch {
    return false
  }
}
