import { parseArgs } from 'node:util'
import { bugNames, isBugName } from './bugs.ts'
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
  /** Finds the bugs of the bank again. */
  readonly bank: boolean
  /** Fails when a mark is not hit. */
  readonly marks: boolean
  readonly shrinks: boolean
  /** A scenario’s file. */
  readonly replay: string | null
  /** Of the bank, only what is not in it yet or was not noticed. */
  readonly missing: boolean
}

export const usage = `Simulates the whole cluster, seed by seed.

  node test-cluster/sim/main.ts --seeds 500 [--from 1]   so many seeds, beginning with this one
  node test-cluster/sim/main.ts --seed 7 [--trace]       one seed, told in full; the same one is always the same

  node test-cluster/sim/main.ts --seed 7 --shrink        the least of it that still fails, as a scenario in regressions/
  node test-cluster/sim/main.ts --replay FILE [--trace]  a scenario

  --nodes N      brokers (3), of which up to three are controllers
  --seconds N    simulated seconds with faults (12); recovery and checks come on top
  --workers N    processes (2)
  --bug NAME     breaks a rule of the product on purpose and stops at the first seed that notices:
                 ${bugNames.join(' ')}
  --bank         how many seeds each of them takes (all, or --bug NAME; at most 2000 of 6 s with faults): written to
                 bug-bank.json and to the table in TRACK-RECORD.md; --missing: only those that are not noticed there
  --marks        fails if a situation of marks.ts was not met
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
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '3' },
      seconds: { type: 'string' },
      workers: { type: 'string', default: '2' },
      trace: { type: 'boolean', default: false },
      bank: { type: 'boolean', default: false },
      missing: { type: 'boolean', default: false },
      marks: { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
      replay: { type: 'string' },
      bug: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) throw new UsageError(usage)
  const bug = values.bug ?? null
  if (bug !== null && !isBugName(bug)) {
    throw new UsageError(`there is no bug ${bug}; there are ${bugNames.join(', ')}`)
  }
  const { bank } = values
  const isSingle = values.seed !== undefined
  return {
    from: whole('--seed', values.seed ?? values.from, 0),
    seeds: isSingle ? 1 : whole('--seeds', values.seeds ?? (bank ? '2000' : '100'), 1),
    nodes: whole('--nodes', values.nodes, 3),
    seconds: whole('--seconds', values.seconds ?? (bank ? '6' : '12'), 1),
    workers: whole('--workers', values.workers, 1),
    isSingle,
    trace: values.trace,
    bug,
    json: values.json,
    stopsAtFirst: bug !== null,
    bank,
    missing: values.missing,
    marks: values.marks,
    shrinks: values.shrink,
    replay: values.replay ?? null,
  }
}

function whole(name: string, text: string, min: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new UsageError(`${name} must be a whole number from ${min} on, not '${text}'`)
}
