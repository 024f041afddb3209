import { parseArgs } from 'node:util'
import { bugs, isBugName } from './bugs.ts'
import type { BugName } from './bugs.ts'

export interface RunOptions {
  readonly from: number
  readonly seeds: number
  readonly nodes: number
  readonly seconds: number
  readonly workers: number
  /** One seed, told in full. */
  readonly isSingle: boolean
  readonly trace: boolean
  readonly bug: BugName | null
  readonly json: boolean
  readonly stopsAtFirst: boolean
}

export const usage = `Simulates the whole cluster, seed by seed.

  node test-cluster/sim/main.ts --seeds 500 [--from 1]   so many seeds, beginning with this one
  node test-cluster/sim/main.ts --seed 7 [--trace]       one seed, told in full; the same one is always the same

  --nodes N      brokers (3), of which up to three are controllers
  --seconds N    simulated seconds with faults (12); recovery and checks come on top
  --workers N    processes (2)
  --bug NAME     breaks a rule of the product on purpose and stops at the first seed that notices:
                 ${Object.keys(bugs).join(' ')}
  --json         the summary as JSON

Exit codes: 127 crash, 128 liveness, 129 correctness.`

class UsageError extends Error {}

export function parseOptions(args: readonly string[]): RunOptions | string {
  try {
    return parsed(args)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return error.message
  }
}

function parsed(args: readonly string[]): RunOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '12' },
      workers: { type: 'string', default: '2' },
      trace: { type: 'boolean', default: false },
      bug: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) throw new UsageError(usage)
  const bug = values.bug ?? null
  if (bug !== null && !isBugName(bug)) {
    throw new UsageError(`there is no bug ${bug}; there are ${Object.keys(bugs).join(', ')}`)
  }
  const isSingle = values.seed !== undefined
  return {
    from: whole('--seed', values.seed ?? values.from, 0),
    seeds: isSingle ? 1 : whole('--seeds', values.seeds, 1),
    nodes: whole('--nodes', values.nodes, 3),
    seconds: whole('--seconds', values.seconds, 1),
    workers: whole('--workers', values.workers, 1),
    isSingle,
    trace: values.trace,
    bug,
    json: values.json,
    stopsAtFirst: bug !== null,
  }
}

function whole(name: string, text: string, min: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new UsageError(`${name} must be a whole number from ${min} on, not '${text}'`)
}
