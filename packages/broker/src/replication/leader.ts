import { assert, must } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import { committedIsr, isCounted, maximalIsr, proposedIsr } from './isr.ts'
import type { IsrState } from './isr.ts'
import type { ReplicationBug } from './types.ts'

/** What a leader knows of another replica. Lives as long as the leader epoch. */
export interface ReplicaProgress {
  readonly brokerId: BrokerId
  /** Everything below is on that replica; −1 until it fetched in this leader epoch. */
  logEndOffset: Offset
  logStartOffset: Offset
  /** The incarnation that fetched; −1: none yet. */
  brokerEpoch: BrokerEpoch
  /** What it knew of the partition when it said how far it is; −1: it has not. */
  partitionEpoch: PartitionEpoch
  /** When it was taken out of the ISR or the ELR last, in this leader epoch; −1: not. */
  leftInPartitionEpoch: PartitionEpoch
  /** When it last had everything that the leader had; −∞: not in this leader epoch. */
  lastCaughtUpMs: number
  lastFetchMs: number
  /** The leader's end when that fetch came: whoever fetches from there on was caught up at `lastFetchMs`. */
  leaderEndAtLastFetch: Offset
}

/** For the controller, with the epochs it must still be at. */
export interface IsrProposal {
  readonly leaderEpoch: LeaderEpoch
  readonly partitionEpoch: PartitionEpoch
  readonly newIsr: readonly { readonly brokerId: BrokerId; readonly brokerEpoch: BrokerEpoch }[]
}

export interface AlterPartitionAnswer {
  readonly errorCode: number
  readonly leaderEpoch: LeaderEpoch
  readonly partitionEpoch: PartitionEpoch
  readonly isr: readonly BrokerId[]
}

/** What a leader asks about other brokers; a BrokerImage is one. */
export interface MemberBroker {
  readonly epoch: BrokerEpoch
  readonly fenced: boolean
  readonly inControlledShutdown: boolean
}

/** What all leaders on a broker share. */
export interface LeaderContext {
  readonly me: BrokerId
  readonly lagTimeMaxMs: number
  /** As the newest metadata has it. */
  readonly broker: (brokerId: BrokerId) => MemberBroker | undefined
  readonly bugs?: ReadonlySet<ReplicationBug>
}

export interface PartitionLeaderOptions {
  readonly context: LeaderContext
  readonly image: PartitionImage
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** What this replica may count for itself: all of its log, unless fsync comes before the ack. */
  readonly durableEndOffset: Offset
  /** What this replica knew as a follower, or from its checkpoint. */
  readonly highWatermark: Offset
  readonly minInsyncReplicas: number
  readonly nowMs: number
}

/**
 * The leader of one partition in one leader epoch: who is in sync, and what is committed. It never touches the log: it is
 * told where the log ends, and after every call its owner reads `highWatermark` and takes the proposal there may be.
 *
 * The high watermark is the lowest end among the maximal ISR (isr.ts) and the replicas about to join, counts an end only
 * once it was fetched in this epoch, moves only while the ISR is large enough (KIP-966), and never falls.
 */
export class PartitionLeader {
  /** The log's end at the election: who fetched to here has all that earlier leaders committed. */
  readonly epochStartOffset: Offset
  readonly #context: LeaderContext
  /** The other replicas: a handful, so looking through them is cheaper than a map. */
  #others: readonly ReplicaProgress[] = []
  #image: PartitionImage
  #partitionEpoch: PartitionEpoch
  #state: IsrState
  #maximal: ReadonlySet<BrokerId>
  #minInsyncReplicas: number
  #logEndOffset: Offset
  #durableEndOffset: Offset
  #highWatermark: Offset
  #proposal: IsrProposal | null = null

