/**
 * Numbers for operators, named like Kafka's beans (`kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec`), printed by
 * the usual rules of the JMX exporter, so that dashboards made for Kafka find them:
 * `kafka_server_brokertopicmetrics_bytesin_total{topic="orders"}`.
 *
 * Counting is one addition on an object that the caller keeps: nothing is looked up on the hot path.
 */
import {
  countBounds,
  Histogram,
  shortTimeBounds,
  sizeBounds,
  timeBounds,
  type Bounds,
} from './histogram.ts'

export { Histogram, shortTimeBounds, sizeBounds, timeBounds, type Bounds } from './histogram.ts'

export type MetricKind = 'counter' | 'gauge' | 'histogram'
export type MetricLabels = Readonly<Record<string, string>>

export interface MetricName {
  /** `kafka.server`, `kafka.network`, `kafka.controller`, … */
  readonly domain: string
  readonly type: string
  /** As the bean's `name`; a counter's ends in `PerSec`. */
  readonly name: string
  /** What is counted, with the unit; the first of a family says it. */
  readonly help: string
}

export class Counter {
  value = 0

  add(count = 1): void {
    this.value += count
  }
}

interface Family {
  readonly name: MetricName
  readonly kind: MetricKind
  readonly series: Map<string, Series>
}
interface Series {
  readonly labels: MetricLabels
  readonly metric: Counter | Histogram | (() => number)
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

