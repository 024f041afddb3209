import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ownEnvironment, run, runOk, until } from './run.ts'

// Its helper container would have to be pulled; what is started here is removed here.
process.env['TESTCONTAINERS_RYUK_DISABLED'] ??= 'true'

const composeFile = join(import.meta.dirname, '../../deploy/docker-compose.yml')
/** Apart from a cluster that somebody runs from the same file. */
const project = 'trimaran-test'
const buildTimeoutMs = 10 * 60_000
const healthyTimeoutMs = 60_000

const answers = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0

/** The old program and the new subcommand read the same file. */
const composeCommand: readonly string[] | null = answers('docker-compose', 'version')
  ? ['docker-compose']
  : answers('docker', 'compose', 'version')
    ? ['docker', 'compose']
    : null

const engineIsThere = answers('docker', 'info')
/** In CI a missing engine is a failure: what is not run there is run nowhere. */
export const dockerIsThere =
  (engineIsThere && composeCommand !== null) || process.env['CI'] !== undefined
if (!dockerIsThere) {
  process.stdout.write(
    `skipped: containers; ${engineIsThere ? 'neither docker-compose nor docker compose' : 'no container engine'} answers here\n`,
  )
}

export const docker = async (...args: readonly string[]): Promise<string> =>
  (await runOk('docker', args)).stdout.trim()

/** deploy/docker-compose.yml, with ports and names of its own. */
export class ComposeCluster {
  readonly nodeIds: readonly number[] = [1, 2, 3]
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  get brokers(): string[] {
    return this.nodeIds.map(nodeId => `localhost:${this.#port + nodeId}`)
  }

  containerOf(nodeId: number): string {
    return `trimaran-${nodeId}`
  }

  async compose(...args: readonly string[]): Promise<void> {
    const [command = 'docker', ...first] = composeCommand ?? ['docker', 'compose']
    const ports = this.nodeIds.map(id => [`TRIMARAN_PORT_${id}`, String(this.#port + id)] as const)
    await runOk(command, [...first, '-p', project, '-f', composeFile, ...args], {
      env: ownEnvironment(Object.fromEntries(ports)),
      timeoutMs: buildTimeoutMs,
    })
  }

  async build(): Promise<void> {
    await this.compose('build')
  }

  /** Resolves when every node is healthy by its own check. */
  async up(): Promise<void> {
    await this.compose('up', '-d')
    await this.whenHealthy()
  }

  async whenHealthy(): Promise<void> {
    await until(
      'all containers are healthy',
      async () => {
        const states = await Promise.all(this.nodeIds.map(id => this.health(id)))
        return states.every(state => state === 'healthy')
      },
      healthyTimeoutMs,
    ).catch(async (error: unknown) => {
      const logs = await Promise.all(this.nodeIds.map(id => this.logs(id)))
      throw new Error(`${(error as Error).message}:\n${logs.join('\n')}`, { cause: error })
    })
  }

  health(nodeId: number): Promise<string> {
    const format = '{{.State.Status}} {{.State.Health.Status}}'
    return docker('inspect', '--format', format, this.containerOf(nodeId)).then(state =>
      state.startsWith('running ') ? state.slice('running '.length) : state,
    )
  }

  async logs(nodeId: number): Promise<string> {
    const { stdout, stderr } = await run('docker', [
      'logs',
      '--tail',
      '5',
      this.containerOf(nodeId),
    ])
    return `${this.containerOf(nodeId)}: ${stdout}${stderr}`
  }

  /** Stops in order; the data stays, unless it is told to go. */
  async down(...args: readonly string[]): Promise<void> {
    await this.compose('down', ...args)
  }
}
