import { marksWanted } from './marks.ts'
import type { RunOptions } from './options.ts'
import type { FailureKind, Outcome } from './simulation.ts'

export const exitCodes: Readonly<Record<FailureKind, number>> = {
  crash: 127,
  liveness: 128,
  correctness: 129,
}

export interface Summary {
  readonly seeds: number
  readonly failedSeeds: readonly number[]
  readonly simulatedSeconds: number
  readonly wallSeconds: number
  /** Simulated seconds per second of one core's time. */
  readonly speedPerCore: number
  readonly events: number
  readonly faults: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
  readonly marks: Readonly<Record<string, number>>
  /** Of marks.ts, not hit. */
  readonly marksMissed: readonly string[]
  /** Distinct states of leaders. */
  readonly states: number
}

/** Adds up what seeds report. */
export class Tally {
  seeds = 0
  simulatedMs = 0
  cpuMs = 0
  events = 0
  readonly failed: Outcome[] = []
  readonly #faults: Record<string, number> = {}
  readonly #counts: Record<string, number> = {}
  readonly #marks: Record<string, number> = {}
  readonly #states = new Set<string>()

  add(outcome: Outcome): void {
    this.seeds++
    this.simulatedMs += outcome.simulatedMs
    this.cpuMs += outcome.cpuMs
    this.events += outcome.events
    if (outcome.failure !== null) this.failed.push(outcome)
    addTo(this.#faults, outcome.faults)
    addTo(this.#counts, outcome.counts)
    addTo(this.#marks, outcome.marks)
    for (const state of outcome.states) this.#states.add(state)
  }

  summary(wallMs: number): Summary {
    return {
      seeds: this.seeds,
      failedSeeds: this.failed.map(({ seed }) => seed).toSorted((a, b) => a - b),
      simulatedSeconds: Math.round(this.simulatedMs / 1000),
      wallSeconds: Math.round(wallMs / 100) / 10,
      speedPerCore: Math.round((this.simulatedMs / Math.max(1, this.cpuMs)) * 10) / 10,
      events: this.events,
      faults: this.#faults,
      counts: this.#counts,
      marks: this.#marks,
      marksMissed: marksWanted.filter(mark => !(mark in this.#marks)),
      states: this.#states.size,
    }
  }
}

function addTo(sums: Record<string, number>, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) sums[name] = (sums[name] ?? 0) + value
}

const marksText = ({ marksMissed }: Summary): string => {
  const hit = `${marksWanted.length - marksMissed.length} of ${marksWanted.length} hit`
  return marksMissed.length === 0 ? hit : `${hit}, not: ${marksMissed.join('; ')}`
}

export function summaryText(summary: Summary): string {
  const { seeds, failedSeeds, simulatedSeconds, wallSeconds, speedPerCore, events } = summary
  const numbers = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · ')
  return [
    `${seeds} seeds, ${failedSeeds.length} failed${failedSeeds.length > 0 ? `: ${failedSeeds.join(' ')}` : ''}`,
    `${simulatedSeconds} simulated seconds in ${wallSeconds} s: ${speedPerCore} per second of a core, ${events} events`,
    `faults   ${numbers(summary.faults)}`,
    `clients  ${numbers(summary.counts)}`,
    `marks    ${marksText(summary)} · ${summary.states} states of leaders`,
  ].join('\n')
}

/** What went wrong in a seed, and how to see it again. */
export function failureText(outcome: Outcome, options: RunOptions): string {
  const { seed, failure, trace } = outcome
  if (failure === null) return ''
  const { nodes, seconds, bug } = options
  const again =
    `node test-cluster/sim/main.ts --seed ${seed}` +
    (nodes === 3 ? '' : ` --nodes ${nodes}`) +
    (seconds === 12 ? '' : ` --seconds ${seconds}`) +
    (bug === null ? '' : ` --bug ${bug}`)
  const lines = [`seed ${seed}: ${failure.kind}: ${failure.message}`]
  if (trace.length > 0) lines.push(failure.stack, '', ...trace, '')
  lines.push(`again: ${again}`)
  return lines.join('\n')
}
