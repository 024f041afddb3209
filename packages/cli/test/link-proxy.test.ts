import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { LinkNetwork } from '../src/chaos/network/link-network.ts'
import { LinkProxy } from '../src/chaos/network/link-proxy.ts'
import { newCluster } from '../src/local-cluster/startup.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Long enough for loopback, on a busy machine. */
const moment = 150

interface Ends {
  readonly proxy: LinkProxy
  readonly server: Server
  readonly accepted: Socket[]
  dial(): Promise<Heard>
}

/** A socket, and what it was told. */
interface Heard {
  readonly socket: Socket
  readonly bytes: () => number
  readonly events: readonly string[]
}

function listenTo(socket: Socket): Heard {
  let bytes = 0
  const events: string[] = []
  socket.on('data', chunk => (bytes += chunk.length))
  for (const name of ['end', 'error', 'close'] as const) socket.on(name, () => events.push(name))
  closing.push(() => socket.destroy())
  return { socket, bytes: () => bytes, events }
}

async function ends(onAccept: (socket: Socket) => void = () => {}): Promise<Ends> {
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    closing.push(() => socket.destroy())
    accepted.push(socket)
    onAccept(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy = await LinkProxy.open({ host: '127.0.0.1', port })
  closing.push(
    () => server.close(),
    () => proxy.close(),
  )
  return {
    ...{ proxy, server, accepted },
    dial: async () => {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
      await once(socket, 'connect')
      return listenTo(socket)
    },
  }
}

/** Both ends of a connection on which a byte has arrived. */
async function joined(): Promise<Ends & { readonly told: Heard; readonly there: Heard }> {
  const both = await ends()
  const told = await both.dial()
  told.socket.write('a')
  await expect.poll(() => both.accepted.length).toBe(1)
  const there = listenTo(both.accepted[0] as Socket)
  await expect.poll(there.bytes).toBe(1)
  return { ...both, told, there }
}

const echo = (socket: Socket): void => void socket.pipe(socket)

test('bytes pass both ways, and so do an end and a reset', async () => {
  const { dial, accepted } = await ends(echo)
  const one = await dial()
  one.socket.end(Buffer.alloc(3_000_000))
  await expect.poll(one.bytes).toBe(3_000_000)
  await expect.poll(() => one.events).toEqual(['end', 'close'])
  const two = await dial()
  two.socket.write('x')
  await expect.poll(two.bytes).toBe(1)
  accepted[1]?.resetAndDestroy()
  await expect.poll(() => two.events).toContain('error')
})

test('behind a cut there is silence: no byte, no end, no reset; mended, all of it arrives', async () => {
  const { dial, accepted, proxy, told, there } = await joined()
  proxy.there.isOpen = false
  proxy.back.isOpen = false
  told.socket.write('bcd')
  const late = await dial()
  accepted[0]?.write('news')
  accepted[0]?.end()
  await sleep(moment)
  expect(told.bytes()).toBe(0)
  expect(there.bytes()).toBe(1)
  expect(told.events).toEqual([])
  // A dial that came too late is not even known at the other end.
  expect(accepted).toHaveLength(1)
  expect(late.events).toEqual([])
  proxy.there.isOpen = true
  proxy.back.isOpen = true
  await expect.poll(told.bytes).toBe(4)
  await expect.poll(there.bytes).toBe(4)
  await expect.poll(() => told.events).toEqual(['end'])
  await expect.poll(() => accepted.length).toBe(2)
})

test('a dial that waits behind a cut is ended with the proxy, and may be reset before', async () => {
  const { dial, proxy } = await ends()
  proxy.there.isOpen = false
  const reset = await dial()
  const waiting = await dial()
  reset.socket.write('a')
  await sleep(moment)
  reset.socket.resetAndDestroy()
  await sleep(moment)
  proxy.close()
  await expect.poll(() => waiting.events).toContain('end')
})

test('a process that dies behind a cut is missed only when the link is mended', async () => {
  const { dial, accepted, proxy } = await ends(echo)
  const told = await dial()
  told.socket.write('a')
  await expect.poll(told.bytes).toBe(1)
  proxy.back.isOpen = false
  accepted[0]?.resetAndDestroy()
  await sleep(moment)
  expect(told.events).toEqual([])
  proxy.back.isOpen = true
  await expect.poll(() => told.events).toContain('close')
})

test('one direction can be cut alone', async () => {
  const { accepted, proxy, told, there } = await joined()
  proxy.back.isOpen = false
  told.socket.write('b')
  accepted[0]?.write('c')
  await expect.poll(there.bytes).toBe(2)
  await sleep(moment)
  expect(told.bytes()).toBe(0)
})

test('who sends into a cut is stopped by back-pressure, not held in memory', async () => {
  const { dial, proxy } = await ends(echo)
  const told = await dial()
  told.socket.write('a')
  await expect.poll(told.bytes).toBe(1)
  proxy.there.isOpen = false
  const before = process.memoryUsage().arrayBuffers
  const chunk = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent < 64; sent++) told.socket.write(chunk)
  await sleep(moment)
  // What the kernel's buffers took is gone from ours; the most of it still waits at who sends.
  expect(told.socket.writableLength).toBeGreaterThan(32 * 1024 * 1024)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
  proxy.there.isOpen = true
  await expect.poll(told.bytes, { timeout: 10_000 }).toBe(64 * chunk.length + 1)
})

