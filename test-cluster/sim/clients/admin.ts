import { apis, errorCodes } from '@trimaran/protocol'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient } from './kafka-client.ts'

export interface TopicSpec {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly configs: readonly { readonly name: string; readonly value: string }[]
}

/** No topic grows beyond. */
const partitionsMax = 8

/** Creates, deletes and creates again, adds partitions, moves leaderships and partitions. */
export class Admin {
  readonly counts = {
    created: 0,
    deleted: 0,
    partitionsAdded: 0,
    elections: 0,
    configs: 0,
    reassigned: 0,
    reassignmentsCancelled: 0,
    votersAdded: 0,
    votersRemoved: 0,
  }
  readonly #client: KafkaClient

  constructor(client: KafkaClient) {
    this.#client = client
  }

  /** Until it is there. */
  async create({ name, partitionCount, replicationFactor, configs }: TopicSpec): Promise<void> {
    for (;;) {
      try {
        const answer = await this.#client.call(
          this.#client.anyNode(),
          apis.createTopics,
          {
            topics: [
              { name, numPartitions: partitionCount, replicationFactor, assignments: [], configs },
            ],
            timeoutMs: 2_000,
            validateOnly: false,
          },
          { timeoutMs: 3_000 },
        )
        const errorCode = answer.topics[0]?.errorCode
        if (errorCode === 0) this.counts.created++
        if (errorCode === 0 || errorCode === errorCodes.TOPIC_ALREADY_EXISTS) return
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      if (this.#client.shared.isDraining) return
      await this.#client.sleep(this.#client.random.between(50, 200))
    }
  }

  /** From the moment it is asked, what is in the topic may be gone. */
  async delete(name: string): Promise<void> {
    await this.#client.refresh([name])
    const topic = this.#client.topics.get(name)
    if (topic === undefined) return
    const { deleted } = this.#client.shared.history
    for (let partition = 0; partition < partitionsMax; partition++) {
      deleted.add(`${topic.topicId}/${partition}`)
    }
    this.#client.topics.delete(name)
    const answer = await this.#ask(
      this.#client.call(this.#client.anyNode(), apis.deleteTopics, {
        topics: [{ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
        topicNames: [name],
        timeoutMs: 2_000,
      }),
    )
    if (answer?.responses[0]?.errorCode === 0) this.counts.deleted++
  }

  async addPartition(name: string): Promise<void> {
    await this.#client.refresh([name])
    const topic = this.#client.topics.get(name)
    if (topic === undefined || topic.partitions.length >= partitionsMax) return
    const count = topic.partitions.length + 1
    const answer = await this.#ask(
      this.#client.call(this.#client.anyNode(), apis.createPartitions, {
        topics: [{ name, count, assignments: null }],
        timeoutMs: 2_000,
        validateOnly: false,
      }),
    )
    if (answer?.results[0]?.errorCode === 0) this.counts.partitionsAdded++
  }

  async electPreferred(): Promise<void> {
    const answer = await this.#ask(
      this.#client.call(this.#client.anyNode(), apis.electLeaders, {
        electionType: 0,
        topicPartitions: null,
        timeoutMs: 2_000,
      }),
    )
    if (answer?.errorCode === 0) this.counts.elections++
  }

  async setRetention(name: string): Promise<void> {
    const value = String(this.#client.random.between(600_000, 6_000_000))
    const configs = [{ name: 'retention.ms', configOperation: 0, value }]
    const answer = await this.#ask(
      this.#client.call(this.#client.anyNode(), apis.incrementalAlterConfigs, {
        resources: [{ resourceType: 2, resourceName: name, configs }],
        validateOnly: false,
      }),
    )
    if (answer?.responses[0]?.errorCode === 0) this.counts.configs++
  }

  /** If it is there. Null: whatever is under way there is cancelled. */
  async reassign(
    client: KafkaClient,
    { topic: name, partition }: { readonly topic: string; readonly partition: number },
    replicas: readonly number[] | null,
  ): Promise<void> {
    const partitions = [{ partitionIndex: partition, replicas }]
    const answer = await this.#ask(
      client.call(client.anyNode(), apis.alterPartitionReassignments, {
        timeoutMs: 2_000,
        topics: [{ name, partitions }],
      }),
    )
    if (answer?.responses[0]?.partitions[0]?.errorCode !== 0) return
    if (replicas === null) this.counts.reassignmentsCancelled++
    else this.counts.reassigned++
  }

  /** If the node is a voter, it is none any more; if it is none, it is one. */
  async changeVoter(
    client: KafkaClient,
    nodeId: number,
    asksToAdd: (nodeId: number) => void,
  ): Promise<void> {
    const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]
    const told = await this.#ask(client.call(client.anyNode(), apis.describeQuorum, { topics }))
    const quorum = told?.topics[0]?.partitions[0]
    if (quorum === undefined) return
    const isMeant = ({ replicaId }: { readonly replicaId: number }): boolean => replicaId === nodeId
    const voter = quorum.currentVoters.find(isMeant)
    if (voter !== undefined) {
      const answer = await this.#ask(
        client.call(client.anyNode(), apis.removeRaftVoter, {
          clusterId: null,
          voterId: nodeId,
          voterDirectoryId: voter.replicaDirectoryId ?? '',
        }),
      )
      if (answer?.errorCode === 0) this.counts.votersRemoved++
      return
    }
    const observer = quorum.observers.find(isMeant)
    if (observer === undefined) return
    asksToAdd(nodeId)
    const answer = await this.#ask(
      client.call(client.anyNode(), apis.addRaftVoter, {
        clusterId: null,
        timeoutMs: 2_000,
        voterId: nodeId,
        voterDirectoryId: observer.replicaDirectoryId ?? '',
        listeners: [{ name: 'CONTROLLER', host: `node-${nodeId}`, port: 9093 }],
        ackWhenCommitted: client.random.chance(3, 4),
      }),
    )
    if (answer?.errorCode === 0) this.counts.votersAdded++
  }

  async #ask<T>(answer: Promise<T>): Promise<T | null> {
    try {
      return await answer
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return null
    }
  }
}
