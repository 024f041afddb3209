import { monitorEventLoopDelay } from 'node:perf_hooks'

let eventLoopDelay: ReturnType<typeof monitorEventLoopDelay> | undefined

const NANOSECONDS_PER_SECOND = 1e9
const MICROSECONDS_PER_SECOND = 1e6

/** The process under the usual names of Prometheus clients. The loop's delay is measured from the first look on. */
export function processMetricsText(): string {
  if (eventLoopDelay === undefined) {
    eventLoopDelay = monitorEventLoopDelay({ resolution: 20 })
    eventLoopDelay.enable()
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const gauges: readonly (readonly [name: string, value: number])[] = [
    ['process_resident_memory_bytes', rss],
    ['nodejs_heap_size_used_bytes', heapUsed],
    ['nodejs_external_memory_bytes', external],
    ['nodejs_array_buffers_bytes', arrayBuffers],
    ['process_uptime_seconds', process.uptime()],
    ['nodejs_eventloop_lag_p99_seconds', eventLoopDelay.percentile(99) / NANOSECONDS_PER_SECOND],
    ['nodejs_eventloop_lag_max_seconds', eventLoopDelay.max / NANOSECONDS_PER_SECOND],
  ]
  const lines = gauges.map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}`)
  const cpuSeconds = (user + system) / MICROSECONDS_PER_SECOND
  lines.push(`# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ${cpuSeconds}`)
  return `${lines.join('\n')}\n`
}
