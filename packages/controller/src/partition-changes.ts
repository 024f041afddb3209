import { type BrokerId, noLeader, type TopicId } from '@trimaran/common'
import type { MetadataRecord, PartitionChangeRecord, PartitionImage } from '@trimaran/metadata'
import {
  type Cluster,
  isActiveIn,
  type NamedPartition,
  type Part,
  partitionsPerTurnMax,
  topicConfigIn,
} from './cluster.ts'
import type { PartitionSet } from './cluster-index.ts'
import { electLeader } from './partition-state-machine.ts'
import { completed, type ReplicaAssignment } from './replica-assignment.ts'

/** What is to be true of a partition. Everything else follows. */
export interface PartitionTarget {
  readonly isActive: (brokerId: BrokerId) => boolean
  readonly minInsyncReplicas: number
  readonly unclean: boolean
  readonly preferred?: boolean
  /** What the leader asks for. */
  readonly isr?: readonly BrokerId[]
  readonly recovering?: boolean
  /** On the way to other replicas, or back from there. Its `isr` is part of its replicas. */
  readonly assignment?: ReplicaAssignment
  /** Started again without having stopped cleanly: what it wrote last may be lost, so it is in sync no more. */
  readonly uncleanShutdown?: BrokerId
  /** Says itself that its log failed or is damaged, or will never come back: it is in sync no more either. */
  readonly gaveUp?: BrokerId
}

const isSame = (a: readonly BrokerId[], b: readonly BrokerId[]): boolean =>
  a.length === b.length && a.every((id, at) => id === b[at])

/** Without those that are down; but never empty: the last ones to be in sync stay, for they alone have all records. */
function liveIsr(
  isr: readonly BrokerId[],
  isActive: (id: BrokerId) => boolean,
): readonly BrokerId[] {
  const live = isr.filter(isActive)
  return live.length === 0 || live.length === isr.length ? isr : live
}

/**
 * A last ISR member that may have lost records gives way to an ELR member, which has all that is committed, and waits to
 * lead (KIP-966). If that one has stopped uncleanly as well, neither is better than the other. If it finds that its log is
 * damaged, who gave way to it is.
 */
function replaceLost(
  isr: readonly BrokerId[],
  { elr = [], lastKnownElr = [] }: PartitionImage,
  { uncleanShutdown, gaveUp }: PartitionTarget,
): readonly BrokerId[] {
  const [only] = isr
  const lost = gaveUp ?? uncleanShutdown
  if (lost === undefined || isr.length > 1 || only !== lost) return isr
  const mayFallBack = lost === gaveUp && lastKnownElr.includes(lost)
  const heirs = mayFallBack ? [...elr, ...lastKnownElr] : elr
  const heir = heirs.find(id => id !== lost)
  return heir === undefined ? isr : [heir]
}

/** Those of whom each was the last in sync and stopped uncleanly, until one that did not leads, or two are in sync. */
function nextLastKnown(
  before: PartitionImage,
  after: Pick<PartitionImage, 'leader' | 'isr' | 'replicas'>,
  { uncleanShutdown, gaveUp, minInsyncReplicas }: PartitionTarget,
): readonly BrokerId[] {
  const { isr, leader, replicas } = after
  if (isr.length > 1 || minInsyncReplicas === 1) return []
  const [last] = before.isr
  const known = before.lastKnownElr ?? []
  const isOneMore =
    last !== undefined &&
    last === uncleanShutdown &&
    !known.includes(last) &&
    (known.length > 0 || !isr.includes(last))
  const next = isOneMore ? [...known, last] : known
  if (leader !== noLeader && !next.includes(leader)) return []
  return next.filter(id => id !== gaveUp && replicas.includes(id))
}

/**
 * Who has everything below the high watermark without being in sync: the high watermark stands still while the ISR is
 * smaller than min.insync.replicas, so whoever was in sync when it became that small still has it all (KIP-966).
 */
