import { concatBytes } from '@trimaran/common'
import { Reader, apis, errorCodes, responseReader, decodeResponse } from '@trimaran/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CloseConnection } from '../src/index.ts'
import { readAnswer, requestFrame, type TestClient } from './support/client.ts'
import { TestCluster } from './support/test-cluster.ts'

let cluster: TestCluster
let client: TestClient

beforeEach(async () => {
  cluster = await TestCluster.start()
  client = cluster.client()
})
afterEach(() => cluster.stop())

const header = (apiKey: number, apiVersion: number, ...rest: number[]): Uint8Array => {
  const start = new DataView(new ArrayBuffer(8))
  start.setInt16(0, apiKey)
  start.setInt16(2, apiVersion)
  start.setInt32(4, 77)
  return concatBytes([new Uint8Array(start.buffer), Uint8Array.from(rest)])
}
const noClientId = [0xff, 0xff]

const hostileFrames: readonly (readonly [string, Uint8Array])[] = [
  ['an empty frame', new Uint8Array(0)],
  ['a header that is cut off', header(3, 1).subarray(0, 7)],
  ['a header without a client id', header(3, 1)],
  ['an api key that nobody knows', header(9999, 0, ...noClientId)],
  ['a negative api key', header(-1, 0, ...noClientId)],
  ['an api between brokers', header(56, 2, ...noClientId, 0)],
  ['a version above the served ones', header(3, 14, ...noClientId, 0)],
  ['a version below the served ones', header(0, 2, ...noClientId)],
  ['a negative version', header(3, -1, ...noClientId)],
  ['a client id longer than the frame', header(3, 1, 0x7f, 0xff, 1)],
  ['an array longer than the frame', header(3, 1, ...noClientId, 0x7f, 0xff, 0xff, 0xff)],
  [
    'a compact array longer than the frame',
    header(3, 9, ...noClientId, 0, 0xff, 0xff, 0xff, 0xff, 0x07),
  ],
  ['a varint of six bytes', header(3, 9, ...noClientId, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)],
  ['more tagged fields than bytes', header(3, 9, ...noClientId, 0xff, 0xff, 0xff, 0xff, 0x07)],
  [
    'a body that is cut off',
    requestFrame(apis.metadata, 12, { topics: [], allowAutoTopicCreation: true }).subarray(0, -2),
  ],
  ['null where a text must be', header(19, 2, ...noClientId, 0, 0, 0, 1, 0xff, 0xff)],
]

for (const [what, frame] of hostileFrames) {
  test(`${what} closes the connection, and only that`, async () => {
    await expect(client.raw(frame)).rejects.toBeInstanceOf(CloseConnection)
    const other = cluster.client()
    expect((await other.call(apis.apiVersions, 0, {})).errorCode).toBe(errorCodes.NONE)
  })
}

test('a frame cut off anywhere closes the connection or is answered, and nothing else', async () => {
  const frame = requestFrame(apis.createTopics, 7, {
    topics: [{ name: 'a', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 100,
    validateOnly: true,
  })
  for (let length = 0; length < frame.length; length++) {
    await expect(client.raw(frame.subarray(0, length))).rejects.toBeInstanceOf(CloseConnection)
  }
})

test('bytes after the body are ignored, as Kafka does', async () => {
  const frame = requestFrame(apis.metadata, 9, { topics: [], allowAutoTopicCreation: false })
  const answer = await client.raw(concatBytes([frame, Uint8Array.from([1, 2, 3])]))
  expect(answer).not.toBeNull()
})

test('a negative correlation id is echoed', async () => {
  const answer = await client.raw(requestFrame(apis.metadata, 1, { topics: [] }, -5))
  expect(readAnswer(apis.metadata, 1, answer ?? [], -5).brokers).toHaveLength(1)
})

test('an ApiVersions of tomorrow is answered in the oldest encoding with what there is (KIP-511)', async () => {
  const answer = await client.raw(header(18, 99, ...noClientId, 0))
  const body = readAnswer(apis.apiVersions, 0, answer ?? [], 77)
  expect(body.errorCode).toBe(errorCodes.UNSUPPORTED_VERSION)
  expect(body.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 })
})

test('the answer to ApiVersions has a header without tagged fields in every version', async () => {
  for (let version = 0; version <= 4; version++) {
    const answer = await client.raw(
      requestFrame(apis.apiVersions, version, {
        clientSoftwareName: 'x',
        clientSoftwareVersion: '1',
      }),
    )
    const reader = new Reader(concatBytes(answer ?? []), 8)
    expect(reader.int16()).toBe(errorCodes.NONE)
  }
})

test('a refused request is counted, and so is an error in an answer', async () => {
  await expect(client.raw(header(9999, 0))).rejects.toBeInstanceOf(CloseConnection)
  await client.call(apis.apiVersions, 3, {
    clientSoftwareName: 'no way\n',
    clientSoftwareVersion: '1',
  })
  const text = cluster.broker(1).metrics.registry.prometheusText()
  expect(text).toContain('kafka_network_requestmetrics_rejectedrequests_total 1\n')
  expect(text).toContain(
    'kafka_network_requestmetrics_errors_total{request="ApiVersions",error="INVALID_REQUEST"} 1\n',
  )
  expect(text).toContain('kafka_network_requestmetrics_requests_total{request="ApiVersions"} 1\n')
})

test('answers carry the size of their frame', async () => {
  const answer = concatBytes(
    (await client.raw(
      requestFrame(apis.metadata, 12, { topics: null, allowAutoTopicCreation: true }),
    )) ?? [],
  )
  expect(new Reader(answer).int32()).toBe(answer.length - 4)
  expect(decodeResponse(apis.metadata, 12, responseReader(answer.subarray(4))).body.clusterId).toBe(
    'cluster-of-the-test',
  )
})
