import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { readPrometheusText } from '@trimaran/common/testing/prometheus-text'
import type { NodeStatus } from '../src/index.ts'
import { KafkaClient } from './support/kafka-client.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-run-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const processes = new Set<ChildProcess>()
afterEach(() => {
  for (const child of processes) child.kill('SIGKILL')
  processes.clear()
})

interface Line {
  readonly msg: string
  readonly [field: string]: unknown
}

class NodeProcess {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  readonly lines: Line[] = []
  stderr = ''
  #waiting: { msg: string; resolve: (line: Line) => void }[] = []

  constructor(overrides: Record<string, string>, environment: Record<string, string> = {}) {
    const module = JSON.stringify(new URL('../src/run-node.ts', import.meta.url).href)
    const options = JSON.stringify({
      configFile: overrides['file'] ?? null,
      overrides: { ...overrides, file: undefined },
      environment,
    })
    const script = `const { runNode } = await import(${module}); await runNode(${options})`
    this.child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    processes.add(this.child)
    // 'close' comes when its last line has been read, too.
    this.exited = new Promise(resolve => this.child.once('close', code => resolve(code)))
    let rest = ''
    this.child.stdout?.on('data', chunk => {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#line(JSON.parse(line) as Line)
    })
    this.child.stderr?.on('data', chunk => (this.stderr += String(chunk)))
  }

