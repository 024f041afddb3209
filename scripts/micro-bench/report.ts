import type { Outcome } from './contest.ts'

const BYTES_PER_MB = 1e6

/** MB per second of CPU time; where no bytes move, the time of a step. */
const speed = (us: number, stepBytes: number): string =>
  stepBytes > 0
    ? `${Math.round(stepBytes / BYTES_PER_MB / (us / 1e6))} MB/s`
    : `${us >= 100 ? us.toFixed(0) : us.toFixed(2)} µs`

const header = ['name', 'ours', 'naive', 'ratio', 'must', '', 'the naive loop']

export function textReport(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ name, naive, oursUs, naiveUs, stepBytes, ratio, must, holds }) => [
    name,
    speed(oursUs, stepBytes),
    speed(naiveUs, stepBytes),
    ratio.toFixed(2),
    `≥ ${must}`,
    holds ? '✓' : '✗',
    naive,
  ])
  const table = [header, ...rows]
  const widths = header.map((_, column) =>
    Math.max(...table.map(row => (row[column] as string).length)),
  )
  const isText = (column: number): boolean => column === 0 || column === header.length - 1
  const lines = table.map(row =>
    row
      .map((cell, column) =>
        isText(column)
          ? cell.padEnd(widths[column] as number)
          : cell.padStart(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

export const jsonReport = (outcomes: readonly Outcome[]): string =>
  `${JSON.stringify({ allHold: outcomes.every(({ holds }) => holds), outcomes }, null, 2)}\n`
