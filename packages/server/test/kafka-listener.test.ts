import { expect, test, vi } from 'vitest'
import { AssertionError, passOn, Prng } from '@trimaran/common'
import { readPrometheusText } from '@trimaran/common/testing/prometheus-text'
import { CloseConnection, MetricsRegistry } from '@trimaran/broker'
import { processMetricsText, watchNode } from '../src/metrics.ts'
import { echo, framed, listening, text } from './support/listening.ts'

test('a size that is negative, zero or above the limit closes the connection, and no other (K1, K2, K4)', async () => {
  const { dial, log } = await listening(echo)
  const bystander = dial()
  bystander.send(text('before'))
  await bystander.receive(10)
  for (const size of [-1, -(2 ** 31), 0, 1_000_001, 2 ** 31 - 1]) {
    const hostile = dial()
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(size)
    hostile.send(bytes)
    await hostile.ended
    expect(hostile.received).toHaveLength(0)
  }
  bystander.send(text('after'))
  expect((await bystander.receive(19)).subarray(14).toString()).toBe('after')
  expect(log.filter(({ phrase }) => phrase === 'connection closed by this broker')).toHaveLength(5)
})

test('TLS and HTTP on the plaintext listener are named in one log line (K3)', async () => {
  const { dial, log } = await listening(echo)
  const tls = dial()
  tls.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
  await tls.ended
  const http = dial()
  http.send(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  await http.ended
  expect(log.map(({ fields }) => fields?.['reason'])).toEqual([
    'a TLS handshake on a plaintext listener',
    'an HTTP request on a Kafka listener',
  ])
})

test('an announced size allocates nothing (K5)', async () => {
  const { dial } = await listening(echo, {
    requestMaxBytes: 100 * 1024 * 1024,
    queuedMaxBytes: 200 * 1024 * 1024,
  })
  const before = process.memoryUsage().arrayBuffers
  const size = Buffer.alloc(5)
  size.writeInt32BE(100 * 1024 * 1024)
  const hostile = Array.from({ length: 50 }, dial)
  for (const client of hostile) client.send(size)
  const witness = dial()
  witness.send(text('alive'))
  await witness.receive(9)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024)
})

test('frames cut at every byte, or a thousand in one chunk, are the same frames (K6, K7)', async () => {
  const { dial } = await listening(echo)
  const requests = ['a', 'bc', 'x'.repeat(300)].map(text)
  const expected = Buffer.concat(requests)
  const drip = dial()
  drip.socket.setNoDelay(true)
  for (const byte of expected) {
    drip.send(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(await drip.receive(expected.length)).toEqual(expected)
  const flood = dial()
  const many = Buffer.concat(Array.from({ length: 1000 }, (_, index) => text(`request ${index}`)))
  flood.send(many)
  expect(Buffer.compare(await flood.receive(many.length), many)).toBe(0)
})

test('random cuts of random frames are the same frames', async () => {
  const { dial } = await listening(echo)
  const prng = new Prng(5)
  const stream = Buffer.concat(
    Array.from({ length: 200 }, () => framed(prng.bytes(prng.between(1, 5000)))),
  )
  const client = dial()
  for (let at = 0; at < stream.length;) {
    const end = Math.min(stream.length, at + prng.between(1, 9000))
    client.send(stream.subarray(at, end))
    at = end
  }
  expect(Buffer.compare(await client.receive(stream.length), stream)).toBe(0)
})

test('answers are written in the order of the requests, whatever the order in which they are ready', async () => {
  const answers: (() => void)[] = []
  const { dial } = await listening(
    (_connection, frame) => new Promise(resolve => answers.push(() => resolve([framed(frame)]))),
  )
  const client = dial()
  client.send(Buffer.concat([text('one'), text('two'), text('six')]))
  while (answers.length < 3) await new Promise(resolve => setImmediate(resolve))
  answers[2]?.()
  answers[1]?.()
  await new Promise(resolve => setImmediate(resolve))
  expect(client.received).toHaveLength(0)
  answers[0]?.()
  expect((await client.receive(21)).toString('latin1').replaceAll(/[^a-z]/g, '')).toBe('onetwosix')
})

test('what clients make a node hold, and how long requests wait, can be read', async () => {
  const waitedMs: number[] = []
  const answers: (() => void)[] = []
  const { listener, dial } = await listening((connection, frame) => {
    waitedMs.push(performance.now() - (connection.requestSinceMs ?? Number.NaN))
    return new Promise(resolve => answers.push(() => resolve([framed(frame)])))
  })
  const registry = new MetricsRegistry()
  const unwatch = watchNode(registry, listener)
  const read = (name: string, label = 'requests'): number =>
    readPrometheusText(registry.prometheusText())
      .get(name)
      ?.samples.findLast(({ labels }) => (labels.get('of') ?? label) === label)?.value ?? Number.NaN
  const client = dial()
  // Two of one kind: the second waits for the first.
  const request = framed(Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(998)]))
  client.send(Buffer.concat([request, request]))
  while (answers.length < 1) await new Promise(resolve => setImmediate(resolve))
  expect(read('kafka_server_socket_server_metrics_connection_count')).toBe(1)
  expect(read('kafka_network_socketserver_connections_total')).toBe(1)
  expect(read('kafka_network_socketserver_memorypoolused')).toBe(2008)
  await new Promise(resolve => setTimeout(resolve, 250))
  expect(read('kafka_network_socketserver_bytesinflight')).toBeGreaterThan(0)
  expect(read('kafka_network_socketserver_bytesinflight', 'unreadResponses')).toBeGreaterThan(0)
  answers[0]?.()
  while (answers.length < 2) await new Promise(resolve => setImmediate(resolve))
  answers[1]?.()
  await client.receive(2008)
  expect(waitedMs[0]).toBeLessThan(100)
  expect(waitedMs[1]).toBeGreaterThan(245)
  expect(read('kafka_network_socketserver_memorypoolused')).toBe(0)
  unwatch()
})

