import type { Clock, Disk } from '../ports.ts'

/** What a micro-benchmark runs on: the ports of production, from whoever runs it. */
export interface Lab {
  readonly clock: Clock
  readonly disk: Disk
  /** For what is not about files. */
  readonly memory: Disk
  /** Empty, and the measure's own; absolute. */
  readonly directory: string
}

/** Two ways to do the same to the same bytes. Each call is one step; both move `stepBytes`. */
export interface Contest {
  readonly ours: () => unknown
  readonly naive: () => unknown
  /** Untimed, before every turn: files that grew begin anew. */
  readonly reset?: () => unknown
  readonly close?: () => unknown
  /** Bytes of one step; 0 where the time of a step says more. */
  readonly stepBytes: number
  /** Of one turn, where a turn must not be longer, for what it leaves behind. */
  readonly stepsMax?: number
}

/** One micro-benchmark of a package's `bench/*.bench.ts`, which exports them as `measures`. */
export interface Measure {
  readonly name: string
  /** What the naive loop does. */
  readonly naive: string
  /** The least ratio of our speed to that of the naive loop. */
  readonly must: number
  readonly prepare: (lab: Lab) => Contest | Promise<Contest>
}
