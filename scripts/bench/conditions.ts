/** Under which conditions the figures were taken: without them they say nothing. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

export interface Conditions {
  readonly date: string
  readonly commit: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly system: string
  readonly node: string
  /** Runnable tasks before the first measurement: more than a little of it is noise in every figure. */
  readonly loadBefore: number
}

export function readConditions(root: string): Conditions {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commitOf(root),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release().split('-')[0]} ${arch()}`,
    node: process.version,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
  }
}

/** With a + if the sources differ from the commit. */
function commitOf(root: string): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync('git', args, {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    const isChanged = git('status', '--porcelain', '--', 'packages').trim() !== ''
    return git('rev-parse', '--short', 'HEAD').trim() + (isChanged ? '+' : '')
  } catch {
    return 'not a git checkout'
  }
}

/** Null where the system does not tell. */
export function residentBytes(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN)
    return kib * 1024
  } catch {
    return null
  }
}
