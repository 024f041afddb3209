import * as fs from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { ClusterError, Prng } from '@trimaran/common'
import type { Disk, Random } from '@trimaran/common'
import { diskSuite } from '@trimaran/log/testing'
import { loadConfig } from '../src/config/config.ts'
import { DiskTrouble, FaultyDisk } from '../src/faults/faulty-disk.ts'
import { FaultyQuorumStore } from '../src/faults/faulty-quorum-store.ts'
import { FaultSwitches } from '../src/faults/switches.ts'
import { serveHttp, type HttpServer } from '../src/http.ts'
import type { NodeStorage } from '../src/node-host.ts'
import { NodeDisk } from '../src/ports/node-disk.ts'
import { MemoryStorage } from '../src/node-storage.ts'

const scratch = fs.mkdtempSync(join(tmpdir(), 'trimaran-faults-'))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let roots = 0
function newRoot(): string {
  const root = join(scratch, `disk-${roots++}`)
  fs.mkdirSync(root)
  return root
}

function randomOf(seed: number): Random {
  const numbers = new Prng(seed)
  return {
    between: (min, max) => numbers.between(min, max),
    bytes: count => new Uint8Array(count),
  }
}

function faulty(seed = 1): { disk: FaultyDisk; trouble: DiskTrouble; root: string } {
  const root = newRoot()
  const trouble = new DiskTrouble(randomOf(seed))
  return { disk: new FaultyDisk(new NodeDisk(root), root, trouble), trouble, root }
}
const codeOf = (action: () => unknown): string => {
  try {
    action()
    return 'no error'
  } catch (error) {
    return error instanceof ClusterError ? error.code : String(error)
  }
}

describe('a disk that can be failed, and is not', () => {
  test.each(diskSuite(() => faulty().disk as Disk))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})

const seeds = Array.from({ length: 40 }, (_, at) => at + 1)

test('a power cut takes only what no fsync has covered, and does take it', async () => {
  const lengths = new Set<number>()
  let zeroed = 0
  for (const seed of seeds) {
    const { disk, root } = faulty(seed)
    const file = disk.open('log', { create: true })
    file.append([Buffer.alloc(100, 1)])
    await file.sync()
    disk.syncDirectory('')
    file.append([Buffer.alloc(50, 2)])
    // An fsync that is under way when power fails covers nothing.
    const never = file.sync()
    disk.unsynced.cutPower(randomOf(seed))
    const left = fs.readFileSync(join(root, 'log'))
    expect(left.subarray(0, 100)).toEqual(Buffer.alloc(100, 1))
    expect(left.length).toBeLessThanOrEqual(150)
    lengths.add(left.length)
    const tail = left.subarray(100)
    expect(tail.some(byte => byte !== 2) || tail.length < 50).toBe(true)
    zeroed += tail.includes(0) ? 1 : 0
    await never
  }
  expect(lengths.size).toBeGreaterThan(10)
  expect(lengths).toContain(100)
  expect(zeroed).toBeGreaterThan(3)
})

test('names go that their directory was not synced for, the newest first; synced ones stay', async () => {
  const outcomes = new Set<string>()
  for (const seed of seeds) {
    const { disk, root } = faulty(seed)
    disk.makeDirectory('a')
    disk.open('a/old', { create: true }).close()
    disk.syncDirectory('a')
    disk.syncDirectory('')
    disk.open('a/one', { create: true }).close()
    disk.rename('a/old', 'a/new')
    disk.makeDirectory('b/c')
    disk.unsynced.cutPower(randomOf(seed))
    const names = fs.readdirSync(join(root, 'a')).sort()
    outcomes.add([...names, ...(fs.existsSync(join(root, 'b/c')) ? ['b/c'] : [])].join())
  }
  expect([...outcomes].sort()).toEqual(['new,one', 'new,one,b/c', 'old', 'old,one'])
})

test('what was synced under another name is durable under the new one; truncated bytes are not', async () => {
  for (const seed of seeds) {
    const { disk, root } = faulty(seed)
    disk.makeDirectory('a')
    const file = disk.open('a/log', { create: true })
    disk.syncDirectory('a')
    disk.rename('a', 'b')
    disk.syncDirectory('')
    file.append([Buffer.alloc(10, 1)])
    const under = file.sync()
    file.truncate(5)
    file.append([Buffer.alloc(10, 3)])
    await under
    disk.unsynced.cutPower(randomOf(seed))
    const left = fs.readFileSync(join(root, 'b/log'))
    expect(left.subarray(0, 5)).toEqual(Buffer.alloc(5, 1))
    expect(left.length).toBeLessThanOrEqual(15)
    expect(left.equals(Buffer.concat([Buffer.alloc(5, 1), Buffer.alloc(10, 3)]))).toBe(false)
  }
})

