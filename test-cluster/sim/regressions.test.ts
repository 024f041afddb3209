import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { noticedBy, readBank } from './bank/bank.ts'
import { mistakesOf, needsProcess } from './bugs.ts'
import { parseScenario, runScenario, shrink } from './shrink.ts'
import { Simulation } from './simulation.ts'

/** Scenarios that `--shrink` has written: a bug of the bank is noticed in them, what was a bug of the product no more. */
const regressionsUrl = new URL('regressions/', import.meta.url)

describe.each(readdirSync(regressionsUrl))('%s', name => {
  const scenario = parseScenario(readFileSync(new URL(name, regressionsUrl), 'utf8'))
  const { bug, noticedBy: promise } = scenario

  test('without a bug nothing fails', async () => {
    const { failure } = await runScenario({ ...scenario, bug: null })
    expect(failure).toBeNull()
  })

  // A bug of the product is mended; one that needs sources of its own is the bank's.
  if (bug === null || needsProcess(bug)) return
  test('with its bug it fails', async () => {
    const { failure } = await runScenario(scenario)
    expect(failure && noticedBy(failure)).toBe(promise)
  })
})

test('failing seeds are made small, and stay the same failure', { timeout: 180_000 }, async () => {
  const from = { nodes: 3, seconds: 6, bug: 'committedIsr' } as const
  const mistakes = mistakesOf(from.bug)
  const runsMax = 12
  // Of a handful of decisions there is not much to be left out.
  const decisionsMin = 4
  // So few runs do not make every one smaller.
  let triesLeft = 3
  const first = readBank().findings.find(({ bug }) => bug === from.bug)?.seeds ?? 1
  for (let seed = first; seed < first + 100; seed++) {
    const { failure, plan } = await new Simulation({ ...from, seed, mistakes }).run()
    if (failure === null || plan.length < decisionsMin) continue
    const scenario = await shrink({ ...from, seed }, () => {}, runsMax)
    expect(scenario?.noticedBy).toBe(noticedBy(failure))
    const again = await runScenario(parseScenario(JSON.stringify(scenario)))
    expect(again.failure && noticedBy(again.failure)).toBe(scenario?.noticedBy)
    if ((scenario?.plan.length ?? Infinity) < plan.length) return
    if (--triesLeft === 0) break
  }
  expect.unreachable('no seed fails, or none of those that do became smaller')
})
