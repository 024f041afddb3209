import { emptyBytes, equalBytes } from '@trimaran/common'
import type {
  GroupProtocol,
  JoinGroupRequest,
  JoinGroupResponse,
  SyncGroupResponse,
} from '../requests.ts'
import type { Timer } from '../timers.ts'
import type { MemberRecord } from './records.ts'

export type Reply<T> = (response: T) => void

/** A parked JoinGroup: what its answer needs to know of the request, and the way back. */
export interface ParkedJoin {
  readonly reply: Reply<JoinGroupResponse>
  /** The client learns its member id from this very answer: without it, it will come back as somebody else. */
  readonly learnsMemberId: boolean
}

export interface Member {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly GroupProtocol[]
  /** Of the current generation; empty until the leader's assignment is stored. */
  assignment: Uint8Array
  parkedJoin: ParkedJoin | null
  parkedSync: Reply<SyncGroupResponse> | null
  /** Parked in its first join: no heartbeats can come from it yet. */
  isNew: boolean
  readonly session: Timer
}

export const metadataFor = (member: Member, protocolName: string | null): Uint8Array =>
  member.protocols.find(protocol => protocol.name === protocolName)?.metadata ?? emptyBytes

/** Same protocols with the same metadata in the same order: a retry, or a rejoin that changes nothing. */
export function offersSame(member: Member, protocols: readonly GroupProtocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every((mine, at) => {
      const theirs = protocols[at]
      return (
        theirs !== undefined &&
        mine.name === theirs.name &&
        equalBytes(mine.metadata, theirs.metadata)
      )
    })
  )
}

/** Copies: what came in a request is a view on the bytes of its connection. */
export const ownProtocols = (request: JoinGroupRequest): readonly GroupProtocol[] =>
  request.protocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() }))

export function memberOf(request: JoinGroupRequest, memberId: string, session: Timer): Member {
  return {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutOf(request),
    protocols: ownProtocols(request),
    assignment: emptyBytes,
    parkedJoin: null,
    parkedSync: null,
    isNew: false,
    session,
  }
}

/** Only the metadata of the selected protocol is stored, so a member that was loaded offers that one alone. */
export function memberFromRecord(
  record: MemberRecord,
  protocolName: string | null,
  session: Timer,
): Member {
  return {
    memberId: record.memberId,
    groupInstanceId: record.groupInstanceId,
    clientId: record.clientId,
    clientHost: record.clientHost,
    sessionTimeoutMs: record.sessionTimeoutMs,
    rebalanceTimeoutMs:
      record.rebalanceTimeoutMs < 0 ? record.sessionTimeoutMs : record.rebalanceTimeoutMs,
    protocols: [{ name: protocolName ?? '', metadata: record.subscription }],
    assignment: record.assignment,
    parkedJoin: null,
    parkedSync: null,
    isNew: false,
    session,
  }
}

export function recordOf(
  member: Member,
  protocolName: string | null,
  assignment: Uint8Array,
): MemberRecord {
  return {
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    sessionTimeoutMs: member.sessionTimeoutMs,
    subscription: metadataFor(member, protocolName),
    assignment,
  }
}

/** v0 has no rebalance timeout of its own. */
export const rebalanceTimeoutOf = (request: JoinGroupRequest): number =>
  request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
