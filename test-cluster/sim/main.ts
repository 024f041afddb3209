/** `pnpm sim`: seeds through the simulator. See options.ts for what it takes, README.md for what it checks. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { renewBank } from './bank/bank.ts'
import { mistakesOf, needsProcess, processOf } from './bugs.ts'
import { Campaign } from './campaign.ts'
import { parseOptions } from './options.ts'
import type { RunOptions } from './options.ts'
import { exitCodes, failureText, summaryText, Tally } from './report.ts'
import { parseScenario, runScenario, shrink } from './shrink.ts'
import { Simulation } from './simulation.ts'
import type { Failure, Outcome } from './simulation.ts'

const regressionsUrl = new URL('regressions/', import.meta.url)
/** Of a failed seed. */
const traceLines = 200
const progressEveryMs = 5_000

async function runOne(options: RunOptions): Promise<number> {
  if (needsProcess(options.bug)) return again(options)
  const { from: seed, nodes, seconds, bug, trace, json } = options
  const startedMs = performance.now()
  const outcome = await new Simulation({
    seed,
    nodes,
    seconds,
    mistakes: mistakesOf(bug),
    stacks: true,
    trace: { linesMax: traceLines, print: trace ? console.log : null },
  }).run()
  const tally = new Tally()
  tally.add(outcome)
  const summary = tally.summary(performance.now() - startedMs)
  const hash = outcome.hash.toString(16).padStart(8, '0')
  if (json) console.log(JSON.stringify({ ...summary, hash, failure: outcome.failure }))
  else {
    if (outcome.failure !== null) console.log(failureText(outcome, options))
    console.log(summaryText(summary))
    console.log(`hash     ${hash}`)
  }
  return outcome.failure === null ? 0 : exitCodes[outcome.failure.kind]
}

/** In a process whose sources have the bug. */
function again({ bug }: RunOptions): number {
  const { execArgv, env } = processOf(bug)
  const args = [...execArgv, ...process.argv.slice(1)]
  return spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? exitCodes.crash
}

async function runMany(options: RunOptions): Promise<number> {
  const { seeds, json, stopsAtFirst, bug } = options
  const tally = new Tally()
  const startedMs = performance.now()
  const say = (line: string): void => {
    if (!json) console.log(line)
  }
  const campaign = new Campaign(options, outcome => {
    tally.add(outcome)
    if (outcome.failure === null) return
    say(failureText(outcome, options))
    if (stopsAtFirst) campaign.stop()
  })
  const progress = setInterval(() => {
    const perSecond = tally.simulatedMs / (performance.now() - startedMs)
    say(`… ${tally.seeds} of ${seeds} seeds, ${Math.round(perSecond)} simulated seconds per second`)
  }, progressEveryMs)
  await campaign.run()
  clearInterval(progress)
  const summary = tally.summary(performance.now() - startedMs)
  const [first] = tally.failed.toSorted((a, b) => a.seed - b.seed)
  if (json) {
    const failures = tally.failed.map(({ seed, failure }) => ({ seed, ...failure }))
    console.log(JSON.stringify({ ...summary, failures }))
  } else {
    if (first !== undefined && bug === null) say(await lastMoments(first, options))
    console.log(summaryText(summary))
  }
  if (first?.failure) return exitCodes[first.failure.kind]
  return options.marks && summary.marksMissed.length > 0 ? exitCodes.liveness : 0
}

/** The seed once more, with its last lines: the trace costs too much to be kept of all. */
async function lastMoments(
  { seed, failure, simulatedMs }: Outcome,
  options: RunOptions,
): Promise<string> {
  if (failure === null || simulatedMs === 0) return ''
  const { nodes, seconds } = options
  const trace = { linesMax: traceLines, print: null }
  const outcome = await new Simulation({ seed, nodes, seconds, stacks: true, trace }).run()
  return failureText(outcome, options)
}

/** The least of a seed that still fails. */
async function runShrink(options: RunOptions): Promise<number> {
  if (needsProcess(options.bug)) return again(options)
  const { from: seed, nodes, seconds, bug } = options
  const scenario = await shrink({ seed, nodes, seconds, bug }, console.log)
  if (scenario === null) {
    console.log(`seed ${seed} does not fail`)
    return 0
  }
  const name = `${bug ?? 'seed'}-${seed}.json`
  mkdirSync(regressionsUrl, { recursive: true })
  writeFileSync(new URL(name, regressionsUrl), `${JSON.stringify(scenario, null, 2)}\n`)
  console.log(`written to test-cluster/sim/regressions/${name}, which regressions.test.ts runs`)
  return exitCodes.correctness
}

async function runReplay(options: RunOptions): Promise<number> {
  const scenario = parseScenario(readFileSync(options.replay ?? '', 'utf8'))
  if (needsProcess(scenario.bug)) return again({ ...options, bug: scenario.bug })
  const { failure } = await runScenario(scenario, options.trace ? console.log : undefined)
  console.log(failure === null ? 'nothing fails' : failureOf(failure))
  return failure === null ? 0 : exitCodes[failure.kind]
}

const failureOf = ({ kind, message, stack }: Failure): string => `${kind}: ${message}\n${stack}`

function runOf(options: RunOptions): (options: RunOptions) => Promise<number> {
  if (options.replay !== null) return runReplay
  if (options.bank) return runBank
  if (options.shrinks) return runShrink
  return options.isSingle ? runOne : runMany
}

const runBank = (options: RunOptions): Promise<number> => renewBank(options, console.log)

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(options)
  process.exitCode = options.startsWith('Simulates') ? 0 : 2
} else {
  process.exitCode = await runOf(options)(options)
}
