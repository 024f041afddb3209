import type { Clock } from '@trimaran/common'
import type { Image } from '@trimaran/metadata'

/** A broker is at most a few heartbeats behind the controller; who waited this long is answered all the same. */
const maxWaitMs = 1000
/** Waiting is a courtesy to admin clients: beyond this many they are not kept waiting. Each is tested per new image. */
const maxWaiters = 100

interface Waiter {
  readonly isMet: (image: Image) => boolean
  readonly settle: () => void
}

/** Waits, for a moment, until this broker's metadata show what the controller has just said. */
export class ImageWaiters {
  readonly #clock: Clock
  readonly #image: () => Image
  readonly #waiting = new Set<Waiter>()

  constructor(clock: Clock, image: () => Image) {
    this.#clock = clock
    this.#image = image
  }

  until(isMet: (image: Image) => boolean): Promise<void> {
    if (isMet(this.#image()) || this.#waiting.size >= maxWaiters) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const settle = (): void => {
      cancel()
      this.#waiting.delete(waiter)
      resolve()
    }
    const waiter: Waiter = { isMet, settle }
    const cancel = this.#clock.wakeAt(this.#clock.monotonicMs() + maxWaitMs, settle)
    this.#waiting.add(waiter)
    return promise
  }

  onImage(image: Image): void {
    for (const waiter of this.#waiting) if (waiter.isMet(image)) waiter.settle()
  }

  stop(): void {
    for (const waiter of this.#waiting) waiter.settle()
  }
}
