import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly elapsedMs: number
}

export interface RunOptions {
  /** Written to its standard input, which is closed after it. */
  readonly input?: string | Buffer
  readonly timeoutMs?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** A JVM's start on a busy machine, twice. */
const runTimeoutMs = 60_000
/** What a tool may print: the longest are a few MB of consumed lines. */
const outputBytesMax = 256 * 1024 * 1024

/** Whatever was started here and still lives dies with this process. */
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** A tool that runs: written to, waited for. */
export class Running {
  readonly child: ChildProcess
  readonly #stdout: Buffer[] = []
  readonly #stderr: Buffer[] = []
  readonly #startedMs = performance.now()
  readonly #exited: Promise<number | null>
  #outputBytes = 0

  constructor(command: string, args: readonly string[], options: RunOptions = {}) {
    this.child = spawn(command, args, {
      env: options.env ?? ownEnvironment(),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    children.add(this.child)
    this.#exited = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', code => resolve(code))
    })
    this.#exited.finally(() => children.delete(this.child)).catch(() => {})
    this.child.stdout?.on('data', (chunk: Buffer) => this.#take(this.#stdout, chunk))
    this.child.stderr?.on('data', (chunk: Buffer) => this.#take(this.#stderr, chunk))
    // A tool that has ended reads no more; its exit code says why.
    this.child.stdin?.on('error', () => {})
  }

  /** Resolves when the tool takes more; false: it has ended. */
  async write(text: string): Promise<boolean> {
    const { stdin, exitCode } = this.child
    if (stdin === null || exitCode !== null || stdin.destroyed) return false
    if (!stdin.write(text)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')])
    return !stdin.destroyed
  }

  end(): void {
    this.child.stdin?.end()
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString()
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString()
  }

  async outcome(timeoutMs = runTimeoutMs): Promise<Outcome> {
    const over = new AbortController()
    const late = sleep(timeoutMs, 'late' as const, { signal: over.signal }).catch(() => null)
    const ended = await Promise.race([this.#exited, late])
    over.abort()
    if (ended === 'late') {
      this.child.kill('SIGKILL')
      const said = `${this.stdout}\n${this.stderr}`.slice(-2000)
      throw new Error(`${this.child.spawnfile} did not end within ${timeoutMs} ms:\n${said}`)
    }
    const elapsedMs = performance.now() - this.#startedMs
    return { code: ended, stdout: this.stdout, stderr: this.stderr, elapsedMs }
  }

  #take(into: Buffer[], chunk: Buffer): void {
    this.#outputBytes += chunk.length
    if (this.#outputBytes > outputBytesMax) this.child.kill('SIGKILL')
    else into.push(chunk)
  }
}

export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const running = new Running(command, args, options)
  running.child.stdin?.end(options.input ?? '')
  return running.outcome(options.timeoutMs)
}

/** As `run`, and a code other than 0 is an error that shows what the tool said. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const outcome = await run(command, args, options)
  if (outcome.code === 0) return outcome
  const said = `${outcome.stdout}\n${outcome.stderr}`.slice(-4000)
  throw new Error(`${command} ${args.join(' ')} ended with ${outcome.code}:\n${said}`)
}

/** Nothing of the caller's Kafka settings, and nothing of the test runner, may reach what is under test. */
export function ownEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(
    ([name]) => !/^(KAFKA_|CLUSTER_ID|TRIMARAN_|VITEST|NODE_OPTIONS|NODE_V8_COVERAGE)/.test(name),
  )
  return { ...Object.fromEntries(mine), ...extra }
}

/** True if it is installed; says once that its tests are skipped if not. */
export function installed(command: string, args: readonly string[], hint: string): boolean {
  const { status, error } = spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 })
  const isThere = error === undefined && status === 0
  if (!isThere) process.stdout.write(`skipped: ${command} is not there; ${hint}\n`)
  return isThere
}

/** What a test found out, for whoever reads its output. */
export const measured = (text: string): void => {
  process.stdout.write(`  measured: ${text}\n`)
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(20)
  }
}
