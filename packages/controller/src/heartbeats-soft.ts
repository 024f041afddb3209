import type { BrokerEpoch, BrokerId, Offset } from '@trimaran/common'

interface Session {
  readonly epoch: BrokerEpoch
  endsMs: number
  /** False: granted to a broker that has not been heard of in this term. */
  wasHeard: boolean
  /** End of the metadata the broker has applied, as of its last heartbeat; -1 before the first. */
  metadataOffset: Offset
  /** What all others must have seen before it may stop; null: it does not want to. */
  shutdownOffset: Offset | null
}

/**
 * Who was heard of when. Never in the log: a new controller starts without it and gives everyone a full session.
 * One session per registered broker, so it is bounded by the image.
 */
export class HeartbeatsSoft {
  readonly #sessions = new Map<BrokerId, Session>()
  readonly #sessionTimeoutMs: number

  constructor(sessionTimeoutMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  touch(brokerId: BrokerId, epoch: BrokerEpoch, nowMs: number, metadataOffset?: Offset): void {
    const endsMs = nowMs + this.#sessionTimeoutMs
    const session = this.#sessions.get(brokerId)
    if (session === undefined || session.epoch !== epoch) {
      const fresh = { epoch, endsMs, wasHeard: true, shutdownOffset: null }
      this.#sessions.set(brokerId, { ...fresh, metadataOffset: metadataOffset ?? -1 })
      return
    }
    session.endsMs = endsMs
    session.wasHeard = true
    session.metadataOffset = Math.max(session.metadataOffset, metadataOffset ?? -1)
  }

  /** A new controller grants a full session to whoever its predecessor counted on. */
  grant(brokerId: BrokerId, epoch: BrokerEpoch, nowMs: number): void {
    const endsMs = nowMs + this.#sessionTimeoutMs
    const granted = { epoch, endsMs, wasHeard: false, metadataOffset: -1, shutdownOffset: null }
    this.#sessions.set(brokerId, granted)
  }

  end(brokerId: BrokerId): void {
    this.#sessions.delete(brokerId)
  }

  /** It was heard of, in this epoch and not too long ago. A session that was merely granted says nothing. */
  isAlive(brokerId: BrokerId, epoch: BrokerEpoch, nowMs: number): boolean {
    const session = this.#sessions.get(brokerId)
    return session?.epoch === epoch && session.wasHeard && session.endsMs > nowMs
  }

  metadataOffset(brokerId: BrokerId): Offset {
    return this.#sessions.get(brokerId)?.metadataOffset ?? -1
  }

  /** Remembers the first one only. */
  shutdownOffset(brokerId: BrokerId, offset: Offset): Offset {
    const session = this.#sessions.get(brokerId)
    if (session === undefined) return offset
    session.shutdownOffset ??= offset
    return session.shutdownOffset
  }

  /** Brokers whose session has ended; they have none afterwards. */
  takeExpired(nowMs: number): BrokerId[] {
    const expired: BrokerId[] = []
    for (const [brokerId, session] of this.#sessions) {
      if (session.endsMs > nowMs) continue
      expired.push(brokerId)
      this.#sessions.delete(brokerId)
    }
    return expired
  }

  /** When the next session ends; Infinity without any. */
  get nextEndMs(): number {
    let next = Infinity
    for (const session of this.#sessions.values()) next = Math.min(next, session.endsMs)
    return next
  }

  /** The controller itself did not run: that time is nobody's silence, and what was sent meanwhile is yet to be read. */
  restartAll(nowMs: number): void {
    for (const session of this.#sessions.values()) session.endsMs = nowMs + this.#sessionTimeoutMs
  }
}
