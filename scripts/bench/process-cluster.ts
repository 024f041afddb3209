/** A cluster as a user has it: one process per node, started by the command line. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeStatus } from 'trimaran'
import type { Address } from './client.ts'
import type { BenchContext } from './measurement.ts'

/** One start after another takes the next ports: those of the last may still be in TIME_WAIT. */
let nextPort = 25_000
const portStep = 10
const portMax = 25_900
const healthyTimeoutMs = 30_000

export class ProcessCluster {
  readonly nodeIds: readonly number[] = [1, 2, 3]
  readonly port: number
  readonly #main: string
  readonly #directory: string

  constructor(context: BenchContext) {
    this.#main = join(context.root, 'packages/cli/bin/trimaran.mjs')
    this.port = nextPort
    nextPort = nextPort + portStep > portMax ? 25_000 : nextPort + portStep
    this.#directory = join(context.directory, `cluster-${this.port}`)
    mkdirSync(this.#directory, { recursive: true })
    context.onEnd(() => this.destroy())
  }

  /** Runs `cluster up` and does not wait for it. */
  launch(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
    const { port } = this
    const flags = ['--nodes', '3', '--port', String(port), '--detach', '--json']
    return this.#command(['cluster', 'up', ...flags], environment)
  }

  address(nodeId: number): Address {
    return { host: '127.0.0.1', port: this.port + nodeId - 1 }
  }

  get addresses(): readonly Address[] {
    return this.nodeIds.map(nodeId => this.address(nodeId))
  }

  pid(nodeId: number): number {
    return Number(readFileSync(join(this.#directory, `node-${nodeId}`, 'node.pid'), 'utf8'))
  }

  kill(nodeId: number): void {
    process.kill(this.pid(nodeId), 'SIGKILL')
  }

  restart(nodeId: number): Promise<void> {
    return this.#command(['cluster', 'restart', String(nodeId)])
  }

  /** What the node says of itself; null: it does not answer. */
  async status(nodeId: number): Promise<NodeStatus | null> {
    try {
      const url = `http://127.0.0.1:${this.port + 2000 + nodeId - 1}/status`
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
      return response.ok ? ((await response.json()) as NodeStatus) : null
    } catch {
      return null
    }
  }

  /** Every node serves, agrees on the controller, and every replica is in sync. Resolves with the controller's id. */
  async untilHealthy(): Promise<number> {
    const deadlineMs = performance.now() + healthyTimeoutMs
    for (;;) {
      const statuses = await Promise.all(this.nodeIds.map(nodeId => this.status(nodeId)))
      const controllerId = statuses[0]?.controllerId ?? -1
      const isHealthy = statuses.every(
        status =>
          status?.broker?.state === 'RUNNING' &&
          !status.broker.fenced &&
          status.controllerId === controllerId &&
          status.partitions.every(({ isr, replicas }) => isr.length === replicas.length),
      )
      if (isHealthy && controllerId >= 0) return controllerId
      if (performance.now() > deadlineMs) throw new Error('the cluster did not become healthy')
      await sleep(50)
    }
  }

  async stop(): Promise<void> {
    await this.#command(['cluster', 'down', '--wipe', '--json'])
    await this.destroy()
  }

  /** Whatever is left of it. */
  async destroy(): Promise<void> {
    for (const nodeId of this.nodeIds) {
      const pidFile = join(this.#directory, `node-${nodeId}`, 'node.pid')
      if (!existsSync(pidFile)) continue
      try {
        const pid = this.pid(nodeId)
        // The number may belong to somebody else by now.
        const isOurs = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.#directory)
        if (isOurs) process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  #command(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<void> {
    return new Promise((settle, fail) => {
      const child = spawn(process.execPath, [this.#main, ...args, '--dir', this.#directory], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: environment,
      })
      let said = ''
      child.stderr.on('data', (text: Buffer) => (said += text.toString()))
      child.once('error', fail)
      child.once('exit', code => {
        if (code === 0) settle()
        else fail(new Error(`trimaran ${args.slice(0, 2).join(' ')} failed: ${said.trim()}`))
      })
    })
  }
}

/** Started and stopped once, so that no later start compiles sources, which takes time and 30 MB a node. */
export async function fillCompileCache(context: BenchContext): Promise<void> {
  const cluster = new ProcessCluster(context)
  await cluster.launch()
  await cluster.stop()
}
