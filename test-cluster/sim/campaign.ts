import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { processOf } from './bugs.ts'
import type { RunOptions } from './options.ts'
import type { Outcome } from './simulation.ts'

/** What a worker is asked, and what it answers. */
export interface SeedJob {
  readonly seed: number
  readonly nodes: number
  readonly seconds: number
  readonly bug: RunOptions['bug']
}

/** A seed takes a second or two; one that takes this long has an endless loop in it. */
const hangAfterMs = 180_000

/** Runs seeds in processes of their own, so that one that loops for ever or runs out of memory is only one seed lost. */
export class Campaign {
  readonly #options: RunOptions
  readonly #onOutcome: (outcome: Outcome) => void
  readonly #children = new Set<ChildProcess>()
  #next: number
  #isOver = false

  constructor(options: RunOptions, onOutcome: (outcome: Outcome) => void) {
    this.#options = options
    this.#onOutcome = onOutcome
    this.#next = options.from
  }

  async run(): Promise<void> {
    const workers = Math.min(this.#options.workers, this.#options.seeds)
    await Promise.all(Array.from({ length: workers }, () => this.#work()))
  }

  stop(): void {
    this.#isOver = true
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #work(): Promise<void> {
    let child: ChildProcess | null = null
    const end = this.#options.from + this.#options.seeds
    while (this.#next < end && !this.#isOver) {
      const seed = this.#next++
      child ??= this.#spawn()
      const outcome = await this.#ask(child, seed)
      if (this.#isOver) return
      if (outcome === null) {
        this.#children.delete(child)
        child = null
      }
      this.#onOutcome(outcome ?? hung(seed))
    }
    child?.disconnect()
  }

  #spawn(): ChildProcess {
    const child = fork(new URL('worker.ts', import.meta.url), {
      serialization: 'advanced',
      ...processOf(this.#options.bug),
    })
    this.#children.add(child)
    return child
  }

  /** Null: the process died or did not come to an end. */
  #ask(child: ChildProcess, seed: number): Promise<Outcome | null> {
    const { nodes, seconds, bug } = this.#options
    const job: SeedJob = { seed, nodes, seconds, bug }
    return new Promise(resolve => {
      const timer = setTimeout(() => child.kill('SIGKILL'), hangAfterMs)
      const settle = (outcome: Outcome | null): void => {
        clearTimeout(timer)
        child.off('message', onMessage)
        child.off('exit', onExit)
        resolve(outcome)
      }
      const onMessage = (outcome: unknown): void => settle(outcome as Outcome)
      const onExit = (): void => settle(null)
      child.on('message', onMessage)
      child.on('exit', onExit)
      child.send(job)
    })
  }
}

function hung(seed: number): Outcome {
  const message = `the process died, or the seed did not end within ${hangAfterMs / 1000} s`
  return {
    seed,
    failure: { kind: 'crash', message, stack: '' },
    simulatedMs: 0,
    cpuMs: 0,
    events: 0,
    hash: 0,
    faults: {} as Outcome['faults'],
    counts: {},
    marks: {},
    states: [],
    plan: [],
    trace: [],
  }
}
