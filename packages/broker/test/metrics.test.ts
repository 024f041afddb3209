import { expect, test } from 'vitest'
import { readPrometheusText } from '@trimaran/common/testing/prometheus-text'
import { Prng } from '@trimaran/common'
import { BrokerMetrics, Histogram, MetricsRegistry, bean, timeBounds } from '../src/metrics.ts'

test('metrics carry the names that the JMX exporter gives to Kafka beans', () => {
  const metrics = new BrokerMetrics()
  metrics.ofTopic('orders').bytesIn.add(100)
  metrics.ofApi(0, 'Produce').requests.add()
  metrics.registry.gauge(
    bean('kafka.server', 'ReplicaManager', 'UnderReplicatedPartitions'),
    () => 3,
  )
  const text = metrics.registry.prometheusText()
  expect(text).toContain('kafka_server_brokertopicmetrics_bytesin_total{topic="orders"} 100\n')
  expect(text).toContain('kafka_network_requestmetrics_requests_total{request="Produce"} 1\n')
  expect(text).toContain('# TYPE kafka_server_replicamanager_underreplicatedpartitions gauge\n')
  expect(text).toContain('kafka_server_replicamanager_underreplicatedpartitions 3\n')
})

test('a histogram counts cumulatively and never loses a slow request', () => {
  const registry = new MetricsRegistry()
  const totalTime = bean('kafka.network', 'RequestMetrics', 'TotalTimeMs', 'Handling, ms')
  const latency = registry.histogram(totalTime, timeBounds, { request: 'Fetch' })
  for (const elapsedMs of [0.2, 4, 4, 90_000]) latency.record(elapsedMs)
  const lines = registry.prometheusText().split('\n')
  const name = 'kafka_network_requestmetrics_totaltimems'
  expect(lines).toContain(`# HELP ${name} Handling, ms`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="0.0625"} 0`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="0.25"} 1`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="4"} 3`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="32768"} 3`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="+Inf"} 4`)
  expect(lines).toContain(`${name}_sum{request="Fetch"} 90008.2`)
  expect(lines).toContain(`${name}_count{request="Fetch"} 4`)
})

test('the bucket that is computed is the one that a search finds', () => {
  const prng = new Prng(3)
  for (const bounds of [timeBounds, { smallest: 64, count: 21 }, { smallest: 1, count: 5 }]) {
    const ends = Array.from({ length: bounds.count }, (_, at) => bounds.smallest * 2 ** at)
    const random = Array.from({ length: 2000 }, () => 2 ** (prng.between(-8_000, 34_000) / 1000))
    const around = ends.flatMap(end => [end, end * 1.001, end * 0.999])
    for (const value of [0, -1, 1e15, ...around, ...random]) {
      const histogram = new Histogram(bounds)
      histogram.record(value)
      const found = ends.findIndex(end => value <= end)
      const expected = found === -1 ? bounds.count : found
      expect([value, histogram.counts.indexOf(1)]).toEqual([value, expected])
    }
  }
})

test('a percentile is the end of its bucket', () => {
  const histogram = new Histogram({ smallest: 1, count: 4 })
  expect(histogram.percentile(99)).toBe(0)
  for (let at = 0; at < 99; at++) histogram.record(2)
  histogram.record(1000)
  expect(histogram.percentile(99)).toBe(2)
  expect(histogram.percentile(99.9)).toBe(Number.POSITIVE_INFINITY)
})

test('all that a broker counts is text that Prometheus takes, with help', () => {
  const metrics = new BrokerMetrics()
  metrics.ofApi(0, 'Produce').totalTime.record(3)
  metrics.ofTopic('q"\\\n').bytesIn.add(5)
  metrics.countError('Fetch', 'NOT_CONTROLLER')
  expect(readPrometheusText(metrics.registry.prometheusText()).size).toBeGreaterThan(15)
})

test('what is not Prometheus text is not taken for it', () => {
  const head = '# HELP a_b A thing\n# TYPE a_b '
  const buckets = 'a_b_bucket{le="1"} 2\na_b_bucket{le="2"} 1\na_b_bucket{le="+Inf"} 2\n'
  for (const [what, text] of [
    ['TYPE without its HELP', '# TYPE a_b gauge\na_b 1\n'],
    ['a counter not _total', `${head}counter\na_b 1\n`],
    ['not a sample', `${head}gauge\na_b{x=y} 1\n`],
    ['not a sample', `${head}gauge\na_b undefined\n`],
    ['outside of its family', `${head}gauge\nc 1\n`],
    ['a series twice', `${head}gauge\na_b 1\na_b 2\n`],
    ['not cumulative', `${head}histogram\n${buckets}a_b_sum 1\na_b_count 2\n`],
    ['not the count', `${head}histogram\na_b_bucket{le="+Inf"} 2\na_b_sum 1\na_b_count 3\n`],
    ['does not end', `${head}gauge\na_b 1`],
  ]) {
    expect(() => readPrometheusText(text as string)).toThrow(what)
  }
})

test('the series of a deleted topic are gone', () => {
  const metrics = new BrokerMetrics()
  metrics.ofTopic('orders').messagesIn.add()
  metrics.topicDeleted('orders')
  expect(metrics.registry.prometheusText()).not.toContain('orders')
})

test('label values are escaped', () => {
  const registry = new MetricsRegistry()
  registry.counter(bean('a', 'b', 'cPerSec'), { x: 'q"\n\\' }).add()
  expect(registry.prometheusText()).toContain('a_b_c_total{x="q\\"\\n\\\\"} 1')
})

test('a family of metrics cannot grow without end', () => {
  const registry = new MetricsRegistry()
  for (let at = 0; at < 10_100; at++)
    registry.counter(bean('a', 'b', 'c'), { at: String(at) }).add()
  expect(registry.prometheusText().split('\n').length).toBeLessThan(10_010)
})
