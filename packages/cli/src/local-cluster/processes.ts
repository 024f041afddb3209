import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from '../output.ts'
import {
  logFile,
  nodeDirectory,
  readPid,
  writePid,
  type LocalCluster,
  type LocalNode,
} from './state.ts'

const nodeProcess = join(import.meta.dirname, 'node-process.ts')
/**
 * glibc's malloc, for a process whose memory is buffers of 64 KiB to 1 MiB that a collection frees by the hundred. With one
 * arena for all threads a loaded node takes a tenth less CPU, and 10 MB less. By itself malloc gives what is free at its end
 * back to the system after each collection, and maps larger buffers one by one: the next ones come back as page faults. So
 * it keeps some of what the next ones take, and maps only what is larger than nodes' messages are.
 */
export const mallocSettings = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: String(12 * 1024 * 1024),
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024),
}
const nodeEnvironment = {
  /** Node's own default place. Said in the environment, it holds for the very first module, too. */
  NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
  ...mallocSettings,
}
/** A clean stop moves leaderships and flushes; longer than this it is not clean any more. */
const stopTimeoutMs = 20_000

/** The node's server.properties: what Kafka's own file would say, with our ports. */
export function serverProperties(
  state: LocalCluster,
  node: LocalNode,
  overrides: ReadonlyMap<string, string>,
): string {
  const founders = state.nodes.filter(each => each.joined !== true)
  const voters = founders.map(voter => `${voter.id}@127.0.0.1:${voter.nodePort}`).join(',')
  const servers = state.nodes
    .filter(each => each.id !== node.id)
    .map(each => `127.0.0.1:${each.nodePort}`)
    .join(',')
  const replicas = String(Math.min(3, state.nodes.length))
  const settings = new Map([
    ['process.roles', 'broker,controller'],
    ['node.id', String(node.id)],
    node.joined === true
      ? ['controller.quorum.bootstrap.servers', servers]
      : ['controller.quorum.voters', voters],
    ['controller.listener.names', 'CONTROLLER'],
    ['listeners', `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.nodePort}`],
    ['advertised.listeners', `PLAINTEXT://127.0.0.1:${node.port}`],
    ['http.listener', `127.0.0.1:${node.httpPort}`],
    ['default.replication.factor', replicas],
    ['offsets.topic.replication.factor', replicas],
    ['min.insync.replicas', state.nodes.length >= 3 ? '2' : '1'],
    ['group.initial.rebalance.delay.ms', '0'],
    ...overrides,
  ])
  return `${[...settings].map(([key, value]) => `${key}=${value}`).join('\n')}\n`
}

export function writeNodeConfig(
  directory: string,
  state: LocalCluster,
  node: LocalNode,
  overrides: ReadonlyMap<string, string>,
): void {
  const own = nodeDirectory(directory, node.id)
  mkdirSync(own, { recursive: true })
  const data = `log.dirs=${resolve(own, 'data')}\n`
  writeFileSync(join(own, 'server.properties'), serverProperties(state, node, overrides) + data)
}

/** Starts the node as a process of its own, in its own group, so that a terminal's Ctrl-C does not reach it directly. */
export function spawnNode(directory: string, state: LocalCluster, id: number): number {
  const own = nodeDirectory(directory, id)
  const log = openSync(logFile(directory, id), 'a')
  try {
    const child = spawn(process.execPath, [nodeProcess, resolve(own, 'server.properties')], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...nodeEnvironment, ...process.env, CLUSTER_ID: state.clusterId },
    })
    if (child.pid === undefined) throw new CliError(`Node ${id} could not be started.`)
    child.unref()
    writePid(directory, id, child.pid)
    return child.pid
  } finally {
    closeSync(log)
  }
}

export async function waitUntilGone(
  directory: string,
  id: number,
  timeoutMs: number,
): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  while (readPid(directory, id) !== null) {
    if (performance.now() > deadlineMs) return false
    await sleep(20)
  }
  return true
}

/** SIGTERM, and SIGKILL for what does not stop in time. Tells which nodes had to be killed. */
export async function stopNodes(
  directory: string,
  ids: readonly number[],
): Promise<readonly number[]> {
  for (const id of ids) {
    const pid = readPid(directory, id)
    if (pid === null) continue
    // A paused process sees SIGTERM only after it runs again.
    signal(pid, 'SIGCONT')
    signal(pid, 'SIGTERM')
  }
  const stopped = await Promise.all(
    ids.map(async id => ({ id, gone: await waitUntilGone(directory, id, stopTimeoutMs) })),
  )
  const stubborn = stopped.filter(each => !each.gone).map(each => each.id)
  for (const id of stubborn) {
    const pid = readPid(directory, id)
    if (pid !== null) signal(pid, 'SIGKILL')
  }
  return stubborn
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Null: free. */
export function portTaken(port: number): Promise<string | null> {
  return new Promise(settle => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      probe.close(() => settle(null)),
    )
  })
}

export function lastLogLines(directory: string, id: number, lines: number): string {
  try {
    return readFileSync(logFile(directory, id), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-lines)
      .join('\n')
  } catch {
    return ''
  }
}
