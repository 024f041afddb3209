import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CliError, exitCodes } from '../output.ts'

/** What `cluster up` wrote down, so that every other `cluster` command finds the nodes again. */
export interface LocalCluster {
  readonly clusterId: string
  readonly nodes: readonly LocalNode[]
}

export interface LocalNode {
  readonly id: number
  /** Where clients connect. */
  readonly port: number
  /** Where the other nodes connect (gRPC). */
  readonly nodePort: number
  /** /healthz, /metrics, /status. */
  readonly httpPort: number
  /** It came to a cluster that was there: an observer of the quorum until somebody adds it. */
  readonly joined?: boolean
}

/** The node's own port, then one for the nodes among themselves, then one for HTTP. */
export const nodePortOffset = 1000
export const httpPortOffset = 2000

export const defaultDirectory = '.trimaran/cluster'
const stateFile = (directory: string): string => join(directory, 'cluster.json')
export const nodeDirectory = (directory: string, id: number): string =>
  join(directory, `node-${id}`)
export const logFile = (directory: string, id: number): string =>
  join(nodeDirectory(directory, id), 'node.log')
const pidFile = (directory: string, id: number): string =>
  join(nodeDirectory(directory, id), 'node.pid')

export function readState(directory: string): LocalCluster | null {
  const file = stateFile(directory)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LocalCluster) : null
}

export function requireState(directory: string): LocalCluster {
  const state = readState(directory)
  if (state === null) {
    throw new CliError(
      `There is no cluster in ${resolve(directory)}. Start one with: trimaran cluster up --dir ${directory}`,
      exitCodes.usage,
    )
  }
  return state
}

export function writeState(directory: string, state: LocalCluster): void {
  mkdirSync(directory, { recursive: true })
  const temporary = `${stateFile(directory)}.tmp`
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(temporary, stateFile(directory))
}

export function requireNode(state: LocalCluster, id: number): LocalNode {
  const node = state.nodes.find(candidate => candidate.id === id)
  if (node === undefined) {
    const ids = state.nodes.map(candidate => candidate.id).join(', ')
    throw new CliError(`There is no node ${id}; the cluster has nodes ${ids}.`, exitCodes.usage)
  }
  return node
}

export function writePid(directory: string, id: number, pid: number): void {
  writeFileSync(pidFile(directory, id), `${pid}\n`)
}

/** The node's process, if it lives. A recycled pid is told apart by the node's directory on its command line. */
export function readPid(directory: string, id: number): number | null {
  const file = pidFile(directory, id)
  if (!existsSync(file)) return null
  const pid = Number(readFileSync(file, 'utf8'))
  return Number.isInteger(pid) && pid > 0 && isNode(pid, nodeDirectory(directory, id)) ? pid : null
}

function isNode(pid: number, ownDirectory: string): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(resolve(ownDirectory))
  } catch {
    // No /proc on this system: the signal has shown that a process of that number is there.
    return !existsSync('/proc')
  }
}

export type ProcessState = 'running' | 'paused' | 'down'

export function processState(directory: string, id: number): ProcessState {
  const pid = readPid(directory, id)
  if (pid === null) return 'down'
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
    if (state === 'Z' || state === 'X') return 'down'
    return state === 'T' || state === 't' ? 'paused' : 'running'
  } catch {
    return existsSync('/proc') ? 'down' : 'running'
  }
}
