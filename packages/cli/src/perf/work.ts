import type { TallyData, Beat } from './tally.ts'

/** What a thread does. The orchestrator opens all of them, then starts them together. */
export interface Work {
  open(): Promise<void>
  start(): void
  /** No more than what is under way. */
  stop(): void
  /** Every member of the group has its partitions. */
  formed(): void
  /** Once a second: what should have been answered by now? */
  tick(nowMs: number): void
  beat(): Beat
  /** Resolves when all is done, rejects when it cannot be. */
  readonly done: Promise<void>
  close(): Promise<void>
  outcome(): WorkOutcome
}

export interface WorkOutcome {
  readonly tally: TallyData
  /** End-to-end latencies and what was read, of a load that has both. */
  readonly consumed: TallyData | null
}

export interface Membership {
  readonly member: number
  readonly generationId: number
  readonly partitions: number
  /** Milliseconds of the epoch. */
  readonly atMs: number
}

/** What a thread tells. */
export type WorkMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'beat'; readonly beat: Beat }
  | { readonly type: 'joined'; readonly membership: Membership }
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: number | null }
  | {
      readonly type: 'done'
      readonly outcome: WorkOutcome
      readonly beat: Beat
      readonly cpuMs: number
    }

/** What a thread is told. */
export type WorkCommand = 'start' | 'beat' | 'formed' | 'stop' | 'abort'

/** Which of the work's equal shares a thread has. */
export interface Share {
  readonly index: number
  readonly count: number
  /** Records read by all threads; null: this one counts alone. */
  readonly readTotal: BigInt64Array | null
}

export const sharesOf = (total: number, { index, count }: Share): number[] =>
  Array.from({ length: total }, (_, at) => at).filter(at => at % count === index)
