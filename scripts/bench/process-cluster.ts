/** A cluster as a user has it: one process per node, started by the command line. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address } from './client.ts'
import type { Cluster } from './cluster.ts'
import type { BenchContext } from './measurement.ts'

const portMin = 25_000
const portStep = 10
const portMax = 25_900
/**
 * One start after another takes the next ports: those of the last may still be in TIME_WAIT. Two benches at once begin at
 * different ones.
 */
let nextPort = portMin + (process.pid % ((portMax - portMin) / portStep)) * portStep

/** What a cluster needs of the run. */
export type ClusterContext = Pick<BenchContext, 'root' | 'directory' | 'onEnd'>

/**
 * Files of a topic that is deleted go at once, not after a minute: the page cache that they fill is memory which the next
 * round would have to get elsewhere, and on a virtual machine memory that was not used for a while is slow to come by.
 */
const deletesSoon = { KAFKA_LOG_SEGMENT_DELETE_DELAY_MS: '1000' }

export class ProcessCluster implements Cluster {
  readonly label = ''
  readonly isLasting = false
  readonly nodeIds: readonly number[] = [1, 2, 3]
  readonly port: number
  readonly #main: string
  readonly #directory: string
  readonly #environment: NodeJS.ProcessEnv

  constructor(context: ClusterContext, environment: NodeJS.ProcessEnv = process.env) {
    this.#environment = { ...deletesSoon, ...environment }
    this.#main = join(context.root, 'packages/cli/bin/trimaran.mjs')
    this.port = nextPort
    nextPort = nextPort + portStep > portMax ? portMin : nextPort + portStep
    this.#directory = join(context.directory, `cluster-${this.port}`)
    mkdirSync(this.#directory, { recursive: true })
    context.onEnd(() => this.destroy())
  }

  /** Runs `cluster up` and does not wait for it. */
  launch(): Promise<void> {
    const { port } = this
    const flags = ['--nodes', '3', '--port', String(port), '--detach', '--json']
    return this.#command(['cluster', 'up', ...flags])
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

  async processes(): Promise<{ readonly pids: readonly number[] }> {
    return { pids: this.nodeIds.map(nodeId => this.pid(nodeId)) }
  }

  /** The command line's own start counts, too. */
  async ageMs(): Promise<null> {
    return null
  }

  async kill(nodeId: number): Promise<void> {
    process.kill(this.pid(nodeId), 'SIGKILL')
  }

  restart(nodeId: number): Promise<void> {
    return this.#command(['cluster', 'restart', String(nodeId)])
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

  #command(args: readonly string[]): Promise<void> {
    return new Promise((settle, fail) => {
      const child = spawn(process.execPath, [this.#main, ...args, '--dir', this.#directory], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: this.#environment,
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
