import type { NodeId } from '@trimaran/common'
import {
  apis,
  decodeConsumerAssignment,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
  errorCodes,
} from '@trimaran/protocol'
import type { Api, Decoded, Encodable, Struct } from '@trimaran/protocol'
import type { OffsetCommit } from 'trimaran/history'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient } from './kafka-client.ts'
import { Reader } from './reader.ts'
import type { Position } from './reader.ts'

export interface MemberProfile {
  readonly group: string
  readonly topic: string
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Lives so long, then leaves or just falls silent, and another one comes; 0: to the end. */
  readonly lifeMs: number
}

/** One member of a classic consumer group: joins, reads what it is assigned, commits what it has read. */
export class GroupMember {
  readonly #client: KafkaClient
  readonly #profile: MemberProfile
  readonly #reader: Reader
  #memberId = ''
  #generation = -1
  #coordinator: NodeId | null = null
  #committed = new Map<string, number>()
  /** In a generation with an assignment. */
  isStable = false
  /** What it gave out when it last led: G7. */
  plan: { readonly generation: number; readonly partitionCount: number } | null = null
  generations = 0
  commits = 0

  constructor(client: KafkaClient, profile: MemberProfile) {
    this.#client = client
    this.#profile = profile
    this.#reader = new Reader(client, { maxWaitMs: 50, maxBytes: 20_000, fromFollowers: false })
  }

  get reader(): Reader {
    return this.#reader
  }

  get generation(): number {
    return this.#generation
  }

  get records(): number {
    return this.#reader.records
  }

  async run(): Promise<void> {
    const { shared, random } = this.#client
    let bornUs = this.#client.nowUs
    while (!shared.isDraining) {
      await this.#client.sleep(random.between(10, 50))
      const { lifeMs } = this.#profile
      if (lifeMs > 0 && this.#client.nowUs - bornUs > lifeMs * 1000) {
        bornUs = this.#client.nowUs
        await this.#die()
      }
      if (!this.isStable) await this.#join()
      else await this.#live()
    }
  }