test('the delay of the event loop is measured while a node is there, looked at or not', async () => {
  const { listener } = await listening(echo)
  const delayed = (): number => {
    const family = readPrometheusText(processMetricsText()).get('nodejs_eventloop_delay_seconds')
    const of = (suffix: string, le?: string): number =>
      family?.samples.find(
        ({ name, labels }) => name.endsWith(suffix) && (labels.get('le') ?? '') === (le ?? ''),
      )?.value ?? Number.NaN
    return of('_count') - of('_bucket', '0.128')
  }
  const before = delayed()
  const unwatch = watchNode(new MetricsRegistry(), listener)
  await new Promise(resolve => setTimeout(resolve, 20))
  const stallUntilMs = performance.now() + 300
  while (performance.now() < stallUntilMs);
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(delayed() - before).toBeGreaterThanOrEqual(1)
  expect(processMetricsText()).toMatch(/lag_max_seconds (?:0\.1[5-9]|0\.[2-9]|[1-9])/)
  unwatch()
})

test('a request waits for the answer to an earlier one of its kind, and others go on meanwhile', async () => {
  const handled: string[] = []
  const answers: (() => void)[] = []
  const { dial } = await listening((_connection, frame) => {
    handled.push(Buffer.from(frame).toString())
    return new Promise(resolve => answers.push(() => resolve([framed(frame)])))
  })
  const client = dial()
  client.send(Buffer.concat(['fetch 1', 'metadata', 'fetch 2'].map(text)))
  while (handled.length < 2) await new Promise(resolve => setImmediate(resolve))
  expect(handled).toEqual(['fetch 1', 'metadata'])
  answers[0]?.()
  while (handled.length < 3) await new Promise(resolve => setImmediate(resolve))
  answers[1]?.()
  answers[2]?.()
  await client.receive(11 + 12 + 11)
})

test('answers that nobody reads are bounded over all connections together', async () => {
  const big = Buffer.alloc(4 * 1024 * 1024, 1)
  let handled = 0
  const { dial } = await listening(
    () => {
      handled++
      return Promise.resolve([framed(big)])
    },
    { unreadMaxBytes: 10 * 1024 * 1024 },
  )
  const slow = Array.from({ length: 20 }, dial)
  for (const client of slow) {
    client.socket.pause()
    client.send(text('fetch'))
  }
  const witness = dial()
  for (let round = 0; round < 20; round++) {
    witness.send(framed(Buffer.from([0, 0])))
    await witness.receive((round + 1) * (big.length + 4))
  }
  expect(handled - 20).toBeLessThan(15)
  for (const client of slow) client.socket.resume()
  for (const client of slow) await client.receive(big.length + 4)
  expect(handled).toBe(40)
})

