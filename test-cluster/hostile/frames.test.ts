import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { apis, encodeBatch } from '@trimaran/protocol'
import { until } from './support/process-cluster.ts'
import type { NodeProcess } from './support/process-cluster.ts'
import { framed, int32, RawClient, requestBytes } from './support/raw-client.ts'
import { Scene } from './support/scene.ts'

let scene: Scene
let target: NodeProcess
beforeAll(async () => {
  scene = await Scene.open({ port: 28_000 })
  target = scene.cluster.node(1)
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

const apiVersionsRequest = requestBytes(apis.apiVersions, 0, {})

/** Sends, and returns what the node does: closes without a word, or answers. */
async function fate(bytes: Uint8Array): Promise<'closed' | 'answered'> {
  const client = await RawClient.connect(target.ports.client)
  client.send(bytes)
  const frame = await client.frame()
  client.destroy()
  return frame === null ? 'closed' : 'answered'
}

/** With key and version of the caller's choice in front of a body. */
function requestOf(apiKey: number, apiVersion: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8)
  header.writeInt16BE(apiKey, 0)
  header.writeInt16BE(apiVersion, 2)
  header.writeInt32BE(7, 4)
  return framed(Buffer.concat([header, Buffer.from([0xff, 0xff]), body]))
}

test.each([
  ['negative', int32(-1)],
  ['the least there is', int32(-(2 ** 31))],
  ['zero', int32(0)],
  ['one above socket.request.max.bytes', int32(100 * 1024 * 1024 + 1)],
  ['the largest there is', int32(2 ** 31 - 1)],
  ['shorter than a header', framed(Buffer.alloc(7))],
])('a frame size that is %s ends its connection (K1, K2, K4)', async (_what, bytes) => {
  expect(await fate(bytes)).toBe('closed')
})

test('HTTP and TLS on the Kafka port end their connections, and the log says what they were (K3)', async () => {
  expect(await fate(Buffer.from('GET /metrics HTTP/1.1\r\nHost: kafka\r\n\r\n'))).toBe('closed')
  expect(await fate(Buffer.from('POST / HTTP/1.1\r\n\r\n'))).toBe('closed')
  const hello = Buffer.concat([
    Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    Buffer.alloc(500),
  ])
  expect(await fate(hello)).toBe('closed')
  await until('the log names them', () => {
    const reasons = target.logged('connection closed by this broker').map(line => line['reason'])
    return (
      reasons.includes('an HTTP request on a Kafka listener') &&
      reasons.includes('a TLS handshake on a plaintext listener')
    )
  })
})

test('a request cut off anywhere, followed by the end, harms nobody', async () => {
  for (let length = 1; length < apiVersionsRequest.length; length++) {
    const client = await RawClient.connect(target.ports.client)
    client.socket.end(apiVersionsRequest.subarray(0, length))
    expect(await client.frame()).toBe(null)
  }
})

test('unknown api keys, versions that are not served, and the nodes\u2019 own requests end the connection (K8–K10)', async () => {
  for (const apiKey of [9999, -1, 32767, -32768, 4, 5, 6, 7, 52, 56, 59, 62, 63]) {
    expect(await fate(requestOf(apiKey, 0)), `api key ${apiKey}`).toBe('closed')
  }
  for (const version of [-1, 2, 14, 99, 32767]) {
    expect(await fate(requestOf(apis.produce.key, version)), `version ${version}`).toBe('closed')
  }
})

test('ApiVersions of a version of tomorrow is answered with what is served today (KIP-511)', async () => {
  expect(await fate(requestOf(apis.apiVersions.key, 99))).toBe('answered')
})

test('array lengths beyond the frame end the connection without being believed (K12, K13)', async () => {
  const before = target.rssBytes()
  const lengths = [1, 1000, 4 * 1024 * 1024 + 1, 2 ** 31 - 1]
  for (const length of lengths) {
    expect(await fate(requestOf(apis.metadata.key, 1, int32(length)))).toBe('closed')
    expect(await fate(requestOf(apis.createTopics.key, 2, int32(length)))).toBe('closed')
    expect(await fate(requestOf(apis.describeGroups.key, 0, int32(length)))).toBe('closed')
  }
  const varint = Buffer.from([0x00, 0xff, 0xff, 0xff, 0xff, 0x0f])
  expect(await fate(requestOf(apis.metadata.key, 12, varint))).toBe('closed')
  const tooLong = Buffer.from([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])
  expect(await fate(requestOf(apis.metadata.key, 12, tooLong))).toBe('closed')
  expect(target.rssBytes() - before).toBeLessThan(64 * 1024 * 1024)
})

test('large frames that are announced and never sent hold no memory (K5)', async () => {
  const before = target.rssBytes()
  const clients = await Promise.all(
    Array.from({ length: 200 }, () => RawClient.connect(target.ports.client)),
  )
  for (const client of clients)
    client.send(Buffer.concat([int32(100 * 1024 * 1024), Buffer.alloc(16)]))
  await scene.expectHealthy([target])
  expect(target.rssBytes() - before).toBeLessThan(64 * 1024 * 1024)
  for (const client of clients) client.destroy()
})

test('a thousand connections that send three bytes and wait disturb nobody, and leave nothing behind (K6)', async () => {
  const socketsBefore = target.socketCount(['client'])
  const clients = await Promise.all(
    Array.from({ length: 1000 }, () => RawClient.connect(target.ports.client)),
  )
  for (const client of clients) client.send(Buffer.from([0, 0, 0]))
  await scene.expectHealthy()
  expect(clients.filter(({ isClosed }) => isClosed)).toHaveLength(0)
  for (const [at, client] of clients.entries()) {
    if (at % 2 === 0) client.destroy()
    else client.socket.resetAndDestroy()
  }
  await target.untilSocketsAreClosed(['client'], socketsBefore)
})

test('ten thousand pipelined requests are answered in order, however slowly they are read (K18)', async () => {
  const client = await RawClient.connect(target.ports.client)
  const count = 10_000
  client.socket.pause()
  const before = target.rssBytes()
  const requests = Array.from({ length: count }, (_, at) =>
    requestBytes(apis.apiVersions, 0, {}, at),
  )
  client.send(Buffer.concat(requests))
  await scene.expectHealthy()
  expect(target.rssBytes() - before).toBeLessThan(64 * 1024 * 1024)
  client.socket.resume()
  const order: (number | undefined)[] = []
  for (let at = 0; at < count; at++) order.push((await client.frame())?.readInt32BE(0))
  expect(order).toEqual(Array.from({ length: count }, (_, at) => at))
  client.destroy()
})

test('a reader that asks for much and never reads costs no more than one answer (K20, row 20)', async () => {
  await scene.createTopic('large')
  const leader = await scene.leaderOf('large')
  const producer = await RawClient.connect(leader.ports.client)
  const value = Buffer.alloc(900_000, 'v')
  const batch = encodeBatch({ records: [{ key: null, value, timestampMs: Date.now() }] })
  for (let count = 0; count < 24; count++) {
    const { errorCode } = await producer.produce({ topic: 'large', partition: 0 }, batch)
    expect(errorCode).toBe(0)
  }
  producer.destroy()
  const fetch = fetchBytes('large', 0, 50 * 1024 * 1024)
  await scene.expectHealthy()
  const before = leader.rssBytes()
  const readers = await Promise.all(
    Array.from({ length: 4 }, () => RawClient.connect(leader.ports.client)),
  )
  for (const reader of readers) {
    reader.socket.pause()
    reader.send(Buffer.concat(Array.from({ length: 200 }, () => fetch)))
  }
  await sleep(1_000)
  await scene.expectHealthy()
  const answers = readers.length * 24 * batch.length
  const grown = leader.rssBytes() - before
  process.stdout.write(`four readers that do not read: ${grown >> 20} MiB more\n`)
  expect(grown).toBeLessThan(2 * answers)
  for (const reader of readers) reader.destroy()
})

test('noise on the port for nodes, and on the one for monitoring, is noise (R4g, R5g)', async () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const prng = new Prng(3)
  const noises = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    apiVersionsRequest,
    preface,
    Buffer.concat([preface, prng.bytes(300)]),
    // A frame of 16 MiB is announced on stream 0, and a thousand empty SETTINGS are sent.
    Buffer.concat([preface, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0])]),
    Buffer.concat([
      preface,
      ...Array.from({ length: 1000 }, () => Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])),
    ]),
    prng.bytes(5_000),
  ]
  const socketsBefore = target.socketCount(['node', 'http'])
  // The other nodes dial when they have something to send: five streams each at most.
  const linksOfPeers = 10
  const before = target.rssBytes()
  const clients: RawClient[] = []
  for (const port of [target.ports.node, target.ports.http]) {
    for (let round = 0; round < 10; round++) {
      for (const noise of noises) {
        const client = await RawClient.connect(port)
        client.send(noise)
        clients.push(client)
      }
    }
  }
  await scene.expectHealthy()
  expect(target.rssBytes() - before).toBeLessThan(64 * 1024 * 1024)
  for (const client of clients) client.destroy()
  await target.untilSocketsAreClosed(['node', 'http'], socketsBefore + linksOfPeers)
})

function fetchBytes(topic: string, fetchOffset: number, maxBytes: number): Buffer {
  return requestBytes(apis.fetch, 12, {
    replicaId: -1,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic,
        partitions: [
          {
            partition: 0,
            currentLeaderEpoch: -1,
            fetchOffset,
            lastFetchedEpoch: -1,
            logStartOffset: -1,
            partitionMaxBytes: maxBytes,
          },
        ],
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
  })
}
