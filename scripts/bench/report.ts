import type { Conditions } from './conditions.ts'
import { summarize, verdict, type Figure, type Must, type Unit } from './figures.ts'

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
    case 'MB':
      return `${Math.round(value)} MB`
    case 'MB/s':
      return `${Math.round(value)} MB/s`
    case 'records/s':
      return `${Math.round(value / 1000).toLocaleString('en-US')} k/s`
    case 'simulated s per s':
      return `${value.toFixed(0)} s/s`
  }
}

function mustText(must: Must, unit: Unit): string {
  const bound =
    'below' in must ? `< ${withUnit(must.below, unit)}` : `≥ ${withUnit(must.atLeast, unit)}`
  return must.of === 'median' ? bound : `${must.of} ${bound}`
}

const head = ['figure', 'median', 'range', 'rounds', 'must', ''] as const

function rowOf(figure: Figure): readonly string[] {
  const { unit, must } = figure
  const { median, min, max, count } = summarize(figure.samples)
  const passed = verdict(figure)
  return [
    figure.name,
    withUnit(median, unit),
    count === 1 ? '' : `${withUnit(min, unit)} – ${withUnit(max, unit)}`,
    String(count),
    must.map(each => mustText(each, unit)).join(', '),
    passed === null ? '' : passed ? '✓' : '✗',
  ]
}

const conditionsText = ({ conditions }: Results): string => {
  const { date, commit, cpu, cores, memoryGib, system, node, loadBefore } = conditions
  return `${date}, commit ${commit}, Node ${node.replace(/^v/, '')}, ${cores} cores (${cpu}), ${memoryGib} GiB, ${system}, load before ${loadBefore}`
}

const scope =
  'Nodes, clients and measurement share the machine; everything goes over loopback sockets and onto one disk.'

/** For a terminal. */
export function textReport(results: Results): string {
  const rows = results.outcomes.flatMap(({ figures }) => figures.map(rowOf))
  const widths = head.map((title, at) =>
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
    line(head),
    ...rows.map(line),
    '',
    ...results.outcomes.map(({ name, settings }) => `${name}: ${settings}`),
    ...results.failures.map(({ name, error }) => `${name}: not measured: ${error}`),
    '',
  ].join('\n')
}

/** For README.md, between its markers. */
export function markdownReport(results: Results): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    row(head.map(title => (title === '' ? ' ' : title))),
    row(['---', '---:', '---:', '---:', '---', '---']),
    ...results.outcomes.flatMap(({ figures }) => figures.map(figure => row(rowOf(figure)))),
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
        holds: verdict(figure),
      })),
    })),
    failures: results.failures,
  }
}

/** True if every promise that was measured holds and nothing failed. */
export function allHold({ outcomes, failures }: Results): boolean {
  return (
    failures.length === 0 &&
    outcomes.every(({ figures }) => figures.every(figure => verdict(figure) !== false))
  )
}
