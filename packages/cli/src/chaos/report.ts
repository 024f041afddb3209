import { bold, count, dim, green, red, yellow } from '../output.ts'
import type { Evidence, Verdict } from './history/index.ts'

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
export const clock = (ms: number): string => `${(ms / 1000).toFixed(3)} s`.padStart(11)

/** The verdict as lines for a terminal: the answer first, then what it rests on. */
export function verdictLines(verdict: Verdict, file: string): string[] {
  const { records, lost, duplicated, reordered } = verdict
  const bad = (amount: number): string => (amount === 0 ? '0' : red(String(amount)))
  const unknown = records.unknown === 0 ? '' : dim(` (${records.unknown} more of unknown outcome)`)
  return [
    headline(verdict),
    '',
    `  acknowledged  ${count(records.acknowledged, 'record')}${unknown}`,
    `  lost          ${bad(lost)}`,
    `  duplicated    ${bad(duplicated)}`,
    `  reordered     ${bad(reordered)}`,
    ...otherLines(verdict),
    ...progressLines(verdict),
    `  history       ${file}`,
    ...verdict.evidence.flatMap(evidenceLines),
  ]
}

function headline({ kept, evidence, doubts }: Verdict): string {
  if (kept) return bold(green('Every promise was kept.'))
  if (evidence.length > 0) return bold(red('A promise was broken.'))
  return bold(yellow(`Nothing can be said: ${doubts.join('; ')}.`))
}

const summed = new Set(['lost-write', 'duplicate', 'realtime-inversion', 'nonmonotonic-poll'])

function otherLines({ anomalies, evidence, doubts }: Verdict): string[] {
  const others = Object.entries(anomalies).filter(([name]) => !summed.has(name))
  return [
    ...others.map(([name, amount]) => `  ${name.padEnd(12)}  ${red(String(amount))}`),
    ...(evidence.length > 0 ? doubts.map(doubt => `  ${yellow(doubt)}`) : []),
  ]
}

function progressLines({ progress }: Verdict): string[] {
  if (progress.faults === 0) return []
  const { faults, silenceMedianMs, silenceMaxMs, each } = progress
  const worst = each.find(({ silenceMs }) => silenceMs === silenceMaxMs)
  const where =
    worst === undefined || worst.partition === ''
      ? ''
      : dim(` (${worst.partition}, after ${worst.fault.what} node ${worst.fault.node})`)
  return [
    `  no progress   ${secondsText(silenceMedianMs)} median, ${secondsText(silenceMaxMs)} at most, of one partition in each of ${count(faults, 'fault')}${where}`,
  ]
}

function evidenceLines({ id, what, operations }: Evidence): string[] {
  return [
    '',
    `${red(id)} ${what}`,
    ...operations.map(
      operation => `${clock(operation.at)}  ${operation.process}  ${operation.what}`,
    ),
  ]
}