test('a full disk takes half a write and says DISK_FULL, until it is repaired', () => {
  const { disk, trouble, root } = faulty()
  const file = disk.open('log', { create: true })
  trouble.isFull = true
  expect(codeOf(() => file.append([Buffer.alloc(100), Buffer.alloc(7)]))).toBe('DISK_FULL')
  expect(file.sizeBytes).toBe(50)
  expect(fs.statSync(join(root, 'log')).size).toBe(50)
  expect(codeOf(() => disk.open('other', { create: true }))).toBe('DISK_FULL')
  expect(codeOf(() => disk.makeDirectory('d'))).toBe('DISK_FULL')
  expect(codeOf(() => disk.writeFileAtomic('x', Buffer.of(1)))).toBe('DISK_FULL')
  trouble.isFull = false
  file.append([Buffer.alloc(3)])
  expect(file.sizeBytes).toBe(53)
})

test('a slow disk delays fsyncs and quorum writes, in order', async () => {
  const { disk, trouble } = faulty()
  const file = disk.open('log', { create: true })
  trouble.slowMaxMs = 200
  const startMs = performance.now()
  await file.sync()
  expect(performance.now() - startMs).toBeGreaterThan(45)
  const written: number[] = []
  const store = new FaultyQuorumStore(
    { write: (write, done) => (written.push(write.truncateTo ?? -1), done()) },
    trouble,
    () => {},
  )
  const done = Promise.withResolvers<void>()
  store.write({ truncateTo: 1 }, () => {})
  expect(written).toEqual([])
  trouble.slowMaxMs = 0
  // The device is fast again; what is behind a slow write waits for it all the same.
  store.write({ truncateTo: 2 }, done.resolve)
  await done.promise
  expect(written).toEqual([1, 2])
})

let server: HttpServer | null = null
afterEach(() => {
  server?.close()
  server = null
})

async function switches(): Promise<{
  url: string
  storage: NodeStorage
  failures: string[]
  deaths: number
}> {
  const state = { failures: [] as string[], deaths: 0 }
  const faults = new FaultSwitches({
    ...{ random: randomOf(1), logEvent: () => {} },
    onFailure: error => state.failures.push(error.code),
    die: () => state.deaths++,
  })
  const identity = { clusterId: 'c', nodeId: 1, directoryId: 'd' }
  const storage = faults.wrap(new MemoryStorage(identity).open())
  server = await serveHttp({ host: '127.0.0.1', port: 0 }, () => null, faults.answer.bind(faults))
  return Object.assign(state, { storage, url: `http://127.0.0.1:${server.port}/faults` })
}

test('switches are thrown over HTTP', async () => {
  const state = await switches()
  const post = async (fault: string): Promise<number> =>
    (await fetch(`${state.url}/${fault}`, { method: 'POST' })).status
  expect(await post('full-disk')).toBe(200)
  state.storage.store.write({}, () => {})
  expect(state.failures).toEqual(['DISK_FULL'])
  expect(await post('repaired-disk')).toBe(200)
  await new Promise<void>(done => state.storage.store.write({}, done))
  expect(await post('slow-disk?ms=50')).toBe(200)
  for (const absurd of ['0', '-1', 'x', '99999', '1e3', '']) {
    expect(await post(`slow-disk?ms=${absurd}`)).toBe(400)
  }
  expect(await post('no-such-fault')).toBe(400)
  expect((await fetch(`${state.url}/full-disk`)).status).toBe(405)
  expect(state.deaths).toBe(0)
  expect(await post('power-cut')).toBe(200)
  expect(state.deaths).toBe(1)
})

test('other paths are not for the switches, however odd they are', async () => {
  const { url } = await switches()
  const { port } = new URL(url)
  const get = (path: string): Promise<number | undefined> =>
    new Promise((settle, fail) => {
      const asking = request({ port, host: '127.0.0.1', path }, response => {
        response.resume()
        settle(response.statusCode)
      })
      asking.once('error', fail)
      asking.end()
    })
  for (const path of ['//', '///faults/', '/\\x', '/%zz', '//[']) {
    expect([404, 503]).toContain(await get(path))
  }
  expect(await get('/faults/%zz?ms=%')).toBe(405)
})

test('without the setting there are no switches', async () => {
  server = await serveHttp({ host: '127.0.0.1', port: 0 }, () => null)
  const url = `http://127.0.0.1:${server.port}/faults/power-cut`
  expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  expect(loadConfig({}).testFaults).toBe(false)
  expect(loadConfig({}).testPeerAddresses).toEqual([])
})

test('settings for tests are taken together or refused', () => {
  const peers = { 'test.peer.addresses': '2@127.0.0.1:5000' }
  expect(loadConfig({ overrides: { ...peers, 'test.faults': 'true' } })).toMatchObject({
    testFaults: true,
    testPeerAddresses: [{ nodeId: 2, host: '127.0.0.1', port: 5000 }],
  })
  expect(() => loadConfig({ overrides: peers })).toThrow('needs test.faults=true')
  expect(() => loadConfig({ overrides: { 'test.faults': 'yes' } })).toThrow('neither true nor')
  const bad = { 'test.faults': 'true', 'test.peer.addresses': '2@nowhere' }
  expect(() => loadConfig({ overrides: bad })).toThrow('test.peer.addresses')
})
