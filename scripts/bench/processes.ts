/** What the system tells of processes: who listens on a port, memory, processor time. Linux; elsewhere nothing. */
import { lookup } from 'node:dns/promises'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './client.ts'

/** Process ids, each once, or why they are not known. */
export type Processes = { readonly pids: readonly number[] } | { readonly why: string }

/** USER_HZ, in which /proc counts, is 100 on every machine that Node runs on. */
const tickMs = 10
const megabyte = 1_000_000
/** Null: they are not known. */
export const pidsOf = (processes: Processes): readonly number[] | null =>
  'pids' in processes ? processes.pids : null

const stateListen = '0A'
/** They hold the port for a container: what they use is not what the node uses. */
const forwarders: ReadonlySet<string> = new Set(['docker-proxy', 'rootlessport', 'slirp4netns'])

/** Who listens at the addresses, as far as they are on this machine and their open files can be read. */
export async function processesAt(addresses: readonly Address[]): Promise<Processes> {
  for (const { host } of addresses) {
    if (!(await isThisMachine(host))) return { why: `${host} is not this machine` }
  }
  const pids = new Set<number>()
  for (const { port } of addresses) {
    const pid = listenerOf(port)
    if (pid === null)
      return { why: `of who listens on port ${port} the process cannot be seen from here` }
    if (forwarders.has(commandOf(pid)))
      return { why: `port ${port} is forwarded to a container by ${commandOf(pid)}` }
    pids.add(pid)
  }
  return { pids: [...pids] }
}

async function isThisMachine(host: string): Promise<boolean> {
  const own = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  try {
    const { address } = await lookup(host.replace(/^\[|\]$/g, ''))
    return address.startsWith('127.') || own.some(each => each.address === address)
  } catch {
    return false
  }
}

function listenerOf(port: number): number | null {
  const inodes = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(table => listeningInodes(table, port)),
  )
  if (inodes.size === 0) return null
  const pids = namesIn('/proc').filter(name => /^\d+$/.test(name))
  const pid = pids.find(each =>
    namesIn(`/proc/${each}/fd`).some(fd => {
      const inode = /^socket:\[(\d+)\]$/.exec(targetOf(`/proc/${each}/fd/${fd}`))?.[1]
      return inode !== undefined && inodes.has(inode)
    }),
  )
  return pid === undefined ? null : Number(pid)
}

function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return (textOf(table) ?? '').split('\n').flatMap(line => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    return local.endsWith(suffix) && state === stateListen && inode !== undefined ? [inode] : []
  })
}

const commandOf = (pid: number): string => (textOf(`/proc/${pid}/comm`) ?? '').trim()

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Empty for what has ended or belongs to somebody else. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}

/** Of /proc/PID/stat from the state on: the name before it may hold blanks and brackets. */
function statOf(pid: number): readonly string[] {
  const stat = textOf(`/proc/${pid}/stat`)
  if (stat === null) throw new Error(`process ${pid} has ended, or this system has no /proc`)
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Time on a processor since its start, in user and kernel mode. */
export function processorMs(pid: number): number {
  const stat = statOf(pid)
  return (Number(stat[11]) + Number(stat[12])) * tickMs
}

export function ageMsOf(pid: number): number {
  const upSeconds = Number((textOf('/proc/uptime') ?? '').split(' ')[0])
  return upSeconds * 1000 - Number(statOf(pid)[19]) * tickMs
}

export const residentBytes = (pid: number): number => memoryBytes(pid, 'VmRSS')

function memoryBytes(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm')
  const kib = Number(line.exec(textOf(`/proc/${pid}/status`) ?? '')?.[1])
  if (Number.isNaN(kib))
    throw new Error(`process ${pid} has ended, or this system does not tell its memory (/proc)`)
  return kib * 1024
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)

export const residentMegabytes = (pids: readonly number[]): number =>
  sum(pids.map(residentBytes)) / megabyte

/** Of /proc/PID/clear_refs: the peak of the resident memory is from then on that since then. */
const resetPeak = '5'

/** From now on the system keeps their peaks, so that nobody has to look again and again. */
export function watchPeaks(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, resetPeak)
}

/** Of each since `watchPeaks`, together: no less than what they had at any one time. */
export const peakMegabytes = (pids: readonly number[]): number =>
  sum(pids.map(pid => memoryBytes(pid, 'VmHWM'))) / megabyte

/** How many processors they keep busy together. */
export async function busyCores(pids: readonly number[], durationMs: number): Promise<number> {
  const startMs = performance.now()
  const before = sum(pids.map(processorMs))
  await sleep(durationMs)
  return (sum(pids.map(processorMs)) - before) / (performance.now() - startMs)
}
