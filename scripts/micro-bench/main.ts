/** Races parts of the data path against naive loops over the same bytes, in turns; see --help. */
import { globSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Measure } from '@trimaran/common/testing/measure'
import { letHeapGrow, MemoryDisk, NodeDisk, systemClock } from '@trimaran/server/testing'
import { measure, paces, type Outcome } from './contest.ts'
import { jsonReport, textReport } from './report.ts'

const usage = `Races parts of the data path against naive loops over the same bytes, in turns in one process, and fails when a ratio
is below what it must be. Compared is CPU time, so that others on the machine do not count.

  npm run bench:micro -- [--quick] [--only TEXT] [--json] [--directory DIR]

  --quick          shorter turns and fewer of them: a few seconds
  --only TEXT      measures whose name contains the text, or all of a package: protocol, log, broker
  --json           for machines; the same numbers, times in µs of CPU per step
  --directory DIR  where files are written; the system's temporary directory unless given
  --help           this

Examples:
  npm run bench:micro -- --quick
  npm run bench:micro -- --only append

Ends with 0 if every ratio holds, 1 if one does not, 2 on wrong usage.
`
const root = join(import.meta.dirname, '..', '..')

async function measuresOf(
  only: string,
): Promise<{ readonly area: string; readonly of: Measure }[]> {
  const found: { readonly area: string; readonly of: Measure }[] = []
  for (const file of globSync('packages/*/bench/*.bench.ts', { cwd: root }).toSorted()) {
    const area = file.split('/')[1] as string
    const { measures } = (await import(join(root, file))) as { measures: readonly Measure[] }
    for (const of of measures) if (area === only || of.name.includes(only)) found.push({ area, of })
  }
  return found
}

async function measureAll(options: {
  readonly quick: boolean
  readonly only: string
  readonly directory: string
}): Promise<Outcome[]> {
  // As in a node: otherwise V8 marks all the time, and it is that which is measured.
  letHeapGrow()
  const outcomes: Outcome[] = []
  const pace = options.quick ? paces.quick : paces.whole
  const scratch = realpathSync(mkdtempSync(join(options.directory, 'trimaran-micro-bench-')))
  try {
    for (const { area, of } of await measuresOf(options.only)) {
      process.stderr.write(`${area}: ${of.name}…\n`)
      const directory = join(scratch, String(outcomes.length))
      mkdirSync(directory)
      const disks = { disk: new NodeDisk(directory), memory: new MemoryDisk() }
      const lab = { clock: systemClock, ...disks, directory }
      const contest = await of.prepare(lab)
      outcomes.push(await measure(of, contest, pace))
      await contest.close?.()
      rmSync(directory, { recursive: true, force: true })
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return outcomes
}

function parse() {
  try {
    return parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        json: { type: 'boolean', default: false },
        directory: { type: 'string', default: tmpdir() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    process.stderr.write(
      `${basename(import.meta.dirname)}: ${(error as Error).message}\n\n${usage}`,
    )
    return null
  }
}

const options = parse()
if (options === null) process.exitCode = 2
else if (options.help) process.stdout.write(usage)
else {
  const outcomes = await measureAll(options)
  if (outcomes.length === 0) {
    process.stderr.write(`No measure's name contains "${options.only}".\n`)
    process.exitCode = 2
  } else {
    process.stdout.write(options.json ? jsonReport(outcomes) : textReport(outcomes))
    process.exitCode = outcomes.every(({ holds }) => holds) ? 0 : 1
  }
}
