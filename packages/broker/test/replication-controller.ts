import { noLeader } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, TopicId } from '@trimaran/common'
import { Delta, emptyImage, partitionOf } from '@trimaran/metadata'
import type { ControllerRequests, Image, MetadataRecord, PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'

type AlterPartition = ControllerRequests['alterPartition']

/** The controller's rules about leaders and ISRs, without a quorum, time or a network: every commit is instantaneous. */
export class ControllerStandIn {
  image: Image = emptyImage
  readonly #publish: (delta: Delta, image: Image) => void

  constructor(publish: (delta: Delta, image: Image) => void) {
    this.#publish = publish
  }

  commit(records: readonly MetadataRecord[]): void {
    if (records.length === 0) return
    const delta = new Delta(this.image)
    for (const record of records) delta.replay(record)
    this.image = delta.apply(this.image.endOffset + 1)
    this.#publish(delta, this.image)
  }

  createTopic(topicId: TopicId, name: string, assignments: readonly (readonly BrokerId[])[]): void {
    this.commit([
      { kind: 'topic', topicId, name },
      ...assignments.map((replicas, partition): MetadataRecord => ({
        kind: 'partition',
        topicId,
        partition,
        replicas,
        isr: replicas,
        addingReplicas: [],
        removingReplicas: [],
        leader: replicas[0] as BrokerId,
        leaderEpoch: 0,
        partitionEpoch: 0,
        recovering: false,
      })),
    ])
  }

  partitions(): { readonly topicId: TopicId; readonly image: PartitionImage }[] {
    return [...this.image.topicsById.values()].flatMap(topic =>
      topic.partitions.map(image => ({ topicId: topic.id, image })),
    )
  }

  /** A new incarnation, fenced. `isClean`: its log is what it was. */
  register(brokerId: BrokerId, isClean: boolean): BrokerEpoch {
    this.fence(brokerId)
    const brokerEpoch = this.image.endOffset + 1
    const records: MetadataRecord[] = []
    for (const { topicId, image } of this.partitions()) {
      const isr = image.isr.filter(id => id !== brokerId)
      // An unclean stop: out of the ISR, unless there is nobody else (KIP-966).
      if (isClean || isr.length === 0 || !image.isr.includes(brokerId)) continue
      records.push({ kind: 'partitionChange', topicId, partition: image.partition, isr })
    }
    this.commit([
      ...records,
      {
        kind: 'registerBroker',
        brokerId,
        brokerEpoch,
        incarnationId: 'AAAAAAAAAAAAAAAAAAAAAA',
        endpoints: [],
        nodeHost: 'host',
        nodePort: 1,
        rack: null,
        logDirs: [],
      },
    ])
    return brokerEpoch
  }

  fence(brokerId: BrokerId): void {
    const broker = this.image.brokers.get(brokerId)
    if (!broker || broker.fenced) return
    const records: MetadataRecord[] = []
    for (const { topicId, image } of this.partitions()) {
      if (!image.isr.includes(brokerId)) continue
      const others = image.isr.filter(id => id !== brokerId)
      const isr = others.length > 0 ? others : image.isr
      const change = { kind: 'partitionChange' as const, topicId, partition: image.partition, isr }
      const leader =
        image.replicas.find(id => others.includes(id) && this.#isActive(id)) ?? noLeader
      records.push(image.leader === brokerId ? { ...change, leader } : change)
    }
    const { epoch: brokerEpoch } = broker
    const fenced = { kind: 'brokerChange' as const, brokerId, brokerEpoch }
    this.commit([...records, { ...fenced, fenced: true, inControlledShutdown: null }])
  }

  unfence(brokerId: BrokerId, brokerEpoch: BrokerEpoch): void {
    const broker = this.image.brokers.get(brokerId)
    if (broker?.epoch !== brokerEpoch || !broker.fenced) return
    const records: MetadataRecord[] = [
      { kind: 'brokerChange', brokerId, brokerEpoch, fenced: false, inControlledShutdown: null },
    ]
    for (const { topicId, image } of this.partitions()) {
      if (image.leader !== noLeader || !image.isr.includes(brokerId)) continue
      const isr = image.isr.filter(id => id === brokerId || this.#isActive(id))
      const partition = image.partition
      records.push({ kind: 'partitionChange', topicId, partition, isr, leader: brokerId })
    }
    this.commit(records)
  }

  alterPartition(request: AlterPartition['request']): AlterPartition['response'] {
    const broker = this.image.brokers.get(request.brokerId)
    if (broker?.epoch !== request.brokerEpoch) {
      return { errorCode: errorCodes.STALE_BROKER_EPOCH, errorMessage: null, partitions: [] }
    }
    const partitions = request.partitions.map(asked => {
      const errorCode = this.#refusal(request.brokerId, asked)
      if (errorCode === errorCodes.NONE) {
        const isr = asked.newIsr.map(({ brokerId }) => brokerId)
        const { topicId, partition } = asked
        const change = { kind: 'partitionChange' as const, topicId, partition }
        // Who has no log asks for an ISR without itself; a leader that was alone stays in.
        const leads = partitionOf(this.image, topicId, partition)?.leader === request.brokerId
        if (isr.includes(request.brokerId) || !leads) this.commit([{ ...change, isr }])
        else {
          const [leader = noLeader] = isr
          this.commit([{ ...change, leader, ...(isr.length > 0 && { isr }) }])
        }
      }
      const after = this.image.topicsById.get(asked.topicId)?.partitions[asked.partition]
      return {
        topicId: asked.topicId,
        partition: asked.partition,
        errorCode,
        leader: after?.leader ?? noLeader,
        leaderEpoch: after?.leaderEpoch ?? -1,
        isr: after?.isr ?? [],
        partitionEpoch: after?.partitionEpoch ?? -1,
      }
    })
    return { errorCode: errorCodes.NONE, errorMessage: null, partitions }
  }

  #refusal(leader: BrokerId, asked: AlterPartition['request']['partitions'][number]): number {
    const image = this.image.topicsById.get(asked.topicId)?.partitions[asked.partition]
    if (!image) return errorCodes.UNKNOWN_TOPIC_ID
    const isMine = image.leader === leader || asked.newIsr.every(it => it.brokerId !== leader)
    if (asked.leaderEpoch !== image.leaderEpoch || !isMine) return errorCodes.FENCED_LEADER_EPOCH
    if (asked.partitionEpoch !== image.partitionEpoch) return errorCodes.INVALID_UPDATE_VERSION
    for (const { brokerId, brokerEpoch } of asked.newIsr) {
      const isCurrent =
        brokerEpoch === -1 || this.image.brokers.get(brokerId)?.epoch === brokerEpoch
      if (!isCurrent || !this.#isActive(brokerId)) return errorCodes.INELIGIBLE_REPLICA
    }
    return errorCodes.NONE
  }

  #isActive(brokerId: BrokerId): boolean {
    return this.image.brokers.get(brokerId)?.fenced === false
  }
}