test('a request without an answer leaves no gap', async () => {
  const { dial } = await listening((_connection, frame) =>
    Promise.resolve(frame[0] === 0 ? null : [framed(frame)]),
  )
  const client = dial()
  client.send(
    Buffer.concat([framed(Buffer.from([0])), text('yes'), framed(Buffer.from([0])), text('yes')]),
  )
  expect((await client.receive(14)).length).toBe(14)
})

test('a connection that a handler wants closed is closed after the answers before it (K8)', async () => {
  const { dial, log, failures } = await listening((_connection, frame) =>
    Buffer.from(frame).toString() === 'bad'
      ? Promise.reject(new CloseConnection('unknown api key 9999'))
      : new Promise(resolve => setImmediate(() => resolve([framed(frame)]))),
  )
  const client = dial()
  client.send(Buffer.concat([text('good'), text('bad'), text('never')]))
  await client.ended
  expect(client.received.subarray(4).toString()).toBe('good')
  expect(log[0]?.fields?.['reason']).toBe('unknown api key 9999')
  expect(failures).toEqual([])
})

test('a handler that breaks an invariant is reported and closes its connection', async () => {
  const { dial, failures } = await listening(() =>
    Promise.reject(new AssertionError('high watermark went back')),
  )
  const client = dial()
  client.send(text('x'))
  await client.ended
  expect(failures).toHaveLength(1)
})

test('a client that half-closes still gets the answers to what it asked, then the end (K19)', async () => {
  const { dial, listener } = await listening(
    (_connection, frame) => new Promise(resolve => setTimeout(() => resolve([framed(frame)]), 5)),
  )
  const client = dial()
  client.socket.end(Buffer.concat([text('one'), text('two')]))
  await client.ended
  expect(client.received.toString('latin1').replaceAll(/[^a-z]/g, '')).toBe('onetwo')
  while (listener.connectionCount > 0) await new Promise(resolve => setImmediate(resolve))
})

test('a client that half-closes and is gone does not keep its connection for as long as it asked to wait', async () => {
  const { dial, listener } = await listening(() => new Promise(() => {}), { halfClosedMaxMs: 10 })
  const [gone, waiting] = [dial(), dial()]
  gone.socket.end(text('long poll'))
  waiting.send(text('long poll'))
  await gone.ended
  while (listener.connectionCount > 1) await new Promise(resolve => setImmediate(resolve))
  expect(waiting.socket.destroyed).toBe(false)
})

test('a client that half-closes and reads its answers slowly gets all of them', async () => {
  const quarter = 16 * 1024 * 1024
  const answer = framed(Buffer.alloc(quarter, 'x'))
  const { dial } = await listening(() => Promise.resolve([answer]), { halfClosedMaxMs: 2_000 })
  const client = dial()
  let received = 0
  let wanted = 0
  client.socket.on('data', chunk => {
    received += chunk.length
    if (received >= wanted && wanted < 4 * quarter) client.socket.pause()
  })
  client.socket.pause()
  client.socket.end(Buffer.concat([1, 2, 3, 4].map(() => text('fetch'))))
  for (wanted = quarter; wanted <= 4 * quarter; wanted += quarter) {
    await new Promise(resolve => setTimeout(resolve, 900))
    client.socket.resume()
  }
  await client.ended
  expect(received).toBe(4 * answer.length)
})

test('a client that half-closes and reads nothing is not waited for', async () => {
  const answer = framed(Buffer.alloc(16 * 1024 * 1024, 'x'))
  const { dial, listener } = await listening(() => Promise.resolve([answer]), {
    halfClosedMaxMs: 10,
  })
  const client = dial()
  client.socket.pause()
  client.socket.end(text('fetch'))
  await vi.waitFor(() => expect(listener.connectionCount).toBe(1))
  await vi.waitFor(() => expect(listener.connectionCount).toBe(0), 5_000)
})

