import type { BrokerEpoch, BrokerId, Clock, TopicId } from '@trimaran/common'
import { partitionKey } from '@trimaran/common'
import type {
  ReplicaFetchPartition,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
  ReplicaFetchResult,
} from '../channels.ts'
import { FollowerPosition } from './follower-position.ts'
import type { Partition } from './partition.ts'
import { EndOfTurn } from './timers.ts'
import type { Timer, TimerQueue } from './timers.ts'

export interface FetchSession {
  readonly replicaId: BrokerId
  readonly sessionId: number
  brokerEpoch: BrokerEpoch
  epoch: number
  readonly positions: Set<FollowerPosition>
  queue: FollowerPosition[]
  /** Ahead of this broker in metadata: looked at again when that moves, told at the deadline. */
  readonly held: Set<FollowerPosition>
  parked: ParkedReplicaFetch | null
}
interface ParkedReplicaFetch {
  readonly request: ReplicaFetchRequest
  readonly answer: (response: ReplicaFetchResponse) => void
  timer: Timer | null
  lingering: Timer | null
}

/** What a look at a position found. */
export type PositionAnswer =
  | { readonly kind: 'nothing' }
  /** The follower knows newer metadata than this broker. */
  | { readonly kind: 'hold' }
  /** There are records, but no room for the next batch: first in line the next time. */
  | { readonly kind: 'full' }
  | { readonly kind: 'told'; readonly result: ReplicaFetchResult }

export interface FetchSessionsOptions {
  readonly clock: Clock
  readonly timers: TimerQueue
  /** The position was named: take what it claims. */
  readonly named: (position: FollowerPosition) => void
  /** `maxBytes`: what the response still has room for; `minOneBatch`: it is empty so far. */
  readonly look: (
    position: FollowerPosition,
    room: { readonly maxBytes: number; readonly minOneBatch: boolean; readonly isLast: boolean },
  ) => PositionAnswer
  /** An answer with so many bytes of records goes out. */
  readonly answered: (sizeBytes: number) => void
  /** In whose list a position is to be found when the partition changes. */
  readonly hosted: (topicId: TopicId, partition: number) => Partition | undefined
}

/**
 * A change of the high watermark alone waits this long for records to travel with; it bounds how far a follower's is
 * behind. Nobody waits for it but consumers that read from followers. At a hundred records a second, each followed by two
 * such answers and the fetches after them, 5 ms cost a third of the nodes' CPU.
 */
export const highWatermarkLingerMs = 50
/**
 * Records in one answer, unless one batch is larger. Nodes cut what is above 1 MiB into messages of their own and join it
 * again, and what a follower gets at once keeps its event loop busy for as long; whoever is behind asks again at once.
 */
const answerBytesMax = 960 * 1024
/** One per other broker of the cluster, and some for those that restarted under another id. */
const maxSessions = 2048

/**
 * The leader's side of incremental fetches (after KIP-227): a session remembers what the follower asked for, a fetch
 * names what changed, an answer has what changed here. Appends and high watermark changes queue the positions of their
 * partition, so a fetch costs O(changed partitions), and an idle pair of brokers one message per `maxWaitMs`.
 *
 * A fetch is answered at the end of the turn in which there is something to say, so that all appends of a turn travel
 * together. One session per follower: a new one replaces the old.
 */
export class FetchSessions {
  readonly #options: FetchSessionsOptions
  readonly #sessions = new Map<BrokerId, FetchSession>()
  /** Positions in partitions that are not hosted here (yet). */
  readonly #unhosted = new Map<string, Set<FollowerPosition>>()
  readonly #ready = new Set<FetchSession>()
  readonly #endOfTurn: EndOfTurn

  constructor(options: FetchSessionsOptions) {
    this.#options = options
    this.#endOfTurn = new EndOfTurn(options.clock, () => this.#answerReady())
  }

  get size(): number {
    return this.#sessions.size
  }

