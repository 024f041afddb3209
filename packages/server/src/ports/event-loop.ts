import { performance } from 'node:perf_hooks'

/** The share of its time that the event loop of this thread was busy since the last call, between 0 and 1. */
export function eventLoopBusyShare(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}