function nextElr(
  before: PartitionImage,
  replicas: readonly BrokerId[],
  isr: readonly BrokerId[],
  target: PartitionTarget,
): readonly BrokerId[] {
  if (isr.length >= Math.min(target.minInsyncReplicas, replicas.length)) return []
  const hadAll = [...before.isr, ...(before.elr ?? [])]
  return replicas.filter(
    id =>
      hadAll.includes(id) &&
      !isr.includes(id) &&
      id !== target.uncleanShutdown &&
      id !== target.gaveUp,
  )
}

const within = (isr: readonly BrokerId[], { replicas }: ReplicaAssignment): readonly BrokerId[] =>
  isr.every(id => replicas.includes(id)) ? isr : isr.filter(id => replicas.includes(id))

function assignmentFields(
  before: PartitionImage,
  after: ReplicaAssignment,
): Partial<PartitionChangeRecord> {
  const { replicas, addingReplicas, removingReplicas } = after
  return {
    ...(isSame(replicas, before.replicas) ? {} : { replicas }),
    ...(isSame(addingReplicas, before.addingReplicas) ? {} : { addingReplicas }),
    ...(isSame(removingReplicas, before.removingReplicas) ? {} : { removingReplicas }),
  }
}

/** The one place that decides leader, ISR, ELR and the end of a reassignment together. Null: all is as it should be. */
export function changePartition(
  topicId: TopicId,
  before: PartitionImage,
  target: PartitionTarget,
): PartitionChangeRecord | null {
  const elrBefore = before.elr ?? []
  const asked = liveIsr(target.isr ?? before.isr, target.isActive)
  let isr = replaceLost(asked, before, target)
  let assignment: ReplicaAssignment = target.assignment ?? before
  assignment = completed(assignment, isr) ?? assignment
  if (assignment !== before) isr = within(isr, assignment)
  const election = electLeader(
    { ...before, ...assignment, isr },
    { isActive: target.isActive, unclean: target.unclean, preferred: target.preferred ?? false },
  )
  let leader = before.leader
  let recovering = target.recovering ?? before.recovering
  let elr: readonly BrokerId[] | null = null
  let lastKnownElr: readonly BrokerId[] | null = null
  if (election.kind === 'offline') leader = noLeader
  if (election.kind === 'elected') {
    leader = election.leader
    if (election.from !== 'isr') {
      isr = [leader]
      // A target of one replica, and that one leads now.
      assignment = completed(assignment, isr) ?? assignment
    }
    if (election.from === 'outOfSync') {
      // Its log is the truth from now on: nobody else's is.
      recovering = true
      elr = []
      lastKnownElr = []
    }
  }
  elr ??= nextElr(before, assignment.replicas, isr, target)
  const { replicas } = assignment
  lastKnownElr ??= nextLastKnown(before, { leader, isr, replicas }, target)
  const isMoved = assignment !== before
  // Replicas only ever join within a leader epoch: when one leaves, the leader begins anew without it.
  const isNamedAnew =
    leader !== before.leader ||
    (isMoved && before.replicas.some(id => !assignment.replicas.includes(id)))
  const record: PartitionChangeRecord = {
    kind: 'partitionChange',
    topicId,
    partition: before.partition,
    ...(isNamedAnew ? { leader } : {}),
    ...(isSame(isr, before.isr) ? {} : { isr }),
    ...(recovering === before.recovering ? {} : { recovering }),
    ...(isSame(elr, elrBefore) ? {} : { elr }),
    ...(isSame(lastKnownElr, before.lastKnownElr ?? []) ? {} : { lastKnownElr }),
    ...(isMoved ? assignmentFields(before, assignment) : {}),
  }
  return Object.keys(record).length === 3 ? null : record
}

/** The partitions of a set, in the order of the set. */
export function* partitionsOf(
  cluster: Pick<Cluster, 'image'>,
  set: PartitionSet,
): IterableIterator<NamedPartition> {
  for (const [topicId, numbers] of set) {
    const topic = cluster.image.topicsById.get(topicId)
    if (topic === undefined) continue
    for (const number of numbers) {
      const partition = topic.partitions[number]
      if (partition !== undefined) yield { topicId, topicName: topic.name, partition }
    }
  }
}

