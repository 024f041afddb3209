import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { apis, errorCodes } from '@trimaran/protocol'
import { ClusterClient } from 'trimaran/client'
import { RawClient, requestBytes } from './support/raw-client.ts'
import { Scene } from './support/scene.ts'

let scene: Scene
let client: ClusterClient
beforeAll(async () => {
  scene = await Scene.open({ port: 28_320 })
  client = new ClusterClient({ bootstrapServers: scene.cluster.bootstrapServers })
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  await client.close()
  await scene.close()
})

const directory = 'AAAAAAAAAAAAAAAAAAAAAQ'
const noDirectory = 'AAAAAAAAAAAAAAAAAAAAAA'
const place = { name: 'CONTROLLER', host: 'localhost', port: 1 }
const adding = {
  clusterId: null,
  timeoutMs: 1000,
  voterId: 7,
  voterDirectoryId: directory,
  listeners: [place],
  ackWhenCommitted: true,
} as const

async function voters(): Promise<readonly { readonly id: number; readonly directory: string }[]> {
  const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]
  const answer = await client.request(apis.describeQuorum, { topics })
  return (answer.topics[0]?.partitions[0]?.currentVoters ?? [])
    .map(({ replicaId, replicaDirectoryId }) => ({ id: replicaId, directory: replicaDirectoryId }))
    .toSorted((a, b) => a.id - b.id)
}

test.each([
  ['a node that does not exist', {}, errorCodes.REQUEST_TIMED_OUT],
  ['the largest node id', { voterId: 2 ** 31 - 1 }, errorCodes.REQUEST_TIMED_OUT],
  ['a negative node id', { voterId: -(2 ** 31) }, errorCodes.INVALID_REQUEST],
  ['a voter without a directory', { voterDirectoryId: noDirectory }, errorCodes.INVALID_REQUEST],
  ['a voter again, with another disk', { voterId: 2 }, errorCodes.DUPLICATE_VOTER],
  [
    'a voter of another cluster',
    { clusterId: 'x'.repeat(30_000) },
    errorCodes.INCONSISTENT_CLUSTER_ID,
  ],
  ['a voter that is nowhere', { listeners: [] }, errorCodes.INVALID_REQUEST],
  [
    'a voter behind a name that is none',
    { listeners: [{ ...place, host: '\u0000'.repeat(30_000) }] },
    errorCodes.INVALID_REQUEST,
  ],
  [
    'a voter in a hundred thousand places',
    { listeners: Array.from({ length: 100_000 }, (_, at) => ({ ...place, name: `L${at}` })) },
    errorCodes.REQUEST_TIMED_OUT,
  ],
  ['no time', { timeoutMs: -(2 ** 31) }, errorCodes.REQUEST_TIMED_OUT],
])('to add %s ends in a clear error', async (_what, changes, errorCode) => {
  const before = await voters()
  const answer = await client.request(apis.addRaftVoter, { ...adding, ...changes })
  expect(answer).toMatchObject({ errorCode, errorMessage: expect.stringMatching(/\w/) as unknown })
  expect(await voters()).toEqual(before)
})

test.each([
  ['nobody', { voterId: 9 }, errorCodes.VOTER_NOT_FOUND],
  ['a negative node id', { voterId: -1 }, errorCodes.INVALID_REQUEST],
  ['a voter by another disk', { voterId: 2 }, errorCodes.VOTER_NOT_FOUND],
  ['a voter by no disk', { voterId: 2, voterDirectoryId: noDirectory }, errorCodes.VOTER_NOT_FOUND],
  ['a voter of another cluster', { voterId: 2, clusterId: '' }, errorCodes.INCONSISTENT_CLUSTER_ID],
])('to remove %s ends in a clear error', async (_what, changes, errorCode) => {
  const before = await voters()
  const request = { clusterId: null, voterDirectoryId: directory, ...changes }
  const answer = await client.request(apis.removeRaftVoter, request)
  expect(answer).toMatchObject({ errorCode, errorMessage: expect.stringMatching(/\w/) as unknown })
  expect(await voters()).toEqual(before)
})

test('a thousand requests at once to remove everybody leave a quorum, one change after the other', async () => {
  const before = await voters()
  const raw = await RawClient.connect(scene.cluster.node(1).ports.client)
  for (let round = 0; round < 334; round++) {
    for (const { id, directory: voterDirectoryId } of before) {
      const request = { clusterId: null, voterId: id, voterDirectoryId }
      raw.send(requestBytes(apis.removeRaftVoter, 0, request))
    }
  }
  for (let answers = 0; answers < 334 * before.length; answers++) {
    expect(await raw.frame()).not.toBeNull()
  }
  raw.socket.destroy()
  const left = await voters()
  expect(left.length).toBeGreaterThan(0)
  // Each is back as it was: nothing of it was lost.
  for (const { id, directory: voterDirectoryId } of before) {
    if ((await voters()).some(voter => voter.id === id)) continue
    const listeners = [{ ...place, host: '127.0.0.1', port: scene.cluster.node(id).ports.node }]
    await expect
      .poll(async () => {
        const request = { ...adding, voterId: id, voterDirectoryId, listeners }
        const { errorCode } = await client.request(apis.addRaftVoter, request)
        return errorCode === errorCodes.NONE || errorCode === errorCodes.DUPLICATE_VOTER
      })
      .toBe(true)
  }
  expect(await voters()).toEqual(before)
})
