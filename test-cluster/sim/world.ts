import type { Prng } from '@trimaran/common'

/** Whatever owns events: a node, or everything that never dies (the world itself, the clients). */
export class Owner {
  readonly id: number
  /** Grows with every death: what an earlier life planned does not happen. */
  incarnation = 0
  /** Stands still until then, as under SIGSTOP: nothing reaches it, no timer wakes it. */
  pausedUntilUs = 0

  constructor(id: number) {
    this.id = id
  }
}

interface Event {
  atUs: number
  /** When it would have happened, had its owner not stood still. */
  readonly dueUs: number
  /** Random: events of the same instant happen in any order, but in the same one for the same seed. */
  readonly tie: number
  readonly sequence: number
  readonly owner: Owner
  readonly incarnation: number
  run: (() => void) | null
}

/** A random tie is drawn from this many: more than ever share an instant would be of no use. */
const ties = 256

/** FNV-1a, continued. */
export const mix = (hash: number, value: number): number =>
  Math.imul(hash ^ (value & 0xffff) ^ (value >>> 16), 16777619) >>> 0

/**
 * Runs every promise job there is, now. Node's own entry for native code that called into JavaScript; it must not be
 * called from within a promise job, so the loop runs in a timer's callback (see `Simulation.run`).
 */
const runPromiseJobs = (process as unknown as { _tickCallback: () => void })._tickCallback

/**
 * Virtual time: one heap of events in whole microseconds; time moves only when an event is taken. An event belongs to an
 * owner in one of its lives. All promises that an event settles run to their end before the next event.
 */
export class World {
  nowUs = 0
  events = 0
  /** Of all that happened: two runs of a seed must agree. */
  hash = 2166136261
  /** Owner of the event that runs. */
  current: Owner
  readonly outside = new Owner(0)
  readonly #random: Prng
  readonly #heap: Event[] = []
  #sequence = 0

  constructor(random: Prng) {
    this.#random = random
    this.current = this.outside
  }

  get nowMs(): number {
    return this.nowUs / 1000
  }

  /** The result cancels it. */
  at(atUs: number, owner: Owner, run: () => void): () => void {
    const dueUs = Math.max(atUs, this.nowUs)
    const event: Event = {
      atUs: dueUs,
      dueUs,
      tie: this.#random.between(0, ties - 1),
      sequence: this.#sequence++,
      owner,
      incarnation: owner.incarnation,
      run,
    }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  after(delayUs: number, owner: Owner, run: () => void): () => void {
    return this.at(this.nowUs + delayUs, owner, run)
  }

  /** For what only the history of a run can tell apart. */
  note(value: number): void {
    this.hash = mix(this.hash, value)
  }

  /** Takes the next event; false when there is none up to `untilUs`. */
  step(untilUs: number): boolean {
    for (;;) {
      const event = this.#heap[0]
      if (event === undefined || event.atUs > untilUs) {
        this.nowUs = Math.max(this.nowUs, untilUs)
        return false
      }
      this.#pop()
      if (event.run === null || event.incarnation !== event.owner.incarnation) continue
      if (event.owner.pausedUntilUs > event.atUs) {
        event.atUs = event.owner.pausedUntilUs
        this.#push(event)
        continue
      }
      this.#happen(event, event.run)
      return true
    }
  }

  #happen(event: Event, run: () => void): void {
    this.nowUs = event.atUs
    this.current = event.owner
    this.events++
    this.hash = mix(mix(this.hash, event.atUs), event.owner.id)
    run()
    runPromiseJobs()
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent] as Event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) {
        child++
      }
      if (!isBefore(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

/** What a pause has held up comes first, in the order in which it would have come. */
function isBefore(a: Event, b: Event): boolean {
  if (a.atUs !== b.atUs) return a.atUs < b.atUs
  if (a.dueUs !== b.dueUs) return a.dueUs < b.dueUs
  return a.tie === b.tie ? a.sequence < b.sequence : a.tie < b.tie
}