/** What a partition should be, as far as its topic's configuration says so. */
export function targetIn(
  cluster: Cluster,
  topicName: string,
  isActive: (brokerId: BrokerId) => boolean = isActiveIn(cluster.image),
): PartitionTarget {
  const config = topicConfigIn(cluster, topicName)
  return {
    isActive,
    minInsyncReplicas: config.minInsyncReplicas,
    unclean: config.uncleanLeaderElectionEnable,
  }
}

/**
 * A broker stops being active: it leaves every ISR that has another member, and leads nothing. At most `max` partitions,
 * those that it leads first: nobody can write to them.
 */
export function withoutBroker(
  cluster: Cluster,
  brokerId: BrokerId,
  options: { readonly how?: 'uncleanShutdown' | 'gaveUp'; readonly max?: number } = {},
): MetadataRecord[] {
  const { how, max = Infinity } = options
  const isActiveNow = isActiveIn(cluster.image)
  const isActive = (id: BrokerId): boolean => id !== brokerId && isActiveNow(id)
  const records: MetadataRecord[] = []
  for (const isLed of [true, false]) {
    for (const { topicId, topicName, partition } of partitionsOf(
      cluster,
      cluster.index.hosted(brokerId),
    )) {
      if (records.length >= max) return records
      const isConcerned =
        partition.isr.includes(brokerId) || (how !== undefined && isRemembered(partition, brokerId))
      if (!isConcerned || isLed !== (partition.leader === brokerId)) continue
      const record = changePartition(topicId, partition, {
        ...targetIn(cluster, topicName, isActive),
        ...(how === undefined ? {} : { [how]: brokerId }),
      })
      if (record !== null) records.push(record)
    }
  }
  return records
}

const isRemembered = ({ elr = [], lastKnownElr = [] }: PartitionImage, id: BrokerId): boolean =>
  elr.includes(id) || lastKnownElr.includes(id)

/** A broker becomes active: partitions without a leader that it may lead. It joins ISRs later, when leaders ask. */
export function withBroker(cluster: Cluster, brokerId: BrokerId, max: number): MetadataRecord[] {
  const isActiveNow = isActiveIn(cluster.image)
  const isActive = (id: BrokerId): boolean => id === brokerId || isActiveNow(id)
  return electionsFor(cluster, leaderlessOn(cluster, brokerId), { isActive, max })
}

function* leaderlessOn(cluster: Cluster, brokerId: BrokerId): IterableIterator<NamedPartition> {
  const hosted = cluster.index.hosted(brokerId)
  const { leaderless } = cluster.index
  const [fewer, other] = hosted.size < leaderless.size ? [hosted, leaderless] : [leaderless, hosted]
  for (const [topicId, numbers] of fewer) {
    const both = [...numbers].filter(number => other.get(topicId)?.has(number) === true)
    if (both.length > 0) yield* partitionsOf(cluster, new Map([[topicId, new Set(both)]]))
  }
}

/** Leaders for partitions that have none and may have one now: at most `max`. */
export function electionsFor(
  cluster: Cluster,
  partitions: Iterable<NamedPartition>,
  options: { readonly isActive?: (brokerId: BrokerId) => boolean; readonly max?: number } = {},
): MetadataRecord[] {
  const { isActive = isActiveIn(cluster.image), max = Infinity } = options
  const records: MetadataRecord[] = []
  for (const { topicId, topicName, partition } of partitions) {
    if (records.length >= max) break
    const record = changePartition(topicId, partition, targetIn(cluster, topicName, isActive))
    if (record !== null) records.push(record)
  }
  return records
}

/** Leaders for all partitions that have none and may have one now, as many as one turn decides about. */
export function electLeaderless(cluster: Cluster): Part {
  const leaderless = partitionsOf(cluster, cluster.index.leaderless)
  const records = electionsFor(cluster, leaderless, { max: partitionsPerTurnMax })
  return records.length < partitionsPerTurnMax ? { records } : { records, rest: { kind: 'elect' } }
}
