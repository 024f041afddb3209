import { Prng } from '@trimaran/common'
import { scenarios } from 'trimaran/chaos'

/** What runs for a minute or two, and must end with the code that it says. */
export interface Turn {
  readonly name: string
  /** Of `node`, from the repository's root. */
  readonly args: readonly string[]
  /** `lost`: it must find a loss; a checker that has never seen one proves nothing. */
  readonly expects: 'kept' | 'lost'
  /** Whatever takes longer hangs. */
  readonly limitMs: number
}

export interface PlanOptions {
  readonly seed: number
  readonly seedsPerTurn: number
  readonly secondsPerTurn: number
  /** Of the temporary clusters. */
  readonly port: number
  /** A rule of the product that the simulator breaks on purpose: to see the soak stop. */
  readonly bug: string | null
}

const recordsPerSecond = 500
/** Of a seed: the campaign itself gives one up after three minutes. */
const seedMaxMs = 200_000
/** Of a scenario, beside its duration: starts, the last healing (1 min), what is under way (1 min), reading it all (2 min). */
const aroundScenarioMs = 600_000
/** A loss that is certain needs no minute. */
const lossSeconds = 5
const mustLose: ReadonlySet<string> = new Set(['unclean-election'])

/** Without end: seeds of the simulator, a scenario, the next seeds, the next scenario. The same seed is the same plan. */
export function* plan(options: PlanOptions): Generator<Turn, never> {
  const random = new Prng(options.seed)
  let from = random.between(1, 1_000_000_000)
  for (;;) {
    for (const { name } of scenarios) {
      yield simTurn(from, options)
      from += options.seedsPerTurn
      yield chaosTurn(name, random.between(1, 1_000_000), options)
    }
  }
}

function simTurn(from: number, { seedsPerTurn, bug }: PlanOptions): Turn {
  const seeds = ['--seeds', String(seedsPerTurn), '--from', String(from)]
  return {
    name: `sim-${from}`,
    args: ['test-cluster/sim/main.ts', ...seeds, ...(bug === null ? [] : ['--bug', bug])],
    expects: 'kept',
    limitMs: seedsPerTurn * seedMaxMs,
  }
}

function chaosTurn(scenario: string, seed: number, { secondsPerTurn, port }: PlanOptions): Turn {
  const expects = mustLose.has(scenario) ? 'lost' : 'kept'
  const seconds = expects === 'lost' ? Math.min(lossSeconds, secondsPerTurn) : secondsPerTurn
  return {
    name: `${scenario}-${seed}`,
    args: [
      ...['packages/cli/src/main.ts', 'chaos', 'run', '--scenario', scenario],
      ...['--seed', String(seed), '--duration', String(seconds)],
      ...['--rate', String(recordsPerSecond), '--port', String(port)],
    ],
    expects,
    limitMs: seconds * 1000 + aroundScenarioMs,
  }
}
