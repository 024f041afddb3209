import { encodeConsumerSubscription } from '@trimaran/protocol'
import type {
  CommitOffsetsRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  SyncGroupRequest,
} from '../src/index.ts'
import type { World } from './world.ts'

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const subscription = (topic: string): Uint8Array =>
  encodeConsumerSubscription({ topics: [topic], userData: null })

export const joining = (change: Partial<JoinGroupRequest> = {}): JoinGroupRequest => ({
  groupId: 'g',
  memberId: '',
  groupInstanceId: null,
  clientId: 'client',
  clientHost: '/10.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 30_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription('orders') }],
  reason: null,
  requireKnownMemberId: true,
  supportsSkippingAssignment: true,
  ...change,
})

export const syncing = (change: Partial<SyncGroupRequest> = {}): SyncGroupRequest => ({
  groupId: 'g',
  generationId: 1,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocolName: 'range',
  assignments: [],
  ...change,
})

export const committing = (
  offset: number,
  change: Partial<CommitOffsetsRequest> & {
    readonly metadata?: string | null
    readonly partition?: number
  } = {},
): CommitOffsetsRequest => {
  const { metadata = null, partition = 0, ...rest } = change
  return {
    groupId: 'g',
    generationId: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    knowsGroupIdNotFound: false,
    topics: [{ name: 'orders', partitions: [{ partition, offset, leaderEpoch: 3, metadata }] }],
    ...rest,
  }
}

/** Joins with an id, as clients since v4 do: two requests. */
export async function joinWithId(
  world: World,
  change: Partial<JoinGroupRequest> = {},
): Promise<{
  readonly memberId: string
  readonly joined: Promise<JoinGroupResponse>
}> {
  const { memberId } = await world.wait(world.coordinator.joinGroup(joining(change)))
  return { memberId, joined: world.coordinator.joinGroup(joining({ ...change, memberId })) }
}

/** A stable group of `count` dynamic members; each is assigned its index as a text. */
export async function stableGroup(
  world: World,
  count: number,
  change: Partial<JoinGroupRequest> = {},
): Promise<{
  readonly memberIds: string[]
  readonly generationId: number
  readonly leader: string
}> {
  const memberIds: string[] = []
  for (let each = 0; each < count; each++) {
    memberIds.push((await world.wait(world.coordinator.joinGroup(joining(change)))).memberId)
  }
  const responses = await world.wait(
    Promise.all(
      memberIds.map(memberId => world.coordinator.joinGroup(joining({ ...change, memberId }))),
    ),
  )
  const { generationId, leader } = responses[0] as JoinGroupResponse
  await world.wait(
    Promise.all(
      memberIds.map(memberId =>
        world.coordinator.syncGroup(
          syncing({
            groupId: change.groupId ?? 'g',
            protocolType: change.protocolType ?? 'consumer',
            generationId,
            memberId,
            assignments:
              memberId === leader
                ? memberIds.map((each, index) => ({
                    memberId: each,
                    assignment: text(`part ${index}`),
                  }))
                : [],
          }),
        ),
      ),
    ),
  )
  return { memberIds, generationId, leader }
}
