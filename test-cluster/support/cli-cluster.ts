import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeStatus, PartitionStatus } from '@trimaran/server'
import { ownEnvironment, run, runOk, until } from './run.ts'

const main = join(import.meta.dirname, '../../packages/cli/src/main.ts')
/** The third of a node's ports; `cluster up` counts them so. */
const httpPortOffset = 2000
const upTimeoutMs = 60_000
const healTimeoutMs = 60_000

export interface CliClusterOptions {
  /** Node i has port + i − 1, and the same + 1000 and + 2000. */
  readonly port: number
  readonly nodes?: number
  readonly settings?: Readonly<Record<string, string>>
}

export interface DescribedQuorum {
  readonly leaderId: number
  readonly replicas: readonly {
    readonly id: number
    readonly role: 'leader' | 'voter' | 'observer'
    readonly directoryId: string
    readonly lag: number | null
  }[]
}

/** In order. */
export const votersOf = ({ replicas }: DescribedQuorum): number[] =>
  replicas
    .filter(({ role }) => role !== 'observer')
    .map(({ id }) => id)
    .toSorted((a, b) => a - b)

/** Node processes outlive the command that started them, but not the tests. */
const open = new Set<CliCluster>()
process.on('exit', () => {
  for (const cluster of open) cluster.killNow()
})

/** A detached local cluster, driven by the bundled commands alone, as a user drives it. */
export class CliCluster {
  readonly directory: string
  /** That are there for good: not those that are lost. */
  nodeIds: readonly number[]
  readonly #port: number

  private constructor(options: CliClusterOptions) {
    this.directory = mkdtempSync(join(tmpdir(), 'trimaran-cluster-'))
    this.nodeIds = Array.from({ length: options.nodes ?? 3 }, (_, at) => at + 1)
    this.#port = options.port
  }

  static async up(options: CliClusterOptions): Promise<CliCluster> {
    const cluster = new CliCluster(options)
    open.add(cluster)
    const overrides = Object.entries(options.settings ?? {})
    try {
      await cluster.command(
        'up',
        '--detach',
        '--nodes',
        String(cluster.nodeIds.length),
        '--port',
        String(options.port),
        ...overrides.flatMap(([key, value]) => ['--override', `${key}=${value}`]),
      )
      return cluster
    } catch (error) {
      cluster.killNow()
      throw error
    }
  }

  get bootstrapServers(): string {
    return this.brokers.join(',')
  }

  get brokers(): string[] {
    return this.nodeIds.map(nodeId => `127.0.0.1:${this.portOf(nodeId)}`)
  }

  portOf(nodeId: number): number {
    return this.#port + nodeId - 1
  }

  dataDirectory(nodeId: number): string {
    return join(this.directory, `node-${nodeId}`, 'data')
  }

  /** Any bundled command, against this cluster. */
  async trimaran(...args: readonly string[]): Promise<string> {
    const { stdout } = await runOk(
      process.execPath,
      [main, ...args, '--bootstrap-server', this.bootstrapServers],
      { env: ownEnvironment({ NO_COLOR: '1' }) },
    )
    return stdout
  }

  /** `trimaran cluster …` */
  async command(...args: readonly string[]): Promise<string> {
    const { stdout } = await runOk(
      process.execPath,
      [main, 'cluster', ...args, '--dir', this.directory],
      { env: ownEnvironment({ NO_COLOR: '1' }), timeoutMs: upTimeoutMs },
    )
    return stdout
  }

  /** A node more; its id. */
  async addNode(): Promise<number> {
    const { id } = JSON.parse(await this.command('add', '--json')) as { readonly id: number }
    this.nodeIds = [...this.nodeIds, id]
    return id
  }

  /** Its machine burns, with all that was on it. */
  async loseNode(nodeId: number): Promise<void> {
    await this.one('kill', nodeId)
    rmSync(this.dataDirectory(nodeId), { recursive: true, force: true })
    this.nodeIds = this.nodeIds.filter(id => id !== nodeId)
  }

  async quorum(): Promise<DescribedQuorum> {
    return JSON.parse(await this.trimaran('quorum', 'status', '--json')) as DescribedQuorum
  }

  async one(action: 'kill' | 'pause' | 'resume' | 'restart' | 'stop', id: number): Promise<void> {
    await this.command(action, String(id))
  }

  /** With a leader, and every replica in sync. */
  async createTopic(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const settings = Object.entries(configs).flatMap(([key, value]) => [
      '--config',
      `${key}=${value}`,
    ])
    const replicas = String(Math.min(3, this.nodeIds.length))
    await this.trimaran(
      'topics',
      'create',
      name,
      '--partitions',
      String(partitions),
      '--replication-factor',
      replicas,
      ...settings,
    )
    await this.whenHealed()
  }

