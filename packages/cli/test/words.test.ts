import { expect, test } from 'vitest'
import { parseBootstrap } from '../src/client/cluster-client.ts'
import { murmur2, partitionForKey } from '../src/client/partitioner.ts'
import { formatter } from '../src/commands/consume.ts'
import { serverProperties } from '../src/local-cluster/processes.ts'
import { count, table } from '../src/output.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test("a key goes to the partition where Kafka's own producer puts it", () => {
  // Values of org.apache.kafka.common.utils.Utils.murmur2.
  expect(murmur2(bytes('21'))).toBe(-973932308)
  expect(murmur2(bytes('foobar'))).toBe(-790332482)
  expect(murmur2(bytes('a-little-bit-long-string'))).toBe(-985981536)
  expect(murmur2(bytes('a-little-bit-longer-string'))).toBe(-1486304829)
  expect(murmur2(bytes('lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8'))).toBe(-58897971)
  expect(murmur2(bytes('abc'))).toBe(479470107)
  expect(partitionForKey(bytes('21'), 6)).toBe((-973932308 & 0x7fffffff) % 6)
})

test('a bootstrap list names hosts and ports, IPv6 in brackets', () => {
  expect(parseBootstrap('a:9092, [::1]:9093')).toEqual([
    { host: 'a', port: 9092 },
    { host: '::1', port: 9093 },
  ])
  expect(() => parseBootstrap('localhost')).toThrow('it is written host:port')
})

test('columns of numbers are set right, colours take no room', () => {
  const drawn = table(
    ['TOPIC', 'HW'],
    [
      ['orders', 7],
      ['\u001b[31ma\u001b[0m', 1200],
    ],
  )
  expect(drawn).toBe('TOPIC     HW\norders     7\n\u001b[31ma\u001b[0m       1200')
  expect(count(1, 'node')).toBe('1 node')
  expect(count(1200, 'record')).toBe('1,200 records')
})

test('a record prints in every format', () => {
  const record = {
    topic: 't',
    partition: 2,
    offset: 41,
    timestampMs: 5,
    key: bytes('k'),
    value: bytes('v'),
    headers: [{ key: 'h', value: null }],
  } as never
  expect(formatter('value')(record)).toBe('v\n')
  expect(formatter('key-value')(record)).toBe('k\tv\n')
  expect(JSON.parse(formatter('json')(record))).toMatchObject({ topic: 't', offset: 41, key: 'k' })
  expect(formatter('%t-%p@%o %T %k=%v%%\\n')(record)).toBe('t-2@41 5 k=v%\n')
  expect(() => formatter('%q')).toThrow('does not know %q')
})

test("a local node's properties name its peers and its own listeners", () => {
  const state = {
    clusterId: 'c',
    nodes: [1, 2, 3].map(id => ({
      id,
      port: 9091 + id,
      nodePort: 10091 + id,
      httpPort: 11091 + id,
    })),
  }
  const text = serverProperties(state, state.nodes[1]!, new Map([['num.partitions', '4']]))
  expect(text).toContain('node.id=2\n')
  expect(text).toContain(
    'controller.quorum.voters=1@127.0.0.1:10092,2@127.0.0.1:10093,3@127.0.0.1:10094\n',
  )
  expect(text).toContain('min.insync.replicas=2\n')
  expect(text).toContain('num.partitions=4\n')
})
