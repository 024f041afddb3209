import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliCluster } from '../support/cli-cluster.ts'
import { kcatConsume, kcatIsThere, kcatJson, kcatProduce, parseLines } from '../support/kcat.ts'
import { measured, run, runOk, Running, seconds, until } from '../support/run.ts'

const linesOf = (count: number, prefix = 'line'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix} ${at}`)

describe.skipIf(!kcatIsThere)('kcat (librdkafka)', () => {
  let cluster: CliCluster
  beforeAll(async () => {
    cluster = await CliCluster.up({ port: 21_100 })
  })
  afterAll(async () => cluster?.down())

  test('metadata names every broker, the topic, its leaders and its ISRs', async () => {
    await cluster.createTopic('listed', 6)
    const metadata = (await kcatJson('-L', '-b', cluster.bootstrapServers, '-t', 'listed')) as {
      readonly brokers: readonly { readonly id: number; readonly name: string }[]
      readonly controllerid: number
      readonly topics: readonly {
        readonly partitions: readonly {
          readonly leader: number
          readonly replicas: readonly object[]
          readonly isrs: readonly object[]
        }[]
      }[]
    }
    expect(metadata.brokers.map(broker => broker.name).toSorted()).toEqual(cluster.brokers)
    expect([1, 2, 3]).toContain(metadata.controllerid)
    const partitions = metadata.topics[0]?.partitions ?? []
    expect(partitions).toHaveLength(6)
    expect(new Set(partitions.map(partition => partition.leader))).toEqual(new Set([1, 2, 3]))
    for (const { replicas, isrs } of partitions) expect([replicas, isrs].flat()).toHaveLength(6)
  })

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'lines compressed with %s come back as they were, in order',
    async codec => {
      const topic = `codec-${codec}`
      await cluster.createTopic(topic, 1)
      const lines = linesOf(5000, 'a line that compresses well, number')
      await kcatProduce(cluster.bootstrapServers, topic, lines.join('\n'), '-z', codec)
      const read = await kcatConsume(cluster.bootstrapServers, topic)
      expect(read.map(line => line.text)).toEqual(lines)
      expect(read.map(line => line.offset)).toEqual(lines.map((_, at) => at))
    },
  )

  test('keys, headers, empty values and tombstones arrive as sent', async () => {
    await cluster.createTopic('shapes', 1)
    const to = [cluster.bootstrapServers, 'shapes'] as const
    const headers = ['-H', 'trace=abc', '-H', 'trace=def', '-H', 'empty=']
    await kcatProduce(...to, 'key one|value one\n', '-K', '|', ...headers)
    await kcatProduce(...to, 'no key\n')
    await kcatProduce(...to, 'gone|\n', '-K', '|', '-Z')
    const { stdout } = await runOk('kcat', [
      '-C',
      '-b',
      cluster.bootstrapServers,
      '-t',
      'shapes',
      '-e',
      '-q',
      '-f',
      '%o key=%k(%K) value=%s(%S) headers=%h\n',
    ])
    expect(stdout.trimEnd().split('\n')).toEqual([
      '0 key=key one(7) value=value one(9) headers=trace=abc,trace=def,empty=',
      '1 key=(-1) value=no key(6) headers=',
      '2 key=gone(4) value=(-1) headers=',
    ])
  })

  test('a value of nearly the largest size passes, a larger one is refused', async () => {
    await cluster.createTopic('large', 1, { 'max.message.bytes': '2000000' })
    const input = 'x'.repeat(1_900_000)
    const roomy = ['-X', 'message.max.bytes=4000000']
    await kcatProduce(cluster.bootstrapServers, 'large', input, ...roomy)
    const [line] = await kcatConsume(cluster.bootstrapServers, 'large')
    expect(line?.text.length).toBe(input.length)
    const refused = await run(
      'kcat',
      ['-P', '-b', cluster.bootstrapServers, '-t', 'large', ...roomy],
      { input: 'x'.repeat(2_100_000) },
    )
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/Message size too large/i)
  })

  test('offsets are found by timestamp, and reading starts and ends where it is told', async () => {
    await cluster.createTopic('times', 1)
    const to = [cluster.bootstrapServers, 'times'] as const
    await kcatProduce(...to, 'before\n')
    const betweenMs = Date.now() + 1
    await until('the clock moves on', () => Date.now() > betweenMs)
    await kcatProduce(...to, linesOf(10, 'after').join('\n'))
    const offset = await kcatJson(
      '-Q',
      '-b',
      cluster.bootstrapServers,
      '-t',
      `times:0:${betweenMs}`,
    )
    expect(offset).toMatchObject({ times: { '0': { offset: 1 } } })
    const slice = await runOk('kcat', [
      '-C',
      '-b',
      cluster.bootstrapServers,
      '-t',
      'times',
      '-p',
      '0',
      '-o',
      '3',
      '-c',
      '2',
      '-q',
      '-f',
      '%p %o %s\n',
    ])
    expect(parseLines(slice.stdout).map(line => line.text)).toEqual(['after 2', 'after 3'])
    const tail = await runOk('kcat', [
      '-C',
      '-b',
      cluster.bootstrapServers,
      '-t',
      'times',
      '-p',
      '0',
      '-o',
      '-1',
      '-e',
      '-q',
    ])
    expect(tail.stdout).toBe('after 9\n')
  })

  test('an idempotent producer, and one with acks=1 and one with acks=0, all deliver', async () => {
    await cluster.createTopic('acks', 3)
    const to = [cluster.bootstrapServers, 'acks'] as const
    const lines = linesOf(3000)
    await kcatProduce(...to, lines.join('\n'), '-X', 'enable.idempotence=true')
    await kcatProduce(...to, lines.join('\n'), '-X', 'acks=1')
    await kcatProduce(...to, lines.join('\n'), '-X', 'acks=0')
    let read: string[] = []
    await until('all three are there', async () => {
      read = (await kcatConsume(...to)).map(line => line.text)
      return read.length >= 3 * lines.length
    })
    expect(read.toSorted()).toEqual([...lines, ...lines, ...lines].toSorted())
  })

  test('a topic that is not there is made by the first produce', async () => {
    await kcatProduce(cluster.bootstrapServers, 'made-on-demand', 'first\n')
    const read = await kcatConsume(cluster.bootstrapServers, 'made-on-demand')
    expect(read.map(line => line.text)).toEqual(['first'])
  })

  test('a group of two reads everything, and the next member goes on where it stopped', async () => {
    await cluster.createTopic('shared', 4)
    const lines = linesOf(8000)
    await kcatProduce(cluster.bootstrapServers, 'shared', lines.join('\n'))
    const member = (): Running =>
      new Running('kcat', [
        '-b',
        cluster.bootstrapServers,
        '-G',
        'kcat-group',
        'shared',
        '-q',
        '-u',
        '-X',
        'auto.offset.reset=earliest',
        '-f',
        '%p %o %s\n',
      ])
    const members = [member(), member()]
    const startedMs = performance.now()
    const read = (): string[] =>
      members.flatMap(each => parseLines(each.stdout).map(line => line.text))
    await until('the group has read it all', () => new Set(read()).size === lines.length)
    measured(
      `a group of two read ${lines.length} lines ${seconds(performance.now() - startedMs)} after its start`,
    )
    for (const each of members) each.child.kill('SIGTERM')
    await Promise.all(members.map(each => each.outcome()))
    await kcatProduce(cluster.bootstrapServers, 'shared', 'one more\n')
    const next = await runOk('kcat', [
      '-b',
      cluster.bootstrapServers,
      '-G',
      'kcat-group',
      'shared',
      '-q',
      '-e',
      '-X',
      'auto.offset.reset=earliest',
    ])
    expect(next.stdout).toBe('one more\n')
  })

  test('a file of 100,000 lines goes in and comes back', async () => {
    await cluster.createTopic('file', 6)
    const lines = linesOf(100_000)
    const sent = await kcatProduce(cluster.bootstrapServers, 'file', lines.join('\n'))
    const startedMs = performance.now()
    const read = await kcatConsume(cluster.bootstrapServers, 'file')
    const readMs = performance.now() - startedMs
    measured(`100,000 lines in ${seconds(sent.elapsedMs)}, back in ${seconds(readMs)}`)
    expect(read.map(line => line.text).toSorted()).toEqual(lines.toSorted())
  })

  test('nothing the client does is worth an error or a warning in a log', () => {
    expect(cluster.complaints(40)).toEqual([])
  })
})