  /** Null: it does not answer. */
  async status(nodeId: number): Promise<NodeStatus | null> {
    try {
      const answer = await fetch(
        `http://127.0.0.1:${this.portOf(nodeId) + httpPortOffset}/status`,
        { signal: AbortSignal.timeout(1000) },
      )
      return answer.ok ? ((await answer.json()) as NodeStatus) : null
    } catch {
      return null
    }
  }

  /** The metadata of whichever answering node has read most of it. */
  async newestStatus(): Promise<NodeStatus> {
    const all = await Promise.all(this.nodeIds.map(nodeId => this.status(nodeId)))
    const [newest] = all
      .filter(status => status !== null)
      .toSorted((a, b) => b.metadataOffset - a.metadataOffset)
    if (newest === undefined) throw new Error('no node answers')
    return newest
  }

  async partitionsOf(topic: string): Promise<readonly PartitionStatus[]> {
    const { partitions } = await this.newestStatus()
    return partitions.filter(partition => partition.topic === topic)
  }

  async leaderOf(topic: string, partition: number): Promise<number> {
    const partitions = await this.partitionsOf(topic)
    return partitions.find(one => one.partition === partition)?.leader ?? -1
  }

  async controllerId(): Promise<number> {
    let found = -1
    await until('there is a controller', async () => {
      found = (await this.newestStatus()).controllerId
      return found > 0
    })
    return found
  }

  /** Every node answers, is unfenced in everybody's eyes, and every partition has a leader and its full ISR. */
  async whenHealed(): Promise<void> {
    let why = ''
    await until(
      'the cluster is healed',
      async () => (why = await this.#wound()) === '',
      healTimeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; ${why}`, { cause: error })
    })
  }

  /** What is not as it should be; empty: nothing. */
  async #wound(): Promise<string> {
    for (const nodeId of this.nodeIds) {
      const status = await this.status(nodeId)
      if (status === null) return `node ${nodeId} does not answer`
      if (status.broker?.state !== 'RUNNING') return `node ${nodeId} is ${status.broker?.state}`
      if (status.controllerId < 0) return `node ${nodeId} knows no controller`
      const known = status.brokers.filter(broker => !broker.fenced)
      if (known.length < this.nodeIds.length) return `node ${nodeId} knows ${known.length} brokers`
      const bad = status.partitions.find(
        ({ leader, isr, replicas }) => leader < 0 || isr.length < replicas.length,
      )
      if (bad !== undefined) {
        const { topic, partition, leader, isr, replicas } = bad
        return `${topic}-${partition}: leader ${leader}, ISR ${isr.join()} of ${replicas.join()}`
      }
    }
    return ''
  }

  /** What a node logged, as objects. */
  logged(nodeId: number): Record<string, unknown>[] {
    const file = join(this.directory, `node-${nodeId}`, 'node.log')
    if (!existsSync(file)) return []
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>)
  }

  /** Warnings and errors of all nodes: what a healthy run does not have. */
  complaints(atLeastLevel = 50): string[] {
    return this.nodeIds.flatMap(nodeId =>
      this.logged(nodeId)
        .filter(line => Number(line['level']) >= atLeastLevel)
        .map(line => JSON.stringify(line)),
    )
  }

  /** Stops the nodes, checks that they stop in order, and removes their data. */
  async down(): Promise<void> {
    const env = ownEnvironment()
    const outcome = await run(
      process.execPath,
      [main, 'cluster', 'down', '--json', '--dir', this.directory],
      { env, timeoutMs: upTimeoutMs },
    )
    const complaints = this.complaints()
    this.killNow()
    if (outcome.code !== 0) throw new Error(`cluster down: ${outcome.stderr}`)
    const { killed } = JSON.parse(outcome.stdout) as { killed: readonly number[] }
    if (killed.length > 0) throw new Error(`nodes ${killed.join()} did not stop on SIGTERM`)
    if (complaints.length > 0)
      throw new Error(`nodes complained:\n${complaints.slice(0, 5).join('\n')}`)
  }

  /** Whatever is left of it dies, and its files go. */
  killNow(): void {
    open.delete(this)
    for (const nodeId of this.nodeIds) {
      const pid = this.#pid(nodeId)
      if (pid === null) continue
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Gone already.
      }
    }
    rmSync(this.directory, { recursive: true, force: true })
  }

  #pid(nodeId: number): number | null {
    const file = join(this.directory, `node-${nodeId}`, 'node.pid')
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : Number.NaN
    // A recycled id is somebody else's process.
    const commandLine = `/proc/${pid}/cmdline`
    if (!Number.isInteger(pid) || !existsSync(commandLine)) return null
    return readFileSync(commandLine, 'utf8').includes(this.directory) ? pid : null
  }
}
