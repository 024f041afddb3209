import type { BrokerId, Uuid } from '@trimaran/common'
import {
  type BrokerImage,
  type ControllerRequests,
  isBrokerActive,
  type MetadataRecord,
  type Outcome,
} from '@trimaran/metadata'
import {
  checkBrokerEpoch,
  type Cluster,
  type Decision,
  failure,
  type Part,
  partitionsPerTurnMax,
  type Rest,
  success,
} from './cluster.ts'
import { abandonDeletions, resumeDeletions, suspendDeletions } from './deletion.ts'
import type { HeartbeatsSoft } from './heartbeats-soft.ts'
import { electLeaderless, withBroker, withoutBroker } from './partition-changes.ts'

type Registration = ControllerRequests['registerBroker']
type Heartbeat = ControllerRequests['heartbeat']

const refused = (outcome: Outcome): Decision<Registration['response']> => ({
  records: [],
  response: { ...outcome, brokerEpoch: -1 },
})

/**
 * A broker process presents itself. Its epoch is the offset of its registration; it is fenced until it has caught up
 * with that offset. The same incarnation may ask again and keeps its epoch (KAFKA-16952). Another one on the same data
 * directory is its successor: the directory is locked for life, so the former process is dead, and a broker that was
 * killed and started at once need not wait for its own session (Kafka lets it wait). One on another directory is a
 * twin by mistake, and refused until nobody is heard under that id any more.
 */
export function registerBroker(
  cluster: Cluster,
  soft: HeartbeatsSoft,
  request: Registration['request'],
  nowMs: number,
): Decision<Registration['response']> {
  const { brokerId, clusterId, incarnationId } = request
  if (clusterId !== cluster.config.clusterId) {
    const message = `Expected cluster ID ${cluster.config.clusterId}, but got cluster ID ${clusterId}.`
    return refused(failure('INCONSISTENT_CLUSTER_ID', message))
  }
  const existing = cluster.image.brokers.get(brokerId)
  if (existing?.incarnationId === incarnationId) {
    return { records: [], response: { ...success, brokerEpoch: existing.epoch } }
  }
  const isTwin = existing !== undefined && !isSuccessor(existing, request.logDirs)
  if (isTwin && soft.isAlive(brokerId, existing.epoch, nowMs)) {
    const message = `Another broker is registered with that broker id ${brokerId} and alive, on another data directory.`
    return refused(failure('DUPLICATE_BROKER_REGISTRATION', message))
  }
  const brokerEpoch: number = cluster.nextOffset
  const record: MetadataRecord = {
    kind: 'registerBroker',
    brokerId,
    brokerEpoch,
    incarnationId,
    endpoints: request.endpoints,
    nodeHost: request.nodeHost,
    nodePort: request.nodePort,
    rack: request.rack,
    logDirs: request.logDirs,
  }
  return { records: [record], response: { ...success, brokerEpoch } }
}

const isSuccessor = (former: BrokerImage, logDirs: readonly Uuid[]): boolean =>
  logDirs.length > 0 && logDirs.every(directoryId => former.logDirs.includes(directoryId))

/**
 * What the end of the former incarnation means, before its id is registered anew: it leads nothing and is in no ISR. If
 * it did not stop cleanly in its own epoch it may have lost what it wrote last, so that it is no eligible leader either.
 */
export function endIncarnation(
  cluster: Cluster,
  former: BrokerImage,
  previousBrokerEpoch: number,
): MetadataRecord[] {
  const isUncleanShutdown = previousBrokerEpoch !== former.epoch
  const records = withoutBroker(
    cluster,
    former.id,
    isUncleanShutdown ? { how: 'uncleanShutdown' } : {},
  )
  return [...records, ...suspendDeletions(cluster, former.id), ...fenceRecords(former)]
}

const fenceRecords = (broker: BrokerImage): MetadataRecord[] =>
  broker.fenced ? [] : [change(broker, { fenced: true, inControlledShutdown: null })]

const change = (
  broker: BrokerImage,
  flags: { readonly fenced: boolean | null; readonly inControlledShutdown: boolean | null },
): MetadataRecord => ({
  kind: 'brokerChange',
  brokerId: broker.id,
  brokerEpoch: broker.epoch,
  ...flags,
})

/** Nobody counts on the broker any more: it leads nothing, is in no ISR that has another member, and clients do not see it. */
export function fenceBroker(cluster: Cluster, brokerId: BrokerId): Part {
  const broker = cluster.image.brokers.get(brokerId)
  if (broker === undefined || broker.fenced) return { records: [] }
  const changes = withoutBroker(cluster, brokerId, { max: partitionsPerTurnMax })
  if (changes.length === partitionsPerTurnMax) {
    return { records: changes, rest: { kind: 'fence', brokerId, brokerEpoch: broker.epoch } }
  }
  return { records: [...changes, ...suspendDeletions(cluster, brokerId), ...fenceRecords(broker)] }
}

