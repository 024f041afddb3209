import { assert } from '@trimaran/common'
import type { Clock, LeaderEpoch, LogEvent, Random } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { maxPendingCommits } from './config.ts'
import type { GroupConfig } from './config.ts'
import { ClassicGroup } from './group/group.ts'
import type { GroupHost, WriteOutcome } from './group/host.ts'
import { expiredRecords, topicTombstones } from './group/offsets.ts'
import {
  onJoinDeadline,
  onSyncDeadline,
  armSession,
  joinError,
  syncError,
} from './group/rebalance.ts'
import { encodeGroupRecords } from './group/records.ts'
import type { GroupRecord } from './group/records.ts'
import { restoreGroup } from './group/restore.ts'
import { StoredGroups } from './group/stored-groups.ts'
import type { AppendOutcome, OffsetsLog } from './offsets-log.ts'
import { ShardLoader } from './shard-loader.ts'
import { Timer, Timers } from './timers.ts'

/**
 * Records per batch of a write that may be split. A tombstone has a key of a group id, a topic name of at most 249
 * bytes and 8 more: 1000 of them with usual names are below 300 kB; max.message.bytes is 1 MiB.
 */
const maxRecordsPerBatch = 1000

/** Offsets of a deleted topic are ended again after this when the log refused it. */
const tombstoneRetryMs = 1000

/** Something to do in a group when its turn comes. */
export interface Operation {
  run(): void
  /** Instead of `run`: the group cannot be served. Null: must run in any case (deadlines). */
  readonly refuse: ((errorCode: number) => void) | null
  /** Waits until no offset commit of the group is on its way into the log. */
  readonly needsQuiet?: boolean
}

/** A group and its mailbox: one thing at a time, in order, and nothing while the log decides on the last one. */
interface Slot {
  readonly group: ClassicGroup
  readonly queue: Operation[]
  isWriting: boolean
  isStalled: boolean
  isPumping: boolean
  commitsInFlight: number
}

interface PendingAppend {
  readonly records: readonly GroupRecord[]
  readonly stallsAtMs: number
  isStalled: boolean
  outcome: AppendOutcome | null
  /** NONE: committed and replayed. */
  settle(errorCode: number): void
  /** Not decided in time; `settle` follows. */
  stall(errorCode: number): void
}

export interface ShardOptions {
  readonly partition: number
  readonly leaderEpoch: LeaderEpoch
  readonly clock: Clock
  readonly random: Random
  readonly config: GroupConfig
  readonly log: OffsetsLog
  readonly logEvent: LogEvent
  /** Leadership went away under an append: what is in memory may differ from the log. */
  readonly onLost: () => void
}

/**
 * The groups of one partition of `__consumer_offsets`, while this broker leads it: decide → append → (committed) replay
 * → answer. Everything in here goes when leadership goes, and comes back from the log.
 */
export class Shard implements GroupHost {
  readonly partition: number
  readonly leaderEpoch: LeaderEpoch
  readonly config: GroupConfig
  readonly random: Random
  readonly logEvent: LogEvent
  readonly timers: Timers
  readonly stored: StoredGroups = new StoredGroups()
  readonly #clock: Clock
  readonly #log: OffsetsLog
  readonly #onLost: () => void
  readonly #loader: ShardLoader
  readonly #slots = new Map<string, Slot>()
  /** In the order of the log; answered in that order. */
  readonly #pending: PendingAppend[] = []
  readonly #stallTimer: Timer
  readonly #retentionTimer: Timer
  readonly #topicsDeletedMeanwhile = new Set<string>()
  #phase: 'loading' | 'active' | 'failed' | 'closed' = 'loading'

