import { channel } from 'node:diagnostics_channel'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { giveBack, isPassing, passOn, uuidFromBytes } from '@trimaran/common'
import type { NodeId } from '@trimaran/common'
import { GrpcLinks } from '../src/grpc-links.ts'
import { GrpcTransport } from '../src/grpc-transport.ts'
import { systemClock } from '../src/ports/clock.ts'
import { systemRandom } from '../src/ports/random.ts'
import { decodeEnvelope, encodeEnvelope } from '../src/rpc/envelope.ts'
import type { PeerAddress } from '../src/rpc/peer-links.ts'

interface Peer {
  readonly links: GrpcLinks
  readonly port: number
  readonly seen: string[]
  readonly frames: Uint8Array[]
  readonly log: { phrase: string; fields: Readonly<Record<string, unknown>> | undefined }[]
  /** Resolves when `event` has been seen (again) after the call. */
  next(event: string): Promise<void>
}

const open = new Set<GrpcLinks>()
afterEach(() => {
  for (const links of open) links.close()
  open.clear()
})

async function peer(
  nodeId: NodeId,
  options: { port?: number; clusterId?: string; detours?: readonly PeerAddress[] } = {},
): Promise<Peer> {
  const seen: string[] = []
  const frames: Uint8Array[] = []
  const log: Peer['log'] = []
  let waiters: { event: string; wake: () => void }[] = []
  const note = (event: string): void => {
    seen.push(event)
    const due = waiters.filter(waiter => waiter.event === event)
    waiters = waiters.filter(waiter => waiter.event !== event)
    for (const { wake } of due) wake()
  }
  const links = await GrpcLinks.open({
    clock: systemClock,
    clusterId: options.clusterId ?? 'cluster-a',
    nodeId,
    incarnationId: uuidFromBytes(systemRandom().bytes(16)),
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    advertised: { host: '127.0.0.1', port: 0 },
    ...(options.detours === undefined ? {} : { detours: options.detours }),
    logEvent: (_level, phrase, fields) => {
      log.push({ phrase, fields })
      note(phrase)
    },
  })
  open.add(links)
  links.start({
    frame: (from, frame) => {
      frames.push(frame)
      note(`frame ${from}`)
    },
    gone: from => note(`gone ${from}`),
    reachable: from => note(`reachable ${from}`),
  })
  return {
    links,
    port: links.port,
    seen,
    frames,
    log,
    next: event => new Promise(wake => waiters.push({ event, wake })),
  }
}

const frame = (epoch: number): readonly Uint8Array[] =>
  encodeEnvelope({ kind: 'quorum', message: { kind: 'beginQuorumEpoch', epoch } })

async function linked(a: Peer, b: Peer): Promise<void> {
  const up = [a.next('reachable 2'), b.next('reachable 1')]
  a.links.learn({ nodeId: 2, host: '127.0.0.1', port: b.port })
  expect(a.links.send(2, frame(0))).toBe(false)
  await Promise.all(up)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

test('frames travel both ways, in order, on the one stream that the first sender dialled', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  const last = b.next('frame 1')
  for (let epoch = 1; epoch <= 100; epoch++) expect(a.links.send(2, frame(epoch))).toBe(true)
  await last
  while (b.frames.length < 100) await b.next('frame 1')
  const epochs = b.frames
    .map(bytes => decodeEnvelope(bytes))
    .map(e => e.kind === 'quorum' && e.message.epoch)
  expect(epochs).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  const answered = a.next('frame 2')
  expect(b.links.send(1, frame(7))).toBe(true)
  await answered
})

test('a peer with a detour is dialled there, whatever it says', async () => {
  const b = await peer(2)
  const detours = [{ nodeId: 2, host: '127.0.0.1', port: b.port }]
  const a = await peer(1, { detours })
  const up = a.next('reachable 2')
  a.links.learn({ nodeId: 2, host: '127.0.0.1', port: await freePort() })
  expect(a.links.send(2, frame(0))).toBe(false)
  await up
})

test('a frame larger than one message arrives whole', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  const large = systemRandom().bytes(5 * 1024 * 1024 + 17)
  large[0] = 0x12
  const arrived = b.next('frame 1')
  expect(a.links.send(2, [large.subarray(0, 70_000), large.subarray(70_000)])).toBe(true)
  await arrived
  expect(Buffer.compare(b.frames[0] as Uint8Array, large)).toBe(0)
})

test('what a link has sent is given back by the end that accepted it, and what has come is its receiver’s to give back', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  for (const [from, to, toId, fromId] of [
    [a, b, 2, 1],
    [b, a, 1, 2],
  ] as const) {
    const count = 40
    const sent = Array.from({ length: count }, (_, index) => {
      const bytes = passOn(Buffer.alloc(900_000, index))
      bytes[0] = 0x12
      return bytes
    })
    const before = to.frames.length
    for (const bytes of sent) expect(from.links.send(toId, [bytes])).toBe(true)
    while (to.frames.length < before + count) await to.next(`frame ${fromId}`)
    for (const [index, frame] of to.frames.slice(before).entries()) {
      expect([frame.length, frame[1], frame[899_999]]).toEqual([900_000, index, index])
      expect(isPassing(frame)).toBe(true)
      giveBack(frame)
    }
    // It was dialled by 1: what the dialling end writes, gRPC may repeat.
    const left = from === b ? 0 : count * 900_000
    await vi.waitFor(() => expect(sent.reduce((sum, { length }) => sum + length, 0)).toBe(left))
  }
})

