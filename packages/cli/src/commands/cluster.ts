import { rm } from 'node:fs/promises'
import { uuidFromBytes } from '@trimaran/common'
import type { NodeStatus } from '@trimaran/server'
import { CliError, bold, count, dim, exitCodes, printJson, printLine } from '../output.ts'
import { fetchStatus } from '../local-cluster/node-status.ts'
import {
  lastLogLines,
  portTaken,
  signal,
  spawnNode,
  stopNodes,
  waitUntilGone,
  writeNodeConfig,
} from '../local-cluster/processes.ts'
import {
  httpPortOffset,
  logFile,
  nodeDirectory,
  nodePortOffset,
  processState,
  readPid,
  readState,
  requireNode,
  requireState,
  writeState,
  type LocalCluster,
  type LocalNode,
} from '../local-cluster/state.ts'

interface DirectoryOptions {
  readonly dir: string
  readonly json?: boolean
}
interface UpOptions extends DirectoryOptions {
  readonly nodes: number
  readonly port: number
  readonly detach?: boolean
  readonly override: readonly string[]
}

/** From the first spawn to a cluster that takes writes. */
const readyTimeoutMs = 30_000
const readyPauseMs = 25

export async function up(options: UpOptions): Promise<void> {
  const state = readState(options.dir) ?? newCluster(options)
  const overrides = parseOverrides(options.override)
  const toStart = state.nodes.filter(node => readPid(options.dir, node.id) === null)
  if (toStart.length === 0) {
    throw new CliError(
      `The cluster in ${options.dir} is running already; see: trimaran cluster status --dir ${options.dir}`,
    )
  }
  await Promise.all(toStart.map(requirePorts))
  writeState(options.dir, state)
  const startedMs = performance.now()
  for (const node of toStart) {
    writeNodeConfig(options.dir, state, node, overrides)
    spawnNode(options.dir, state, node.id)
  }
  await waitUntilReady(options.dir, state)
  announce(options, state, performance.now() - startedMs)
  if (options.detach !== true) await stopOnSignal(options.dir, state)
}

async function requirePorts(node: LocalNode): Promise<void> {
  for (const port of [node.port, node.nodePort, node.httpPort]) {
    const taken = await portTaken(port)
    if (taken !== null) {
      throw new CliError(
        `Port ${port} for node ${node.id} cannot be used (${taken}). Choose others with --port, or stop what holds it.`,
      )
    }
  }
}

function newCluster(options: UpOptions): LocalCluster {
  return {
    clusterId: uuidFromBytes(crypto.getRandomValues(new Uint8Array(16))),
    nodes: Array.from({ length: options.nodes }, (_, at) => ({
      id: at + 1,
      port: options.port + at,
      nodePort: options.port + nodePortOffset + at,
      httpPort: options.port + httpPortOffset + at,
    })),
  }
}

function parseOverrides(settings: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    settings.map(setting => {
      const at = setting.indexOf('=')
      if (at <= 0)
        throw new CliError(`--override wants key=value, not "${setting}".`, exitCodes.usage)
      return [setting.slice(0, at), setting.slice(at + 1)]
    }),
  )
}

/** Ready: every node that runs is unfenced and knows the controller. */
async function waitUntilReady(directory: string, state: LocalCluster): Promise<void> {
  const deadlineMs = performance.now() + readyTimeoutMs
  // One after the other, and not too often: who asks takes processor time from those that start.
  for (const node of state.nodes) {
    while (!isReady(await fetchStatus(node))) {
      await failIfDead(directory, state)
      if (performance.now() > deadlineMs) {
        throw new CliError(
          `The cluster did not become ready in ${readyTimeoutMs / 1000} s; see ${logFile(directory, node.id)}.`,
        )
      }
      await new Promise(resolve => setTimeout(resolve, readyPauseMs))
    }
  }
}

const isReady = (status: NodeStatus | null): boolean =>
  status !== null && status.controllerId >= 0 && status.broker?.state === 'RUNNING'

async function failIfDead(directory: string, state: LocalCluster): Promise<void> {
  const dead = state.nodes.find(node => readPid(directory, node.id) === null)
  if (dead === undefined) return
  const said = lastLogLines(directory, dead.id, 8)
  await stopNodes(
    directory,
    state.nodes.map(node => node.id),
  )
  throw new CliError(
    `Node ${dead.id} did not start. The end of ${logFile(directory, dead.id)}:\n${said}`,
  )
}

