import { assert } from '@trimaran/common'
import type { NodeId, Offset, QuorumEpoch, VoterChange } from '@trimaran/common'
import type { Entry, Message } from './messages.ts'
import type { CommittedEntry, DurableVote, QuorumWrite, Snapshot } from './ports.ts'

export type Input =
  | { readonly kind: 'start' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  | { readonly kind: 'propose'; readonly payloads: readonly Uint8Array[] }
  | { readonly kind: 'changeVoters'; readonly change: VoterChange }
  /** The write of this id, and every earlier one, survives power loss. */
  | { readonly kind: 'persisted'; readonly writeId: number }
  | { readonly kind: 'peerGone'; readonly nodeId: NodeId }
  | { readonly kind: 'peerReachable'; readonly nodeId: NodeId }
  | { readonly kind: 'saveSnapshot'; readonly state: Uint8Array; readonly endOffset: Offset }
  | { readonly kind: 'resign' }
  | { readonly kind: 'deadline' }

export interface Envelope {
  readonly to: NodeId
  readonly message: Message
}

/** What the listener is told, in order. */
export type Notice =
  | {
      readonly kind: 'committed'
      readonly entries: readonly CommittedEntry[]
      readonly endOffset: Offset
    }
  | { readonly kind: 'snapshotLoaded'; readonly snapshot: Snapshot }
  | { readonly kind: 'leading'; readonly epoch: QuorumEpoch }
  | { readonly kind: 'resigned'; readonly epoch: QuorumEpoch }
  | {
      readonly kind: 'leaderChanged'
      readonly epoch: QuorumEpoch
      readonly leaderId: NodeId | null
    }

/** What the driver must do after one step. The order of duties is in the shape. */
export interface Effects {
  /** May leave now. */
  readonly send: readonly Envelope[]
  readonly write: { readonly id: number; readonly content: QuorumWrite } | null
  /** May leave only once `write`, and every earlier one, is durable. */
  readonly sendAfterWrite: readonly Envelope[]
  readonly notices: readonly Notice[]
}

/** Gathers what one step wants done: all durable changes of a step become one write. */
export class Outbox {
  #send: Envelope[] = []
  #sendAfterWrite: Envelope[] = []
  #notices: Notice[] = []
  #vote: DurableVote | undefined
  #truncateTo: Offset | undefined
  #append: { baseOffset: Offset; entries: Entry[] } | undefined
  #snapshot: Snapshot | undefined

  send(to: NodeId, message: Message): void {
    this.#send.push({ to, message })
  }

  sendAfterWrite(to: NodeId, message: Message): void {
    this.#sendAfterWrite.push({ to, message })
  }

  notice(notice: Notice): void {
    this.#notices.push(notice)
  }

  persistVote(vote: DurableVote): void {
    this.#vote = vote
  }

  append(offset: Offset, entry: Entry): void {
    this.#append ??= { baseOffset: offset, entries: [] }
    this.#append.entries.push(entry)
  }

  truncate(offset: Offset): void {
    assert(this.#append === undefined, 'a step truncates before it appends')
    this.#truncateTo = Math.min(this.#truncateTo ?? offset, offset)
  }

  saveSnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot
  }

  /** The step's effects; null `write` if nothing durable changed. Empties the box. */
  take(writeId: number): Effects {
    const content: QuorumWrite = {
      ...(this.#vote && { vote: this.#vote }),
      ...(this.#truncateTo !== undefined && { truncateTo: this.#truncateTo }),
      ...(this.#append && { append: this.#append }),
      ...(this.#snapshot && { snapshot: this.#snapshot }),
    }
    const dirty =
      this.#vote !== undefined ||
      this.#truncateTo !== undefined ||
      this.#append !== undefined ||
      this.#snapshot !== undefined
    const effects: Effects = {
      send: this.#send,
      write: dirty ? { id: writeId, content } : null,
      sendAfterWrite: this.#sendAfterWrite,
      notices: this.#notices,
    }
    this.#send = []
    this.#sendAfterWrite = []
    this.#notices = []
    this.#vote = this.#truncateTo = this.#append = this.#snapshot = undefined
    return effects
  }
}