  /** `bounds` counts for the first of a family: its series have the same buckets. */
  histogram(name: MetricName, bounds: Bounds, labels: MetricLabels = {}): Histogram {
    const family = this.#family(name, 'histogram')
    const key = labelText(labels)
    const known = family.series.get(key)
    if (known !== undefined) return known.metric as Histogram
    const histogram = new Histogram(bounds)
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
      pushHead(lines, name, family.kind, family.name.help)
      for (const { labels, metric } of family.series.values()) {
        if (metric instanceof Counter) lines.push(`${name}${braces(labels)} ${metric.value}`)
        else if (metric instanceof Histogram) pushHistogram(lines, name, labels, metric)
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

function pushHead(lines: string[], name: string, kind: MetricKind, help: string): void {
  if (help !== '') lines.push(`# HELP ${name} ${help}`)
  lines.push(`# TYPE ${name} ${kind}`)
}

/** For what is no bean: a histogram under the name that it has elsewhere. */
export function histogramText(name: string, help: string, histogram: Histogram): string {
  const lines: string[] = []
  pushHead(lines, name, 'histogram', help)
  pushHistogram(lines, name, {}, histogram)
  return `${lines.join('\n')}\n`
}

function pushHistogram(
  lines: string[],
  name: string,
  labels: MetricLabels,
  histogram: Histogram,
): void {
  let below = 0
  for (let bucket = 0; bucket < histogram.bounds.count; bucket++) {
    below += histogram.counts[bucket] as number
    const le = String(histogram.endOf(bucket))
    lines.push(`${name}_bucket${braces({ ...labels, le })} ${below}`)
  }
  lines.push(`${name}_bucket${braces({ ...labels, le: '+Inf' })} ${histogram.count}`)
  lines.push(
    `${name}_sum${braces(labels)} ${histogram.sum}`,
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
  readonly queueTime: Histogram
  readonly totalTime: Histogram
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

/** What moves between replicas, over all partitions. */
export interface ReplicationMetrics {
  readonly batchBytes: Histogram
  readonly batchRecords: Histogram
  readonly appendTime: Histogram
  /** From the append on the leader until the high watermark passed it: what acks=all waits for. */
  readonly replicationTime: Histogram
  readonly followerFetchBytes: Histogram
  readonly bytesOut: Counter
}

export class BrokerMetrics {
  readonly registry: MetricsRegistry
  readonly allTopics: TopicMetrics
  readonly replication: ReplicationMetrics
  readonly consumerFetchBytes: Histogram
  /** Of one segment to the device. */
  readonly flushTime: Histogram
  /** Requests that closed their connection: unknown key or version, bytes that do not decode. */
  readonly rejectedRequests: Counter
  readonly #byApi = new Map<number, RequestMetrics>()
  readonly #byTopic = new Map<string, TopicMetrics>()

  constructor(registry: MetricsRegistry = new MetricsRegistry()) {
    this.registry = registry
    this.allTopics = topicMetrics(registry, {})
    this.consumerFetchBytes = registry.histogram(fetchedBytes, sizeBounds, { from: 'consumer' })
    this.replication = replicationMetrics(registry)
    this.flushTime = registry.histogram(
      bean('kafka.log', 'LogFlushStats', 'LogFlushRateAndTimeMs', 'Fsync of a segment, ms'),
      timeBounds,
    )
    this.rejectedRequests = registry.counter(
      requestBean('RejectedRequestsPerSec', 'Requests that closed their connection'),
    )
  }

  ofApi(apiKey: number, apiName: string): RequestMetrics {
    let metrics = this.#byApi.get(apiKey)
    if (metrics === undefined) {
      const labels = { request: apiName }
      const counter = (name: string, help: string): Counter =>
        this.registry.counter(requestBean(name, help), labels)
      const time = (name: string, help: string): Histogram =>
        this.registry.histogram(requestBean(name, help), timeBounds, labels)
      metrics = {
        requests: counter('RequestsPerSec', 'Requests answered'),
        requestBytes: counter('RequestBytes', 'Bytes of requests'),
        responseBytes: counter('ResponseBytes', 'Bytes of answers'),
        queueTime: time('RequestQueueTimeMs', 'From arrival to handling, first in line, ms'),
        totalTime: time('TotalTimeMs', 'From handling to the answer, waits included, ms'),
      }
      this.#byApi.set(apiKey, metrics)
    }
    return metrics
  }

  countError(apiName: string, error: string): void {
    const name = requestBean('ErrorsPerSec', 'Answers with an error as a whole')
    this.registry.counter(name, { request: apiName, error }).add()
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

export const bean = (domain: string, type: string, name: string, help = ''): MetricName => ({
  domain,
  type,
  name,
  help,
})

const requestBean = (name: string, help: string): MetricName =>
  bean('kafka.network', 'RequestMetrics', name, help)

const fetchedBytes = bean(
  'kafka.server',
  'FetchStats',
  'FetchedBytes',
  'Bytes of records in one answer to a fetch, by who fetched',
)

function topicMetrics(registry: MetricsRegistry, labels: MetricLabels): TopicMetrics {
  const counter = (name: string, help: string): Counter =>
    registry.counter(bean('kafka.server', 'BrokerTopicMetrics', name, help), labels)
  return {
    messagesIn: counter('MessagesInPerSec', 'Records appended for clients'),
    bytesIn: counter('BytesInPerSec', 'Bytes of batches appended for clients'),
    bytesOut: counter('BytesOutPerSec', 'Bytes of batches sent to consumers'),
    produceRequests: counter('TotalProduceRequestsPerSec', 'Partitions named in produce requests'),
    fetchRequests: counter('TotalFetchRequestsPerSec', 'Partitions named in fetch requests'),
    failedProduceRequests: counter('FailedProduceRequestsPerSec', 'Of these, answered an error'),
    failedFetchRequests: counter('FailedFetchRequestsPerSec', 'Of these, answered an error'),
  }
}

function replicationMetrics(registry: MetricsRegistry): ReplicationMetrics {
  const ofAppends = (name: string, help: string, bounds: Bounds): Histogram =>
    registry.histogram(bean('kafka.log', 'LogAppendStats', name, help), bounds)
  return {
    batchBytes: ofAppends('BatchBytes', 'Bytes of a batch appended as leader', sizeBounds),
    batchRecords: ofAppends('BatchRecords', 'Records of a batch appended as leader', countBounds),
    appendTime: ofAppends('AppendTimeMs', 'Append of a batch to its log, ms', shortTimeBounds),
    replicationTime: registry.histogram(
      requestBean('RemoteTimeMs', 'From append until every in-sync replica has it, ms'),
      timeBounds,
      { request: 'Produce' },
    ),
    followerFetchBytes: registry.histogram(fetchedBytes, sizeBounds, { from: 'follower' }),
    bytesOut: registry.counter(
      bean(
        'kafka.server',
        'BrokerTopicMetrics',
        'ReplicationBytesOutPerSec',
        'Bytes of batches sent to followers',
      ),
    ),
  }
}
