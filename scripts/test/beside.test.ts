import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from 'trimaran'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { BesideCluster, withVerb } from '../bench/beside.ts'
import type { Address } from '../bench/client.ts'
import { untilHealthy } from '../bench/cluster.ts'
import { createTopics, deleteTopics, topicsOf, untilAllLed } from '../bench/many-topics.ts'
import {
  ageMsOf,
  busyCores,
  processesAt,
  processorMs,
  residentMegabytes,
} from '../bench/processes.ts'
import { noteOf, pairOf } from '../bench/turns.ts'

const isLinux = process.platform === 'linux'
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(host: string): Promise<number> {
  const server = createServer()
  servers.push(server)
  await new Promise<void>(settle => server.listen(0, host, settle))
  return (server.address() as AddressInfo).port
}

/** A command that writes down every verb that it is called with. */
function recorder(command = 'echo {} >>'): { readonly control: string; verbs(): string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'trimaran-beside-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const log = join(directory, 'verbs')
  return {
    control: `${command} ${log}`,
    verbs: () => readFileSync(log, 'utf8').trim().split('\n'),
  }
}

async function cluster(): Promise<readonly Address[]> {
  const started = await startCluster({ nodes: 3 })
  onTestFinished(() => started.stop())
  return started.bootstrapServers.split(',').map(server => {
    const [host = '', port = ''] = server.split(':')
    return { host, port: Number(port) }
  })
}

test('the verb stands where its place is, with whatever comes after it, or at the end', () => {
  expect(withVerb('./kafka {} --dir /k --heap 1g', 'kill 2')).toBe(
    './kafka kill 2 --dir /k --heap 1g',
  )
  expect(withVerb('./kafka', 'down --wipe')).toBe('./kafka down --wipe')
})

test.runIf(isLinux)(
  'who listens on a port is found, on IPv4 and IPv6, once for several ports',
  async () => {
    const ports = [await listen('127.0.0.1'), await listen('0.0.0.0'), await listen('::')]
    const addresses = ports.map(port => ({ host: 'localhost', port }))
    expect(await processesAt(addresses)).toEqual({ pids: [process.pid] })
  },
)

test.runIf(isLinux)('another process is found by its port', async () => {
  const script = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const port = await new Promise<number>(settle =>
    child.stdout.once('data', (text: Buffer) => settle(Number(text.toString()))),
  )
  expect(await processesAt([{ host: '127.0.0.1', port }])).toEqual({ pids: [child.pid] })
})

test('a port on which nobody listens and another machine have no processes, and say why', async () => {
  const port = await listen('127.0.0.1')
  servers.pop()?.close()
  expect(await processesAt([{ host: '127.0.0.1', port }])).toMatchObject({
    why: expect.stringContaining(String(port)),
  })
  // A port that is open here says nothing about a host that is not here: this one is for documentation.
  const open = await listen('0.0.0.0')
  expect(await processesAt([{ host: '192.0.2.1', port: open }])).toEqual({
    why: '192.0.2.1 is not this machine',
  })
})

test('who is connected from a port does not listen on it', async () => {
  const client = connectTcp({ host: '127.0.0.1', port: await listen('127.0.0.1') })
  onTestFinished(() => void client.destroy())
  await new Promise<void>(settle => client.once('connect', () => settle()))
  const port = client.localPort ?? 0
  expect(await processesAt([{ host: '127.0.0.1', port }])).toMatchObject({
    why: expect.stringContaining(String(port)),
  })
})

test.runIf(isLinux)('processor time, age and memory are those of the process', async () => {
  const beforeMs = processorMs(process.pid)
  const used = process.cpuUsage()
  expect(Math.abs(beforeMs - (used.user + used.system) / 1000)).toBeLessThan(200)
  expect(Math.abs(ageMsOf(process.pid) - process.uptime() * 1000)).toBeLessThan(1500)
  const megabytes = residentMegabytes([process.pid])
  expect(megabytes / (process.memoryUsage.rss() / 1e6)).toBeCloseTo(1, 0)
  const spin = setInterval(() => {
    for (const untilMs = performance.now() + 9; performance.now() < untilMs;);
  }, 10)
  const cores = await busyCores([process.pid], 1000)
  clearInterval(spin)
  expect(cores).toBeGreaterThan(0.2)
  expect(() => processorMs(0x7fffffff)).toThrow('has ended')
  expect(() => residentMegabytes([0x7fffffff])).toThrow('has ended')
})

