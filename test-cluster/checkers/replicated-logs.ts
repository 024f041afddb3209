import { ByPartition, ClusterError } from '@trimaran/common'
import type { NodeId, Offset, TopicId } from '@trimaran/common'
import { batchSizeBytes, readBatchHeader } from '@trimaran/protocol'
import type { NodeView, ReplicaView } from './cluster-view.ts'
import { CommittedLog, indexIn } from './committed-log.ts'
import type { StoredBatch } from './committed-log.ts'
import { LogStarts } from './log-starts.ts'
import { violated } from './violation.ts'

const noIncarnation = -1

/** A replica's log as it was at the last look. */
export class Mirror {
  readonly nodeId: NodeId
  readonly log: CommittedLog
  incarnation = noIncarnation
  batches: StoredBatch[] = []
  /** Where the log begins; -1: not looked at yet. */
  start: Offset = -1
  end: Offset = 0
  highWatermark: Offset = 0
  /** Compared with what is committed up to here. */
  verified: Offset = 0
  /** What was stored there is not what is there. Whoever reads it is told so, or these checkers fail. */
  isRotten = false

  constructor(nodeId: NodeId, log: CommittedLog) {
    this.nodeId = nodeId
    this.log = log
  }

  rots(): void {
    this.isRotten = true
  }

  /** The batch that holds `offset`. */
  at(offset: Offset): StoredBatch | undefined {
    const batch = this.batches[indexIn(this.batches, offset)]
    return batch !== undefined && batch.baseOffset <= offset ? batch : undefined
  }
}

/** As much as a scan reads at a time. */
const scanBytes = 1024 * 1024

/**
 * Follows every replica's log, batch by batch, and with them what is committed.
 *
 * P5: only a leader commits, only with enough in sync, and nobody's high watermark is beyond what was committed.
 * P7: below their high watermarks all replicas are the same. P8: nothing below the own high watermark is truncated.
 * P12: see CommittedLog.
 */
export class ReplicatedLogs {
  readonly logs = new ByPartition<CommittedLog>()
  /** Something that ISR members must hold has changed there: see isr-completeness.ts. */
  readonly changed = new Set<CommittedLog>()
  readonly starts = new LogStarts()
  truncations = 0
  /** Without looking them up: looking is what this does most. */
  readonly #mirrorOfReplica = new WeakMap<ReplicaView, Mirror>()
  readonly #readValue: (bytes: Uint8Array) => number

  constructor(readValue: (bytes: Uint8Array) => number) {
    this.#readValue = readValue
  }

  log(topicId: TopicId, partition: number): CommittedLog | undefined {
    return this.logs.get(topicId, partition)
  }

  mirror(nodeId: NodeId, topicId: TopicId, partition: number): Mirror | undefined {
    return this.log(topicId, partition)?.mirrors.get(nodeId)
  }

  look(node: NodeView): void {
    const { incarnation } = node
    for (const replica of node.replicas()) {
      const mirror = this.#mirrorOf(node, replica)
      if (mirror.incarnation !== incarnation) this.#restarted(mirror, node, replica)
      const { logEndOffset, logStartOffset, highWatermark } = replica
      // What became committed in the event in which it was deleted became committed first.
      const isCommittedFirst = logStartOffset > mirror.log.end && highWatermark <= mirror.end
      if (isCommittedFirst && replica.failure === null) this.#moved(mirror, replica)
      if (logStartOffset !== mirror.start) this.#begins(mirror, node, replica)
      if (logEndOffset === mirror.end && highWatermark === mirror.highWatermark) continue
      if (replica.failure !== null) continue
      if (logEndOffset < mirror.end) this.#truncated(mirror, replica)
      if (logEndOffset > mirror.end) this.#grown(mirror, replica)
      if (highWatermark !== mirror.highWatermark) this.#moved(mirror, replica)
    }
  }

