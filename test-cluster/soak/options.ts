import { parseArgs } from 'node:util'
import { isBugName } from '../sim/bugs.ts'
import type { PlanOptions } from './plan.ts'

export interface SoakOptions extends PlanOptions {
  /** Infinity: until told. */
  readonly durationMs: number
  readonly directory: string
}

export const usage = `Runs until told: seeds of the simulator in turns with every scenario of "trimaran chaos run".
Stops at the first violation and keeps its evidence: what was printed, the history, the nodes' data.

  pnpm soak                     until Ctrl-C
  pnpm soak --for 2h            so long (s, m, h); the turn that is under way is finished
  pnpm soak --seed 7 --for 8h   the same seed is the same plan

  --dir DIRECTORY          where evidence is kept (.trimaran/soak)
  --seeds-per-turn N       of the simulator (40)
  --seconds-per-turn N     of a chaos scenario (60)
  --port N                 of the temporary clusters, as "cluster up" counts (29192)
  --bug NAME               the simulator breaks this rule on purpose: the soak must stop

Exit codes: 0 nothing found, 1 a violation, 2 wrong usage.`

export class UsageError extends Error {}

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000 } as const

export function durationMsOf(text: string): number {
  const parts = /^(?<count>\d{1,6})(?<unit>[smh])$/.exec(text)?.groups
  const ms = Number(parts?.['count']) * (unitsMs[parts?.['unit'] as keyof typeof unitsMs] ?? 0)
  if (ms > 0) return ms
  throw new UsageError(`--for wants a time as in 90s, 30m or 2h, not '${text}'`)
}

export function parseOptions(args: readonly string[]): SoakOptions {
  const { values } = parse(args)
  if (values.help) throw new UsageError(usage)
  const bug = values.bug ?? null
  if (bug !== null && !isBugName(bug)) throw new UsageError(`there is no bug ${bug}`)
  return {
    durationMs: values.for === undefined ? Number.POSITIVE_INFINITY : durationMsOf(values.for),
    seed: whole('--seed', values.seed ?? String(Math.floor(Math.random() * 1_000_000))),
    seedsPerTurn: whole('--seeds-per-turn', values['seeds-per-turn']),
    secondsPerTurn: whole('--seconds-per-turn', values['seconds-per-turn']),
    port: whole('--port', values.port),
    directory: values.dir,
    bug,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        for: { type: 'string' },
        seed: { type: 'string' },
        dir: { type: 'string', default: '.trimaran/soak' },
        'seeds-per-turn': { type: 'string', default: '40' },
        'seconds-per-turn': { type: 'string', default: '60' },
        port: { type: 'string', default: '29192' },
        bug: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new UsageError(`${name} must be a whole number from 1 on, not '${text}'`)
}
