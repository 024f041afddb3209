/**
 * Numbers for operators, named like Kafka's beans (`kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec`), printed by
 * the usual rules of the JMX exporter, so that dashboards made for Kafka find them:
 * `kafka_server_brokertopicmetrics_bytesin_total{topic="orders"}`.
 *
 * Counting is one addition on an object that the caller keeps: nothing is looked up on the hot path.
 */

export type MetricKind = 'counter' | 'gauge' | 'histogram'
export type MetricLabels = Readonly<Record<string, string>>

export interface MetricName {
  /** `kafka.server`, `kafka.network`, `kafka.controller`, … */
  readonly domain: string
  readonly type: string
  /** As the bean's `name`; a counter's ends in `PerSec`. */
  readonly name: string
}

export class Counter {
  value = 0

  add(count = 1): void {
    this.value += count
  }
}

/** Upper ends, milliseconds; requests of a healthy cluster fall into the first half. */
const latencyBucketsMs = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
] as const

export class LatencyHistogram {
  count = 0
  sumMs = 0
  /** Not cumulative; the last one counts what is above every end. */
  readonly counts: number[] = Array.from({ length: latencyBucketsMs.length + 1 }, () => 0)

  record(elapsedMs: number): void {
    this.count++
    this.sumMs += elapsedMs
    let bucket = 0
    while (bucket < latencyBucketsMs.length && elapsedMs > (latencyBucketsMs[bucket] as number))
      bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
  }
}

interface Family {
  readonly name: MetricName
  readonly kind: MetricKind
  readonly series: Map<string, Series>
}
interface Series {
  readonly labels: MetricLabels
  readonly metric: Counter | LatencyHistogram | (() => number)
}

/** A family cannot grow past this: a label value may come from a client, memory may not. */
const maxSeriesPerFamily = 10_000

export class MetricsRegistry {
  readonly #families = new Map<string, Family>()

  counter(name: MetricName, labels: MetricLabels = {}): Counter {
    const family = this.#family(name, 'counter')
    const key = labelText(labels)
    const known = family.series.get(key)
    if (known !== undefined) return known.metric as Counter
    const counter = new Counter()
    this.#keep(family, key, { labels, metric: counter })
    return counter
  }

  latency(name: MetricName, labels: MetricLabels = {}): LatencyHistogram {
    const family = this.#family(name, 'histogram')
    const key = labelText(labels)
    const known = family.series.get(key)
    if (known !== undefined) return known.metric as LatencyHistogram
    const histogram = new LatencyHistogram()
    this.#keep(family, key, { labels, metric: histogram })
    return histogram
  }

  /** `read` is called when somebody looks. */
  gauge(name: MetricName, read: () => number, labels: MetricLabels = {}): void {
    this.#keep(this.#family(name, 'gauge'), labelText(labels), { labels, metric: read })
  }

  /** A count that is kept elsewhere. */
  counted(name: MetricName, read: () => number, labels: MetricLabels = {}): void {
    this.#keep(this.#family(name, 'counter'), labelText(labels), { labels, metric: read })
  }

  /** Takes every series away whose label has the value: the topic is gone. */
  forget(label: string, value: string): void {
    for (const family of this.#families.values()) {
      for (const [key, series] of family.series) {
        if (series.labels[label] === value) family.series.delete(key)
      }
    }
  }