  #mirrorOf(node: NodeView, replica: ReplicaView): Mirror {
    const known = this.#mirrorOfReplica.get(replica)
    if (known) return known
    const mirror = this.#namedMirror(node, replica)
    // A log of its own, though the node has had one before: a reassignment took that away.
    mirror.incarnation = noIncarnation
    this.#mirrorOfReplica.set(replica, mirror)
    return mirror
  }

  #namedMirror(node: NodeView, replica: ReplicaView): Mirror {
    const { topicId, topicName, partition } = replica
    let log = this.logs.get(topicId, partition)
    if (log === undefined) {
      log = new CommittedLog(replica, topicName.startsWith('__') ? null : this.#readValue)
      this.logs.set(topicId, partition, log)
    }
    const known = log.mirrors.get(node.id)
    if (known) return known
    const mirror = new Mirror(node.id, log)
    log.mirrors.set(node.id, mirror)
    return mirror
  }

  #begins(mirror: Mirror, node: NodeView, replica: ReplicaView): void {
    this.starts.moved(mirror, node, replica)
    if (mirror.end >= mirror.start) return
    // It was emptied, and goes on behind what others have deleted.
    mirror.batches = []
    mirror.end = mirror.start
    this.changed.add(mirror.log)
  }

  /** What a crash left is looked at from the start. */
  #restarted(mirror: Mirror, node: NodeView, replica: ReplicaView): void {
    mirror.incarnation = node.incarnation
    mirror.batches = []
    mirror.start = -1
    mirror.end = replica.logStartOffset
    mirror.highWatermark = 0
    mirror.verified = 0
    this.changed.add(mirror.log)
  }

  #truncated(mirror: Mirror, replica: ReplicaView): void {
    const { logEndOffset } = replica
    this.truncations++
    if (logEndOffset < mirror.highWatermark) {
      violated(
        'P8',
        `node ${mirror.nodeId} truncates ${mirror.log.name} to ${logEndOffset}, below its high watermark ${mirror.highWatermark}`,
      )
    }
    while ((mirror.batches.at(-1)?.lastOffset ?? -1) >= logEndOffset) mirror.batches.pop()
    mirror.end = logEndOffset
    this.changed.add(mirror.log)
  }

  #grown(mirror: Mirror, replica: ReplicaView): void {
    const { logEndOffset } = replica
    while (mirror.end < logEndOffset) {
      const from = Math.max(mirror.end, replica.logStartOffset)
      const bytes = this.#read(mirror, replica, from)
      if (bytes === null) continue
      if (bytes.length === 0) {
        violated('D2', `node ${mirror.nodeId} cannot read ${mirror.log.name}@${mirror.end}`)
      }
      for (let at = 0; at < bytes.length;) {
        const sizeBytes = batchSizeBytes(bytes, at)
        const header = readBatchHeader(bytes, at)
        const batch = mirror.log.store(header, bytes.subarray(at, at + sizeBytes))
        at += sizeBytes
        if (batch.lastOffset < mirror.end) continue
        if (batch.baseOffset > mirror.end) {
          violated('P12', `node ${mirror.nodeId}: a hole in ${mirror.log.name} at ${mirror.end}`)
        }
        mirror.batches.push(batch)
        mirror.end = batch.lastOffset + 1
      }
    }
  }

  /** Null: bits of it have turned, which it says, and what was stored there is in the mirror now. */
  #read(mirror: Mirror, { log, logEndOffset }: ReplicaView, from: Offset): Uint8Array | null {
    try {
      return log.read(from, { maxBytes: scanBytes, endOffset: logEndOffset, minOneBatch: true })
    } catch (error) {
      const stored = mirror.isRotten ? mirror.log.knownAt(from) : undefined
      const isTold = error instanceof ClusterError && error.code === 'CORRUPT'
      if (!isTold || stored === undefined) throw error
      mirror.batches.push(stored)
      mirror.end = stored.lastOffset + 1
      return null
    }
  }

  #moved(mirror: Mirror, replica: ReplicaView): void {
    const { highWatermark, leading } = replica
    const { log } = mirror
    if (highWatermark > log.end) {
      if (leading === null) {
        violated(
          'P5',
          `follower ${mirror.nodeId} has ${log.name} committed to ${highWatermark}, beyond ${log.end}`,
        )
      } else if (leading.isrState.isr.size < replica.effectiveMinIsr) {
        violated(
          'P5',
          `leader ${mirror.nodeId} commits ${log.name} to ${highWatermark} with too few in sync`,
        )
      }
      this.#commit(mirror, highWatermark)
      this.changed.add(log)
    }
    this.#compare(mirror, Math.min(mirror.verified, highWatermark), highWatermark)
    mirror.highWatermark = highWatermark
  }

  #commit(mirror: Mirror, highWatermark: Offset): void {
    const { log } = mirror
    while (log.end < highWatermark) {
      const batch = mirror.at(log.end)
      if (batch === undefined)
        violated('P5', `${log.name} is committed beyond the log of ${mirror.nodeId}`)
      else log.commit(batch)
    }
  }

  #compare(mirror: Mirror, from: Offset, to: Offset): void {
    // The head of the log may be gone: log-starts.ts says whether it is rightly so.
    // Below, the leader has nothing any more that could tell a follower of a divergence, as in Kafka; it drops that, too.
    for (let offset = Math.max(from, mirror.start, mirror.log.begin); offset < to;) {
      const batch = mirror.at(offset)
      if (batch === undefined) {
        violated(
          'P7',
          `node ${mirror.nodeId} lacks ${mirror.log.name}@${offset} below its high watermark`,
        )
        return
      }
      const committed = mirror.log.committedAt(batch.baseOffset)
      if (committed !== batch) {
        violated(
          'P7',
          `node ${mirror.nodeId} has something else at ${mirror.log.name}@${batch.baseOffset} ` +
            `(epoch ${batch.leaderEpoch}) than what is committed (epoch ${committed?.leaderEpoch})`,
        )
      }
      offset = batch.lastOffset + 1
    }
    mirror.verified = to
  }
}