test('a peer whose stream breaks and whose port refuses is gone within the dial, not within a time-out', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  const gone = a.next('gone 2')
  const brokeAtMs = performance.now()
  b.links.close()
  await gone
  expect(performance.now() - brokeAtMs).toBeLessThan(1_000)
  expect(a.links.send(2, frame(1))).toBe(false)
})

test('a peer that vanishes without answering a dial is gone after 200 ms', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  const gone = a.next('gone 2')
  b.links.close()
  // Something takes its port that accepts connections and says nothing, as a black hole would.
  const hole = createServer(() => {}).listen(b.port, '127.0.0.1')
  await gone
  hole.close()
  expect(a.links.send(2, frame(1))).toBe(false)
})

test('a peer that was gone is reachable again by itself when it comes back', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  await linked(a, b)
  const gone = a.next('gone 2')
  b.links.close()
  await gone
  const back = a.next('reachable 2')
  a.links.send(2, frame(1))
  await peer(2, { port: b.port })
  await back
  expect(a.links.send(2, frame(2))).toBe(true)
})

test('a peer that nobody can dial is never called gone: there was no stream that broke', async () => {
  const a = await peer(1)
  a.links.learn({ nodeId: 2, host: '127.0.0.1', port: await freePort() })
  for (let dial = 0; dial < 3; dial++) {
    const failed = a.next('dial failed')
    expect(a.links.send(2, frame(1))).toBe(false)
    await failed
  }
  expect(a.seen.filter(event => event.startsWith('gone'))).toEqual([])
})

test('who knows an address and nothing else finds out who is there, and comes back to it', async () => {
  const [a, b] = [await peer(1), await peer(2)]
  const up = [a.next('reachable 2'), b.next('reachable 1')]
  a.links.seek([
    { host: '127.0.0.1', port: await freePort() },
    { host: '127.0.0.1', port: b.port },
  ])
  await Promise.all(up)
  expect(a.links.addressOf(2)).toMatchObject({ host: '127.0.0.1', port: b.port })
  expect(a.links.addressOf(3)).toBe(null)
  expect(a.links.send(2, frame(1))).toBe(true)
  const gone = a.next('gone 2')
  b.links.close()
  await gone
  // It has got another id meanwhile: nobody was asked for by id, so nothing is wrong with that.
  const found = a.next('reachable 3')
  await peer(3, { port: b.port })
  await found
})

test('who seeks a cluster and finds another one says so, once', async () => {
  const [a, b] = [await peer(1), await peer(2, { clusterId: 'cluster-b' })]
  const refused = a.next('link refused')
  a.links.seek([{ host: '127.0.0.1', port: b.port }])
  await refused
  await new Promise(resolve => setTimeout(resolve, 1200))
  expect(a.log.filter(({ phrase }) => phrase === 'link refused')).toHaveLength(1)
  expect(a.seen.filter(event => event.startsWith('reachable'))).toEqual([])
})

test('a node of another cluster is refused, and both sides say so once', async () => {
  const [a, b] = [await peer(1), await peer(2, { clusterId: 'cluster-b' })]
  const told = [a.next('link refused'), b.next('link refused')]
  a.links.learn({ nodeId: 2, host: '127.0.0.1', port: b.port })
  a.links.send(2, frame(1))
  await Promise.all(told)
  expect(String(a.log[0]?.fields?.['reason'])).toContain('cluster-a')
  expect(String(b.log[0]?.fields?.['reason'])).toContain('cluster-b')
  expect(a.links.send(2, frame(1))).toBe(false)
})

test('a node that is not the one that was dialled is refused', async () => {
  const [a, b] = [await peer(1), await peer(3)]
  const told = [a.next('link refused'), b.next('link refused')]
  a.links.learn({ nodeId: 2, host: '127.0.0.1', port: b.port })
  a.links.send(2, frame(1))
  await Promise.all(told)
  expect(a.seen.filter(event => event.startsWith('reachable'))).toEqual([])
})

test('a stream that sends frames before its hello is closed', async () => {
  const a = await peer(1)
  const transport = await GrpcTransport.load()
  const stream = transport.dial('127.0.0.1', a.port)
  const closed = new Promise(resolve => stream.onClose(resolve))
  stream.onMessage(() => {})
  stream.write(frame(1))
  await closed
  expect(a.frames).toEqual([])
  transport.close()
})

test('an empty host listens on every interface, as Kafka means it', async () => {
  const transport = await GrpcTransport.load()
  const accepted = Promise.withResolvers<void>()
  const port = await transport.listen('', 0, () => accepted.resolve())
  transport.dial('127.0.0.1', port).onMessage(() => {})
  await expect(accepted.promise).resolves.toBeUndefined()
  transport.close()
})

test('both windows of a link are raised from HTTP/2’s 64 KiB: a megabyte does not wait for acknowledgements', async () => {
  const { port } = await peer(1)
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    const settings = new Promise<number | undefined>(resolve => {
      session.on('remoteSettings', ({ initialWindowSize }) => {
        // The first are the ones that every connection begins with.
        if (initialWindowSize !== 65_535) resolve(initialWindowSize)
      })
    })
    const stream = session.request({
      ':method': 'POST',
      ':path': '/trimaran.Peer/Link',
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    })
    stream.on('error', () => {})
    expect(await settings).toBe(4 * 1024 * 1024)
    while ((session.state.remoteWindowSize ?? 0) < 4 * 1024 * 1024)
      await new Promise(resolve => setImmediate(resolve))
  } finally {
    session.destroy()
  }
})

test('links that cannot listen leave nothing behind', async () => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  try {
    await expect(peer(1, { port })).rejects.toMatchObject({ code: 'CANNOT_LISTEN' })
    expect(channel('http2.server.stream.created').hasSubscribers).toBe(false)
  } finally {
    taken.close()
  }
})
