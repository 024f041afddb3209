import type { Clock } from '@trimaran/common'

/** Above 2^31 − 1 ms a Node timer fires at once; longer waits are slept in parts. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The machine's clocks. A wake is never early: Node's timers may fire up to a millisecond before their time. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  wakeAt(deadlineMs, wake) {
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
