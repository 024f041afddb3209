import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync } from 'node:fs'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeStatus } from '@trimaran/server'
import { acceptedSockets, type AcceptedSocket } from './sockets.ts'

const main = join(import.meta.dirname, '../../../packages/cli/src/main.ts')
const readyTimeoutMs = 30_000
const stopTimeoutMs = 15_000
/** A node has three ports: clients, nodes, HTTP. */
const portsPerKind = 10

export type PortKind = 'client' | 'node' | 'http'

export type Settings = Readonly<Record<string, string>>

export interface ExitOutcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Everything started here and still alive dies with the test process, however that ends. */
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** One `trimaran start --config …`: its files, its process while there is one, and what it logged. */
export class NodeProcess {
  readonly nodeId: number
  readonly directory: string
  readonly ports: Readonly<Record<PortKind, number>>
  readonly #settings: Settings
  #child: ChildProcess | null = null
  #exited: Promise<ExitOutcome> = Promise.resolve({ code: 0, signal: null })

  constructor(options: {
    readonly nodeId: number
    readonly directory: string
    readonly ports: NodeProcess['ports']
    readonly settings: Settings
  }) {
    this.nodeId = options.nodeId
    this.directory = options.directory
    this.ports = options.ports
    this.#settings = options.settings
    mkdirSync(this.directory, { recursive: true })
  }

  get dataDirectory(): string {
    return this.#settings['log.dirs'] ?? join(this.directory, 'data')
  }

  get isAlive(): boolean {
    return this.#child !== null
  }

  /** Of the last process. */
  get exited(): Promise<ExitOutcome> {
    return this.#exited
  }

