import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster, type Cluster } from '@trimaran/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClusterClient } from '../src/client/index.ts'

const main = join(import.meta.dirname, '../src/main.ts')
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ nodes: 3, config: { 'group.initial.rebalance.delay.ms': '0' } })
})
afterAll(async () => {
  await cluster.stop()
})

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The real program in a process of its own, as a person or a script runs it. */
function trimaran(
  args: readonly string[],
  input = '',
  environment: NodeJS.ProcessEnv = { TRIMARAN_BOOTSTRAP_SERVER: cluster.bootstrapServers },
): Promise<Outcome> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...environment },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += String(chunk)))
    child.stderr.on('data', chunk => (stderr += String(chunk)))
    child.on('error', fail)
    child.on('close', code => settle({ code: code ?? -1, stdout, stderr }))
    child.stdin.end(input)
  })
}

test('a reader that has seen enough ends a command quietly', async () => {
  const child = spawn(process.execPath, [main, 'quorum', 'status'], {
    env: { ...process.env, TRIMARAN_BOOTSTRAP_SERVER: cluster.bootstrapServers },
  })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', chunk => (stderr += String(chunk)))
  await new Promise(settle => child.on('close', settle))
  expect(stderr).toBe('')
})

test('without -b every node of the local cluster is asked, whichever of them is down', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'trimaran-cli-'))
  const environment = { TRIMARAN_CLUSTER_DIR: directory }
  const ports = [1, ...cluster.bootstrapServers.split(',').map(each => Number(each.split(':')[1]))]
  const nodes = ports.map((port, at) => ({ id: at + 1, port }))
  const stateFile = join(directory, 'cluster.json')
  writeFileSync(stateFile, JSON.stringify({ nodes }))
  const defaults = async (): Promise<string> =>
    (await trimaran(['topics', 'list', '--help'], '', environment)).stdout
  expect(await defaults(), 'none of its nodes runs').toContain('localhost:9092')
  const second = join(directory, 'node-2')
  mkdirSync(second)
  const node = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', second])
  try {
    writeFileSync(join(second, 'node.pid'), String(node.pid))
    const status = await trimaran(['quorum', 'status'], '', environment)
    expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('leader') })
    writeFileSync(stateFile, '{')
    expect(await defaults(), 'nobody knows').toContain('localhost:9092')
  } finally {
    node.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
})

test('a client that has had an answer waits for a cluster that is away for a moment', async () => {
  await using alone = await startCluster({ nodes: 1 })
  const client = new ClusterClient({ bootstrapServers: alone.bootstrapServers })
  await client.metadata([])
  await alone.kill(1)
  const later = client.metadata([])
  const refused = new ClusterClient({ bootstrapServers: alone.bootstrapServers }).metadata([])
  await expect(refused).rejects.toThrow(/No broker can be reached/)
  await alone.restart(1)
  expect((await later).brokers).toHaveLength(1)
  await client.close()
})

test('a broker that takes connections and says nothing is asked once, and the others are asked from then on', async () => {
  const sockets: Socket[] = []
  const hung = createServer(socket => sockets.push(socket))
  await new Promise<void>(settle => hung.listen(0, '127.0.0.1', settle))
  const { port } = hung.address() as AddressInfo
  const client = new ClusterClient({
    bootstrapServers: `127.0.0.1:${port},${cluster.bootstrapServers}`,
    queryTimeoutMs: 100,
  })
  expect((await client.metadata([])).brokers).toHaveLength(3)
  expect((await client.metadata([])).brokers).toHaveLength(3)
  expect(sockets).toHaveLength(1)
  await client.close()
  for (const socket of sockets) socket.destroy()
  hung.close()
})

