import type { Clock } from '@trimaran/common'
import type { QuorumStore } from '@trimaran/raft'

/**
 * The door of a node through which everything comes in: while it is shut the node does nothing, as a process between
 * SIGSTOP and SIGCONT. What comes meanwhile waits, and goes in afterwards in the order in which it came.
 */
export class PauseGate {
  #held: (() => void)[] = []
  #isPaused = false
  #isDraining = false
  #writesUnderWay = 0

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** To the quorum's store, and not durable yet. */
  get writesUnderWay(): number {
    return this.#writesUnderWay
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#isDraining = true
    // What comes in may shut the door again.
    while (!this.#isPaused) {
      const action = this.#held.shift()
      if (action === undefined) break
      action()
    }
    this.#isDraining = false
  }

  /** The node is killed: what waits is gone with it. */
  discard(): void {
    this.#isPaused = false
    this.#held = []
  }

  /** Now, if the door is open. */
  run(action: () => void): void {
    if (this.#isPaused || this.#isDraining) this.#held.push(action)
    else action()
  }

  /** The result, if the door is open by then; the answers of a paused node wait with everything else. */
  async passOut<T>(result: Promise<T>): Promise<T> {
    const value = await result
    if (this.#isPaused) await new Promise<void>(resolve => this.run(resolve))
    return value
  }

  /** Time goes on for a paused node; it just does not notice. */
  clock(clock: Clock): Clock {
    return {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      wakeAt: (deadlineMs, wake) => {
        let isCancelled = false
        const cancel = clock.wakeAt(deadlineMs, () =>
          this.run(() => {
            if (!isCancelled) wake()
          }),
        )
        return () => {
          isCancelled = true
          cancel()
        }
      },
    }
  }

  /** What was given to the kernel gets done; that it is done, a paused node learns later. */
  store(store: QuorumStore): QuorumStore {
    return {
      write: (write, done) => {
        this.#writesUnderWay++
        store.write(write, () => {
          this.#writesUnderWay--
          this.run(done)
        })
      },
    }
  }
}
