import { bold, count, dim, green, red, yellow } from '../output.ts'
import { median, type FaultCost } from './history/progress.ts'
import { reorderings, type Evidence, type Verdict, type VerdictOptions } from './history/index.ts'

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
export const clock = (ms: number): string => `${(ms / 1000).toFixed(3)} s`.padStart(11)

/** The verdict as lines for a terminal: the answer first, then what it rests on. */
export function verdictLines(
  verdict: Verdict,
  file: string,
  { countLeaderAcks }: VerdictOptions,
): string[] {
  const { records, lost, duplicated, reordered } = verdict
  const bad = (amount: number): string => (amount === 0 ? '0' : red(String(amount)))
  const unknown = records.unknown === 0 ? '' : dim(` (${records.unknown} more of unknown outcome)`)
  return [
    headline(verdict),
    '',
    `  acknowledged  ${count(records.acknowledged, 'record')}${unknown}`,
    `  lost          ${bad(lost)}${uncountedText(records.leaderOnly, countLeaderAcks)}`,
    `  duplicated    ${bad(duplicated)}`,
    `  reordered     ${bad(reordered)}`,
    ...otherLines(verdict),
    ...progressLines(verdict),
    ...stalestLines(verdict),
    `  history       ${file}`,
    ...verdict.evidence.flatMap(evidenceLines),
  ]
}

/** Nobody promises what only a leader has acknowledged, so a loss of it is not looked for unless that is asked. */
const uncountedText = (leaderOnly: number, countLeaderAcks: boolean): string =>
  leaderOnly === 0 || countLeaderAcks
    ? ''
    : yellow(
        ` (${count(leaderOnly, 'record')} acknowledged by a leader alone not looked at; --count-acks-1 counts those, too)`,
      )

function headline({ kept, evidence, doubts }: Verdict): string {
  if (kept) return bold(green('Every promise was kept.'))
  if (evidence.length > 0) return bold(red('A promise was broken.'))
  return bold(yellow(`Nothing can be said: ${doubts.join('; ')}.`))
}

const summed: ReadonlySet<string> = new Set(['lost-write', 'unseen', 'duplicate', ...reorderings])

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
    ...faultLines(each),
  ]
}

/** By kind of fault, where there is more than one. */
function faultLines(costs: readonly FaultCost[]): string[] {
  const kinds = Map.groupBy(costs, ({ fault }) => fault.what)
  if (kinds.size < 2) return []
  return [...kinds].map(([what, each]) => {
    const silencesMs = each.map(({ silenceMs }) => silenceMs)
    const most = Math.max(...silencesMs)
    return `    ${what.padEnd(11)} ${secondsText(median(silencesMs))} median, ${secondsText(most)} at most, in ${each.length}`
  })
}

function stalestLines({ stalest }: Verdict): string[] {
  if (stalest === null) return []
  const { lagMs, process, partition } = stalest
  return [`  stalest read  ${secondsText(lagMs)} behind${dim(` (${process}, ${partition})`)}`]
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