  start(overrides: Settings = {}): void {
    const config = join(this.directory, 'server.properties')
    const settings = { 'log.dirs': this.dataDirectory, ...this.#settings, ...overrides }
    writeFileSync(
      config,
      Object.entries(settings)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    const log = openSync(this.#logPath, 'a')
    const child = spawn(process.execPath, [main, 'start', '--config', config], {
      stdio: ['ignore', log, log],
      env: ownEnvironment(),
    })
    closeSync(log)
    children.add(child)
    this.#child = child
    this.#exited = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        children.delete(child)
        if (this.#child === child) this.#child = null
        resolve({ code, signal })
      })
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<ExitOutcome> {
    this.signal('SIGTERM')
    return within(this.#exited, stopTimeoutMs, `node ${this.nodeId} does not stop`)
  }

  /** Null while it does not answer. */
  async status(): Promise<NodeStatus | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.ports.http}/status`, {
        signal: AbortSignal.timeout(2_000),
      })
      return answer.ok ? ((await answer.json()) as NodeStatus) : null
    } catch {
      return null
    }
  }

  /** Resident memory of the process. */
  rssBytes(): number {
    const text = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) * 1024
  }

  /** What clients, and whoever takes it for one, have open at some of its ports; the listening sockets included. */
  socketCount(kinds: readonly PortKind[]): number {
    return this.#sockets(kinds).length
  }

  /** Until there are so many, or fewer. What is open instead is in the error. */
  async untilSocketsAreClosed(kinds: readonly PortKind[], most: number): Promise<void> {
    try {
      await until(`${most} sockets or fewer`, () => this.socketCount(kinds) <= most)
    } catch (cause) {
      const open = this.#sockets(kinds).map(socket => JSON.stringify(socket))
      throw new Error(`node ${this.nodeId} has open:\n${open.join('\n')}`, { cause })
    }
  }

  #sockets(kinds: readonly PortKind[]): AcceptedSocket[] {
    return acceptedSockets(
      this.#child?.pid ?? 0,
      kinds.map(kind => this.ports[kind]),
    )
  }

  log(): string {
    return readFileSync(this.#logPath, 'utf8')
  }

  /** Log lines of this phrase, as objects. */
  logged(phrase: string): Record<string, unknown>[] {
    return this.log()
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(line => line['msg'] === phrase)
  }

  get #logPath(): string {
    return join(this.directory, 'node.log')
  }
}

export interface ProcessClusterOptions {
  /** First of thirty ports. */
  readonly port: number
  readonly nodes?: number
  readonly settings?: Settings
  readonly settingsOf?: (nodeId: number) => Settings
  readonly clusterId?: string
}

/** A cluster as users run it: a process per node, a directory each. */
export class ProcessCluster {
  readonly directory: string
  readonly nodes: readonly NodeProcess[]

  constructor(options: ProcessClusterOptions) {
    this.directory = mkdtempSync(join(tmpdir(), 'trimaran-hostile-'))
    const ids = Array.from({ length: options.nodes ?? 3 }, (_, at) => at + 1)
    const portsOf = (nodeId: number): NodeProcess['ports'] => ({
      client: options.port + nodeId,
      node: options.port + portsPerKind + nodeId,
      http: options.port + 2 * portsPerKind + nodeId,
    })
    const voters = ids.map(id => `${id}@127.0.0.1:${portsOf(id).node}`).join(',')
    this.nodes = ids.map(nodeId => {
      const ports = portsOf(nodeId)
      return new NodeProcess({
        nodeId,
        directory: join(this.directory, `node-${nodeId}`),
        ports,
        settings: {
          'node.id': String(nodeId),
          'process.roles': 'broker,controller',
          'controller.quorum.voters': voters,
          'controller.listener.names': 'CONTROLLER',
          listeners: `PLAINTEXT://127.0.0.1:${ports.client},CONTROLLER://127.0.0.1:${ports.node}`,
          'http.listener': `127.0.0.1:${ports.http}`,
          'default.replication.factor': String(ids.length),
          'offsets.topic.replication.factor': String(ids.length),
          'min.insync.replicas': ids.length >= 3 ? '2' : '1',
          'group.initial.rebalance.delay.ms': '0',
          ...(options.clusterId === undefined ? {} : { 'cluster.id': options.clusterId }),
          ...options.settings,
          ...options.settingsOf?.(nodeId),
        },
      })
    })
  }

  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options)
    for (const node of cluster.nodes) node.start()
    await cluster.whenReady()
    return cluster
  }

  node(nodeId: number): NodeProcess {
    const node = this.nodes.find(candidate => candidate.nodeId === nodeId)
    if (node === undefined) throw new Error(`there is no node ${nodeId}`)
    return node
  }

  get bootstrapServers(): string {
    return this.nodes.map(({ ports }) => `127.0.0.1:${ports.client}`).join(',')
  }

  /** Running, unfenced in the eyes of each other, with a controller; and every ISR full. */
  async whenReady(nodes: readonly NodeProcess[] = this.nodes): Promise<void> {
    const ids = nodes.map(({ nodeId }) => nodeId)
    await until(`nodes ${ids.join(', ')} are ready`, async () => {
      const dead = nodes.find(node => !node.isAlive)
      if (dead !== undefined)
        throw new Error(`node ${dead.nodeId} died:\n${dead.log().slice(-2000)}`)
      const statuses = await Promise.all(nodes.map(node => node.status()))
      return statuses.every(status => status !== null && isReady(status, ids))
    })
  }

  /** Leader of a partition as the first node that answers knows it. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    for (const node of this.nodes) {
      const status = node.isAlive ? await node.status() : null
      const found = status?.partitions.find(
        one => one.topic === topic && one.partition === partition,
      )
      if (found !== undefined && found.leader > 0) return found.leader
    }
    throw new Error(`${topic}-${partition} has no leader`)
  }

  async controllerId(): Promise<number> {
    for (const node of this.nodes) {
      const status = node.isAlive ? await node.status() : null
      if (status !== null && status.controllerId > 0) return status.controllerId
    }
    throw new Error('there is no controller')
  }

  async destroy(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
    if (process.env['TRIMARAN_KEEP'] === undefined)
      rmSync(this.directory, { recursive: true, force: true })
  }
}

function isReady(status: NodeStatus, ids: readonly number[]): boolean {
  const isMember = (id: number): boolean =>
    status.brokers.some(broker => broker.id === id && !broker.fenced)
  const isFull = (isr: readonly number[], replicas: readonly number[]): boolean =>
    replicas.every(replica => !ids.includes(replica) || isr.includes(replica))
  return (
    status.controllerId > 0 &&
    status.broker?.state === 'RUNNING' &&
    ids.every(isMember) &&
    status.partitions.every(({ isr, replicas, leader }) => leader > 0 && isFull(isr, replicas))
  )
}

export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = readyTimeoutMs,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(20)
  }
}

export async function within<T>(done: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const over = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${what} (${timeoutMs} ms)`)
  })
  try {
    return await Promise.race([done, late])
  } finally {
    over.abort()
    late.catch(() => {})
  }
}

/** Nothing of the caller's Kafka settings may reach a node under test. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(KAFKA_|CLUSTER_ID|VITEST|NODE_OPTIONS)/.test(name),
    ),
  )
}
