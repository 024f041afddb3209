import { zeroUuid } from '@trimaran/common'
import type { BrokerId, Clock, HostPort, NodeId, Offset, TopicId, Voter } from '@trimaran/common'
import type { Broker, HostedPartition, LifecycleState, ReplicationStatus } from '@trimaran/broker'
import type { ControllerRequests, Image, QuorumReplica } from '@trimaran/metadata'
import type { RaftDriver, RaftStatus } from '@trimaran/raft'
import type { NodeConfig } from './node-config.ts'

/** What a node says of itself on /status; the CLI and tests read it. Ids are −1 where there is none. */
export interface NodeStatus {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly roles: readonly ('broker' | 'controller')[]
  /** The active controller, as far as this node knows. */
  readonly controllerId: NodeId
  /** End of the metadata applied here. */
  readonly metadataOffset: Offset
  readonly quorum: {
    readonly epoch: number
    readonly leaderId: NodeId
    readonly role: string
    readonly highWatermark: Offset
    readonly logStartOffset: Offset
    readonly logEndOffset: Offset
    readonly voters: readonly NodeId[]
  }
  readonly broker: {
    readonly state: BrokerStateName
    readonly epoch: number
    readonly fenced: boolean
    readonly replication: ReplicationStatus
  } | null
  readonly brokers: readonly {
    readonly id: BrokerId
    readonly epoch: number
    readonly fenced: boolean
    readonly inControlledShutdown: boolean
    readonly rack: string | null
    readonly endpoints: readonly string[]
  }[]
  readonly partitions: readonly PartitionStatus[]
}

export interface PartitionStatus {
  readonly topic: string
  readonly topicId: TopicId
  readonly partition: number
  readonly leader: BrokerId
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
  /** The replica on this node; null where there is none. */
  readonly local: {
    readonly role: HostedPartition['role']
    readonly isrState: HostedPartition['isrState']
    readonly highWatermark: Offset
    readonly lastStableOffset: Offset
    readonly logStartOffset: Offset
    readonly logEndOffset: Offset
    readonly sizeBytes: number
  } | null
}

/** Kafka's names of a broker's states. */
export type BrokerStateName =
  | 'NOT_RUNNING'
  | 'STARTING'
  | 'RECOVERY'
  | 'RUNNING'
  | 'PENDING_CONTROLLED_SHUTDOWN'
  | 'SHUTTING_DOWN'

const stateNames: Readonly<Record<LifecycleState, BrokerStateName>> = {
  notRunning: 'NOT_RUNNING',
  starting: 'STARTING',
  recovery: 'RECOVERY',
  running: 'RUNNING',
  pendingControlledShutdown: 'PENDING_CONTROLLED_SHUTDOWN',
  shuttingDown: 'SHUTTING_DOWN',
}

export interface StatusSources {
  readonly config: NodeConfig
  readonly raft: RaftDriver
  readonly image: Image
  readonly broker: Broker | null
}

export function nodeStatus({ config, raft, image, broker }: StatusSources): NodeStatus {
  const { epoch, leaderId, role, highWatermark, logStartOffset, logEndOffset, voters } = raft.status
  return {
    nodeId: config.nodeId,
    clusterId: config.clusterId,
    roles: [
      ...(config.roles.broker ? (['broker'] as const) : []),
      ...(config.roles.controller ? (['controller'] as const) : []),
    ],
    controllerId: leaderId ?? -1,
    metadataOffset: image.endOffset,
    quorum: {
      epoch,
      leaderId: leaderId ?? -1,
      role,
      highWatermark,
      logStartOffset,
      logEndOffset,
      voters: voters.map(({ nodeId }) => nodeId),
    },
    broker: broker === null ? null : brokerPart(broker),
    brokers: [...image.brokers.values()]
      .toSorted((a, b) => a.id - b.id)
      .map(({ id, epoch: brokerEpoch, fenced, inControlledShutdown, rack, endpoints }) => ({
        id,
        epoch: brokerEpoch,
        fenced,
        inControlledShutdown,
        rack,
        endpoints: endpoints.map(({ listener, host, port }) => `${listener}://${host}:${port}`),
      })),
    partitions: partitionParts(image, broker),
  }
}

function brokerPart(broker: Broker): NodeStatus['broker'] {
  const { state, brokerEpoch, fenced, replication } = broker.status()
  return { state: stateNames[state], epoch: brokerEpoch, fenced, replication }
}

function partitionParts(image: Image, broker: Broker | null): readonly PartitionStatus[] {
  const hosted = new Map<string, HostedPartition>()
  for (const one of broker?.partitions() ?? []) hosted.set(`${one.topicId}/${one.partition}`, one)
  const parts: PartitionStatus[] = []
  for (const topic of image.topicsById.values()) {
    for (const {
      partition,
      leader,
      leaderEpoch,
      partitionEpoch,
      replicas,
      isr,
    } of topic.partitions) {
      parts.push({
        topic: topic.name,
        topicId: topic.id,
        partition,
        leader,
        leaderEpoch,
        partitionEpoch,
        replicas,
        isr,
        local: localPart(hosted.get(`${topic.id}/${partition}`)),
      })
    }
  }
  return parts.sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function localPart(hosted: HostedPartition | undefined): PartitionStatus['local'] {
  if (hosted === undefined) return null
  const {
    role,
    isrState,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    logEndOffset,
    sizeBytes,
  } = hosted
  return {
    role,
    isrState,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    logEndOffset,
    sizeBytes,
  }
}

/** The quorum as DescribeQuorum tells it: answered by its leader, times on the wall clock. */
export function describeQuorum(
  status: RaftStatus,
  clock: Clock,
  addressOf: (nodeId: NodeId) => HostPort | null,
): ControllerRequests['describeQuorum']['response'] {
  const toWallMs = (monotonicMs: number): number =>
    Number.isFinite(monotonicMs)
      ? Math.round(clock.wallMs() - (clock.monotonicMs() - monotonicMs))
      : -1
  const told = status.replicas.map(replica => {
    const place = replica.isVoter
      ? status.voters.find(voter => voter.nodeId === replica.nodeId)
      : addressOf(replica.nodeId)
    return {
      isVoter: replica.isVoter,
      nodeId: replica.nodeId,
      directoryId: replica.directoryId ?? zeroUuid,
      host: place?.host ?? '',
      port: place?.port ?? 0,
      logEndOffset: replica.endOffset,
      lastFetchTimestampMs: toWallMs(replica.lastFetchMs),
      lastCaughtUpTimestampMs: toWallMs(replica.lastCaughtUpMs),
    }
  })
  const voters = told.filter(({ isVoter }) => isVoter)
  // One whose disk is lost is a voter until it is taken out; what has come in its place is an observer.
  const unheard = status.voters.filter(({ nodeId }) => !voters.some(each => each.nodeId === nodeId))
  return {
    errorCode: 0,
    errorMessage: null,
    leaderId: status.leaderId ?? -1,
    leaderEpoch: status.epoch,
    highWatermark: status.highWatermark,
    voters: [...voters, ...unheard.map(toUnheard)],
    observers: told.filter(({ isVoter }) => !isVoter),
  }
}

const toUnheard = ({ nodeId, directoryId, host, port }: Voter): QuorumReplica => ({
  nodeId,
  directoryId: directoryId ?? zeroUuid,
  host,
  port,
  logEndOffset: -1,
  lastFetchTimestampMs: -1,
  lastCaughtUpTimestampMs: -1,
})
