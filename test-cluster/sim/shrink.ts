import { noticedBy } from './bank/bank.ts'
import { mistakesOf } from './bugs.ts'
import type { BugName } from './bugs.ts'
import { decisionText } from './plan.ts'
import type { Decision } from './plan.ts'
import { Simulation } from './simulation.ts'
import type { Outcome } from './simulation.ts'
import { isTrimName, trimNames } from './trims.ts'
import type { TrimName } from './trims.ts'

/** A failure without whatever it does not need; what `--replay` takes, and `regressions/` keeps. */
export interface Scenario {
  readonly title: string
  readonly seed: number
  readonly nodes: number
  readonly seconds: number
  readonly bug: BugName | null
  /** What is left out of the cluster and of its clients. */
  readonly trims: readonly TrimName[]
  readonly plan: readonly Decision[]
  /** What it shows, while it fails: of the table in the README. */
  readonly noticedBy: string
}

/** Runs of the simulator that a shrinking may take. */
const usualRunsMax = 250

export const runScenario = (
  { seed, nodes, seconds, bug, trims, plan }: Omit<Scenario, 'title' | 'noticedBy'>,
  trace?: (line: string) => void,
): Promise<Outcome> =>
  new Simulation({
    seed,
    nodes,
    seconds,
    plan,
    trims,
    mistakes: mistakesOf(bug),
    ...(trace && { stacks: true, trace: { linesMax: 200, print: trace } }),
  }).run()

/**
 * Makes a failing seed small: no more time than until it fails, then without all harm that it does not need (ddmin), then
 * without clients and troubles that it does not need. Null: it does not fail.
 */
export async function shrink(
  from: Pick<Scenario, 'seed' | 'nodes' | 'seconds' | 'bug'>,
  say: (line: string) => void,
  runsMax: number = usualRunsMax,
): Promise<Scenario | null> {
  const { seed, nodes, seconds, bug } = from
  const first = await new Simulation({ seed, nodes, seconds, mistakes: mistakesOf(bug) }).run()
  if (first.failure === null) return null
  const promise = noticedBy(first.failure)
  const title = first.failure.message.split('\n')[0] ?? ''
  let best: Scenario = {
    ...from,
    title,
    trims: [],
    plan: first.plan,
    noticedBy: promise,
  }
  let runs = 1
  const attempt = async (change: Partial<Scenario>): Promise<boolean> => {
    if (runs >= runsMax) return false
    runs++
    const next = { ...best, ...change }
    const { failure } = await runScenario(next)
    if (failure === null || noticedBy(failure) !== promise) return false
    best = { ...next, title: failure.message.split('\n')[0] ?? title }
    return true
  }
  say(`seed ${seed} fails by ${promise}, with ${best.plan.length} decisions`)
  for (let less = Math.ceil(seconds / 2); less < best.seconds;) {
    if (!(await attempt({ seconds: less, plan: before(best.plan, less) }))) less++
    else less = Math.ceil(less / 2)
  }
  await leaveOut(
    () => best.plan,
    plan => attempt({ plan }),
  )
  for (const trim of trimNames) await attempt({ trims: [...best.trims, trim] })
  say(
    `after ${runs} runs: ${best.plan.length} decisions, ${best.seconds} s, without ${best.trims.join(', ') || 'anything less'}`,
  )
  for (const decision of best.plan) say(decisionText(decision))
  say(`${promise}: ${best.title}`)
  return best
}

const before = (plan: readonly Decision[], seconds: number): Decision[] =>
  plan.filter(({ atMs }) => atMs < seconds * 1000)

/** ddmin, by leaving parts out: halves first, then smaller ones, until no single decision can go. */
async function leaveOut(
  plan: () => readonly Decision[],
  attempt: (plan: readonly Decision[]) => Promise<boolean>,
): Promise<void> {
  let size = Math.ceil(plan().length / 2)
  while (size >= 1 && plan().length > 0) {
    let isSmaller = false
    for (let from = 0; from < plan().length;) {
      const rest = plan().filter((_, at) => at < from || at >= from + size)
      if (await attempt(rest)) isSmaller = true
      else from += size
    }
    if (size === 1 && !isSmaller) return
    if (size > 1) size = Math.ceil(size / 2)
  }
}

/** Of a file; says what is wrong with it. */
export function parseScenario(text: string): Scenario {
  const scenario = JSON.parse(text) as Scenario
  for (const key of ['seed', 'nodes', 'seconds'] as const) {
    if (!Number.isSafeInteger(scenario[key])) throw new Error(`a scenario needs a number "${key}"`)
  }
  if (!Array.isArray(scenario.plan)) throw new Error('a scenario needs a "plan"')
  for (const trim of scenario.trims) {
    if (!isTrimName(trim)) throw new Error(`a scenario cannot be without ${String(trim)}`)
  }
  return scenario
}
