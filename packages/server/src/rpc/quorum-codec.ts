import type { HostPort } from '@trimaran/common'
import type { Entry, Message, SnapshotId } from '@trimaran/raft'
import {
  bool,
  bytes,
  int,
  ints,
  list,
  literal,
  message,
  nullable,
  nullableSub,
  readMessage,
  sub,
  text,
  writeMessage,
} from './wire.ts'
import type { FieldsOf, MessageCodec, Reader, Writer } from './wire.ts'

type Kind = Message['kind']
type MemberOf<K extends Kind> = Extract<Message, { kind: K }>

/** A member of the union: `kind` is the field of QuorumMessage that it travels in. */
function member<K extends Kind>(
  kind: K,
  name: string,
  fields: FieldsOf<Omit<MemberOf<K>, 'kind'>>,
): MessageCodec<Omit<MemberOf<K>, 'kind'>> {
  return message(name, fields, { kind })
}

const snapshotId = message<SnapshotId>('SnapshotId', { endOffset: int(1), epoch: int(2) })

const nodeAddress = message<HostPort>('NodeAddress', { host: text(1), port: int(2) })

const entry = message<Entry>('Entry', {
  epoch: int(1),
  kind: literal<Entry['kind']>(2, ['data', 'leaderChange', 'voters']),
  payload: bytes(3),
})

export const quorumMembers: {
  readonly [K in Kind]: { number: number; codec: MessageCodec<never> }
} = {
  voteRequest: numbered(
    1,
    member('voteRequest', 'VoteRequest', {
      epoch: int(1),
      preVote: bool(2),
      candidateDirectoryId: nullable(text(3)),
      lastEpoch: int(4),
      endOffset: int(5),
    }),
  ),
  voteResponse: numbered(
    2,
    member('voteResponse', 'VoteResponse', {
      epoch: int(1),
      preVote: bool(2),
      granted: bool(3),
      leaderId: nullable(int(4)),
      voterDirectoryId: nullable(text(5)),
    }),
  ),
  beginQuorumEpoch: numbered(3, member('beginQuorumEpoch', 'BeginQuorumEpoch', { epoch: int(1) })),
  endQuorumEpoch: numbered(
    4,
    member('endQuorumEpoch', 'EndQuorumEpoch', { epoch: int(1), preferredSuccessors: ints(2) }),
  ),
  fetchRequest: numbered(
    5,
    member('fetchRequest', 'QuorumFetchRequest', {
      fetchId: int(1),
      epoch: int(2),
      replicaDirectoryId: nullable(text(3)),
      fetchOffset: int(4),
      lastFetchedEpoch: int(5),
      highWatermark: int(6),
    }),
  ),
  fetchResponse: numbered(
    6,
    member('fetchResponse', 'QuorumFetchResponse', {
      fetchId: int(1),
      epoch: int(2),
      leaderId: nullable(int(3)),
      outcome: literal<MemberOf<'fetchResponse'>['outcome']>(4, [
        'entries',
        'diverging',
        'snapshot',
        'notLeader',
      ]),
      highWatermark: int(5),
      logStartOffset: int(6),
      baseOffset: int(7),
      entries: list(8, entry),
      hint: nullableSub(9, snapshotId),
      leaderAddress: nullableSub(10, nodeAddress),
    }),
  ),
  fetchSnapshotRequest: numbered(
    7,
    member('fetchSnapshotRequest', 'FetchSnapshotRequest', {
      fetchId: int(1),
      epoch: int(2),
      snapshotId: sub(3, snapshotId),
      position: int(4),
    }),
  ),
  fetchSnapshotResponse: numbered(
    8,
    member('fetchSnapshotResponse', 'FetchSnapshotResponse', {
      fetchId: int(1),
      epoch: int(2),
      leaderId: nullable(int(3)),
      found: bool(4),
      snapshotId: sub(5, snapshotId),
      position: int(6),
      sizeBytes: int(7),
      chunk: bytes(8),
    }),
  ),
}

const byNumber = new Map(Object.values(quorumMembers).map(({ number, codec }) => [number, codec]))

export function encodeQuorumMessage(writer: Writer, value: Message): void {
  const { number, codec } = quorumMembers[value.kind]
  writeMessage(writer, number, codec as unknown as MessageCodec<Message>, value)
}

export function decodeQuorumMessage(reader: Reader, end: number): Message {
  let decoded: Message | undefined
  while (reader.pos < end) {
    const tag = reader.uint32()
    const codec = byNumber.get(tag >>> 3)
    if (codec === undefined) reader.skipType(tag & 7)
    else decoded = readMessage(reader, codec as unknown as MessageCodec<Message>)
  }
  if (decoded === undefined) throw new RangeError('a quorum message of no known kind')
  return decoded
}

function numbered<T>(
  number: number,
  codec: MessageCodec<T>,
): { number: number; codec: MessageCodec<never> } {
  return { number, codec: codec as unknown as MessageCodec<never> }
}
