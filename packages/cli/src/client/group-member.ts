import {
  apis,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeVersioned,
  encodeVersioned,
  errorCodes,
  errorInfo,
} from '@trimaran/protocol'
import { ConnectionError, type KafkaConnection } from './connection.ts'
import { RetriableError, outcomeText, type ClusterClient } from './cluster-client.ts'
import { CliError } from '../output.ts'

export interface AssignedPartition {
  readonly topic: string
  readonly partition: number
}

const sessionTimeoutMs = 10_000
const rebalanceTimeoutMs = 30_000
const heartbeatIntervalMs = 3000

/** A member of a classic consumer group with the range assignor: join, sync, heartbeat, commit, leave. */
export class GroupMember {
  readonly #client: ClusterClient
  readonly #groupId: string
  readonly #topics: readonly string[]
  #memberId = ''
  #generationId = -1
  #needsRejoin = true
  #heartbeat: NodeJS.Timeout | null = null

  constructor(client: ClusterClient, groupId: string, topics: readonly string[]) {
    this.#client = client
    this.#groupId = groupId
    this.#topics = topics
  }

  get needsRejoin(): boolean {
    return this.#needsRejoin
  }

  /** −1 before the first join. */
  get generationId(): number {
    return this.#generationId
  }

  /** Joins, or joins again, and returns what this member now owns. */
  async join(): Promise<AssignedPartition[]> {
    return this.#client.retry(async () => {
      const coordinator = await this.#client.coordinator(this.#groupId)
      const joined = await this.#joinOnce(coordinator)
      const assignments = joined.leader === this.#memberId ? await this.#assign(joined.members) : []
      const synced = await coordinator.request(
        apis.syncGroup,
        {
          groupId: this.#groupId,
          generationId: joined.generationId,
          memberId: this.#memberId,
          protocolType: 'consumer',
          protocolName: joined.protocolName,
          assignments,
        },
        rebalanceTimeoutMs + 5000,
      )
      this.#check(synced.errorCode)
      this.#generationId = joined.generationId
      this.#needsRejoin = false
      this.#startHeartbeat()
      if (synced.assignment.length === 0) return []
      const owned = decodeVersioned(consumerProtocolAssignment, synced.assignment)
      return owned.assignedPartitions.flatMap(({ topic, partitions }) =>
        partitions.map(partition => ({ topic, partition })),
      )
    })
  }

  async #joinOnce(coordinator: KafkaConnection): Promise<{
    readonly leader: string
    readonly generationId: number
    readonly protocolName: string | null
    readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[]
  }> {
    const metadata = encodeVersioned(consumerProtocolSubscription, 1, {
      topics: this.#topics,
      userData: null,
      ownedPartitions: [],
    })
    const answer = await coordinator.request(
      apis.joinGroup,
      {
        groupId: this.#groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata }],
      },
      rebalanceTimeoutMs + 5000,
    )
    if (answer.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId
      throw new RetriableError('the coordinator has given a member id', true)
    }
    this.#check(answer.errorCode)
    this.#memberId = answer.memberId
    return answer
  }

  /** Range: each topic's partitions in contiguous shares, members in the order of their ids. */
  async #assign(
    members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[],
  ): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    const subscriptions = members.map(member => ({
      memberId: member.memberId,
      topics: decodeVersioned(consumerProtocolSubscription, member.metadata).topics,
    }))
    const owned = new Map(
      subscriptions.map(({ memberId }) => [
        memberId,
        [] as { topic: string; partitions: number[] }[],
      ]),
    )
    for (const topic of new Set(subscriptions.flatMap(subscription => subscription.topics))) {
      const count = (await this.#client.topic(topic)).partitions.length
      const takers = subscriptions
        .filter(each => each.topics.includes(topic))
        .map(each => each.memberId)
        .toSorted()
      takers.forEach((memberId, at) => {
        const from = Math.floor((count * at) / takers.length)
        const to = Math.floor((count * (at + 1)) / takers.length)
        if (to > from)
          owned.get(memberId)?.push({
            topic,
            partitions: Array.from({ length: to - from }, (_, index) => from + index),
          })
      })
    }
    return [...owned].map(([memberId, assignedPartitions]) => ({
      memberId,
      assignment: encodeVersioned(consumerProtocolAssignment, 1, {
        assignedPartitions,
        userData: null,
      }),
    }))
  }

  #check(errorCode: number): void {
    if (errorCode === errorCodes.NONE) return
    if (errorCode === errorCodes.UNKNOWN_MEMBER_ID || errorCode === errorCodes.FENCED_INSTANCE_ID)
      this.#memberId = ''
    const rejoin =
      errorCode === errorCodes.UNKNOWN_MEMBER_ID ||
      errorCode === errorCodes.REBALANCE_IN_PROGRESS ||
      errorCode === errorCodes.ILLEGAL_GENERATION
    if (rejoin) this.#needsRejoin = true
    throw new RetriableError(
      `group ${this.#groupId}: ${outcomeText(errorCode)}`,
      rejoin || errorInfo(errorCode).retriable,
    )
  }

  #startHeartbeat(): void {
    if (this.#heartbeat !== null) return
    this.#heartbeat = setInterval(() => {
      this.#beat().catch(() => {
        // A coordinator that cannot be reached now is looked up again by the next beat; a lost membership shows in its answer.
      })
    }, heartbeatIntervalMs)
    this.#heartbeat.unref()
  }

  async #beat(): Promise<void> {
    if (this.#needsRejoin) return
    const coordinator = await this.#client.coordinator(this.#groupId)
    const answer = await coordinator.request(apis.heartbeat, {
      groupId: this.#groupId,
      generationId: this.#generationId,
      memberId: this.#memberId,
    })
    if (answer.errorCode !== errorCodes.NONE) this.#check(answer.errorCode)
  }

  /** Committed offsets of partitions; those without one are missing. */
  async committed(partitions: readonly AssignedPartition[]): Promise<Map<string, number>> {
    return fetchCommitted(this.#client, this.#groupId, partitions)
  }

  async commit(
    offsets: readonly (AssignedPartition & { readonly offset: number })[],
  ): Promise<void> {
    if (offsets.length === 0) return
    await commitOffsets(this.#client, this.#groupId, offsets, {
      memberId: this.#memberId,
      generationId: this.#generationId,
    }).catch(error => {
      // The group has moved on without this commit: its next owner reads those records again.
      if (!(error instanceof RetriableError)) throw error
      this.#needsRejoin = true
    })
  }

  async leave(): Promise<void> {
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat)
    if (this.#memberId === '') return
    try {
      const coordinator = await this.#client.coordinator(this.#groupId)
      await coordinator.request(apis.leaveGroup, {
        groupId: this.#groupId,
        memberId: this.#memberId,
        members: [{ memberId: this.#memberId, groupInstanceId: null }],
      })
    } catch (error) {
      if (!(error instanceof ConnectionError) && !(error instanceof CliError)) throw error
    }
  }
}

export const partitionName = (topic: string, partition: number): string => `${topic}-${partition}`

/** Committed offsets by `topic-partition`. Null partitions: everything the group has committed. */
export async function fetchCommitted(
  client: ClusterClient,
  groupId: string,
  partitions: readonly AssignedPartition[] | null,
): Promise<Map<string, number>> {
  const wanted =
    partitions === null
      ? null
      : [...Map.groupBy(partitions, each => each.topic)].map(([name, group]) => ({
          name,
          partitionIndexes: group.map(each => each.partition),
        }))
  const names = new Map<string, string>()
  const metadata = await client.metadata(wanted === null ? null : wanted.map(each => each.name))
  for (const topic of metadata.topics) if (topic.name !== null) names.set(topic.topicId, topic.name)
  const idOf = new Map([...names].map(([id, name]) => [name, id]))
  return client.retry(async () => {
    const coordinator = await client.coordinator(groupId)
    const topics = wanted?.map(each => ({ ...each, topicId: idOf.get(each.name) ?? '' })) ?? null
    const answer = await coordinator.request(apis.offsetFetch, {
      groupId,
      topics,
      groups: [{ groupId, memberId: null, memberEpoch: -1, topics }],
      requireStable: false,
    })
    const group = answer.groups[0] ?? answer
    if (group.errorCode !== errorCodes.NONE)
      throw new RetriableError(outcomeText(group.errorCode), errorInfo(group.errorCode).retriable)
    const found = new Map<string, number>()
    for (const topic of group.topics) {
      const name =
        topic.name === '' && 'topicId' in topic ? (names.get(topic.topicId) ?? '') : topic.name
      for (const partition of topic.partitions) {
        if (partition.committedOffset >= 0)
          found.set(partitionName(name, partition.partitionIndex), partition.committedOffset)
      }
    }
    return found
  })
}

export async function commitOffsets(
  client: ClusterClient,
  groupId: string,
  offsets: readonly (AssignedPartition & { readonly offset: number })[],
  member: { readonly memberId: string; readonly generationId: number },
): Promise<void> {
  const metadata = await client.metadata([...new Set(offsets.map(each => each.topic))])
  const idOf = new Map(metadata.topics.map(topic => [topic.name, topic.topicId]))
  await client.retry(async () => {
    const coordinator = await client.coordinator(groupId)
    const answer = await coordinator.request(apis.offsetCommit, {
      groupId,
      generationIdOrMemberEpoch: member.generationId,
      memberId: member.memberId,
      topics: [...Map.groupBy(offsets, each => each.topic)].map(([name, group]) => ({
        name,
        topicId: idOf.get(name) ?? '',
        partitions: group.map(({ partition, offset }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedMetadata: '',
        })),
      })),
    })
    for (const partition of answer.topics.flatMap(topic => topic.partitions)) {
      if (partition.errorCode === errorCodes.NONE) continue
      const retriable =
        errorInfo(partition.errorCode).retriable &&
        partition.errorCode !== errorCodes.REBALANCE_IN_PROGRESS
      throw new RetriableError(outcomeText(partition.errorCode), retriable)
    }
  })
}