  /** Prometheus text exposition format, families and series in the order of their creation. */
  prometheusText(): string {
    const lines: string[] = []
    for (const family of this.#families.values()) {
      if (family.series.size === 0) continue
      const name = prometheusName(family.name, family.kind)
      lines.push(`# TYPE ${name} ${family.kind}`)
      for (const { labels, metric } of family.series.values()) {
        if (metric instanceof Counter) lines.push(`${name}${braces(labels)} ${metric.value}`)
        else if (metric instanceof LatencyHistogram) pushHistogram(lines, name, labels, metric)
        else lines.push(`${name}${braces(labels)} ${metric()}`)
      }
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`
  }

  #family(name: MetricName, kind: MetricKind): Family {
    const key = `${name.domain}:${name.type}:${name.name}`
    let family = this.#families.get(key)
    if (family === undefined) {
      family = { name, kind, series: new Map() }
      this.#families.set(key, family)
    }
    return family
  }

  #keep(family: Family, key: string, series: Series): void {
    if (family.series.size >= maxSeriesPerFamily && !family.series.has(key)) return
    family.series.set(key, series)
  }
}

function prometheusName({ domain, type, name }: MetricName, kind: MetricKind): string {
  const counted = kind === 'counter' ? `${name.replace(/PerSec$/, '')}_total` : name
  return `${domain}_${type}_${counted}`.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')
}

function pushHistogram(
  lines: string[],
  name: string,
  labels: MetricLabels,
  histogram: LatencyHistogram,
): void {
  let below = 0
  for (const [at, endMs] of latencyBucketsMs.entries()) {
    below += histogram.counts[at] as number
    lines.push(`${name}_bucket${braces({ ...labels, le: String(endMs) })} ${below}`)
  }
  lines.push(`${name}_bucket${braces({ ...labels, le: '+Inf' })} ${histogram.count}`)
  lines.push(
    `${name}_sum${braces(labels)} ${histogram.sumMs}`,
    `${name}_count${braces(labels)} ${histogram.count}`,
  )
}

const braces = (labels: MetricLabels): string => {
  const text = labelText(labels)
  return text === '' ? '' : `{${text}}`
}

function labelText(labels: MetricLabels): string {
  let text = ''
  for (const [label, value] of Object.entries(labels)) {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    text += `${text === '' ? '' : ','}${label}="${escaped}"`
  }
  return text
}

/** What is counted per api key. */
export interface RequestMetrics {
  readonly requests: Counter
  readonly requestBytes: Counter
  readonly responseBytes: Counter
  readonly totalTime: LatencyHistogram
}

/** What is counted per topic; the same once more over all topics. */
export interface TopicMetrics {
  readonly messagesIn: Counter
  readonly bytesIn: Counter
  readonly bytesOut: Counter
  readonly produceRequests: Counter
  readonly fetchRequests: Counter
  readonly failedProduceRequests: Counter
  readonly failedFetchRequests: Counter
}

export class BrokerMetrics {
  readonly registry: MetricsRegistry
  readonly allTopics: TopicMetrics
  /** Requests that closed their connection: unknown key or version, bytes that do not decode. */
  readonly rejectedRequests: Counter
  readonly #byApi = new Map<number, RequestMetrics>()
  readonly #byTopic = new Map<string, TopicMetrics>()

  constructor(registry: MetricsRegistry = new MetricsRegistry()) {
    this.registry = registry
    this.allTopics = topicMetrics(registry, {})
    this.rejectedRequests = registry.counter(
      bean('kafka.network', 'RequestMetrics', 'RejectedRequestsPerSec'),
    )
  }

  ofApi(apiKey: number, apiName: string): RequestMetrics {
    let metrics = this.#byApi.get(apiKey)
    if (metrics === undefined) {
      const labels = { request: apiName }
      const { registry } = this
      metrics = {
        requests: registry.counter(
          bean('kafka.network', 'RequestMetrics', 'RequestsPerSec'),
          labels,
        ),
        requestBytes: registry.counter(
          bean('kafka.network', 'RequestMetrics', 'RequestBytes'),
          labels,
        ),
        responseBytes: registry.counter(
          bean('kafka.network', 'RequestMetrics', 'ResponseBytes'),
          labels,
        ),
        totalTime: registry.latency(bean('kafka.network', 'RequestMetrics', 'TotalTimeMs'), labels),
      }
      this.#byApi.set(apiKey, metrics)
    }
    return metrics
  }

  countError(apiName: string, error: string): void {
    this.registry
      .counter(bean('kafka.network', 'RequestMetrics', 'ErrorsPerSec'), { request: apiName, error })
      .add()
  }

  /** Only for topics that exist: a client cannot make up labels. */
  ofTopic(topic: string): TopicMetrics {
    let metrics = this.#byTopic.get(topic)
    if (metrics === undefined) {
      metrics = topicMetrics(this.registry, { topic })
      this.#byTopic.set(topic, metrics)
    }
    return metrics
  }

  topicDeleted(topic: string): void {
    if (this.#byTopic.delete(topic)) this.registry.forget('topic', topic)
  }
}

export const bean = (domain: string, type: string, name: string): MetricName => ({
  domain,
  type,
  name,
})

function topicMetrics(registry: MetricsRegistry, labels: MetricLabels): TopicMetrics {
  const counter = (name: string): Counter =>
    registry.counter(bean('kafka.server', 'BrokerTopicMetrics', name), labels)
  return {
    messagesIn: counter('MessagesInPerSec'),
    bytesIn: counter('BytesInPerSec'),
    bytesOut: counter('BytesOutPerSec'),
    produceRequests: counter('TotalProduceRequestsPerSec'),
    fetchRequests: counter('TotalFetchRequestsPerSec'),
    failedProduceRequests: counter('FailedProduceRequestsPerSec'),
    failedFetchRequests: counter('FailedFetchRequestsPerSec'),
  }
}