  constructor(options: PartitionLeaderOptions) {
    const { context, image } = options
    const { me } = context
    assert(image.leader === me, 'a leader is elected by the metadata')
    assert(image.isr.includes(me), 'the leader is in the ISR')
    this.#context = context
    this.#image = image
    this.epochStartOffset = options.logEndOffset
    this.#partitionEpoch = image.partitionEpoch
    this.#minInsyncReplicas = options.minInsyncReplicas
    this.#logEndOffset = options.logEndOffset
    this.#durableEndOffset = options.durableEndOffset
    this.#highWatermark = options.highWatermark
    this.#state = committedIsr(image.isr)
    this.#maximal = maximalIsr(this.#state)
    this.#takeReplicas(image, options.nowMs)
    this.#noteLeft()
    this.#advance(options.nowMs)
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#image.leaderEpoch
  }
  get partitionEpoch(): PartitionEpoch {
    return this.#partitionEpoch
  }
  get isrState(): IsrState {
    return this.#state
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }
  get effectiveMinIsr(): number {
    return Math.min(this.#minInsyncReplicas, this.#image.replicas.length)
  }
  get hasEnoughReplicas(): boolean {
    return this.#state.isr.size >= this.effectiveMinIsr
  }
  get isUnderReplicated(): boolean {
    return this.#state.isr.size < this.#image.replicas.length
  }
  /** What is known of the other replicas. */
  get progress(): readonly Readonly<ReplicaProgress>[] {
    return this.#others
  }

  #progressOf(brokerId: BrokerId): ReplicaProgress | undefined {
    for (const other of this.#others) if (other.brokerId === brokerId) return other
    return undefined
  }

  /** The change to propose since the last call, if any. At most one is out at a time. */
  takeProposal(): IsrProposal | null {
    const proposal = this.#proposal
    this.#proposal = null
    return proposal
  }

  appended(logEndOffset: Offset, durable: Offset, nowMs: number): void {
    assert(logEndOffset >= this.#logEndOffset, 'a leader never truncates its log')
    // Fetches name only what changed: a replica that had everything until now was in sync until now.
    for (const replica of this.#others) {
      if (replica.logEndOffset >= this.#logEndOffset) replica.lastCaughtUpMs = nowMs
    }
    this.#logEndOffset = logEndOffset
    this.durable(durable, nowMs)
  }

  /** An fsync ended. */
  durable(endOffset: Offset, nowMs: number): void {
    assert(endOffset <= this.#logEndOffset, 'no more is durable than there is')
    if (endOffset > this.#durableEndOffset) this.#durableEndOffset = endOffset
    this.#advance(nowMs)
  }

  /**
   * A replica fetched at `fetchOffset` in this leader epoch, and its log agrees with this one up to there. False: not a
   * replica, or an earlier incarnation of it, whose claims count for nothing (KIP-903).
   */
  followerFetched(
    brokerId: BrokerId,
    fetch: {
      readonly brokerEpoch: BrokerEpoch
      readonly partitionEpoch: PartitionEpoch
      readonly fetchOffset: Offset
      readonly logStartOffset: Offset
    },
    nowMs: number,
  ): boolean {
    const replica = this.#progressOf(brokerId)
    if (!replica || fetch.brokerEpoch < replica.brokerEpoch) return false
    assert(fetch.fetchOffset <= this.#logEndOffset, 'a follower is not ahead of its leader')
    // Within an epoch a log that agreed does not shrink: it is lost, and until it is whole again nobody waits for it.
    const isLost = fetch.fetchOffset < replica.logEndOffset
    if (isLost) replica.lastCaughtUpMs = -Infinity
    if (fetch.fetchOffset >= this.#logEndOffset) replica.lastCaughtUpMs = nowMs
    else if (
      replica.brokerEpoch === fetch.brokerEpoch &&
      fetch.fetchOffset >= replica.leaderEndAtLastFetch
    ) {
      replica.lastCaughtUpMs = Math.max(replica.lastCaughtUpMs, replica.lastFetchMs)
    }
    replica.brokerEpoch = fetch.brokerEpoch
    replica.partitionEpoch = fetch.partitionEpoch
    replica.logEndOffset = fetch.fetchOffset
    replica.logStartOffset = fetch.logStartOffset
    replica.lastFetchMs = nowMs
    replica.leaderEndAtLastFetch = this.#logEndOffset
    if (isLost && this.#state.kind === 'committed') this.#strikeLost()
    this.#expand(replica)
    this.#advance(nowMs)
    return true
  }

  /** Time passed, or brokers came, went or were fenced. */
  tick(nowMs: number): void {
    this.#shrink(nowMs)
    for (const replica of this.#others) this.#expand(replica)
    this.#advance(nowMs)
  }

  /** The partition changed within the leader epoch. What is not newer than what is known already changes nothing. */
  metadata(image: PartitionImage, nowMs: number): void {
    assert(image.leaderEpoch === this.leaderEpoch, 'another leader epoch is another leader')
    if (image.partitionEpoch < this.#partitionEpoch) return
    const isNewer = image.partitionEpoch > this.#image.partitionEpoch
    this.#image = image
    this.#takeReplicas(image, nowMs)
    if (isNewer) this.#noteLeft()
    if (image.partitionEpoch > this.#partitionEpoch) this.#commit(image.isr, image.partitionEpoch)
    this.#advance(nowMs)
  }

  /**
   * Whoever is not counted now may have been until a moment ago, and have begun anew since: what it said before it knew counts
   * for nothing. One metadata delta may hold several changes, so nobody can tell from it who has just left.
   */
  #noteLeft(): void {
    const image = this.#image
    for (const replica of this.#others) {
      if (!isCounted(image, replica.brokerId)) replica.leftInPartitionEpoch = image.partitionEpoch
    }
  }

  configured(minInsyncReplicas: number, nowMs: number): void {
    this.#minInsyncReplicas = minInsyncReplicas
    this.#advance(nowMs)
  }

  /**
   * The controller answered a proposal. `certain`: no earlier attempt at it can still reach a controller.
   * 'retry': the outcome is open, so the pending state stays and the same must be asked again, until an answer or the
   * metadata settles it.
   */
  answered(
    proposal: IsrProposal,
    answer: AlterPartitionAnswer,
    certain: boolean,
    nowMs: number,
  ): 'committed' | 'rejected' | 'retry' | 'stale' {
    // Late answers lose by the epoch: the metadata was faster.
    if (this.#state.kind === 'committed' || proposal.partitionEpoch !== this.#partitionEpoch)
      return 'stale'
    switch (answer.errorCode) {
      case errorCodes.NONE:
        if (answer.leaderEpoch !== this.leaderEpoch) return 'retry'
        if (answer.partitionEpoch < this.#partitionEpoch) return 'retry'
        this.#commit(answer.isr, answer.partitionEpoch)
        this.#advance(nowMs)
        return 'committed'
      case errorCodes.INELIGIBLE_REPLICA:
      case errorCodes.OPERATION_NOT_ATTEMPTED:
        if (!certain && this.#mayComeTrue(proposal)) return 'retry'
        this.#state = { kind: 'committed', isr: this.#state.isr }
        this.#maximal = maximalIsr(this.#state)
        this.#advance(nowMs)
        return 'rejected'
      default:
        // Stale epochs included: newer metadata is on its way, or that controller is an old one.
        return 'retry'
    }
  }

  #commit(isr: readonly BrokerId[], partitionEpoch: PartitionEpoch): void {
    assert(isr.includes(this.#context.me), 'the leader is in the ISR')
    for (const replica of this.#others) {
      const hasLeft = this.#maximal.has(replica.brokerId) && !isr.includes(replica.brokerId)
      if (hasLeft) replica.leftInPartitionEpoch = partitionEpoch
    }
    this.#partitionEpoch = partitionEpoch
    this.#state = committedIsr(isr)
    this.#maximal = maximalIsr(this.#state)
    this.#proposal = null
    this.#strikeLost()
  }

  /** Who is in while it lost its log does not have what is committed: it must not be elected for any longer than this. */
  #strikeLost(): void {
    const { isr } = this.#state
    const removing = new Set<BrokerId>()
    for (const { brokerId, logEndOffset } of this.#others) {
      if (logEndOffset >= 0 && logEndOffset < this.#highWatermark && isr.has(brokerId))
        removing.add(brokerId)
    }
    if (removing.size > 0) this.#propose({ kind: 'pendingShrink', isr, removing })
  }

  #takeReplicas({ replicas, isr }: PartitionImage, nowMs: number): void {
    const me = this.#context.me
    this.#others = replicas
      .filter(brokerId => brokerId !== me)
      .map(brokerId => this.#progressOf(brokerId) ?? newProgress(brokerId, isr, nowMs))
  }

  #isCaughtUp(replica: ReplicaProgress, nowMs: number): boolean {
    return (
      replica.logEndOffset === this.#logEndOffset ||
      nowMs - replica.lastCaughtUpMs <= this.#context.lagTimeMaxMs
    )
  }

  #shrink(nowMs: number): void {
    if (this.#state.kind !== 'committed') return
    const removing = new Set<BrokerId>()
    for (const brokerId of this.#state.isr) {
      const replica = this.#progressOf(brokerId)
      if (replica && !this.#isCaughtUp(replica, nowMs)) removing.add(brokerId)
    }
    if (removing.size === 0) return
    this.#propose({ kind: 'pendingShrink', isr: this.#state.isr, removing })
  }

  /**
   * reliability.md decision 6: at the HW, at the epoch's start, fetched in this epoch, same and unfenced incarnation. And what
   * it said it has, it said after it had left the ISR or the ELR: it may have left because it lost that.
   */
  #expand(replica: ReplicaProgress): void {
    const { brokerId } = replica
    if (replica.partitionEpoch < replica.leftInPartitionEpoch) return
    if (this.#state.kind !== 'committed' || this.#state.isr.has(brokerId)) return
    if (replica.logEndOffset < 0 || replica.logEndOffset < this.#highWatermark) return
    if (replica.logEndOffset < this.epochStartOffset && !this.#context.bugs?.has('B04')) return
    if (!this.#isEligible(brokerId, replica.brokerEpoch)) return
    this.#propose({ kind: 'pendingExpand', isr: this.#state.isr, adding: brokerId })
  }

  #propose(state: IsrState): void {
    this.#state = state
    this.#maximal = maximalIsr(state)
    this.#proposal = {
      leaderEpoch: this.leaderEpoch,
      partitionEpoch: this.#partitionEpoch,
      newIsr: proposedIsr(state).map(brokerId => ({
        brokerId,
        brokerEpoch: this.#progressOf(brokerId)?.brokerEpoch ?? -1,
      })),
    }
  }

  #advance(nowMs: number): void {
    if (!this.hasEnoughReplicas && !this.#context.bugs?.has('B06')) return
    const bounding = this.#context.bugs?.has('committedIsr') ? this.#state.isr : this.#maximal
    let committed = this.#durableEndOffset
    for (const brokerId of bounding) {
      if (brokerId === this.#context.me) continue
      const replica = must(this.#progressOf(brokerId), 'the ISR is among the replicas')
      committed = Math.min(committed, replica.logEndOffset)
    }
    if (committed <= this.#highWatermark) return
    for (const replica of this.#others) {
      if (bounding.has(replica.brokerId) || !this.#isAboutToJoin(replica, nowMs)) continue
      committed = Math.min(committed, replica.logEndOffset)
    }
    if (committed > this.#highWatermark) this.#highWatermark = committed
  }

  /** The metadata has it in this incarnation, unfenced and not shutting down (KIP-841, KIP-903). */
  #isEligible(brokerId: BrokerId, brokerEpoch: BrokerEpoch): boolean {
    const broker = this.#context.broker(brokerId)
    return broker?.epoch === brokerEpoch && !broker.fenced && !broker.inControlledShutdown
  }

  /**
   * An earlier attempt may have been lost on its way to the controller, or only its answer. A smaller ISR that comes true
   * later is harmless: the leader counts more than that. A larger one is not, unless it names an incarnation that is over.
   */
  #mayComeTrue(proposal: IsrProposal): boolean {
    const state = this.#state
    if (state.kind !== 'pendingExpand') return false
    const adding = proposal.newIsr.find(({ brokerId }) => brokerId === state.adding)
    return (
      adding !== undefined && this.#context.broker(adding.brokerId)?.epoch === adding.brokerEpoch
    )
  }

  /** Under constant load a replica would chase the HW for ever, were it not waited for once it is caught up. */
  #isAboutToJoin(replica: ReplicaProgress, nowMs: number): boolean {
    return (
      !this.#context.bugs?.has('committedIsr') &&
      replica.logEndOffset >= this.epochStartOffset &&
      this.#isCaughtUp(replica, nowMs) &&
      this.#isEligible(replica.brokerId, replica.brokerEpoch)
    )
  }
}

const newProgress = (
  brokerId: BrokerId,
  isr: readonly BrokerId[],
  nowMs: number,
): ReplicaProgress => ({
  brokerId,
  logEndOffset: -1,
  logStartOffset: -1,
  brokerEpoch: -1,
  partitionEpoch: -1,
  leftInPartitionEpoch: -1,
  // Members of the ISR get the whole lag time to find their new leader.
  lastCaughtUpMs: isr.includes(brokerId) ? nowMs : -Infinity,
  lastFetchMs: nowMs,
  leaderEndAtLastFetch: Infinity,
})
