import { rm } from 'node:fs/promises'
import { CliError, bold, count, dim, exitCodes, printJson, printLine } from '../output.ts'
import { signal, spawnNode, stopNodes, waitUntilGone } from '../local-cluster/processes.ts'
import { parseOverrides } from '../local-cluster/overrides.ts'
import { joinNode, newCluster, startNodes, waitUntilReady } from '../local-cluster/startup.ts'
import {
  nodeDirectory,
  processState,
  readPid,
  readState,
  requireNode,
  requireState,
  type LocalCluster,
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

export async function up(options: UpOptions): Promise<void> {
  const state = readState(options.dir) ?? newCluster(options.nodes, options.port)
  const overrides = parseOverrides(options.override)
  const toStart = state.nodes.filter(node => readPid(options.dir, node.id) === null)
  if (toStart.length === 0) {
    throw new CliError(
      `The cluster in ${options.dir} is running already; see: trimaran cluster status --dir ${options.dir}`,
    )
  }
  const startedMs = performance.now()
  await startNodes(options.dir, state, toStart, () => overrides)
  announce(options, state, performance.now() - startedMs)
  if (options.detach !== true) await stopOnSignal(options.dir, state)
}

/** A node more, which is a broker at once and an observer of the quorum. */
export async function add(
  options: DirectoryOptions & { readonly override: readonly string[] },
): Promise<void> {
  const state = requireState(options.dir)
  if (state.nodes.every(node => readPid(options.dir, node.id) === null)) {
    throw new CliError(
      `No node of the cluster in ${options.dir} runs; start it with: trimaran cluster up --dir ${options.dir}`,
    )
  }
  const { id, port } = await joinNode(options.dir, state, parseOverrides(options.override))
  if (options.json === true) printJson({ id, bootstrapServer: `127.0.0.1:${port}` })
  else {
    printLine(`${bold(`Node ${id} is running`)} on 127.0.0.1:${port}, a broker like the others.`)
    printLine(dim(`It votes once it is added: trimaran quorum add --id ${id} -b 127.0.0.1:${port}`))
  }
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