test('a delay holds for each byte, and costs no throughput', async () => {
  const { dial, proxy } = await ends(echo)
  proxy.delayMs = 100
  const told = await dial()
  const startMs = performance.now()
  told.socket.write(Buffer.alloc(2_000_000))
  await expect.poll(told.bytes).toBeGreaterThan(0)
  expect(performance.now() - startMs).toBeGreaterThan(190)
  await expect.poll(told.bytes, { timeout: 5000 }).toBe(2_000_000)
  // Two megabytes in pieces of 64 KiB, one after the other, would take six seconds.
  expect(performance.now() - startMs).toBeLessThan(3000)
})

test('a target that is not there is refused', async () => {
  const { dial, server } = await ends()
  server.close()
  const told = await dial()
  await expect.poll(() => told.events).toContain('close')
})

test('faults of nodes shut the right directions of the right links', async () => {
  const network = await LinkNetwork.open(newCluster(3, 23_900))
  closing.push(() => network.close())
  const heard = (): string =>
    [1, 2, 3]
      .flatMap(from => [1, 2, 3].filter(to => to !== from).map(to => ({ from, to })))
      .filter(({ from, to }) => network.isOpen(from, to))
      .map(({ from, to }) => `${from}${to}`)
      .join(' ')
  expect(heard()).toBe('12 13 21 23 31 32')
  network.strike(1, 'cut')
  expect(heard()).toBe('23 32')
  expect(network.isOpenToClients(1)).toBe(true)
  network.strike(1, 'unplug')
  expect(heard()).toBe('23 32')
  expect(network.isOpenToClients(1)).toBe(false)
  network.strike(1, 'mute')
  expect(heard()).toBe('21 23 31 32')
  network.strike(1, 'deafen')
  expect(heard()).toBe('12 13 23 32')
  network.strike(2, 'mute')
  expect(heard()).toBe('12 13 32')
  network.strike(1, 'slow-links')
  expect(heard()).toBe('12 13 31 32')
  network.reconnect(1)
  expect(heard()).toBe('12 13 31 32')
  network.reconnect(2)
  expect(heard()).toBe('12 13 21 23 31 32')
  expect(network.isOpenToClients(1)).toBe(true)
  const settings = network.settingsOf({ id: 2, port: 1, nodePort: 2, httpPort: 3 })
  expect(settings.get('test.peer.addresses')).toMatch(/^1@127.0.0.1:\d+,3@127.0.0.1:\d+$/)
})