test('a topic is created, described, listed, grown and deleted', async () => {
  const created = await trimaran([
    'topics',
    'create',
    'orders',
    '--partitions',
    '3',
    '--replication-factor',
    '3',
  ])
  expect(created).toMatchObject({ code: 0, stdout: 'Created topic orders.\n' })
  const again = await trimaran(['topics', 'create', 'orders'])
  expect(again.code).toBe(1)
  expect(again.stderr).toContain("Topic 'orders' already exists. (TOPIC_ALREADY_EXISTS)")
  expect((await trimaran(['topics', 'create', 'orders', '--if-not-exists'])).code).toBe(0)
  const partly = await trimaran(['topics', 'create', 'orders', 'fresh'])
  expect(partly.code).toBe(4)

  const described = JSON.parse((await trimaran(['topics', 'describe', 'orders', '--json'])).stdout)
  expect(described).toHaveLength(3)
  expect(described[0]).toMatchObject({ topic: 'orders', partition: 0, offline: [] })
  expect(described[0].isr).toHaveLength(3)
  expect((await trimaran(['topics', 'alter', 'orders', '--partitions', '5'])).code).toBe(0)
  expect((await trimaran(['topics', 'alter', 'orders', '--partitions', '2'])).stderr).toContain(
    'INVALID_PARTITIONS',
  )
  expect(JSON.parse((await trimaran(['topics', 'list', '--json'])).stdout)).toContain('orders')
  expect((await trimaran(['topics', 'delete', 'orders', 'fresh'])).code).toBe(0)
  expect((await trimaran(['topics', 'describe', 'orders'])).stderr).toContain(
    'There is no topic "orders"',
  )
})

test('lines go in as records and come out as lines, with keys, offsets and formats', async () => {
  await trimaran(['topics', 'create', 'lines', '--partitions', '1'])
  const lines = Array.from({ length: 500 }, (_, at) => `k${at % 7}:line ${at}`)
  const produced = await trimaran(
    ['produce', 'lines', '--key-separator', ':', '--json'],
    `${lines.join('\n')}\n`,
  )
  expect(JSON.parse(produced.stdout)).toMatchObject({ acknowledged: 500, failed: 0 })
  const all = await trimaran(['consume', 'lines', '--from-beginning', '-e', '--format', '%k:%v\\n'])
  expect(all.stdout).toBe(`${lines.join('\n')}\n`)
  const some = await trimaran([
    'consume',
    'lines',
    '--partition',
    '0',
    '--offset',
    '498',
    '-n',
    '1',
    '--format',
    'json',
  ])
  expect(JSON.parse(some.stdout)).toMatchObject({ offset: 498, key: 'k1', value: 'line 498' })
  const outside = await trimaran(['consume', 'lines', '--partition', '0', '--offset', '9999', '-e'])
  expect(outside.code).toBe(1)
  expect(outside.stderr).toContain('Offset 9999 of lines-0 is not in its log')
})

test.each(['gzip', 'snappy', 'lz4', 'zstd'])(
  'what goes in compressed with %s comes out',
  async codec => {
    const topic = `packed-${codec}`
    await trimaran(['produce', topic, '--compression', codec], 'one\ntwo\nthree\n')
    expect((await trimaran(['consume', topic, '--from-beginning', '-e'])).stdout).toBe(
      'one\ntwo\nthree\n',
    )
  },
)

test('a group goes on where it stopped, shows its lag, is reset and deleted', async () => {
  await trimaran(['topics', 'create', 'work', '--partitions', '2'])
  await trimaran(['produce', 'work', '--partition', '0'], 'a\nb\nc\n')
  const first = await trimaran([
    'consume',
    'work',
    '--group',
    'g',
    '--from-beginning',
    '-n',
    '2',
    '--timeout-ms',
    '15000',
  ])
  expect(first.stdout).toBe('a\nb\n')
  const described = JSON.parse((await trimaran(['groups', 'describe', 'g', '--json'])).stdout)
  expect(described.offsets).toContainEqual(
    expect.objectContaining({ topic: 'work', partition: 0, offset: 2, end: 3, lag: 1 }),
  )
  const second = await trimaran([
    'consume',
    'work',
    '--group',
    'g',
    '-n',
    '1',
    '--timeout-ms',
    '15000',
  ])
  expect(second.stdout).toBe('c\n')
  expect((await trimaran(['groups', 'list'])).stdout).toContain('g')
  const shown = await trimaran(['groups', 'reset', 'g', '--topic', 'work', '--to', 'earliest'])
  expect(shown.stdout).toContain('Nothing was changed')
  expect(
    (await trimaran(['groups', 'reset', 'g', '--topic', 'work', '--to', 'earliest', '--execute']))
      .code,
  ).toBe(0)
  const third = await trimaran([
    'consume',
    'work',
    '--group',
    'g',
    '-n',
    '3',
    '--timeout-ms',
    '15000',
  ])
  expect(third.stdout).toBe('a\nb\nc\n')
  expect((await trimaran(['groups', 'delete', 'g'])).code).toBe(0)
  expect((await trimaran(['groups', 'describe', 'g'])).stderr).toContain('There is no group "g"')
})