  async #die(): Promise<void> {
    const leaves = this.#client.random.chance(1, 2)
    const memberId = this.#memberId
    this.#memberId = ''
    this.isStable = false
    if (!leaves || memberId === '') return
    await this.#ask(apis.leaveGroup, {
      groupId: this.#profile.group,
      memberId,
      members: [{ memberId, groupInstanceId: null, reason: null }],
    } as never)
  }

  async #join(): Promise<void> {
    const { group, topic, sessionTimeoutMs } = this.#profile
    if (this.#coordinator === null) await this.#find()
    if (this.#coordinator === null) return
    const joined = await this.#ask(
      apis.joinGroup,
      {
        groupId: group,
        sessionTimeoutMs,
        rebalanceTimeoutMs: sessionTimeoutMs,
        memberId: this.#memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [
          {
            name: 'range',
            metadata: encodeConsumerSubscription({ topics: [topic], userData: null } as never),
          },
        ],
        reason: null,
      },
      sessionTimeoutMs + 2_000,
    )
    if (joined === null) return
    if (joined.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId
      this.#client.shared.marks.told('group', joined.errorCode)
      return
    }
    if (this.#failed(joined.errorCode)) return
    this.#memberId = joined.memberId
    this.#generation = joined.generationId
    const isLeader = joined.leader === joined.memberId
    const members = joined.members.map(({ memberId }) => memberId).toSorted()
    const synced = await this.#ask(
      apis.syncGroup,
      {
        groupId: group,
        generationId: this.#generation,
        memberId: this.#memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments: isLeader ? await this.#assign(members) : [],
      },
      sessionTimeoutMs + 2_000,
    )
    if (synced === null || this.#failed(synced.errorCode)) return
    await this.#begin(synced.assignment)
  }

  async #assign(members: readonly string[]) {
    const { topic } = this.#profile
    await this.#client.refresh([topic])
    const partitions = this.#client.topics.get(topic)?.partitions ?? []
    this.plan = { generation: this.#generation, partitionCount: partitions.length }
    return members.map((memberId, at) => ({
      memberId,
      assignment: encodeConsumerAssignment({
        assignedPartitions: [
          {
            topic,
            partitions: partitions
              .map(({ partition }) => partition)
              .filter(partition => partition % members.length === at),
          },
        ],
        userData: null,
      }),
    }))
  }

  async #begin(assignment: Uint8Array): Promise<void> {
    const { group, topic } = this.#profile
    const assigned =
      assignment.length === 0 ? [] : decodeConsumerAssignment(assignment).assignedPartitions
    if (!this.#client.topics.has(topic)) await this.#client.refresh([topic])
    const address = this.#client.topics.get(topic)
    if (address === undefined) return
    const partitions = assigned.flatMap(one => one.partitions)
    this.generations++
    this.#client.shared.history.assignments.push({
      process: this.#client.name,
      group,
      generation: this.#generation,
      memberId: this.#memberId,
      partitions: partitions.map(partition => `${address.topicId}/${partition}`),
      at: this.#client.nowUs,
    })
    const positions = await this.#committedPositions(address.topicId, partitions)
    if (positions === null) return
    this.#reader.seek(positions)
    this.#committed = new Map(positions.map(({ partition, offset }) => [String(partition), offset]))
    this.isStable = true
  }

  async #committedPositions(
    topicId: string,
    partitions: readonly number[],
  ): Promise<Position[] | null> {
    const { group, topic } = this.#profile
    if (partitions.length === 0) return []
    const invokedAt = this.#client.nowUs
    const answer = await this.#ask(apis.offsetFetch, {
      groupId: group,
      topics: [{ name: topic, partitionIndexes: partitions }],
      groups: [
        {
          groupId: group,
          memberId: null,
          memberEpoch: -1,
          topics: [{ name: topic, topicId, partitionIndexes: partitions }],
        },
      ],
      requireStable: false,
    } as never)
    if (answer === null) return null
    const told = answer.groups[0] ?? { errorCode: answer.errorCode, topics: answer.topics }
    if (this.#failed(told.errorCode)) return null
    const positions: Position[] = []
    for (const { partitions: all } of told.topics) {
      for (const committed of all) {
        const { partitionIndex, committedOffset, committedLeaderEpoch } = committed
        if (committed.errorCode !== 0) return null
        this.#client.shared.history.offsetFetches.push({
          process: this.#client.name,
          group,
          partition: `${topicId}/${partitionIndex}`,
          offset: committedOffset,
          invokedAt,
          endedAt: this.#client.nowUs,
        })
        positions.push({
          topic,
          topicId,
          partition: partitionIndex,
          offset: committedOffset,
          lastEpoch: committedLeaderEpoch,
        })
      }
    }
    return positions
  }

  async #live(): Promise<void> {
    const { group, heartbeatIntervalMs } = this.#profile
    const untilUs = this.#client.nowUs + heartbeatIntervalMs * 1000
    while (this.#client.nowUs < untilUs && !this.#client.shared.isDraining) {
      if (!(await this.#reader.poll())) await this.#client.sleep(30)
      await this.#client.sleep(this.#client.random.between(1, 80))
    }
    await this.#commit()
    if (!this.isStable) return
    const answer = await this.#ask(apis.heartbeat, {
      groupId: group,
      generationId: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
    })
    if (answer !== null) this.#failed(answer.errorCode)
  }

  async #commit(): Promise<void> {
    const { group, topic } = this.#profile
    const moved = [...this.#reader.positions.values()].filter(
      ({ partition, offset }) => offset > (this.#committed.get(String(partition)) ?? -1),
    )
    const [first] = moved
    if (first === undefined) return
    const commits = moved.map((position): OffsetCommit => ({
      process: this.#client.name,
      group,
      partition: `${position.topicId}/${position.partition}`,
      offset: position.offset,
      generation: this.#generation,
      invokedAt: this.#client.nowUs,
      endedAt: 0,
      status: 'open',
    }))
    this.#client.shared.history.commits.push(...commits)
    const answer = await this.#ask(apis.offsetCommit, {
      groupId: group,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          topicId: first.topicId,
          partitions: moved.map(({ partition, offset, lastEpoch }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: lastEpoch,
            committedMetadata: null,
          })),
        },
      ],
    } as never)
    for (const commit of commits) commit.endedAt = this.#client.nowUs
    if (answer === null) {
      for (const commit of commits) commit.status = 'unknown'
      return
    }
    for (const { partitions } of answer.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        const commit = commits.find(({ partition }) => partition.endsWith(`/${partitionIndex}`))
        if (commit === undefined) continue
        commit.status = errorCode === 0 ? 'acked' : 'unknown'
        if (errorCode === 0) {
          this.commits++
          this.#committed.set(String(partitionIndex), commit.offset)
        } else this.#failed(errorCode)
      }
    }
  }

  /** True if the answer was an error; what it means for the membership is drawn from it. */
  #failed(errorCode: number): boolean {
    this.#client.shared.marks.told('group', errorCode)
    switch (errorCode) {
      case errorCodes.NONE:
        return false
      case errorCodes.UNKNOWN_MEMBER_ID:
        this.#memberId = ''
        this.isStable = false
        return true
      case errorCodes.NOT_COORDINATOR:
      case errorCodes.COORDINATOR_NOT_AVAILABLE:
        this.#coordinator = null
        return true
      case errorCodes.REBALANCE_IN_PROGRESS:
      case errorCodes.ILLEGAL_GENERATION:
        this.isStable = false
        return true
      default:
        return true
    }
  }

  async #find(): Promise<void> {
    const { group } = this.#profile
    try {
      const answer = await this.#client.call(this.#client.anyNode(), apis.findCoordinator, {
        key: group,
        keyType: 0,
        coordinatorKeys: [group],
      })
      const told = answer.coordinators[0] ?? answer
      if (told.errorCode === 0) this.#coordinator = told.nodeId
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
    }
  }

  /** Null: no answer; the coordinator is looked for again. */
  async #ask<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    body: Encodable<Q>,
    timeoutMs: number = this.#client.requestTimeoutMs,
  ): Promise<Decoded<R> | null> {
    if (this.#coordinator === null) await this.#find()
    if (this.#coordinator === null) return null
    try {
      return await this.#client.call(this.#coordinator, definition, body, { timeoutMs })
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      this.#coordinator = null
      return null
    }
  }
}
