/** `pnpm sim`: seeds through the simulator. See options.ts for what it takes, README.md for what it checks. */
import { bugs } from './bugs.ts'
import { Campaign } from './campaign.ts'
import { parseOptions } from './options.ts'
import type { RunOptions } from './options.ts'
import { exitCodes, failureText, summaryText, Tally } from './report.ts'
import { Simulation } from './simulation.ts'
import type { Outcome } from './simulation.ts'

/** Of a failed seed. */
const traceLines = 200
const progressEveryMs = 5_000

async function runOne(options: RunOptions): Promise<number> {
  const { from: seed, nodes, seconds, bug, trace, json } = options
  const startedMs = performance.now()
  const outcome = await new Simulation({
    seed,
    nodes,
    seconds,
    mistakes: bug === null ? {} : bugs[bug],
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
  return first?.failure ? exitCodes[first.failure.kind] : 0
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

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(options)
  process.exitCode = options.startsWith('Simulates') ? 0 : 2
} else {
  process.exitCode = await (options.isSingle ? runOne(options) : runMany(options))
}