test('settings are shown and changed, bad ones are refused with the reason', async () => {
  await trimaran(['topics', 'create', 'tuned', '--config', 'retention.ms=5000'])
  const altered = await trimaran([
    'configs',
    'alter',
    'topic',
    'tuned',
    '--set',
    'retention.ms=6000',
  ])
  expect(altered).toMatchObject({ code: 0, stdout: 'Altered topic tuned.\n' })
  const shown = JSON.parse(
    (await trimaran(['configs', 'describe', 'topic', 'tuned', '--json'])).stdout,
  )
  expect(shown).toContainEqual({ name: 'retention.ms', value: '6000', source: 'topic' })
  const bad = await trimaran(['configs', 'alter', 'topic', 'tuned', '--set', 'retention.ms=soon'])
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('retention.ms')
  const all = await trimaran(['configs', 'describe', 'broker', '1', '--all', '--json'])
  expect(JSON.parse(all.stdout).length).toBeGreaterThan(100)
})

test('the quorum tells its leader, and an election that nobody needs is none', async () => {
  const quorum = JSON.parse((await trimaran(['quorum', 'status', '--json'])).stdout)
  expect(quorum.leaderId).toBe(cluster.controller())
  expect(quorum.replicas).toHaveLength(3)
  expect((await trimaran(['elect'])).code).toBe(0)
})

test('voters of the quorum are removed and added, and what cannot be done says why', async () => {
  const { leaderId, clusterId, replicas } = JSON.parse(
    (await trimaran(['quorum', 'status', '--json'])).stdout,
  )
  expect(clusterId).toBe(cluster.clusterId)
  const id: number = [1, 2, 3].find(each => each !== leaderId) ?? 0
  const { directoryId } = replicas.find((each: { readonly id: number }) => each.id === id)
  const left = [1, 2, 3].filter(each => each !== id)
  const wrong = ['--directory-id', 'AAAAAAAAAAAAAAAAAAAAAQ']
  const refused = await trimaran(['quorum', 'remove', '--id', `${id}`, ...wrong])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('VOTER_NOT_FOUND') })
  const removed = await trimaran(['quorum', 'remove', '--id', `${id}`, '--json'])
  expect(JSON.parse(removed.stdout)).toEqual({ id, directoryId, voters: left })
  const again = await trimaran(['quorum', 'remove', '--id', `${id}`])
  expect(again.stderr).toContain(`Node ${id} is no voter; the voters are ${left.join(', ')}.`)
  const brief = ['--timeout', '300']
  const strange = await trimaran(['quorum', 'add', '--id', `${id}`, ...wrong, ...brief])
  expect(strange.stderr).toContain(`Node ${id} runs with directory ${directoryId}, not `)
  const absent = await trimaran(['quorum', 'add', '--id', '9', ...brief])
  expect(absent.stderr).toContain('Node 9 does not fetch the metadata log.')
  const added = await trimaran(['quorum', 'add', '--id', `${id}`])
  expect(added.stdout).toBe(`Node ${id} is a voter now; the voters are 1, 2, 3.\n`)
  const twice = await trimaran(['quorum', 'add', '--id', `${id}`])
  expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('is a voter already') })
  expect((await trimaran(['quorum', 'add'])).code).toBe(2)
})

test('wrong usage and a cluster that is not there have their own exit codes and say what to do', async () => {
  expect((await trimaran(['topics', 'create'])).code).toBe(2)
  expect((await trimaran(['nonsense'])).code).toBe(2)
  const unreachable = await trimaran(['topics', 'list', '-b', '127.0.0.1:1'])
  expect(unreachable.code).toBe(3)
  expect(unreachable.stderr).toContain('Is the cluster up')
  expect((await trimaran(['topics', '--help'])).code).toBe(0)
  const noCluster = await trimaran(['cluster', 'status', '--dir', '/nonexistent-directory'])
  expect(noCluster).toMatchObject({ code: 2 })
  expect(noCluster.stderr).toContain('trimaran cluster up --dir')
})