test('the control command gets every verb, with what belongs to it', async () => {
  const addresses = await cluster()
  const { control, verbs } = recorder()
  const beside = new BesideCluster(addresses, control)
  expect(beside).toMatchObject({ isControlled: true, isLasting: false })
  // Whatever stands there before the bench has looked at it stays.
  await beside.stop()
  expect(await beside.describe()).toEqual({
    clusterId: expect.stringMatching(/^[\w-]{22}$/),
    brokerCount: 3,
    metadataVersion: expect.any(Number),
  })
  await beside.launch()
  await beside.kill(2)
  await beside.restart(2)
  await beside.stop()
  expect(verbs()).toEqual(['up', 'down --wipe', 'up', 'kill 2', 'start 2', 'down --wipe'])
})

test('a control command that fails is quoted with what it said', async () => {
  const { control } = recorder('echo no java here >&2; exit 3; echo {} >>')
  await expect(new BesideCluster([], control).kill(1)).rejects.toThrow(
    /exit 3; echo kill 1 >> .*ended with 3: no java here/,
  )
})

test('a cluster that holds topics, or was not named whole, is not taken for one to wipe', async () => {
  const addresses = await cluster()
  const { control, verbs } = recorder()
  await createTopics(addresses, ['orders'], 1)
  await untilHealthy(addresses)
  const held = new BesideCluster(addresses, control)
  await expect(held.describe()).rejects.toThrow('holds topics (orders)')
  await held.stop()
  expect(verbs()).toEqual(['up'])
  await expect(new BesideCluster(addresses.slice(1), null).describe()).rejects.toThrow(
    'has 3 brokers: name every one',
  )
  // Without a command nothing is wiped, and what it holds is its own.
  expect(await new BesideCluster(addresses, null).describe()).toMatchObject({ brokerCount: 3 })
})

test('without a control command the cluster is left as it is', async () => {
  const beside = new BesideCluster([], null)
  expect(beside).toMatchObject({ isControlled: false, isLasting: true })
  await beside.launch()
  await beside.stop()
  expect(() => beside.kill(1)).toThrow('--beside-control')
  const needs = { needsControl: true, needsProcesses: true }
  expect(noteOf(beside, needs)).toContain('--beside-control')
  expect(noteOf(beside, { ...needs, needsControl: false })).toBe('')
  expect(noteOf(null, needs)).toBe('')
})

test('what is not known of the cluster beside leaves the figure ours alone', () => {
  const note = ''
  expect(pairOf({ ours: [1, 2], beside: [3], note }, each => each)).toEqual({
    samples: [1, 2],
    beside: [3],
  })
  expect(pairOf({ ours: [1, 2], beside: [null, 3], note }, each => each)).toEqual({
    samples: [1, 2],
  })
  expect(pairOf({ ours: [1], beside: [], note }, each => each)).toEqual({ samples: [1] })
  expect(() => pairOf({ ours: [null], beside: [3], note }, each => each)).toThrow('/proc')
})

test('topics by the hundred are made, led by who the metadata says, and removed', async () => {
  const addresses = await cluster()
  const names = topicsOf('many', 120)
  await createTopics(addresses, names, 2)
  const leaders = await untilAllLed(addresses, names)
  const led = [...leaders.values()].flatMap(each => [...each.led])
  expect(
    led.flatMap(([name, { indexes }]) => indexes.map(at => `${name}:${at}`)).toSorted(),
  ).toEqual(names.flatMap(name => [`${name}:0`, `${name}:1`]).toSorted())
  await createTopics(addresses, names, 2)
  await expect(createTopics(addresses, ['not legal'], 2)).rejects.toThrow(
    'topic not legal was refused: INVALID_TOPIC_EXCEPTION',
  )
  await deleteTopics(addresses, names)
  await expect(deleteTopics(addresses, names)).rejects.toThrow('UNKNOWN_TOPIC_OR_PARTITION')
})
