/** Under which conditions the figures were taken: without them they say nothing. */
import { execFileSync } from 'node:child_process'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'
import type { ClusterFacts } from './cluster.ts'

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
  /** The cluster beside ours; absent: there is none. No answer names the software. */
  readonly beside?: ClusterFacts
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
