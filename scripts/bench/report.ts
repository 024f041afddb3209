import type { Conditions } from './conditions.ts'
import {
  ratio,
  ratioVerdict,
  summarize,
  verdict,
  type Figure,
  type Must,
  type RatioMust,
  type Unit,
} from './figures.ts'

export interface Outcome {
  /** The measurement, as --only names it. */
  readonly name: string
  readonly figures: readonly Figure[]
  /** What is set, and what the numbers mean: one sentence or two. */
  readonly settings: string
}

export interface Failure {
  readonly name: string
  readonly error: string
}

export interface Results {
  readonly conditions: Conditions
  readonly outcomes: readonly Outcome[]
  readonly failures: readonly Failure[]
}

/** Digits that the noise leaves meaningful. */
export function withUnit(value: number, unit: Unit): string {
  switch (unit) {
    case 'ms':
      return value >= 10 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`
    case 'KB':
      return `${value.toFixed(1)} KB`
    case 'MB':
      return `${Math.round(value)} MB`
    case 'MB/s':
      return `${Math.round(value)} MB/s`
    case 'records/s':
      return `${Math.round(value / 1000).toLocaleString('en-US')} k/s`
    case 'cores':
      return value.toFixed(value < 0.1 ? 3 : 2)
    case 'times':
      return `${value.toFixed(1)} ×`
    case 'simulated s per s':
      return `${value.toFixed(0)} s/s`
  }
}

function mustText(must: Must, unit: Unit): string {
  const bound =
    'below' in must ? `< ${withUnit(must.below, unit)}` : `≥ ${withUnit(must.atLeast, unit)}`
  return must.of === 'median' ? bound : `${must.of} ${bound}`
}

/** Small ones with the digits in which they differ. */
const ratioText = (value: number): string => value.toFixed(value < 0.1 ? 3 : 2)

const ratioMustText = (must: RatioMust): string =>
  'below' in must ? `< ${must.below}` : `≥ ${must.atLeast}`

const mark = (passed: boolean | null): string => (passed === null ? '' : passed ? '✓' : '✗')

const head = ['figure', 'median', 'range', 'rounds', 'must', ''] as const
const headBeside = ['beside', 'range', 'ratio', 'must', ''] as const

const hasBeside = ({ outcomes }: Results): boolean =>
  outcomes.some(({ figures }) => figures.some(({ beside }) => beside !== undefined))

const headOf = (results: Results): readonly string[] =>
  hasBeside(results) ? [...head, ...headBeside] : head

/** Of the other cluster; empty cells where it was not measured. */
function besideCells(figure: Figure): readonly string[] {
  const { unit, beside, ratioMust } = figure
  if (beside === undefined) return headBeside.map(() => '')
  const { median, min, max, count } = summarize(beside)
  return [
    withUnit(median, unit),
    count === 1 ? '' : `${withUnit(min, unit)} – ${withUnit(max, unit)}`,
    ratioText(ratio(figure) ?? Number.NaN),
    ratioMust === undefined ? '' : ratioMustText(ratioMust),
    mark(ratioVerdict(figure)),
  ]
}

const rowsOf = (results: Results): readonly (readonly string[])[] => {
  const withBeside = hasBeside(results)
  return results.outcomes.flatMap(({ figures }) =>
    figures.map(figure =>
      withBeside ? [...rowOf(figure), ...besideCells(figure)] : rowOf(figure),
    ),
  )
}

function rowOf(figure: Figure): readonly string[] {
  const { unit, must } = figure
  const { median, min, max, count } = summarize(figure.samples)
  return [
    figure.name,
    withUnit(median, unit),
    count === 1 ? '' : `${withUnit(min, unit)} – ${withUnit(max, unit)}`,
    String(count),
    must.map(each => mustText(each, unit)).join(', '),
    mark(verdict(figure)),
  ]
}

const conditionsText = ({ conditions }: Results): string => {
  const { date, commit, cpu, cores, memoryGib, system, node, loadBefore, beside } = conditions
  const taken = `${date}, commit ${commit}, Node ${node.replace(/^v/, '')}, ${cores} cores (${cpu}), ${memoryGib} GiB, ${system}, load before ${loadBefore}`
  if (beside === undefined) return taken
  const { clusterId, brokerCount, metadataVersion } = beside
  const level = metadataVersion === null ? '' : `, metadata.version ${metadataVersion}`
  return `${taken}; beside: cluster ${clusterId}, ${brokerCount} brokers${level}`
}

const scope =
  'Nodes, clients and measurement share the machine; everything goes over loopback sockets and onto one disk.'

/** For a terminal. */
export function textReport(results: Results): string {
  const rows = rowsOf(results)
  const titles = headOf(results)
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map(row => row[at]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  return [
    conditionsText(results),
    scope,
    '',
    line(titles),
    ...rows.map(line),
    '',
    ...results.outcomes.map(({ name, settings }) => `${name}: ${settings}`),
    ...results.failures.map(({ name, error }) => `${name}: not measured: ${error}`),
    '',
  ].join('\n')
}

/** Figure, must and verdict, twice; the others hold numbers. */
const columnsOfText: ReadonlySet<number> = new Set([0, 4, 5, 9, 10])

/** For README.md, between its markers. */
export function markdownReport(results: Results): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    row(headOf(results).map(title => (title === '' ? ' ' : title))),
    row(headOf(results).map((_, at) => (columnsOfText.has(at) ? '---' : '---:'))),
    ...rowsOf(results).map(row),
    '',
    `Taken by \`npm run bench\`: ${conditionsText(results)}. ${scope}`,
    '',
    ...results.outcomes.map(({ name, settings }) => `- *${name}*: ${settings}`),
  ].join('\n')
}

export function jsonReport(results: Results): unknown {
  return {
    conditions: results.conditions,
    measurements: results.outcomes.map(({ name, settings, figures }) => ({
      name,
      settings,
      figures: figures.map(figure => ({
        ...figure,
        ...summarize(figure.samples),
        ratio: ratio(figure),
        holds: verdict(figure),
        ratioHolds: ratioVerdict(figure),
      })),
    })),
    failures: results.failures,
  }
}

/** True if every promise that was measured holds and nothing failed. */
export function allHold({ outcomes, failures }: Results): boolean {
  return (
    failures.length === 0 &&
    outcomes.every(({ figures }) =>
      figures.every(figure => verdict(figure) !== false && ratioVerdict(figure) !== false),
    )
  )
}
