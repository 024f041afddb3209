import { Worker } from 'node:worker_threads'
import { CliError, type ExitCode } from '../output.ts'
import type { LoadOptions } from './options.ts'
import { moved } from './report.ts'
import type { Beat } from './tally.ts'
import type { Assignment } from './serve.ts'
import type { Membership, WorkCommand, WorkMessage, WorkOutcome } from './work.ts'

const progressMs = 1000
/** Closing sockets and leaving a group takes less; a thread that needs longer is ended. */
const farewellMs = 2000

export interface CrewResult {
  readonly outcomes: readonly WorkOutcome[]
  readonly cpuMs: number
  readonly aborted: boolean
  readonly groupFormedMs: number | null
}

interface Thread {
  readonly worker: Worker
  readonly ready: PromiseWithResolvers<void>
  readonly done: PromiseWithResolvers<void>
  readonly exited: Promise<void>
  beat: Beat | null
  /** It has been asked for a beat and has not answered. */
  owesBeat: boolean
  isDone: boolean
}

/** The threads of one load: started together, heard once a second, ended together. */
export class Crew {
  readonly #options: LoadOptions
  readonly #threads: readonly Thread[]
  readonly #outcomes: WorkOutcome[] = []
  readonly #memberships = new Map<number, Membership>()
  readonly #members: number
  readonly #endsTogether: boolean
  #cpuMs = 0
  #startedMs = 0
  #groupFormedMs: number | null = null
  #onBeats: (() => void) | null = null

  constructor(
    options: LoadOptions,
    assignments: readonly Assignment[],
    group: { readonly members: number; readonly endsTogether: boolean } = {
      members: 0,
      endsTogether: false,
    },
  ) {
    this.#options = options
    this.#members = group.members
    this.#endsTogether = group.endsTogether
    this.#threads = assignments.map(assignment => this.#thread(assignment))
  }

  #thread(assignment: Assignment): Thread {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: assignment })
    const thread: Thread = {
      worker,
      ready: Promise.withResolvers<void>(),
      done: Promise.withResolvers<void>(),
      exited: new Promise(settle => worker.once('exit', () => settle())),
      ...{ beat: null, owesBeat: false, isDone: false },
    }
    // Whoever waits for one of them hears of it; the other one has nobody then.
    thread.ready.promise.catch(() => {})
    thread.done.promise.catch(() => {})
    const fail = (error: Error): void => {
      thread.ready.reject(error)
      thread.done.reject(error)
    }
    worker.on('message', (message: WorkMessage) => this.#hear(thread, message, fail))
    worker.on('error', error => fail(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => fail(new Error('a thread of the load ended early')))
    return thread
  }

  #hear(thread: Thread, message: WorkMessage, fail: (error: Error) => void): void {
    switch (message.type) {
      case 'ready':
        thread.ready.resolve()
        return
      case 'beat':
        this.#beat(thread, message.beat)
        return
      case 'joined':
        this.#joined(message.membership)
        return
      case 'failed': {
        const { exitCode } = message
        fail(
          exitCode === null
            ? new Error(message.message)
            : new CliError(message.message, exitCode as ExitCode),
        )
        return
      }
      case 'done':
        this.#outcomes.push(message.outcome)
        this.#cpuMs += message.cpuMs
        thread.isDone = true
        this.#beat(thread, message.beat)
        thread.done.resolve()
        if (this.#endsTogether) this.#tellAll('stop')
    }
  }

  /** Progress is told when every thread has said where it is. */
  #beat(thread: Thread, beat: Beat): void {
    const isAwaited = thread.owesBeat
    thread.beat = beat
    thread.owesBeat = false
    if (isAwaited && this.#threads.every(({ owesBeat }) => !owesBeat)) this.#onBeats?.()
  }

  /** Formed: all members are of one generation. */
  #joined(membership: Membership): void {
    this.#memberships.set(membership.member, membership)
    if (this.#groupFormedMs !== null || this.#memberships.size < this.#members) return
    const all = [...this.#memberships.values()]
    if (all.some(each => each.generationId !== membership.generationId)) return
    this.#groupFormedMs = Math.max(...all.map(each => each.atMs)) - this.#startedMs
    this.#tellAll('formed')
  }

  #tellAll(command: WorkCommand): void {
    for (const { worker } of this.#threads) worker.postMessage(command)
  }

  async run(): Promise<CrewResult> {
    const { signal } = this.#options
    const abort = (): void => this.#tellAll('abort')
    signal?.addEventListener('abort', abort)
    let progress: NodeJS.Timeout | null = null
    try {
      if (signal?.aborted === true) abort()
      await Promise.all(this.#threads.map(({ ready }) => ready.promise))
      this.#startedMs = performance.timeOrigin + performance.now()
      this.#tellAll('start')
      progress = this.#report()
      await Promise.all(this.#threads.map(({ done }) => done.promise))
      return {
        outcomes: this.#outcomes,
        cpuMs: this.#cpuMs,
        aborted: signal?.aborted ?? false,
        groupFormedMs: this.#groupFormedMs,
      }
    } finally {
      signal?.removeEventListener('abort', abort)
      if (progress !== null) clearInterval(progress)
      await this.#dismiss()
    }
  }

  #report(): NodeJS.Timeout | null {
    const { onProgress } = this.#options
    if (onProgress === undefined) return null
    const startMs = performance.now()
    let last = { atMs: startMs, ...totals([]) }
    this.#onBeats = () => {
      const now = { atMs: performance.now(), ...totals(this.#threads.map(({ beat }) => beat)) }
      const waited = now.latencyCount - last.latencyCount
      onProgress({
        ...moved(now.records - last.records, now.bytes - last.bytes, now.atMs - last.atMs),
        elapsedMs: now.atMs - startMs,
        averageMs: waited === 0 ? 0 : (now.latencySumMs - last.latencySumMs) / waited,
        maxMs: now.intervalMaxMs,
      })
      last = now
    }
    return setInterval(() => {
      for (const thread of this.#threads) {
        if (thread.isDone || thread.owesBeat) continue
        thread.owesBeat = true
        thread.worker.postMessage('beat' satisfies WorkCommand)
      }
    }, progressMs)
  }

  async #dismiss(): Promise<void> {
    this.#tellAll('abort')
    const late = setTimeout(() => {
      for (const { worker } of this.#threads) void worker.terminate()
    }, farewellMs)
    await Promise.all(this.#threads.map(({ exited }) => exited))
    clearTimeout(late)
  }
}

function totals(beats: readonly (Beat | null)[]): Beat {
  const total = { records: 0, bytes: 0, latencySumMs: 0, latencyCount: 0, intervalMaxMs: 0 }
  for (const beat of beats) {
    if (beat === null) continue
    total.records += beat.records
    total.bytes += beat.bytes
    total.latencySumMs += beat.latencySumMs
    total.latencyCount += beat.latencyCount
    total.intervalMaxMs = Math.max(total.intervalMaxMs, beat.intervalMaxMs)
  }
  return total
}
