import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startCluster } from 'trimaran'
import { expect, onTestFinished, test } from 'vitest'
import { makeTopic } from '../bench/load.ts'
import { assertShown, figuresOf, sumOf, type HostileRound } from '../bench/hostile.ts'
import { paced } from '../bench/hostile/abuse.ts'
import { abuses, type Abuse } from '../bench/hostile/abuses.ts'
import { startAbuser } from '../bench/hostile/abuser-process.ts'
import { metricsOf, valueOf } from '../bench/hostile/scrape.ts'
import { withUnit } from '../bench/report.ts'
import { verdict } from '../bench/figures.ts'

const page = `# HELP bytes_total Bytes
# TYPE bytes_total counter
bytes_total{request="Produce",node="1"} 10
bytes_total{request="Produce",node="2"} 5
bytes_total{request="Fetch"} 2.5e3
bytes_total_of_others 7
up 1
`

const abuse: Abuse = {
  name: 'lone-records',
  words: 'lone records',
  series: { name: 'bytes_total', labels: ['request="Produce"'], grows: 100 },
  growthMaxMb: 50,
  growthWhy: 'so it is',
}

const round = (besideMs: number, peakMb = 320): HostileRound => ({
  alone: { ackMs: 10, endToEndMs: 20 },
  beside: { ackMs: besideMs, endToEndMs: 2 * besideMs },
  aloneMb: 300,
  peakMb,
})

test('a series is found by its whole name and by the labels that it must have', () => {
  expect(valueOf(page, 'bytes_total', ['request="Produce"'])).toBe(15)
  expect(valueOf(page, 'bytes_total')).toBe(2515)
  expect(valueOf(page, 'up')).toBe(1)
  expect(valueOf(page, 'bytes')).toBeNull()
  expect(valueOf(page, 'bytes_total', ['request="Metadata"'])).toBeNull()
  expect(sumOf([page, page, 'up 1\n'], abuse.series)).toBe(30)
})

test('an abuse that does not show in the metrics fails the measurement, and says which series', () => {
  assertShown(abuse, 30, 130)
  expect(() => assertShown(abuse, 30, 129)).toThrow(
    'lone-records does not show in /metrics: bytes_total went from 30 to 129',
  )
})

test('each round is one ratio of the p99 beside to that alone, judged by the median, and memory by its peak', () => {
  const [acknowledged, endToEnd, memory] = figuresOf(abuse, [round(15), round(19), round(70)])
  expect(acknowledged?.samples).toEqual([1.5, 1.9, 7])
  expect(endToEnd?.samples).toEqual([1.5, 1.9, 7])
  expect(memory?.samples).toEqual([20, 20, 20])
  for (const each of [acknowledged, endToEnd, memory]) expect(each && verdict(each)).toBe(true)
  const [slow, , fat] = figuresOf(abuse, [round(15), round(20), round(30, 351)])
  for (const each of [slow, fat]) expect(each && verdict(each)).toBe(false)
  expect(withUnit(1.94, 'times')).toBe('1.9 ×')
})

test('there are six abuses, each with a bound that is explained', () => {
  expect(new Set(abuses.map(({ name }) => name)).size).toBe(6)
  for (const { growthMaxMb, growthWhy } of abuses) {
    expect(growthMaxMb).toBeGreaterThan(0)
    expect(growthWhy).not.toBe('')
  }
})

test('what is paced comes at its rate, and not after its end', async () => {
  let sent = 0
  const end = paced(1_000, count => (sent += count))
  const startMs = performance.now()
  await new Promise(settle => setTimeout(settle, 200))
  end()
  const due = performance.now() - startMs
  expect(sent).toBeGreaterThan(0)
  expect(sent).toBeLessThanOrEqual(due)
  const before = sent
  await new Promise(settle => setTimeout(settle, 50))
  expect(sent).toBe(before)
})

test('metrics are read from where the node serves them', async () => {
  const server = createServer((request, response) =>
    response.end(request.url === '/metrics' ? page : ''),
  )
  await new Promise<void>(settle => server.listen(0, '127.0.0.1', settle))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  expect(await metricsOf({ host: '127.0.0.1', port })).toBe(page)
})

test('an abuser works in a process of its own, says what came of it, and is gone', async () => {
  const cluster = await startCluster({ nodes: 3 })
  onTestFinished(() => cluster.stop())
  const addresses = cluster.bootstrapServers.split(',').map(server => {
    const [host = '', port = ''] = server.split(':')
    return { host, port: Number(port) }
  })
  await makeTopic(addresses, 'abused')
  const abuser = await startAbuser({
    abuse: 'lone-records',
    target: { addresses, topic: 'abused' },
  })
  onTestFinished(() => abuser.kill())
  await new Promise(settle => setTimeout(settle, 500))
  const { told, cpuMs } = await abuser.stop()
  expect(told['answered']).toBeGreaterThan(0)
  expect(cpuMs).toBeGreaterThan(0)
})
