import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster, type Cluster } from '@trimaran/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { producerProperties } from '../src/commands/perf-properties.ts'

const main = join(import.meta.dirname, '../src/main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'trimaran-perf-verbs-'))
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'loaded', partitions: 3 })
})
afterAll(async () => {
  await cluster.stop()
  rmSync(scratch, { recursive: true, force: true })
})

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function trimaran(
  args: readonly string[],
  { interruptMs, bootstrap }: { interruptMs?: number; bootstrap?: string } = {},
): Promise<Outcome> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: {
        ...process.env,
        TRIMARAN_BOOTSTRAP_SERVER: bootstrap ?? cluster.bootstrapServers,
        NO_COLOR: '1',
      },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += String(chunk)))
    child.stderr.on('data', chunk => (stderr += String(chunk)))
    child.on('error', fail)
    child.on('close', code => settle({ code: code ?? -1, stdout, stderr }))
    if (interruptMs !== undefined) setTimeout(() => child.kill('SIGINT'), interruptMs)
  })
}

const rate = String.raw`[\d.]+ records/sec \([\d.]+ MB/sec\)`
const latencies = String.raw`[\d.]+ ms avg latency, [\d.]+ ms max latency, [\d.]+ ms 50th, [\d.]+ ms 95th, [\d.]+ ms 99th, [\d.]+ ms 99\.9th\.`

test('perf produce tells a line each second and a closing line, in the words of Kafka', async () => {
  const args = ['perf', 'produce', 'loaded', '--throughput', '500', '--num-records', '1200']
  const { code, stdout, stderr } = await trimaran([...args, '--record-size', '100'])
  expect([code, stderr]).toEqual([0, ''])
  const lines = stdout.trimEnd().split('\n')
  expect(lines.length).toBeGreaterThanOrEqual(3)
  for (const line of lines.slice(0, -1))
    expect(line).toMatch(
      new RegExp(`^\\d+ records sent, ${rate}, [\\d.]+ ms avg latency, [\\d.]+ ms max latency\\.$`),
    )
  expect(lines.at(-1)).toMatch(new RegExp(`^1200 records sent, ${rate}, ${latencies}$`))
})

test('perf consume reads them alone and as a group', async () => {
  await trimaran(['perf', 'produce', 'loaded', '--num-records', '800', '--record-size', '100'])
  const alone = await trimaran(['perf', 'consume', 'loaded', '--from-beginning'])
  expect([alone.code, alone.stderr]).toEqual([0, ''])
  const read = Number(/^(\d+) records read, .*first record after/m.exec(alone.stdout)?.[1])
  expect(read).toBeGreaterThanOrEqual(800)
  const group = ['--group', 'verbs', '--members', '2', '--from-beginning', '--json']
  const together = await trimaran(['perf', 'consume', 'loaded', ...group])
  expect(JSON.parse(together.stdout)).toMatchObject({ topics: ['loaded'], records: read })
  expect(JSON.parse(together.stdout).groupFormedMs).toBeGreaterThan(0)
})

test('perf e2e tells both latencies', async () => {
  const args = ['perf', 'e2e', 'loaded', '--throughput', '200', '--num-records', '100']
  const text = await trimaran(args)
  expect(text.code).toBe(0)
  expect(text.stdout).toMatch(/^100 records sent and read/m)
  expect(text.stdout).toMatch(new RegExp(`^Acknowledged: ${latencies}$`, 'm'))
  expect(text.stdout).toMatch(new RegExp(`^End to end: ${latencies}$`, 'm'))
  const json = JSON.parse((await trimaran([...args, '--json'])).stdout)
  expect(json.endToEnd.count).toBe(100)
  expect(json.acknowledged.p99Ms).toBeGreaterThan(0)
})

test('one JSON document, and Ctrl-C ends a load with what it has measured', async () => {
  const args = ['perf', 'produce', 'loaded', '--duration', '60', '--json']
  const { code, stdout } = await trimaran([...args, '--throughput', '100'], { interruptMs: 3000 })
  expect(code).toBe(0)
  const report = JSON.parse(stdout)
  expect(report).toMatchObject({ topic: 'loaded', aborted: true })
  expect(report.records).toBeGreaterThan(0)
})