  fetch(request: ReplicaFetchRequest): Promise<ReplicaFetchResponse> {
    const session = this.#sessionFor(request)
    if (!session) return Promise.resolve({ sessionUnknown: true, partitions: [] })
    session.brokerEpoch = request.brokerEpoch
    session.epoch = request.sessionEpoch
    // A fetch that overtakes a parked one has news that cannot wait: the parked one ends with nothing.
    this.#finish(session, [])
    for (const { topicId, partition } of request.forgotten)
      this.#forget(session, topicId, partition)
    for (const named of request.partitions) this.#name(session, named)
    return new Promise(answer => {
      const parked: ParkedReplicaFetch = { request, answer, timer: null, lingering: null }
      session.parked = parked
      const { clock, timers } = this.#options
      parked.timer = timers.at(clock.monotonicMs() + request.maxWaitMs, () =>
        this.#answer(session, 'now'),
      )
      if (session.queue.length > 0) this.#answerAtEndOfTurn(session)
    })
  }

  /** Records were appended, the role or the log start changed: answered at the end of this turn. */
  changed(positions: readonly FollowerPosition[]): void {
    for (const position of positions) {
      this.#enqueue(position)
      if (position.isQueued) this.#answerAtEndOfTurn(position.session)
    }
  }

  highWatermarkMoved(positions: readonly FollowerPosition[]): void {
    for (const position of positions) {
      this.#enqueue(position)
      if (position.isQueued) this.#linger(position.session)
    }
  }

  /** The partition is hosted from now on: positions that waited for it are found there. */
  hosted(partition: Partition): void {
    const key = partitionKey(partition.topicId, partition.partition)
    const waiting = this.#unhosted.get(key)
    if (!waiting) return
    this.#unhosted.delete(key)
    for (const position of waiting) {
      position.hosted = partition
      partition.addPosition(position)
    }
    this.changed(partition.positions)
  }

  /** The partition is going: its positions are told so, and found elsewhere if it comes back. */
  unhosted(partition: Partition): void {
    const positions = partition.takePositions()
    for (const position of positions) position.hosted = null
    this.changed(positions)
    for (const position of positions) this.#list(position)
  }

  /** The broker is no member any more. */
  removeFollower(replicaId: BrokerId): void {
    const session = this.#sessions.get(replicaId)
    if (session) this.#close(session)
  }

  followers(): Iterable<BrokerId> {
    return this.#sessions.keys()
  }

  stop(): void {
    this.#endOfTurn.stop()
    for (const session of this.#sessions.values()) this.#close(session)
  }

  #sessionFor(request: ReplicaFetchRequest): FetchSession | null {
    const known = this.#sessions.get(request.replicaId)
    if (request.sessionEpoch !== 0) {
      const follows =
        known?.sessionId === request.sessionId && request.sessionEpoch === known.epoch + 1
      return known && follows ? known : null
    }
    // Out of a reordering network the beginning of an older life must not end a younger one.
    if (known && request.brokerEpoch < known.brokerEpoch) return null
    if (known) this.#close(known)
    if (this.#sessions.size >= maxSessions) return null
    const session: FetchSession = {
      replicaId: request.replicaId,
      sessionId: request.sessionId,
      brokerEpoch: request.brokerEpoch,
      epoch: 0,
      positions: new Set(),
      queue: [],
      held: new Set(),
      parked: null,
    }
    this.#sessions.set(request.replicaId, session)
    return session
  }

  #name(session: FetchSession, named: ReplicaFetchPartition): void {
    const { topicId, partition } = named
    let position = this.#find(session, topicId, partition)
    if (position) {
      position.named(named)
    } else {
      position = new FollowerPosition(session, named, this.#options.hosted(topicId, partition))
      session.positions.add(position)
      this.#list(position)
    }
    this.#options.named(position)
    this.#enqueue(position)
  }

  /** Among those of all followers of the partition, who are few. */
  #find(session: FetchSession, topicId: TopicId, partition: number): FollowerPosition | undefined {
    const among =
      this.#options.hosted(topicId, partition)?.positions ??
      this.#unhosted.get(partitionKey(topicId, partition)) ??
      []
    for (const position of among) if (position.session === session) return position
    return undefined
  }

