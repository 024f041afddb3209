import { expect, test } from 'vitest'
import { BrokerMetrics, MetricsRegistry, bean } from '../src/metrics.ts'

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

test('a latency histogram counts cumulatively and never loses a slow request', () => {
  const registry = new MetricsRegistry()
  const latency = registry.latency(bean('kafka.network', 'RequestMetrics', 'TotalTimeMs'), {
    request: 'Fetch',
  })
  for (const elapsedMs of [0.2, 4, 4, 90_000]) latency.record(elapsedMs)
  const lines = registry.prometheusText().split('\n')
  const name = 'kafka_network_requestmetrics_totaltimems'
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="0.5"} 1`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="5"} 3`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="30000"} 3`)
  expect(lines).toContain(`${name}_bucket{request="Fetch",le="+Inf"} 4`)
  expect(lines).toContain(`${name}_count{request="Fetch"} 4`)
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
