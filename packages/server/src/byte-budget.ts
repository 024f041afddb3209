/**
 * Bytes of requests that a node holds: frames being received and frames being handled. Over the limit nobody reads on
 * until bytes are given back, oldest first. If all that is held are unfinished frames, nothing would ever be given
 * back: then the one that waits longest has the right to finish its frame, alone.
 */
export class ByteBudget {
  readonly #limitBytes: number
  readonly #waiting = new Map<object, () => void>()
  #heldBytes = 0
  #handling = 0
  #privileged: object | null = null

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  mayRead(who: object): boolean {
    return this.#heldBytes < this.#limitBytes || this.#privileged === who
  }

  isPrivileged(who: object): boolean {
    return this.#privileged === who
  }

  hold(count: number): void {
    this.#heldBytes += count
  }

  release(count: number): void {
    this.#heldBytes -= count
    this.#admit()
  }

  /** A frame of `who` is whole: its bytes will be given back when it is handled. */
  handling(who: object): void {
    this.#handling++
    if (this.#privileged === who) this.#privileged = null
  }

  handled(): void {
    this.#handling--
    this.#admit()
  }

  /** `resume` is called once, when `who` may read again. */
  wait(who: object, resume: () => void): void {
    this.#waiting.set(who, resume)
    this.#admit()
  }

  leave(who: object): void {
    this.#waiting.delete(who)
    if (this.#privileged === who) this.#privileged = null
    this.#admit()
  }

  #admit(): void {
    while (this.#waiting.size > 0) {
      const [who, resume] = this.#waiting.entries().next().value as [object, () => void]
      if (this.#heldBytes >= this.#limitBytes) {
        if (this.#handling > 0 || this.#privileged !== null) return
        this.#privileged = who
      }
      this.#waiting.delete(who)
      resume()
    }
  }
}

/**
 * Bytes of answers that a node has written and clients have not taken. Over the limit nothing large is answered until
 * some have; each waiter is told once.
 */
export class UnreadBudget {
  readonly #limitBytes: number
  readonly #waiting = new Map<object, () => void>()
  #heldBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  get hasRoom(): boolean {
    return this.#heldBytes < this.#limitBytes
  }

  hold(count: number): void {
    this.#heldBytes += count
  }

  release(count: number): void {
    this.#heldBytes -= count
    while (this.hasRoom && this.#waiting.size > 0) {
      const [who, resume] = this.#waiting.entries().next().value as [object, () => void]
      this.#waiting.delete(who)
      resume()
    }
  }

  wait(who: object, resume: () => void): void {
    this.#waiting.set(who, resume)
  }

  leave(who: object): void {
    this.#waiting.delete(who)
  }
}

/**
 * Requests that clients send without waiting for answers to earlier ones, beyond the few that each may have under way.
 * They stand in line with everybody else's in the logs and on the way to the followers: the longer that line, the later
 * every answer. Nobody waits for room here; who has none goes on with the answer to one of its own.
 */
export class PipelineBudget {
  readonly #limit: number
  #held = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get hasRoom(): boolean {
    return this.#held < this.#limit
  }

  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
  }
}