  #list(position: FollowerPosition): void {
    const { topicId, partition } = position
    position.hosted ??= this.#options.hosted(topicId, partition) ?? null
    if (position.hosted) {
      position.hosted.addPosition(position)
      return
    }
    const key = partitionKey(topicId, partition)
    const waiting = this.#unhosted.get(key)
    if (waiting) waiting.add(position)
    else this.#unhosted.set(key, new Set([position]))
  }

  #unlist(position: FollowerPosition): void {
    if (position.hosted) {
      position.hosted.removePosition(position)
      position.hosted = null
      return
    }
    const key = partitionKey(position.topicId, position.partition)
    const waiting = this.#unhosted.get(key)
    waiting?.delete(position)
    if (waiting?.size === 0) this.#unhosted.delete(key)
  }

  #forget(session: FetchSession, topicId: TopicId, partition: number): void {
    const position = this.#find(session, topicId, partition)
    if (!position) return
    session.positions.delete(position)
    session.held.delete(position)
    // It may still be queued: as answered, a look at it says nothing.
    position.isAnswered = true
    this.#unlist(position)
  }

  #close(session: FetchSession): void {
    this.#finish(session, [])
    this.#ready.delete(session)
    for (const position of session.positions) this.#unlist(position)
    session.positions.clear()
    session.queue = []
    this.#sessions.delete(session.replicaId)
  }

  #enqueue(position: FollowerPosition): void {
    if (position.isQueued || position.isAnswered) return
    position.isQueued = true
    position.session.queue.push(position)
  }

  #answerAtEndOfTurn(session: FetchSession): void {
    if (!session.parked) return
    this.#ready.add(session)
    this.#endOfTurn.request()
  }

  #answerReady(): void {
    const ready = [...this.#ready]
    this.#ready.clear()
    for (const session of ready) this.#answer(session, 'records')
  }

  #linger(session: FetchSession): void {
    const { parked } = session
    if (!parked || parked.lingering) return
    const { clock, timers } = this.#options
    parked.lingering = timers.at(clock.monotonicMs() + highWatermarkLingerMs, () => {
      parked.lingering = null
      this.#answer(session, 'highWatermarks')
    })
  }

  /** `worth`: the least that an answer goes out for. Errors and divergences always are worth one. */
  #answer(session: FetchSession, worth: 'records' | 'highWatermarks' | 'now'): void {
    const parked = session.parked
    if (!parked) return
    const isLast = worth === 'now'
    if (isLast) for (const position of session.held) this.#enqueue(position)
    const { request } = parked
    const queue = session.queue
    session.queue = []
    const told: { readonly position: FollowerPosition; readonly result: ReplicaFetchResult }[] = []
    const roomBytes = Math.min(request.maxBytes, answerBytesMax)
    let sizeBytes = 0
    let isUrgent = isLast
    for (const position of queue) {
      position.isQueued = false
      if (position.isAnswered) continue
      const maxBytes = roomBytes - sizeBytes
      if (maxBytes <= 0) {
        this.#enqueue(position)
        continue
      }
      const answer = this.#options.look(position, {
        maxBytes,
        minOneBatch: sizeBytes === 0,
        isLast,
      })
      this.#hold(position, answer.kind === 'hold')
      if (answer.kind === 'full') this.#enqueue(position)
      if (answer.kind !== 'told') continue
      told.push({ position, result: answer.result })
      sizeBytes += answer.result.records.length
      if (answer.result.errorCode !== 0 || answer.result.diverging) isUrgent = true
      else if (worth === 'highWatermarks' && answer.result.records.length === 0) isUrgent = true
    }
    if (!isUrgent && sizeBytes < Math.max(request.minBytes, 1)) {
      for (const { position } of told) this.#enqueue(position)
      if (told.length > 0) this.#linger(session)
      return
    }
    for (const { position, result } of told) position.told(result)
    this.#options.answered(sizeBytes)
    this.#finish(
      session,
      told.map(({ result }) => result),
    )
  }

  #hold(position: FollowerPosition, isHeld: boolean): void {
    if (isHeld) position.session.held.add(position)
    else position.session.held.delete(position)
  }

  #finish(session: FetchSession, partitions: readonly ReplicaFetchResult[]): void {
    const parked = session.parked
    if (!parked) return
    session.parked = null
    const { timers } = this.#options
    if (parked.timer) timers.cancel(parked.timer)
    if (parked.lingering) timers.cancel(parked.lingering)
    parked.answer({ sessionUnknown: false, partitions })
  }
}
