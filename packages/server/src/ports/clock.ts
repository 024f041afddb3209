import type { Clock } from '@trimaran/common'

/** Above 2^31 − 1 ms a Node timer fires at once; longer waits are slept in parts. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The machine's clocks. A wake is never early (Node's timers may fire up to a millisecond before their time) and never
 * inside the call. What is due already waits for the rest of this turn of the event loop only: a timer would cost a
 * millisecond, on every hop of a record from leader to follower.
 */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  wakeAt(deadlineMs, wake) {
    if (deadlineMs <= performance.now()) {
      const immediate = setImmediate(wake)
      return () => clearImmediate(immediate)
    }
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const leftMs = Math.max(0, deadlineMs - performance.now())
      timer = setTimeout(ring, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS))
    }
    const ring = (): void => {
      if (performance.now() < deadlineMs) arm()
      else wake()
    }
    arm()
    return () => clearTimeout(timer)
  },
}