function unfence(cluster: Cluster, broker: BrokerImage): Part {
  const elections = withBroker(cluster, broker.id, partitionsPerTurnMax)
  const records = [
    change(broker, { fenced: false, inControlledShutdown: false }),
    ...elections,
    ...resumeDeletions(cluster, broker.id),
  ]
  return elections.length < partitionsPerTurnMax
    ? { records }
    : { records, rest: { kind: 'elect' } }
}

/** It wants to stop: others take over what it leads, and then it is told to be in controlled shutdown. */
export function beginShutdown(cluster: Cluster, brokerId: BrokerId): Part {
  const broker = cluster.image.brokers.get(brokerId)
  if (broker === undefined || !isBrokerActive(broker)) return { records: [] }
  const changes = withoutBroker(cluster, brokerId, { max: partitionsPerTurnMax })
  return changes.length === partitionsPerTurnMax
    ? { records: changes, rest: { kind: 'shutdown', brokerId, brokerEpoch: broker.epoch } }
    : { records: [...changes, change(broker, { fenced: null, inControlledShutdown: true })] }
}

/** One more turn's part. */
export function continued(cluster: Cluster, rest: Rest): Part {
  if (rest.kind === 'elect') return electLeaderless(cluster)
  const { brokerId, brokerEpoch } = rest
  if (cluster.image.brokers.get(brokerId)?.epoch !== brokerEpoch) return { records: [] }
  return rest.kind === 'fence' ? fenceBroker(cluster, brokerId) : beginShutdown(cluster, brokerId)
}

/** All who serve clients have applied everything before `offset`. */
function isSeenByAll(cluster: Cluster, soft: HeartbeatsSoft, offset: number): boolean {
  for (const broker of cluster.image.brokers.values()) {
    if (isBrokerActive(broker) && soft.metadataOffset(broker.id) < offset) return false
  }
  return true
}

/**
 * The broker's state machine: fenced → unfenced when caught up → in controlled shutdown when it wants to stop → fenced,
 * and free to stop, when it leads nothing and all others know.
 */
export function heartbeat(
  cluster: Cluster,
  soft: HeartbeatsSoft,
  request: Heartbeat['request'],
): Decision<Heartbeat['response']> {
  const epoch = checkBrokerEpoch(cluster.image, request.brokerId, request.brokerEpoch)
  const broker = cluster.image.brokers.get(request.brokerId)
  if (epoch.errorCode !== 0 || broker === undefined) {
    const unknown = { isCaughtUp: false, isFenced: true, shouldShutDown: false }
    return { records: [], response: { ...epoch, ...unknown } }
  }
  const isCaughtUp = request.metadataOffset > broker.epoch
  const decided = (
    part: Part,
    isFenced: boolean,
    shouldShutDown = false,
  ): Decision<Heartbeat['response']> => ({
    ...part,
    response: { ...success, isCaughtUp, isFenced, shouldShutDown },
  })
  /** It asks again until it is fenced as a whole. */
  const decidedFence = (shouldShutDown: boolean): Decision<Heartbeat['response']> => {
    const part = fenceBroker(cluster, broker.id)
    const isFenced = part.rest === undefined
    return decided(part, isFenced, isFenced && shouldShutDown)
  }
  const nothing: Part = { records: [] }
  if (broker.fenced) {
    if (request.wantShutDown) return decided(nothing, true, true)
    const stays = request.wantFence || !isCaughtUp
    return stays ? decided(nothing, true) : decided(unfence(cluster, broker), false)
  }
  if (broker.inControlledShutdown) {
    const offset = soft.shutdownOffset(broker.id, cluster.image.endOffset)
    const isFree =
      cluster.index.leadershipCount(broker.id) === 0 && isSeenByAll(cluster, soft, offset)
    return isFree ? decidedFence(true) : decided(nothing, false)
  }
  if (request.wantFence) return decidedFence(false)
  return decided(request.wantShutDown ? beginShutdown(cluster, broker.id) : nothing, false)
}

/** Forgets a broker for good. Partitions that only it could lead have no leader until it registers again. */
export function unregisterBroker(
  cluster: Cluster,
  { brokerId }: ControllerRequests['unregisterBroker']['request'],
): Decision<Outcome> {
  const broker = cluster.image.brokers.get(brokerId)
  if (broker === undefined) {
    const outcome = failure(
      'BROKER_ID_NOT_REGISTERED',
      `Broker ID ${brokerId} is not currently registered.`,
    )
    return { records: [], response: outcome }
  }
  const records: MetadataRecord[] = [
    ...withoutBroker(cluster, brokerId, { how: 'gaveUp' }),
    ...abandonDeletions(cluster, brokerId),
    { kind: 'unregisterBroker', brokerId, brokerEpoch: broker.epoch },
  ]
  return { records, response: success }
}
