import { expect, test } from 'vitest'
import { bugNames } from '../bugs.ts'
import { parseOptions } from '../options.ts'
import type { RunOptions } from '../options.ts'
import { find, readBank } from './bank.ts'
import type { Finding } from './bank.ts'
import { checkFits } from './mutation.ts'
import { mutations } from './mutations.ts'

const bank = readBank()
const found = bank.findings.filter(finding => finding.seeds !== null)
/** A change of anything moves what happens in a seed: then one of the next ones must do. */
const seedsMore = 25
/** Rows of reliability.md §6. */
const rowsMin = 40
/** Cores. */
const workers = 2

test('every mutation fits the sources', () => {
  for (const mutation of Object.values(mutations)) expect(() => checkFits(mutation)).not.toThrow()
})

test('the bank has every bug, and enough rows of the list of real ones', () => {
  expect(bank.findings.map(({ bug }) => bug)).toEqual(bugNames)
  const rows = new Set(found.flatMap(({ row }) => (row === null ? [] : [row])))
  expect(rows.size).toBeGreaterThanOrEqual(rowsMin)
  for (const { seeds } of found) expect(seeds).toBeLessThanOrEqual(2000)
})

test('a simulator that dies at once has noticed nothing', async () => {
  const before = process.env['NODE_OPTIONS']
  process.env['NODE_OPTIONS'] = '--import=data:text/javascript,process.exit(3)'
  try {
    const args = { ...optionsOf(found[0] as Finding), seeds: 2 }
    expect(await find('doubleVote', args)).toMatchObject({ seeds: null, noticedBy: null })
  } finally {
    if (before === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = before
  }
})

test('the stored seeds still find their bugs', { timeout: 240_000 }, async () => {
  const left = [...found]
  const unnoticed: string[] = []
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { seeds } = await find(next.bug, optionsOf(next))
      if (seeds === null) unnoticed.push(next.bug)
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  // If one is not: `pnpm sim --bank --bug NAME` finds out which seed does, and stores it.
  expect(unnoticed).toEqual([])
})

function optionsOf({ seeds, seconds }: Finding): RunOptions {
  const args = ['--from', String(seeds), '--seeds', String(seedsMore), '--seconds', String(seconds)]
  const options = parseOptions(args)
  if (typeof options === 'string') throw new Error(options)
  return options
}