  constructor(options: ShardOptions) {
    this.partition = options.partition
    this.leaderEpoch = options.leaderEpoch
    this.config = options.config
    this.random = options.random
    this.logEvent = options.logEvent
    this.timers = new Timers(options.clock)
    this.#clock = options.clock
    this.#log = options.log
    this.#onLost = options.onLost
    this.#stallTimer = new Timer(() => this.#onStallDeadline())
    this.#retentionTimer = new Timer(() => this.#onRetentionCheck())
    this.#loader = new ShardLoader({
      clock: options.clock,
      log: options.log,
      partition: options.partition,
      leaderEpoch: options.leaderEpoch,
      bufferBytes: options.config.offsetsLoadBufferBytes,
      stored: this.stored,
    })
  }

  /** NONE, or what a request is told instead of an answer. */
  get availability(): number {
    switch (this.#phase) {
      case 'loading':
        return errorCodes.COORDINATOR_LOAD_IN_PROGRESS
      case 'active':
        return errorCodes.NONE
      case 'failed':
      case 'closed':
        return errorCodes.NOT_COORDINATOR
      default:
        return this.#phase satisfies never
    }
  }

  async load(): Promise<void> {
    const fields = { partition: this.partition, leaderEpoch: this.leaderEpoch }
    const startedMs = this.#clock.monotonicMs()
    const result = await this.#loader.load()
    if (this.#phase !== 'loading') return
    switch (result.kind) {
      case 'cancelled':
        break
      case 'corrupt':
        // Answering from half of the offsets would make consumers start over; better none.
        this.#phase = 'failed'
        this.logEvent('error', 'group coordinator cannot load its partition', {
          ...fields,
          ...result,
        })
        break
      case 'loaded': {
        this.#phase = 'active'
        const { records, skipped } = result
        const latencyMs = Math.round(this.#clock.monotonicMs() - startedMs)
        this.logEvent('info', 'group coordinator loaded', {
          ...fields,
          records,
          skipped,
          latencyMs,
        })
        this.#activate()
        break
      }
      default:
        result satisfies never
    }
  }

  /** Answers all that waits with NOT_COORDINATOR and forgets everything. */
  close(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#loader.cancel()
    this.timers.stop()
    for (const pending of this.#pending.splice(0)) pending.settle(errorCodes.NOT_COORDINATOR)
    for (const slot of this.#slots.values()) {
      answerParked(slot.group, errorCodes.NOT_COORDINATOR)
      for (const operation of slot.queue.splice(0)) operation.refuse?.(errorCodes.NOT_COORDINATOR)
      slot.group.transitionTo('Dead')
    }
    this.#slots.clear()
  }

  // Groups and their mailboxes

  /** Runs the operation in its group when its turn comes; at once if nothing is ahead of it. */
  enqueue(groupId: string, operation: Operation | ((group: ClassicGroup) => Operation)): void {
    if (this.availability !== errorCodes.NONE) {
      const refused =
        typeof operation === 'function' ? operation(this.#newSlot(groupId).group) : operation
      refused.refuse?.(this.availability)
      return
    }
    const slot = this.#slotOf(groupId)
    const due = typeof operation === 'function' ? operation(slot.group) : operation
    if (slot.isStalled && due.refuse !== null) {
      due.refuse(errorCodes.COORDINATOR_NOT_AVAILABLE)
      return
    }
    slot.queue.push(due)
    this.#pump(slot)
  }

  /** To look at, now; not to be kept. */
  peek(groupId: string): ClassicGroup {
    return (this.#slots.get(groupId) ?? this.#newSlot(groupId)).group
  }

  *groups(): Generator<ClassicGroup> {
    for (const { group } of this.#slots.values()) yield group
    for (const groupId of this.stored.groupIds()) {
      if (!this.#slots.has(groupId)) yield this.#newSlot(groupId).group
    }
  }

  isUnstable(groupId: string, topic: string, partition: number): boolean {
    for (const records of this.#loader.openTransactions.values()) {
      for (const record of records) {
        if (
          record.kind === 'offset' &&
          record.groupId === groupId &&
          record.topic === topic &&
          record.partition === partition
        ) {
          return true
        }
      }
    }
    return false
  }

  #slotOf(groupId: string): Slot {
    let slot = this.#slots.get(groupId)
    if (slot === undefined) {
      slot = this.#newSlot(groupId)
      this.#slots.set(groupId, slot)
    }
    return slot
  }

  /** An empty group needs no slot between two operations: it is all in `stored`. */
  #newSlot(groupId: string): Slot {
    const group: ClassicGroup = new ClassicGroup(groupId, {
      stored: this.stored,
      joinTimer: this.#timer(groupId, () => onJoinDeadline(this, group)),
      syncTimer: this.#timer(groupId, () => onSyncDeadline(this, group)),
    })
    group.protocolType = group.stored.metadata?.protocolType || null
    return {
      group,
      queue: [],
      isWriting: false,
      isStalled: false,
      isPumping: false,
      commitsInFlight: 0,
    }
  }

  #pump(slot: Slot): void {
    if (slot.isPumping || this.#phase !== 'active') return
    slot.isPumping = true
    for (let head = slot.queue[0]; head !== undefined && !slot.isWriting; head = slot.queue[0]) {
      if (head.needsQuiet === true && slot.commitsInFlight > 0) break
      slot.queue.shift()
      head.run()
    }
    slot.isPumping = false
    this.#prune(slot)
  }

  #prune(slot: Slot): void {
    const { group } = slot
    const isIdle = !slot.isWriting && slot.commitsInFlight === 0 && slot.queue.length === 0
    if (isIdle && group.state === 'Empty' && group.size === 0 && group.pendingMembers.size === 0) {
      this.#slots.delete(group.groupId)
    }
  }

  // GroupHost

  wallMs(): number {
    return this.#clock.wallMs()
  }

  timer(group: ClassicGroup, expired: () => void): Timer {
    return this.#timer(group.groupId, expired)
  }

  #timer(groupId: string, expired: () => void): Timer {
    const timer: Timer = new Timer(() => {
      // Whatever was ahead in the mailbox may have armed it again: then it has not passed.
      const run = () => {
        if (!timer.armed) expired()
      }
      this.enqueue(groupId, { run, refuse: null })
    })
    return timer
  }

  write(group: ClassicGroup, records: readonly GroupRecord[], outcome: WriteOutcome): void {
    const slot = this.#slots.get(group.groupId)
    if (slot === undefined || this.#phase === 'closed') {
      outcome.settled(errorCodes.NOT_COORDINATOR)
      return
    }
    assert(!slot.isWriting, `group ${group.groupId} writes one thing at a time`)
    slot.isWriting = true
    let batchesLeft = Math.ceil(records.length / maxRecordsPerBatch)
    let firstError: number = errorCodes.NONE
    const settle = (errorCode: number) => {
      if (firstError === errorCodes.NONE) firstError = errorCode
      if (--batchesLeft > 0) return
      slot.isWriting = false
      slot.isStalled = false
      outcome.settled(firstError)
      this.#pump(slot)
    }
    const stall = (errorCode: number) => {
      slot.isStalled = true
      outcome.stalled?.(errorCode)
      this.#refuseAll(slot, errorCode)
    }
    for (let from = 0; from < records.length; from += maxRecordsPerBatch) {
      this.#append(records.slice(from, from + maxRecordsPerBatch), { settle, stall })
    }
  }

  afterWrite(group: ClassicGroup, settled: (errorCode: number) => void): void {
    const slot = this.#slots.get(group.groupId)
    if (slot === undefined || !slot.isWriting) settled(errorCodes.NONE)
    else slot.queue.unshift({ run: () => settled(errorCodes.NONE), refuse: settled })
  }

  /** Offset commits: any number at once, since none depends on another. */
  writeOffsets(
    group: ClassicGroup,
    records: readonly GroupRecord[],
    settled: (errorCode: number) => void,
  ): void {
    if (this.#pending.length >= maxPendingCommits) {
      settled(errorCodes.COORDINATOR_NOT_AVAILABLE)
      return
    }
    const slot = this.#slotOf(group.groupId)
    slot.commitsInFlight++
    this.#append(records, {
      settle: errorCode => {
        slot.commitsInFlight--
        settled(errorCode)
        this.#pump(slot)
      },
      stall: settled,
    })
  }

  // The log

  #append(
    records: readonly GroupRecord[],
    handlers: {
      readonly settle: (errorCode: number) => void
      readonly stall: (errorCode: number) => void
    },
  ): void {
    const nowMs = this.timers.nowMs()
    const timeoutMs = this.config.offsetsCommitTimeoutMs
    const pending: PendingAppend = {
      records,
      stallsAtMs: nowMs + timeoutMs,
      isStalled: false,
      outcome: null,
      ...handlers,
    }
    this.#pending.push(pending)
    if (!this.#stallTimer.armed) this.timers.arm(this.#stallTimer, timeoutMs)
    const batch = encodeGroupRecords(records, this.#clock.wallMs())
    void this.#log.append(this.partition, this.leaderEpoch, batch).then(outcome => {
      pending.outcome = outcome
      this.#settlePending()
    })
  }

  #settlePending(): void {
    for (
      let head = this.#pending[0];
      head !== undefined && this.#phase === 'active';
      head = this.#pending[0]
    ) {
      const { outcome } = head
      if (outcome === null) return
      if (outcome.kind === 'lost') {
        this.logEvent('warn', 'group coordinator lost its partition', { partition: this.partition })
        this.close()
        this.#onLost()
        return
      }
      this.#pending.shift()
      if (outcome.kind === 'committed') {
        for (const record of head.records) this.stored.replay(record)
        head.settle(errorCodes.NONE)
      } else {
        head.settle(outcome.errorCode)
      }
    }
  }

  /** Too few replicas, say: the records are in the log and will count, but nobody is kept waiting for that. */
  #onStallDeadline(): void {
    const nowMs = this.timers.nowMs()
    for (const pending of this.#pending) {
      if (pending.isStalled) continue
      if (pending.stallsAtMs > nowMs) {
        this.timers.arm(this.#stallTimer, pending.stallsAtMs - nowMs)
        return
      }
      pending.isStalled = true
      pending.stall(errorCodes.COORDINATOR_NOT_AVAILABLE)
    }
  }

  #refuseAll(slot: Slot, errorCode: number): void {
    for (const member of slot.group.members()) {
      if (member.parkedJoin !== null || member.parkedSync !== null) armSession(this, member)
    }
    answerParked(slot.group, errorCode)
    const kept: Operation[] = []
    for (const operation of slot.queue.splice(0)) {
      if (operation.refuse === null) kept.push(operation)
      else operation.refuse(errorCode)
    }
    for (const operation of kept) slot.queue.push(operation)
  }

  // Upkeep

  #activate(): void {
    for (const groupId of this.stored.groupIds()) {
      const metadata = this.stored.get(groupId).metadata
      if (metadata !== null && metadata.members.length > 0)
        restoreGroup(this, this.#slotOf(groupId).group, metadata)
    }
    for (const topic of this.#topicsDeletedMeanwhile) this.topicDeleted(topic)
    this.#topicsDeletedMeanwhile.clear()
    this.timers.arm(this.#retentionTimer, this.config.offsetsRetentionCheckIntervalMs)
  }

  topicDeleted(topic: string): void {
    if (this.#phase === 'loading') this.#topicsDeletedMeanwhile.add(topic)
    if (this.#phase !== 'active') return
    for (const groupId of this.stored.groupIds()) {
      if (this.stored.get(groupId).offsets.has(topic)) this.#endTopic(groupId, topic)
    }
  }

  #endTopic(groupId: string, topic: string): void {
    this.enqueue(groupId, group => ({
      needsQuiet: true,
      refuse: null,
      run: () => {
        const records = topicTombstones(groupId, group.stored, topic)
        if (records.length === 0) return
        const settled = (errorCode: number) => {
          if (errorCode === errorCodes.NONE) return
          this.timers.arm(new Timer(() => this.#endTopic(groupId, topic)), tombstoneRetryMs)
        }
        this.write(group, records, { settled })
      },
    }))
  }

  #onRetentionCheck(): void {
    this.timers.arm(this.#retentionTimer, this.config.offsetsRetentionCheckIntervalMs)
    const retentionMs = this.config.offsetsRetentionMs
    for (const groupId of this.stored.groupIds()) {
      this.enqueue(groupId, group => ({
        needsQuiet: true,
        refuse: null,
        run: () => {
          const records = expiredRecords(group, { nowMs: this.#clock.wallMs(), retentionMs })
          if (records.length === 0) return
          this.logEvent('info', 'offsets expired', { groupId, records: records.length })
          // Whatever is refused is found again by the next check.
          this.write(group, records, { settled: () => {} })
        },
      }))
    }
  }
}

function answerParked(group: ClassicGroup, errorCode: number): void {
  for (const member of group.members()) {
    group.takeParkedJoin(member)?.reply(joinError(errorCode, member.memberId))
    member.parkedSync?.(syncError(errorCode))
    member.parkedSync = null
  }
}
