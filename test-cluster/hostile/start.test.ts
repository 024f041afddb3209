import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { NodeProcess, until, within } from './support/process-cluster.ts'
import { Scene } from './support/scene.ts'

const main = join(import.meta.dirname, '../../packages/cli/src/main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'trimaran-start-'))

let scene: Scene
beforeAll(async () => {
  scene = await Scene.open({ port: 28_160 })
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true })
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

interface Ended {
  readonly code: number | string | null
  readonly output: string
}

/** `trimaran start` on this file, until it ends. */
function startOn(file: string): Promise<Ended> {
  const args = [main, 'start', '--config', file]
  return new Promise(resolve => {
    execFile(process.execPath, args, { timeout: 10_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? null), output: stdout + stderr }),
    )
  })
}

function startWith(properties: Readonly<Record<string, string>>): Promise<Ended> {
  const file = join(scratch, 'server.properties')
  const lines = Object.entries({ 'log.dirs': join(scratch, 'data'), ...properties })
  writeFileSync(file, lines.map(([key, value]) => `${key}=${value}\n`).join(''))
  return startOn(file)
}

const unusable: readonly [what: string, properties: Record<string, string>, says: RegExp[]][] = [
  ['a number that is none', { 'num.partitions': 'six' }, [/num\.partitions/, /six/]],
  ['a number out of range', { 'num.partitions': '0' }, [/num\.partitions/, /at least 1|>= ?1/]],
  [
    'a boolean that is none',
    { 'auto.create.topics.enable': 'yes please' },
    [/auto\.create\.topics\.enable/, /true|false/],
  ],
  ['a listener that is none', { listeners: 'localhost' }, [/listeners/, /PLAINTEXT:\/\//]],
  ['a port that is none', { listeners: 'PLAINTEXT://127.0.0.1:99999' }, [/listeners/, /99999/]],
  [
    'voters that are none',
    { 'controller.quorum.voters': 'one' },
    [/controller\.quorum\.voters/, /id@host:port/],
  ],
  ['a node id that is none', { 'node.id': '-7' }, [/node\.id/, /-7/]],
  ['two node ids', { 'node.id': '1', 'broker.id': '2' }, [/node\.id/, /broker\.id/]],
  ['a role that is none', { 'process.roles': 'king' }, [/process\.roles/, /broker/]],
  [
    'a Java class',
    { 'authorizer.class.name': 'org.example.Authorizer' },
    [/authorizer\.class\.name/, /remove/],
  ],
  ['a log level that is none', { 'log.level': 'loud' }, [/log\.level/, /info/]],
]

test.each(unusable)(
  '%s: the node says which key is wrong and what would do, and does not start',
  async (_what, properties, says) => {
    const { code, output } = await startWith(properties)
    for (const text of says) expect(output).toMatch(text)
    expect(output).not.toMatch(/\n\s+at /)
    expect(code).toBeGreaterThan(0)
  },
)

test('a configuration file that is not there is named', async () => {
  const { code, output } = await startOn('/nowhere/server.properties')
  expect(output).toContain('/nowhere/server.properties')
  expect(code).toBeGreaterThan(0)
})

test('an unknown key is a warning that names the nearest known one, and the node starts', async () => {
  const node = alone(28_190, { 'num.partition': '6' })
  await untilStarted(node)
  const [warning] = node.logged('unknown configuration key ignored')
  expect(warning).toMatchObject({ key: 'num.partition', didYouMean: 'num.partitions' })
  expect(await node.stop()).toEqual({ code: 0, signal: null })
})

test('a port that is taken is named, and nothing stays locked behind', async () => {
  const squatter = createServer()
  await new Promise<void>(resolve => squatter.listen(28_191, '127.0.0.1', resolve))
  const node = alone(28_191)
  const outcome = await within(node.exited, 10_000, 'the node does not give up')
  expect(outcome.code).toBeGreaterThan(0)
  expect(node.log()).toMatch(/28191/)
  expect(node.log()).toMatch(/EADDRINUSE|in use/)
  await new Promise(resolve => squatter.close(resolve))
  node.start()
  await untilStarted(node)
  expect((await node.stop()).code).toBe(0)
})

test('a second process on a directory in use is refused, and the first goes on', async () => {
  const [first] = scene.cluster.nodes
  const second = alone(28_192, {
    'node.id': '1',
    'cluster.id': await clusterId(),
    'log.dirs': first?.dataDirectory ?? '',
  })
  const outcome = await within(second.exited, 10_000, 'the second process does not give up')
  expect(outcome.code).toBeGreaterThan(0)
  expect(second.log()).toMatch(/in use by another process/)
})

test('the data of another node or another cluster is refused with the name of the file that says so', async () => {
  const node = alone(28_193, { 'cluster.id': 'mine' })
  await untilStarted(node)
  await node.stop()
  for (const [change, says] of [
    [{ 'node.id': '8' }, /of node 7, this is node 8/],
    [{ 'cluster.id': 'theirs' }, /of cluster mine, this node is configured for theirs/],
  ] as const) {
    node.start(change)
    const outcome = await within(node.exited, 10_000, 'the node does not give up')
    expect(outcome.code).toBeGreaterThan(0)
    expect(node.log()).toMatch(says)
    expect(node.log()).toMatch(/meta\.properties/)
  }
  node.start()
  await untilStarted(node)
  expect((await node.stop()).code).toBe(0)
})

test('a node of another cluster that dials this one is refused by both sides, and joins nothing', async () => {
  const stranger = intruder(4, { 'node.id': '4', 'cluster.id': 'another' })
  await until('the stranger is refused', () => stranger.logged('link refused').length > 0)
  expect(stranger.log()).toMatch(/cluster id/)
  await scene.expectHealthy()
  for (const node of scene.cluster.nodes) {
    const status = await node.status()
    expect(status?.brokers.map(({ id }) => id)).toEqual([1, 2, 3])
    expect(node.logged('link refused').length).toBeLessThan(20)
  }
  await stranger.kill()
})

test('a second node with the id of one that lives is kept out, and the first stays a member', async () => {
  const [first] = scene.cluster.nodes
  const epochBefore = await brokerEpoch(1)
  const double = intruder(5, { 'node.id': '1', 'cluster.id': await clusterId() })
  await until('the double is refused', () =>
    /in use by another process|is used by another|DUPLICATE/.test(double.log()),
  )
  await scene.bystander.madeProgress(100)
  expect(first?.isAlive).toBe(true)
  expect(await brokerEpoch(1)).toBe(epochBefore)
  expect((await double.status())?.broker?.state).not.toBe('RUNNING')
  await double.kill()
})

test('SIGTERM stops in order, a second one at once; both end with a code that tells which', async () => {
  const node = alone(28_194)
  await untilStarted(node)
  node.signal('SIGTERM')
  node.signal('SIGTERM')
  const { code, signal } = await within(node.exited, 5_000, 'two signals do not stop it')
  expect(signal).toBe(null)
  expect([0, 130]).toContain(code)
  // Whatever was cut short, the next start recovers it.
  node.start()
  await untilStarted(node)
  expect((await node.stop()).code).toBe(0)
})

test('a node of three is stopped with two signals in a row and comes back', async () => {
  const node = scene.cluster.node(2)
  node.signal('SIGTERM')
  await until('it has begun to stop', () => node.logged('node is stopping').length > 0)
  node.signal('SIGTERM')
  const { code } = await within(node.exited, 5_000, 'two signals do not stop it')
  expect([0, 130]).toContain(code)
  await scene.expectHealthy([scene.cluster.node(1), scene.cluster.node(3)])
  node.start()
})

test('the copy of a directory, started beside its original, does not become a second member', async () => {
  const node = scene.cluster.node(3)
  await node.stop()
  const copy = join(scratch, 'copy')
  cpSync(node.dataDirectory, copy, { recursive: true })
  node.start()
  await scene.cluster.whenReady()
  const double = intruder(6, { 'node.id': '3', 'cluster.id': await clusterId(), 'log.dirs': copy })
  await until('the copy is refused', () =>
    /in use by another process|is used by another|DUPLICATE/.test(double.log()),
  )
  await scene.bystander.madeProgress(100)
  expect((await double.status())?.broker?.state).not.toBe('RUNNING')
  await double.kill()
})

const started = new Set<NodeProcess>()
afterAll(() => Promise.all([...started].map(node => node.kill())))

/** A cluster of its own of one node, with id 7. */
function alone(port: number, settings: Record<string, string> = {}): NodeProcess {
  const node = new NodeProcess({
    nodeId: 7,
    directory: join(scratch, `alone-${port}`),
    ports: { client: port, node: port + 1_000, http: port + 1_100 },
    settings: {
      'node.id': '7',
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'node.listener': `127.0.0.1:${port + 1_000}`,
      'http.listener': `127.0.0.1:${port + 1_100}`,
      ...settings,
    },
  })
  started.add(node)
  node.start()
  return node
}

/** A node with ports of its own that is given the voters of the cluster. */
function intruder(place: number, settings: Record<string, string>): NodeProcess {
  const base = 28_160 + place
  const ports = { client: base, node: base + 10, http: base + 20 }
  const isVoter = Number(settings['node.id']) <= 3
  const voters = scene.cluster.nodes.map(
    ({ nodeId, ports: { node } }) => `${nodeId}@127.0.0.1:${node}`,
  )
  const node = new NodeProcess({
    nodeId: place,
    directory: join(scratch, `intruder-${place}`),
    ports,
    settings: {
      'process.roles': isVoter ? 'broker,controller' : 'broker',
      'controller.quorum.voters': voters.join(','),
      'controller.listener.names': 'CONTROLLER',
      listeners: `PLAINTEXT://127.0.0.1:${ports.client}`,
      'node.listener': `127.0.0.1:${ports.node}`,
      'node.advertised.listener': `127.0.0.1:${ports.node}`,
      'http.listener': `127.0.0.1:${ports.http}`,
      ...settings,
    },
  })
  started.add(node)
  node.start()
  return node
}

const untilStarted = (node: NodeProcess): Promise<void> =>
  until('the node runs', async () => {
    if (!node.isAlive) throw new Error(`it died:\n${node.log().slice(-1500)}`)
    return (await node.status())?.broker?.state === 'RUNNING'
  })

async function clusterId(): Promise<string> {
  return (await scene.cluster.node(1).status())?.clusterId ?? ''
}

async function brokerEpoch(nodeId: number): Promise<number | undefined> {
  return (await scene.cluster.node(nodeId).status())?.broker?.epoch
}