function announce(options: UpOptions, state: LocalCluster, tookMs: number): void {
  const bootstrapServers = state.nodes.map(node => `127.0.0.1:${node.port}`).join(',')
  if (options.json === true) {
    printJson({
      clusterId: state.clusterId,
      bootstrapServers,
      directory: options.dir,
      readyAfterMs: Math.round(tookMs),
    })
    return
  }
  const dir = options.dir === '.trimaran/cluster' ? '' : ` --dir ${options.dir}`
  const server = state.nodes[0]?.port === 9092 ? '' : ` -b 127.0.0.1:${state.nodes[0]?.port}`
  printLine(
    `${bold(`${count(state.nodes.length, 'node')} up`)} after ${(tookMs / 1000).toFixed(2)} s ${dim(`(cluster ${state.clusterId}, data in ${options.dir})`)}`,
  )
  printLine()
  printLine(`  bootstrap.servers  ${bold(bootstrapServers)}`)
  printLine()
  printLine(`  npx trimaran topics create orders --partitions 6 --replication-factor 3${server}`)
  printLine(`  npx trimaran cluster status --watch${dir}`)
  printLine(`  npx trimaran cluster kill 1${dir}`)
  printLine()
  printLine(
    options.detach === true
      ? dim(`trimaran cluster down${dir} stops it.`)
      : dim('Ctrl-C stops it; the data stays.'),
  )
}

/** Stays until Ctrl-C; the nodes that run by then, restarted ones included, are stopped cleanly. */
function stopOnSignal(directory: string, state: LocalCluster): Promise<void> {
  return new Promise(settle => {
    // A timer holds the process; the nodes are no children in the event loop's sense.
    const hold = setInterval(() => {}, 1 << 30)
    let stopping = false
    const stop = (): void => {
      if (stopping) process.exit(130)
      stopping = true
      printLine('\nStopping…')
      stopNodes(
        directory,
        state.nodes.map(node => node.id),
      ).then(killed => {
        clearInterval(hold)
        printLine(
          killed.length === 0 ? 'Stopped cleanly.' : `Stopped; had to kill ${killed.join(', ')}.`,
        )
        settle()
      }, settle)
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('SIGHUP', stop)
  })
}

export async function one(action: string, id: number, options: DirectoryOptions): Promise<void> {
  const state = requireState(options.dir)
  requireNode(state, id)
  const pid = readPid(options.dir, id)
  if (action !== 'restart' && pid === null) throw new CliError(`Node ${id} is not running.`)
  switch (action) {
    case 'kill':
      signal(pid as number, 'SIGKILL')
      await waitUntilGone(options.dir, id, 5000)
      break
    case 'stop':
      await stopNodes(options.dir, [id])
      break
    case 'pause':
      signal(pid as number, 'SIGSTOP')
      break
    case 'resume':
      signal(pid as number, 'SIGCONT')
      break
    case 'restart':
      await stopNodes(options.dir, [id])
      spawnNode(options.dir, state, id)
      await waitUntilReady(options.dir, {
        ...state,
        nodes: state.nodes.filter(node => node.id === id),
      })
      break
    default:
      throw new CliError(`unknown action ${action}`, exitCodes.usage)
  }
  const now = processState(options.dir, id)
  if (options.json === true) printJson({ id, state: now, pid: readPid(options.dir, id) })
  else printLine(`Node ${id} is ${now}.`)
}

export async function down(options: DirectoryOptions & { readonly wipe?: boolean }): Promise<void> {
  const state = requireState(options.dir)
  const running = state.nodes
    .filter(node => readPid(options.dir, node.id) !== null)
    .map(node => node.id)
  const killed = await stopNodes(options.dir, running)
  if (options.wipe === true) {
    for (const node of state.nodes)
      await rm(nodeDirectory(options.dir, node.id), { recursive: true, force: true })
    await rm(`${options.dir}/cluster.json`, { force: true })
  }
  if (options.json === true) printJson({ stopped: running, killed, wiped: options.wipe === true })
  else
    printLine(
      `Stopped ${count(running.length, 'node')}${killed.length > 0 ? `, had to kill ${killed.join(', ')}` : ''}.`,
    )
}
