import { spawn } from 'node:child_process'
import { apis } from '@trimaran/protocol'
import { ClusterClient } from '../../client/index.ts'
import { CliError, exitCodes } from '../../output.ts'
import { controllerIn, leaderIn } from './leaders.ts'
import type { ClusterView, Fault, Torture } from './torture.ts'
import { waitUntil } from './wait-until.ts'

export interface Hooks {
  readonly bootstrapServers: string
  /** For a shell; `{}` is the node's id. */
  readonly killCommand: string
  readonly healCommand: string
}

const leaderTimeoutMs = 60_000
/** A JVM that recovers its log and comes back into the ISR. */
const healTimeoutMs = 180_000
/** A container that is stopped in order is given ten seconds by its engine. */
const commandTimeoutMs = 60_000
/** Who hangs must not hang what asks about it. */
const askTimeoutMs = 1000

/** Any Kafka cluster: struck by commands of its owner, looked at through the protocol. */
export class HookTorture implements Torture {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault> = new Set<Fault>(['kill'])
  readonly #hooks: Hooks
  readonly #topic: string
  readonly #client: ClusterClient

  private constructor(hooks: Hooks, topic: string, client: ClusterClient, nodes: number[]) {
    this.#hooks = hooks
    this.#topic = topic
    this.#client = client
    this.nodes = nodes
  }

  static async open(hooks: Hooks, topic: string): Promise<HookTorture> {
    for (const command of [hooks.killCommand, hooks.healCommand]) {
      if (command.includes('{}')) continue
      throw new CliError(
        `"${command}" has no {} for the id of the node that it is about.`,
        exitCodes.usage,
      )
    }
    const client = new ClusterClient({
      bootstrapServers: hooks.bootstrapServers,
      clientId: 'chaos-torture',
      ...{ retryTimeoutMs: askTimeoutMs, queryTimeoutMs: askTimeoutMs },
    })
    const { brokers } = await client.metadata([])
    const nodes = brokers.map(({ nodeId }) => nodeId).toSorted((a, b) => a - b)
    return new HookTorture(hooks, topic, client, nodes)
  }

  kill(node: number): Promise<void> {
    return runShell(this.#hooks.killCommand, node)
  }

  start(node: number): Promise<void> {
    return runShell(this.#hooks.healCommand, node)
  }

  async pause(): Promise<void> {
    throw new CliError('A cluster behind commands cannot be paused.')
  }

  async resume(): Promise<void> {
    throw new CliError('A cluster behind commands cannot be resumed.')
  }

  async stop(): Promise<void> {
    throw new CliError('A cluster behind commands cannot be stopped in order.')
  }

  leader(partition: number): Promise<number> {
    const of = { topic: this.#topic, partition, timeoutMs: leaderTimeoutMs }
    return leaderIn(() => this.view(), of)
  }

  controller(): Promise<number> {
    return controllerIn(() => this.view(), leaderTimeoutMs)
  }

  healed(): Promise<void> {
    const look = async (): Promise<string | null> => {
      try {
        return await this.#wound()
      } catch (error) {
        return (error as Error).message
      }
    }
    return waitUntil('a healed cluster', look, healTimeoutMs)
  }

  async view(): Promise<ClusterView> {
    const leaders: number[] = []
    try {
      const { partitions } = await this.#client.topic(this.#topic)
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
    } catch {
      // Nobody answers: nobody is known to lead.
    }
    return { leaders, controller: await this.#controllerNow() }
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  /** Metadata name any broker as the controller; the quorum's leader is the active one. */
  async #controllerNow(): Promise<number> {
    try {
      const answer = await this.#client.request(
        apis.describeQuorum,
        { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] },
        askTimeoutMs,
      )
      return answer.topics[0]?.partitions[0]?.leaderId ?? -1
    } catch {
      return -1
    }
  }

  async #wound(): Promise<string | null> {
    const { brokers, topics } = await this.#client.metadata([this.#topic])
    const here = new Set(brokers.map(({ nodeId }) => nodeId))
    const away = this.nodes.filter(node => !here.has(node))
    if (away.length > 0) return `node ${away.join(', ')} is away`
    for (const { partitionIndex, leaderId, isrNodes, replicaNodes } of topics[0]?.partitions ??
      []) {
      if (leaderId >= 0 && isrNodes.length === replicaNodes.length) continue
      return `${this.#topic}-${partitionIndex} has leader ${leaderId} and ISR ${isrNodes.join()} of ${replicaNodes.join()}`
    }
    return null
  }
}

/** In a group of its own, so that Ctrl-C does not cut it off in the middle. */
function runShell(command: string, node: number): Promise<void> {
  const text = command.replaceAll('{}', String(node))
  return new Promise((settle, fail) => {
    const child = spawn('/bin/sh', ['-c', text], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      timeout: commandTimeoutMs,
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
    child.once('error', error => fail(new CliError(`"${text}" cannot be run: ${error.message}`)))
    child.once('close', code => {
      if (code === 0) settle()
      else fail(new CliError(`"${text}" ended with ${String(code)}: ${said.trim()}`))
    })
  })
}