  logged(msg: string): Promise<Line> {
    const known = this.lines.find(line => line.msg === msg)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise(resolve => this.#waiting.push({ msg, resolve }))
  }

  #line(line: Line): void {
    this.lines.push(line)
    for (const { msg, resolve } of this.#waiting) if (msg === line.msg) resolve(line)
    this.#waiting = this.#waiting.filter(({ msg }) => msg !== line.msg)
  }
}

const portOf = (line: Line): number =>
  Number(/:(\d+)$/.exec(String((line['endpoints'] as string[])[0]))?.[1])
const anyPorts = { listeners: 'PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0' }

test('a node runs from a file, tells its health, refuses a second one on its data, and stops in order', async () => {
  const directory = join(scratch, 'one')
  const file = join(scratch, 'server.properties')
  writeFileSync(
    file,
    `node.id=7\nlisteners=${anyPorts.listeners}\nlog.dirs=${directory}\nhttp.listener=127.0.0.1:0\n`,
  )
  const node = new NodeProcess({ file }, { KAFKA_CREATE_TOPICS: 'greetings:2:1:compact,words:1:1' })
  await node.logged('initial topic created')
  const client = new KafkaClient(portOf(await node.logged('node started')))
  expect((await client.produce('greetings', 0, 'hello')).errorCode).not.toBe(3)
  // The second topic comes a moment after the first.
  while ((await client.produce('words', 0, 'hello')).errorCode !== 0);
  const http = `http://127.0.0.1:${String((await node.logged('http served'))['port'])}`
  const health = await fetch(`${http}/healthz`)
  expect([health.status, await health.text()]).toEqual([200, 'ok\n'])
  const status = (await (await fetch(`${http}/status`)).json()) as NodeStatus
  expect(status).toMatchObject({
    nodeId: 7,
    controllerId: 7,
    broker: { state: 'RUNNING', fenced: false },
  })
  expect(
    status.partitions.map(({ topic, partition, leader }) => [topic, partition, leader]),
  ).toEqual([
    ['greetings', 0, 7],
    ['greetings', 1, 7],
    ['words', 0, 7],
  ])
  const metrics = await (await fetch(`${http}/metrics`)).text()
  expect(metrics).toContain('kafka_controller_kafkacontroller_activecontrollercount 1')
  expect(metrics).toContain('process_resident_memory_bytes')
  const families = readPrometheusText(metrics)
  const last = (name: string): number => families.get(name)?.samples.at(-1)?.value ?? Number.NaN
  expect(last('nodejs_eventloop_delay_seconds')).toBeGreaterThan(0)
  expect(last('kafka_server_socket_server_metrics_connection_count')).toBe(1)
  expect(last('kafka_log_logappendstats_batchbytes')).toBe(1)
  expect((await fetch(`${http}/nothing`)).status).toBe(404)
  expect((await fetch(http, { method: 'POST' })).status).toBe(405)

  const second = new NodeProcess({ ...anyPorts, 'node.id': '7', 'log.dirs': directory })
  expect(await second.exited).toBe(1)
  expect(JSON.stringify(second.lines)).toContain('in use by another process')

  node.child.kill('SIGTERM')
  expect(await node.exited).toBe(0)
  client.close()
  expect(existsSync(join(directory, '.kafka_cleanshutdown'))).toBe(true)
  // Not the last line for certain: one that was being written may come after what is flushed at the end.
  expect(node.lines.slice(-3).map(({ msg }) => msg)).toContain('node stopped')
})

test('a configuration that cannot be used ends the process with words, before anything is touched', async () => {
  const directory = join(scratch, 'untouched')
  const node = new NodeProcess({ 'log.dirs': directory, 'num.partitions': 'many' })
  expect(await node.exited).toBe(1)
  expect(node.stderr).toContain('num.partitions')
  expect(existsSync(directory)).toBe(false)
})

test('a port that is taken ends the process with a code and a reason', async () => {
  const first = new NodeProcess({ ...anyPorts, 'log.dirs': join(scratch, 'first') })
  const port = portOf(await first.logged('node started'))
  const second = new NodeProcess({
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:0`,
    'log.dirs': join(scratch, 'second'),
  })
  expect(await second.exited).toBe(1)
  expect(JSON.stringify(second.lines)).toContain('EADDRINUSE')
})

test('a node with the role controller alone and one with the role broker alone are a cluster', async () => {
  const port = await freePort()
  const voters = `100@127.0.0.1:${port}`
  const common = { 'controller.quorum.voters': voters, 'offsets.topic.replication.factor': '1' }
  const controller = new NodeProcess({
    ...common,
    'node.id': '100',
    'process.roles': 'controller',
    listeners: `CONTROLLER://127.0.0.1:${port}`,
    'log.dirs': join(scratch, 'controller'),
  })
  const broker = new NodeProcess(
    {
      ...common,
      'node.id': '1',
      'process.roles': 'broker',
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'node.listener': '127.0.0.1:0',
      'log.dirs': join(scratch, 'broker'),
    },
    { KAFKA_CREATE_TOPICS: 'orders:1:1' },
  )
  const client = new KafkaClient(portOf(await broker.logged('node started')))
  await broker.logged('partition leader')
  expect((await client.produce('orders', 0, 'one')).errorCode).toBe(0)
  expect((await client.consume('orders', 0)).values).toEqual(['one'])
  client.close()
  broker.child.kill('SIGTERM')
  expect(await broker.exited).toBe(0)
  controller.child.kill('SIGTERM')
  expect(await controller.exited).toBe(0)
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const broker = (id: number): Record<string, string> => ({
  ...anyPorts,
  'node.id': String(id),
  'log.dirs': join(scratch, `joining-${id}`),
})

test('a node that joins a cluster needs its id, and is a broker of it then', async () => {
  const first = new NodeProcess({ ...broker(1), 'cluster.id': 'of-the-first' })
  const started = await first.logged('node started')
  const servers = `127.0.0.1:${String(started['nodePort'])}`
  const joining = { 'controller.quorum.bootstrap.servers': servers, 'process.roles': 'broker' }
  const stranger = new NodeProcess({ ...broker(2), ...joining })
  expect(await stranger.exited).toBe(1)
  const lastWords = JSON.stringify(stranger.lines) + stranger.stderr
  expect(lastWords).toContain('cluster.id is missing')
  expect(existsSync(join(scratch, 'joining-2', 'meta.properties'))).toBe(false)
  const other = { ...broker(3), ...joining, 'cluster.id': 'another' }
  const refused = await new NodeProcess(other).logged('link refused')
  expect(String(refused['reason'])).toContain('of-the-first')
  const member = new NodeProcess({ ...broker(4), ...joining, 'cluster.id': 'of-the-first' })
  const port = portOf(await member.logged('node started'))
  const client = new KafkaClient(port)
  await expect
    .poll(async () => (await client.metadata()).brokers.map(each => each.nodeId).toSorted(), {
      timeout: 10_000,
    })
    .toEqual([1, 4])
  client.close()
})
