import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliCluster } from '../support/cli-cluster.ts'
import { kcatConsume, kcatIsThere, kcatProducer } from '../support/kcat.ts'
import type { Line } from '../support/kcat.ts'
import { measured, seconds, until } from '../support/run.ts'
import type { Running } from '../support/run.ts'

/** A million, as in the README, takes half a minute; the kills fall into any number. */
const lineCount = Number(process.env['TRIMARAN_TEST_LINES'] ?? 100_000)
const linesPerWrite = Math.ceil(lineCount / 400)
const pauseMs = 20

/** Writes the file line by line, slowly enough that everything in `during` happens in the middle of it. */
async function feed(
  kcat: Running,
  during: (written: () => number) => Promise<void>,
): Promise<number> {
  let written = 0
  let isOver = false
  const faults = during(() => written).finally(() => {
    isOver = true
  })
  while (written < lineCount || !isOver) {
    const lines = Array.from({ length: linesPerWrite }, (_, at) => `line ${written + at}`)
    if (!(await kcat.write(`${lines.join('\n')}\n`))) break
    written += lines.length
    await sleep(pauseMs)
  }
  kcat.end()
  await faults
  return written
}

const numberOf = ({ text }: Line): number => Number(text.slice('line '.length))

describe.skipIf(!kcatIsThere)('a file through kcat while its leaders die', () => {
  let cluster: CliCluster
  beforeAll(async () => {
    cluster = await CliCluster.up({ port: 21_220 })
  })
  afterAll(async () => cluster?.down())

  /** Kills the leader of half of the partitions, brings it back, and then kills the next one. */
  async function killTwoLeaders(topic: string, written: () => number): Promise<void> {
    await until('a quarter is written', () => written() > lineCount / 4)
    const first = await cluster.leaderOf(topic, 0)
    await cluster.one('kill', first)
    await until('all partitions are led', async () =>
      (await cluster.partitionsOf(topic)).every(({ leader }) => leader > 0 && leader !== first),
    )
    await cluster.one('restart', first)
    await cluster.whenHealed()
    const next = await cluster.leaderOf(topic, 0)
    const led = (await cluster.partitionsOf(topic)).filter(({ leader }) => leader === next)
    expect(led.length, 'it leads half of the partitions').toBeGreaterThanOrEqual(3)
    await cluster.one('kill', next)
    await until('all partitions are led', async () =>
      (await cluster.partitionsOf(topic)).every(({ leader }) => leader > 0 && leader !== next),
    )
    await sleep(500)
    await cluster.one('restart', next)
  }

  async function sendThroughKills(topic: string, ...options: readonly string[]): Promise<number> {
    await cluster.createTopic(topic, 6)
    const startedMs = performance.now()
    const kcat = kcatProducer(cluster.bootstrapServers, topic, ...options)
    const written = await feed(kcat, count => killTwoLeaders(topic, count))
    const { code, stderr } = await kcat.outcome(120_000)
    expect(stderr).not.toContain('Delivery failed')
    expect(code, `kcat says that all lines were acknowledged: ${stderr.slice(-500)}`).toBe(0)
    measured(
      `kcat: ${written} lines through two kills in ${seconds(performance.now() - startedMs)}`,
    )
    await cluster.whenHealed()
    return written
  }

  test('with acks=all every line comes back', { timeout: 180_000 }, async () => {
    const written = await sendThroughKills('orders')
    const lines = await kcatConsume(cluster.bootstrapServers, 'orders')
    const found = new Set(lines.map(numberOf))
    const lost = Array.from({ length: written }, (_, at) => at).filter(line => !found.has(line))
    expect(lost).toEqual([])
    measured(
      `kcat: ${lines.length - written} lines were stored twice, which a producer that is not idempotent may do`,
    )
  })

  test(
    'from an idempotent producer every line comes back once, in order',
    { timeout: 180_000 },
    async () => {
      const written = await sendThroughKills('once', '-X', 'enable.idempotence=true')
      const lines = await kcatConsume(cluster.bootstrapServers, 'once')
      expect(lines).toHaveLength(written)
      const last = new Map<number, number>()
      for (const line of lines) {
        const number = numberOf(line)
        expect(number, `partition ${line.partition}, offset ${line.offset}`).toBeGreaterThan(
          last.get(line.partition) ?? -1,
        )
        last.set(line.partition, number)
      }
    },
  )
})
