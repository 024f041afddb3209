import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { apis } from '@trimaran/protocol'
import { ClusterClient } from '../../client/index.ts'
import { signal } from '../../local-cluster/processes.ts'
import { CliError, exitCodes } from '../../output.ts'
import { controllerIn, leaderIn } from './leaders.ts'
import { faults, isFault, remedies } from './victim.ts'
import type { ClusterView, Deed, Fault, Victim } from './victim.ts'
import { waitUntil } from './wait-until.ts'

export interface Hooks {
  readonly bootstrapServers: string
  /** For each deed, a command for a shell; `{}` is the node's id. */
  readonly commands: Readonly<Partial<Record<Deed, string>>>
}

const leaderTimeoutMs = 60_000
/** A JVM that recovers its log and comes back into the ISR. */
const healTimeoutMs = 180_000
/** A container that is stopped in order is given ten seconds by its engine. */
const commandTimeoutMs = 60_000
/** What a command has printed is read within this after its end. */
const lastWordsMs = 200
/** Who hangs must not hang what asks about it. */
const askTimeoutMs = 1000

/** Any Kafka cluster: struck by commands of its owner, looked at through the protocol. */
export class HookVictim implements Victim {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault>
  readonly #commands: Hooks['commands']
  readonly #topic: string
  readonly #client: ClusterClient

  private constructor({ commands }: Hooks, topic: string, client: ClusterClient, nodes: number[]) {
    this.#commands = commands
    this.#topic = topic
    this.#client = client
    this.nodes = nodes
    const given = Object.keys(commands).filter(isFault)
    this.can = new Set(given.filter(fault => commands[remedies[fault]] !== undefined))
  }

  static async open(hooks: Hooks, topic: string): Promise<HookVictim> {
    for (const command of Object.values(hooks.commands)) {
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
    try {
      const { brokers } = await client.metadata([])
      const nodes = brokers.map(({ nodeId }) => nodeId).toSorted((a, b) => a - b)
      return new HookVictim(hooks, topic, client, nodes)
    } catch (error) {
      await client.close()
      throw error
    }
  }

  async act(deed: Deed, node: number): Promise<void> {
    const command = this.#commands[deed]
    if (command === undefined) throw new CliError(`There is no command for ${deed}.`)
    await runShell(command.replaceAll('{}', String(node)))
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

/**
 * The commands of a file that does it all, as `deploy/chaos-hooks.sh`: `FILE can` prints the faults that it knows, and
 * `FILE <fault or remedy> <node>` does it.
 */
export async function commandsOfFile(file: string): Promise<Hooks['commands']> {
  if (!existsSync(file)) throw new CliError(`There is no file ${file}.`, exitCodes.usage)
  const quoted = `'${resolve(file).replaceAll("'", `'\\''`)}'`
  const words = (await runShell(`${quoted} can`)).split(/\s+/).filter(word => word !== '')
  const strange = words.filter(word => !isFault(word))
  if (strange.length > 0 || words.length === 0) {
    throw new CliError(
      `"${file} can" said "${words.join(' ')}"; it prints some of: ${faults.join(' ')}.`,
      exitCodes.usage,
    )
  }
  const deeds = words.filter(isFault).flatMap(fault => [fault, remedies[fault]])
  return Object.fromEntries(deeds.map(deed => [deed, `${quoted} ${deed} {}`]))
}

/**
 * In a group of its own, so that Ctrl-C does not cut it off in the middle. Tells what it printed. Over when the shell is: what
 * it leaves in the background may hold its output open for as long as it lives.
 */
export function runShell(text: string, timeoutMs = commandTimeoutMs): Promise<string> {
  return new Promise((settle, fail) => {
    const child = spawn('/bin/sh', ['-c', text], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let said = ''
    let complained = ''
    let isLate = false
    const last = (words: string, chunk: Buffer): string => (words + chunk.toString()).slice(-2000)
    child.stdout.on('data', (chunk: Buffer) => (said = last(said, chunk)))
    child.stderr.on('data', (chunk: Buffer) => (complained = last(complained, chunk)))
    const timer = setTimeout(() => {
      isLate = true
      // The group: a shell that waits for a command leaves it behind otherwise.
      if (child.pid !== undefined) signal(-child.pid, 'SIGKILL')
    }, timeoutMs)
    child.once('error', error => {
      clearTimeout(timer)
      fail(new CliError(`"${text}" cannot be run: ${error.message}`))
    })
    child.once('exit', () => {
      clearTimeout(timer)
      setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, lastWordsMs).unref()
    })
    child.once('close', code => {
      const how = isLate ? `did not end within ${timeoutMs / 1000} s` : `ended with ${String(code)}`
      if (code === 0) settle(said)
      else fail(new CliError(`"${text}" ${how}: ${complained.trim()}`))
    })
  })
}