test('a reset while a request is parked tells the handler, once (K20)', async () => {
  let told = 0
  let parked: () => void = () => {}
  const isParked = new Promise<void>(resolve => (parked = resolve))
  const closed = Promise.withResolvers<void>()
  const { dial, listener } = await listening(connection => {
    connection.onClose(() => {
      told++
      closed.resolve()
    })
    parked()
    return new Promise(() => {})
  })
  const client = dial()
  client.send(text('long poll'))
  await isParked
  client.socket.resetAndDestroy()
  await closed.promise
  expect(told).toBe(1)
  expect(listener.connectionCount).toBe(0)
})

test('a reset is heard while a request waits for a parked one of its kind (K20)', async () => {
  const closed = Promise.withResolvers<void>()
  const { dial, listener } = await listening(connection => {
    connection.onClose(() => closed.resolve())
    return new Promise(() => {})
  })
  const client = dial()
  client.send(Buffer.concat([text('long poll'), text('long poll again')]))
  while (listener.connectionCount === 0) await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setTimeout(resolve, 20))
  client.socket.resetAndDestroy()
  await closed.promise
  expect(listener.connectionCount).toBe(0)
})

test('a client that does not read stops being served until it does', async () => {
  const big = Buffer.alloc(256 * 1024, 1)
  let handled = 0
  const { dial } = await listening(() => {
    handled++
    return Promise.resolve([framed(big)])
  })
  const slow = dial()
  slow.socket.pause()
  const count = 300
  slow.send(Buffer.concat(Array.from({ length: count }, () => text('fetch'))))
  const witness = dial()
  for (let round = 0; round < 20; round++) {
    witness.send(text('x'))
    await witness.receive((round + 1) * (big.length + 4))
  }
  expect(handled - 20).toBeLessThan(count)
  slow.socket.resume()
  await slow.receive(count * (big.length + 4))
})

test('records that an answer alone holds are given back when the socket has taken them, not before', async () => {
  const answers: Uint8Array[] = []
  const shared = Buffer.alloc(3 * 1024 * 1024, 7)
  const { dial } = await listening(() => {
    const records = passOn(Buffer.alloc(shared.length, 9))
    answers.push(records)
    return Promise.resolve([Buffer.from('head'), records, shared])
  })
  const slow = dial()
  slow.socket.pause()
  const count = 3
  slow.send(Buffer.concat(Array.from({ length: count }, () => text('fetch'))))
  await vi.waitFor(() => expect(answers.length).toBeGreaterThan(0))
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(answers[0]).toHaveLength(shared.length)
  slow.socket.resume()
  const received = await slow.receive(count * (4 + 2 * shared.length))
  expect(received.subarray(4, 4 + shared.length).every(byte => byte === 9)).toBe(true)
  expect(received.subarray(-shared.length).every(byte => byte === 7)).toBe(true)
  await vi.waitFor(() => expect(answers.map(({ length }) => length)).toEqual([0, 0, 0]))
  expect(shared).toHaveLength(3 * 1024 * 1024)
})

test('connections above the limits are refused (K27)', async () => {
  const { dial, log, listener } = await listening(echo, { maxConnectionsPerIp: 2 })
  const [first, second] = [dial(), dial()]
  first.send(text('a'))
  second.send(text('b'))
  await Promise.all([first.receive(5), second.receive(5)])
  const third = dial()
  await third.ended
  expect(listener.connectionCount).toBe(2)
  expect(log.map(({ phrase }) => phrase)).toEqual(['too many connections'])
})

test('a connection that says nothing is closed after connections.max.idle.ms, one that waits for an answer is not (K6)', async () => {
  const answer = Promise.withResolvers<readonly Uint8Array[]>()
  const { dial } = await listening(() => answer.promise, { connectionsMaxIdleMs: 10 })
  const [idle, waiting] = [dial(), dial()]
  waiting.send(text('long poll'))
  await idle.ended
  answer.resolve([text('late')])
  expect((await waiting.receive(8)).subarray(4).toString()).toBe('late')
})

test('a stopping listener answers what is under way and takes nothing more', async () => {
  let finish: () => void = () => {}
  const asked = Promise.withResolvers<void>()
  const { dial, listener } = await listening((_connection, frame) => {
    asked.resolve()
    return new Promise(resolve => (finish = () => resolve([framed(frame)])))
  })
  const client = dial()
  client.send(text('last'))
  await asked.promise
  const closed = listener.close()
  client.send(text('late'))
  finish()
  await client.ended
  expect(client.received.subarray(4).toString()).toBe('last')
  client.socket.end()
  await closed
})
