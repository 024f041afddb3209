import type { Prng } from '@trimaran/common'
import type { Torture } from '../torture/torture.ts'
import type { Fault } from '../torture/victim.ts'

/** What a scenario sees of a run. */
export interface Scene {
  readonly torture: Torture
  /** Everything that is left to chance comes from here: one seed, one order of events. */
  readonly random: Prng
  /** The load writes to partitions 0 to this − 1. */
  readonly partitions: number
  /** A time between the two, drawn; ends early, by throwing, when the run is interrupted. */
  wait(minMs: number, maxMs: number): Promise<void>
}

type Settings = Readonly<Record<string, string>>

export interface Scenario {
  readonly name: string
  /** What happens, for `--help` and the report. */
  readonly words: string
  readonly needs: readonly Fault[]
  /** Faults that it strikes with where the cluster can be given them; it asks `torture.can`. */
  readonly wants?: readonly Fault[]
  /** Of each node of a temporary cluster. */
  readonly settings?: Settings
  /** Of the topic. */
  readonly topicConfigs?: Settings
  /** One blow, over and over while the run lasts. What it leaves down is brought back by the run. */
  round(scene: Scene): Promise<void>
}