test.each<[readonly string[], number, RegExp]>([
  [['produce', 'loaded'], 2, /--num-records or --duration/],
  [['produce', 'missing', '--num-records', '1'], 1, /trimaran topics create missing/],
  [
    ['produce', 'loaded', '--num-records', '1', '--producer-property', 'linger=5'],
    2,
    /no producer property "linger". Did you mean linger.ms\?/,
  ],
  [['produce', 'loaded', '--num-records', '1', '--throughput', 'fast'], 2, /throughput must be/],
  [['produce', 'loaded', '--num-records', '1', '--payload-file', '/none'], 2, /no file \/none/],
  [['consume', 'loaded'], 2, /--messages, --duration, or --from-beginning/],
  [['consume', 'loaded', '--from-beginning', '--members', '3'], 2, /need a group/],
  [['e2e', 'loaded', '--record-size', '8'], 2, /at least 16/],
  [
    ['produce', 'loaded', '--num-records', '1', '--profile', '/tmp/none', '--dir', '/nonexistent'],
    2,
    /cluster started by `trimaran cluster up`/,
  ],
])('perf %j says what is wrong', async (args, code, text) => {
  const outcome = await trimaran(['perf', ...args])
  expect(outcome.stderr).toMatch(text)
  expect(outcome.code).toBe(code)
})

test("properties by Kafka's names", () => {
  expect(
    producerProperties([
      ...['acks=all', 'batch.size=65536', 'linger.ms=5', 'compression.type=zstd'],
      ...['enable.idempotence=false', 'max.in.flight.requests.per.connection=1', 'client.id=a=b'],
    ]),
  ).toEqual({
    ...{ acks: -1, batchBytes: 65_536, lingerMs: 5, compression: 'zstd' },
    ...{ idempotence: false, maxInFlight: 1, clientId: 'a=b' },
  })
  expect(() => producerProperties(['acks=2'])).toThrow('acks must be 0 or 1 or all or -1')
  expect(() => producerProperties(['compression.type=brotli'])).toThrow('none or gzip')
  expect(() => producerProperties(['batchsize=1'])).toThrow('Did you mean batch.size?')
  expect(() => producerProperties(['nothing'])).toThrow('key=value')
})

/** Three ports for a node, a thousand apart, of which nobody has one. */
async function freePort(): Promise<number> {
  for (let port = 21_000; port < 22_000; port += 7) {
    const taken = await Promise.all([port, port + 1000, port + 2000].map(isTaken))
    if (!taken.includes(true)) return port
  }
  throw new Error('no port is free')
}

const isTaken = (port: number): Promise<boolean> =>
  new Promise(settle => {
    const server = createServer()
    server.once('error', () => settle(true))
    server.listen(port, '127.0.0.1', () => server.close(() => settle(false)))
  })

test('--profile leaves CPU profiles of the nodes of a local cluster', async () => {
  const directory = join(scratch, 'local')
  const profiles = join(scratch, 'profiles')
  const port = await freePort()
  const bootstrap = `127.0.0.1:${port}`
  const local = ['--dir', directory]
  const up = ['cluster', 'up', '--nodes', '1', '--detach', '--port', String(port), ...local]
  expect((await trimaran(up)).code).toBe(0)
  try {
    await trimaran(['topics', 'create', 'hot', '--replication-factor', '1'], { bootstrap })
    const load = ['perf', 'produce', 'hot', '--duration', '2', '--json', '--profile', profiles]
    const { code, stderr } = await trimaran([...load, ...local], { bootstrap })
    expect(stderr).toContain('node-1.cpuprofile')
    expect(code).toBe(0)
    const profile = JSON.parse(readFileSync(join(profiles, 'node-1.cpuprofile'), 'utf8'))
    expect(profile.samples.length).toBeGreaterThan(100)
    const urls = profile.nodes.map((node: { callFrame: { url: string } }) => node.callFrame.url)
    const ours = /packages\/(server|broker|log|protocol|common)\/src\/(?!profile)/
    expect(urls.some((url: string) => ours.test(url))).toBe(true)
    const elsewhere = await trimaran([...load, ...local])
    expect(elsewhere.stderr).toContain('the one there is not at')
  } finally {
    await trimaran(['cluster', 'down', '--wipe', ...local])
  }
}, 60_000)
