import { bean, Histogram, histogramText, sizeBounds } from '@trimaran/broker'
import type { MetricsRegistry } from '@trimaran/broker'
import type { KafkaListener } from './kafka-listener.ts'

const MICROSECONDS_PER_SECOND = 1e6
const MS_PER_SECOND = 1000
/**
 * A stall of this length is never missed, and a shorter one is seen as often as it would delay a request that comes at
 * any time. Each look costs 15 µs in an idle process, so ten a second are 0.15 % of a core; fifty were 0.7 %.
 */
const SAMPLE_INTERVAL_MS = 100
/** Seconds: 1 ms … 16 s. */
const delayBounds = { smallest: 0.001, count: 15 }

/**
 * How late the process's event loop is: what it does at once delays everybody who has something to ask. Runs while there
 * is a node in the process; nodes of one process share it as they share the loop.
 */
class LoopDelay {
  readonly seconds = new Histogram(delayBounds)
  maxSeconds = 0
  readonly #samples = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #lastMs = 0

  /** `sample` is called with each look, and must be cheap; the result ends it. */
  watch(sample: () => void): () => void {
    this.#samples.add(sample)
    if (this.#timer === undefined) {
      this.#lastMs = performance.now()
      this.#timer = setInterval(() => this.#look(), SAMPLE_INTERVAL_MS).unref()
    }
    return () => {
      this.#samples.delete(sample)
      if (this.#samples.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #look(): void {
    const nowMs = performance.now()
    const lateMs = Math.max(0, nowMs - this.#lastMs - SAMPLE_INTERVAL_MS)
    this.#lastMs = nowMs
    this.seconds.record(lateMs / MS_PER_SECOND)
    this.maxSeconds = Math.max(this.maxSeconds, lateMs / MS_PER_SECOND)
    for (const sample of this.#samples) sample()
  }
}

const loopDelay = new LoopDelay()

/** The node's clients, and from now on the delay of the event loop; the result ends the watch. */
export function watchNode(registry: MetricsRegistry, listener: KafkaListener): () => void {
  const server = (name: string, help: string) => bean('kafka.network', 'SocketServer', name, help)
  const held = server('MemoryPoolUsed', 'Bytes of requests received or being handled')
  const unread = server('UnreadResponseBytes', 'Bytes of answers that clients have not read')
  registry.gauge(held, () => listener.requestBytes)
  registry.gauge(unread, () => listener.unreadBytes)
  registry.gauge(
    server(
      'BacklogWaitMs',
      'Wait of clients that always have more requests, between those that they have under way',
    ),
    () => listener.backlogWaitMs,
  )
  registry.gauge(
    bean('kafka.server', 'socket-server-metrics', 'connection-count', 'Connections of clients'),
    () => listener.connectionCount,
  )
  registry.counted(server('ConnectionsPerSec', 'Connections accepted'), () => listener.accepted)
  registry.counted(
    server('RefusedConnectionsPerSec', 'Connections over max.connections'),
    () => listener.refused,
  )
  const inFlight = server('BytesInFlight', 'Bytes held for clients, looked at every 100 ms')
  const requests = registry.histogram(inFlight, sizeBounds, { of: 'requests' })
  const answers = registry.histogram(inFlight, sizeBounds, { of: 'unreadResponses' })
  return loopDelay.watch(() => {
    requests.record(listener.requestBytes)
    answers.record(listener.unreadBytes)
  })
}

/** The process under the usual names of Prometheus clients. */
export function processMetricsText(): string {
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const p99Seconds = Math.min(loopDelay.seconds.percentile(99), loopDelay.maxSeconds)
  const gauges: readonly (readonly [name: string, value: number, help: string])[] = [
    ['process_resident_memory_bytes', rss, 'Memory of the process'],
    ['nodejs_heap_size_used_bytes', heapUsed, 'JavaScript objects'],
    ['nodejs_external_memory_bytes', external, 'Memory of buffers and native code'],
    ['nodejs_array_buffers_bytes', arrayBuffers, 'Of the external memory, buffers'],
    ['process_uptime_seconds', process.uptime(), 'Since the process started'],
    ['nodejs_eventloop_lag_p99_seconds', p99Seconds, 'At most so late 99 of 100 times'],
    ['nodejs_eventloop_lag_max_seconds', loopDelay.maxSeconds, 'Latest since the node started'],
  ]
  const lines = gauges.map(
    ([name, value, help]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`,
  )
  const cpu = 'process_cpu_seconds_total'
  lines.push(`# HELP ${cpu} User and system\n# TYPE ${cpu} counter\n`)
  lines.push(`${cpu} ${(user + system) / MICROSECONDS_PER_SECOND}\n`)
  lines.push(
    histogramText(
      'nodejs_eventloop_delay_seconds',
      'How late a timer of 100 ms fires, since the node started',
      loopDelay.seconds,
    ),
  )
  return lines.join('')
}
