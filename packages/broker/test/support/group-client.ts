import { must } from '@trimaran/common'
import type { Api, IncomingResponseOf, OutgoingRequestOf } from '@trimaran/protocol'
import { apis, encodeConsumerSubscription, errorCodes } from '@trimaran/protocol'
import type { TestClient } from './client.ts'
import type { TestCluster } from './test-cluster.ts'

const patienceMs = 120_000

/** Lets time pass until the promise settles. */
export async function settles<T>(cluster: TestCluster, promise: Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | undefined
  let failure: { readonly error: unknown } | undefined
  promise.then(
    value => (outcome = { value }),
    (error: unknown) => (failure = { error }),
  )
  await cluster.clock.advance(0)
  for (
    let leftMs = patienceMs;
    leftMs > 0 && outcome === undefined && failure === undefined;
    leftMs -= 10
  ) {
    await cluster.clock.advance(10)
  }
  if (failure !== undefined) throw failure.error
  return must(outcome, 'an answer in time').value
}

/** A consumer by hand: every request in any version, time passing as needed. */
export class GroupClient {
  readonly cluster: TestCluster
  readonly client: TestClient

  constructor(cluster: TestCluster, client: TestClient) {
    this.cluster = cluster
    this.client = client
  }

  call<A extends Api>(
    api: A,
    version: number,
    request: OutgoingRequestOf<A>,
  ): Promise<IncomingResponseOf<A>> {
    return settles(this.cluster, this.client.call(api, version, request))
  }

  /** Asks until the coordinator is there. */
  async ready(groupId = 'g'): Promise<number> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const { coordinators } = await this.call(apis.findCoordinator, 4, {
        keyType: 0,
        coordinatorKeys: [groupId],
      })
      const [found] = coordinators
      if (found?.errorCode === errorCodes.NONE) {
        await this.cluster.clock.advance(500)
        return found.nodeId
      }
      await this.cluster.clock.advance(100)
    }
    throw new Error('no coordinator')
  }

  async join(version: number, groupId = 'g'): Promise<IncomingResponseOf<typeof apis.joinGroup>> {
    const request = {
      groupId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 30_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [
        {
          name: 'range',
          metadata: encodeConsumerSubscription({ topics: ['orders'], userData: null }),
        },
      ],
      reason: null,
    }
    const first = await this.call(apis.joinGroup, version, request)
    if (first.errorCode !== errorCodes.MEMBER_ID_REQUIRED) return first
    return this.call(apis.joinGroup, version, { ...request, memberId: first.memberId })
  }

  sync(
    version: number,
    joined: { readonly memberId: string; readonly generationId: number },
    groupId = 'g',
  ) {
    return this.call(apis.syncGroup, version, {
      groupId,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [{ memberId: joined.memberId, assignment: new Uint8Array([1, 2, 3]) }],
    })
  }

  commit(
    version: number,
    offset: number,
    change: Partial<OutgoingRequestOf<typeof apis.offsetCommit>> = {},
  ) {
    return this.call(apis.offsetCommit, version, {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [topicOffsets(this.cluster, 'orders', offset)],
      ...change,
    })
  }

  async committed(topic = 'orders', groupId = 'g'): Promise<number | undefined> {
    const topics = [{ name: topic, partitionIndexes: [0] }]
    const { groups } = await this.call(apis.offsetFetch, 9, {
      groups: [{ groupId, memberId: null, memberEpoch: -1, topics }],
      requireStable: true,
    })
    const [group] = groups
    return group?.errorCode || group?.topics[0]?.partitions[0]?.committedOffset
  }
}

export const topicOffsets = (
  cluster: TestCluster,
  name: string,
  committedOffset: number,
  partitionIndex = 0,
) => ({
  name,
  topicId: cluster.controller.image.topicsByName.get(name)?.id ?? 'AAAAAAAAAAAAAAAAAAAAAA',
  partitions: [
    { partitionIndex, committedOffset, committedLeaderEpoch: 0, committedMetadata: 'note' },
  ],
})
