import { apiByKey, apis, errorCodes, versionRange, type Api } from '@trimaran/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAnswer, requestFrame } from './support/client.ts'
import { minimalRequest } from './support/minimal-request.ts'
import { settled, TestCluster } from './support/test-cluster.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start()
})
afterAll(() => cluster.stop())

/** What a fresh Kafka 4.3.1 says of the same keys. */
const kafka: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0, [0, 13]],
  [1, [4, 18]],
  [2, [1, 11]],
  [3, [0, 13]],
  [8, [2, 10]],
  [9, [1, 10]],
  [10, [0, 6]],
  [11, [0, 9]],
  [12, [0, 4]],
  [13, [0, 5]],
  [14, [0, 5]],
  [15, [0, 6]],
  [16, [0, 5]],
  [17, [0, 1]],
  [18, [0, 4]],
  [19, [2, 7]],
  [20, [1, 6]],
  [21, [0, 2]],
  [22, [0, 5]],
  [23, [2, 4]],
  [32, [1, 4]],
  [33, [0, 2]],
  [35, [1, 5]],
  [37, [0, 3]],
  [42, [0, 2]],
  [43, [0, 2]],
  [44, [0, 1]],
  [45, [0, 1]],
  [46, [0, 0]],
  [47, [0, 0]],
  [55, [0, 2]],
  [60, [0, 2]],
  [64, [0, 0]],
  [75, [0, 0]],
  [80, [0, 1]],
  [81, [0, 0]],
])

test('what is advertised is what Kafka 4.3.1 advertises for the same keys', () => {
  const ours = cluster
    .broker(1)
    .advertised.map(api => [api.apiKey, [api.minVersion, api.maxVersion]])
  expect(ours).toEqual([...kafka])
})

test('no version is advertised that cannot be decoded', () => {
  for (const { apiKey, maxVersion } of cluster.broker(1).advertised) {
    const definition = apiByKey(apiKey)
    expect(definition).toBeDefined()
    expect(versionRange((definition as Api).versions).max).toBeGreaterThanOrEqual(maxVersion)
  }
})

for (const [apiKey, [advertisedMin, max]] of kafka) {
  const api = apiByKey(apiKey) as Api
  const min = apiKey === apis.produce.key ? 3 : advertisedMin
  for (let version = min; version <= max; version++) {
    for (const elements of [0, 1] as const) {
      const size = elements === 0 ? 'smallest' : 'smallest non-empty'
      test(`${api.name} v${version} answers the ${size} request`, async () => {
        const request = minimalRequest(api, version, elements)
        if (apiKey === apis.produce.key) request['acks'] = 1
        const answered = cluster.client().raw(requestFrame(api, version, request as never, 9))
        await settled()
        await cluster.clock.advance(1000)
        const answer = await answered
        expect(answer).not.toBeNull()
        expect(readAnswer(api, version, answer ?? [], 9)).toBeDefined()
      })
    }
  }
}

test('ApiVersions v3 keeps the name of the client and refuses one that is none', async () => {
  const client = cluster.client()
  await client.call(apis.apiVersions, 3, {
    clientSoftwareName: 'kafkajs',
    clientSoftwareVersion: '2.2.4',
  })
  expect(client.connection.clientSoftware).toEqual({ name: 'kafkajs', version: '2.2.4' })
  for (const name of ['', 'a b', '-a', 'a\r\nb', '{}', 'x'.repeat(1000)]) {
    const refused = await client.call(apis.apiVersions, 4, {
      clientSoftwareName: name,
      clientSoftwareVersion: '1',
    })
    expect(refused.errorCode).toBe(errorCodes.INVALID_REQUEST)
  }
})

test('the voters are in the log from the start: kraft.version has no level 0', async () => {
  const client = cluster.client()
  for (const version of [3, 4]) {
    const answer = await client.call(apis.apiVersions, version, {
      clientSoftwareName: 'x',
      clientSoftwareVersion: '1',
    })
    expect(answer.supportedFeatures).toContainEqual({
      name: 'kraft.version',
      minVersion: 1,
      maxVersion: 1,
    })
  }
})
