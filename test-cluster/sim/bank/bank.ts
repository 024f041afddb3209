import { readFileSync, writeFileSync } from 'node:fs'
import { bugNames, describeBug } from '../bugs.ts'
import type { BugName } from '../bugs.ts'
import { Campaign } from '../campaign.ts'
import type { RunOptions } from '../options.ts'
import type { Failure } from '../simulation.ts'

/** What it took to notice a bug. */
export interface Finding {
  readonly bug: BugName
  /** Of reliability.md §6. */
  readonly row: string | null
  readonly rule: string
  /** Counted from seed 1; null: not noticed. */
  readonly seeds: number | null
  /** So many seeds did not notice, if none did: `--missing` goes on from there. */
  readonly tried?: number
  /** With faults, of each seed. */
  readonly seconds: number
  /** The promise that broke first: of the README's table, or assertion, liveness, log, crash. */
  readonly noticedBy: string | null
  readonly message: string
}

export interface Bank {
  readonly findings: readonly Finding[]
}

const bankUrl = new URL('../bug-bank.json', import.meta.url)
const recordUrl = new URL('../../TRACK-RECORD.md', import.meta.url)
const messageMax = 160

export const readBank = (): Bank => JSON.parse(readFileSync(bankUrl, 'utf8')) as Bank

/** Who said it first. */
export function noticedBy({ kind, message }: Failure): string {
  if (kind !== 'correctness') return kind
  return /^([A-Z]+\d*|log):/.exec(message)?.[1] ?? 'assertion'
}

/** Seed after seed until one notices. */
export async function find(bug: BugName, options: RunOptions): Promise<Finding> {
  let first: { readonly seed: number; readonly failure: Failure } | null = null
  const campaign = new Campaign({ ...options, bug, workers: 1 }, ({ seed, failure }) => {
    // Sources that do not even load, or a process that dies, break no promise: that would find any bug.
    if (failure === null || failure.kind === 'crash') return
    first = { seed, failure }
    campaign.stop()
  })
  await campaign.run()
  const found = first as { readonly seed: number; readonly failure: Failure } | null
  return {
    bug,
    ...describeBug(bug),
    seeds: found?.seed ?? null,
    ...(found === null && { tried: options.from + options.seeds - 1 }),
    seconds: options.seconds,
    noticedBy: found === null ? null : noticedBy(found.failure),
    message: found?.failure.message.split('\n')[0]?.slice(0, messageMax) ?? '',
  }
}

/** Finds all bugs again, or one, or those that are missing; writes the bank and its table after each. */
export async function renewBank(options: RunOptions, say: (line: string) => void): Promise<number> {
  const stored = (): Map<BugName, Finding> =>
    new Map(storedFindings().map(finding => [finding.bug, finding]))
  const before = stored()
  const isMissing = (bug: BugName): boolean => (before.get(bug)?.seeds ?? null) === null
  const left = bugNames.filter(
    bug => (options.bug ?? bug) === bug && (!options.missing || isMissing(bug)),
  )
  let unnoticed = 0
  const work = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined; bug = left.shift()) {
      const from = options.missing ? (before.get(bug)?.tried ?? 0) + 1 : options.from
      const finding = await find(bug, { ...options, from })
      const { seeds, noticedBy: who, message } = finding
      if (seeds === null) unnoticed++
      say(seeds === null ? `${bug}: NOT NOTICED` : `${bug}: ${seeds} seeds, ${who}: ${message}`)
      // Others may look for other bugs at the same time.
      const findings = stored().set(bug, finding)
      writeBank(findings)
    }
  }
  await Promise.all(Array.from({ length: options.workers }, work))
  writeBank(stored())
  return unnoticed > 0 ? 1 : 0
}

function storedFindings(): readonly Finding[] {
  try {
    return readBank().findings
  } catch {
    return []
  }
}

function writeBank(found: ReadonlyMap<BugName, Finding>): void {
  const findings = bugNames.flatMap(bug => found.get(bug) ?? [])
  const bank: Bank = {
    findings: findings.map(finding => ({ ...finding, ...describeBug(finding.bug) })),
  }
  writeFileSync(bankUrl, `${JSON.stringify(bank, null, 2)}\n`)
  const record = readFileSync(recordUrl, 'utf8')
  writeFileSync(recordUrl, withTable(record, tableOf(bank)))
}

const begin = '<!-- bug bank: begin -->'
const end = '<!-- bug bank: end -->'

function withTable(text: string, table: string): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`TRACK-RECORD.md has no ${begin} … ${end}`)
  return `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`
}

function tableOf({ findings }: Bank): string {
  const rows = findings.map(
    ({ bug, row, rule, seeds, noticedBy: who }) =>
      `| ${row ?? ''} | \`${bug}\` | ${rule} | ${seeds ?? 'not noticed'} | ${who ?? ''} |`,
  )
  return [
    '| row | bug | what is done wrong | seeds | noticed by |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}
