import type { NodeId, Uuid } from '@trimaran/common'
import type { ReplicaFetchRequest, ReplicaFetchResponse } from '@trimaran/broker'
import type { ControllerRequests } from '@trimaran/metadata'
import type { Message } from '@trimaran/raft'
import { controllerCodecs } from './controller-codec.ts'
import { decodeQuorumMessage, encodeQuorumMessage } from './quorum-codec.ts'
import { replicaFetchRequest, replicaFetchResponse } from './replica-codec.ts'
import {
  bytes,
  decodeFrame,
  delimitedTag,
  encodePieces,
  int,
  message,
  readInt,
  readMessage,
  sizeOf,
  text,
  writeInt,
  writeMessage,
} from './wire.ts'
import type { MessageCodec, Reader } from './wire.ts'

/** Everything that one node can ask of another: the controller's requests, and the followers' fetch. */
export interface PeerRequests extends ControllerRequests {
  replicaFetch: { request: ReplicaFetchRequest; response: ReplicaFetchResponse }
}
export type PeerRequestKind = keyof PeerRequests

export interface Hello {
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly incarnationId: Uuid
  readonly host: string
  readonly port: number
  readonly toNodeId: NodeId
}
export interface Failure {
  readonly id: number
  readonly code: string
  readonly message: string
}
export interface Chunk {
  readonly sizeBytes: number
  readonly piece: Uint8Array
}

export type Envelope =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'quorum'; readonly message: Message }
  | {
      readonly kind: 'request'
      readonly id: number
      readonly call: PeerRequestKind
      readonly body: unknown
    }
  | {
      readonly kind: 'response'
      readonly id: number
      readonly call: PeerRequestKind
      readonly body: unknown
    }
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'chunk'; readonly chunk: Chunk }

export const helloCodec: MessageCodec<Hello> = message<Hello>('Hello', {
  clusterId: text(1),
  nodeId: int(2),
  incarnationId: text(3),
  host: text(4),
  port: int(5),
  toNodeId: int(6),
})
export const failureCodec: MessageCodec<Failure> = message<Failure>('Failure', {
  id: int(1),
  code: text(2),
  message: text(3),
})
const CHUNK_SIZE_NUMBER = 1
const CHUNK_PIECE_NUMBER = 2
export const chunkCodec: MessageCodec<Chunk> = message<Chunk>('Chunk', {
  sizeBytes: int(CHUNK_SIZE_NUMBER),
  piece: bytes(CHUNK_PIECE_NUMBER),
})

type AnyCodec = MessageCodec<unknown>

/** Their numbers in Request and Response, from 2 on, are their places in this list: what is new goes to its end. */
export const calls: readonly PeerRequestKind[] = [
  'registerBroker',
  'heartbeat',
  'alterPartition',
  'replicasDeleted',
  'allocateProducerIds',
  'createTopics',
  'deleteTopics',
  'createPartitions',
  'alterConfigs',
  'electLeaders',
  'unregisterBroker',
  'describeQuorum',
  'replicaFetch',
  'alterPartitionReassignments',
  'addRaftVoter',
  'removeRaftVoter',
]
const FIRST_BODY_NUMBER = 2

export const callCodecs = {
  ...controllerCodecs,
  replicaFetch: { request: replicaFetchRequest, response: replicaFetchResponse },
} as const

const numbers = { hello: 1, quorum: 2, request: 3, response: 4, failure: 5, chunk: 6 } as const

/** The first byte tells the content. Links look at no more of a frame than this. */
export const isHelloFrame = (frame: Uint8Array): boolean => frame[0] === delimitedTag(numbers.hello)
export const isChunkFrame = (frame: Uint8Array): boolean => frame[0] === delimitedTag(numbers.chunk)

/** A frame as the pieces to send: what is large in the envelope (records above all) is not copied. */
export function encodeEnvelope(envelope: Envelope): readonly Uint8Array[] {
  return encodePieces(writer => {
    switch (envelope.kind) {
      case 'hello':
        return writeMessage(writer, numbers.hello, helloCodec, envelope.hello)
      case 'failure':
        return writeMessage(writer, numbers.failure, failureCodec, envelope.failure)
      case 'chunk':
        return writeMessage(writer, numbers.chunk, chunkCodec, envelope.chunk)
      case 'quorum':
        writer.uint32(delimitedTag(numbers.quorum)).fork()
        encodeQuorumMessage(writer, envelope.message)
        writer.ldelim()
        return
      case 'request':
      case 'response': {
        const { id, call, body } = envelope
        writer.uint32(delimitedTag(numbers[envelope.kind])).fork()
        writeInt(writer.uint32(ID_TAG), id)
        const codec = callCodecs[call][envelope.kind] as unknown as AnyCodec
        writeMessage(writer, FIRST_BODY_NUMBER + calls.indexOf(call), codec, body)
        writer.ldelim()
        return
      }
      default:
        envelope satisfies never
    }
  })
}

/** An envelope with a chunk of a frame of `sizeBytes`, the chunk given as pieces. */
export function encodeChunk(
  sizeBytes: number,
  pieces: readonly Uint8Array[],
): readonly Uint8Array[] {
  return encodePieces(writer => {
    writer.uint32(delimitedTag(numbers.chunk)).fork()
    int(CHUNK_SIZE_NUMBER).encode(writer, sizeBytes)
    writer.uint32(delimitedTag(CHUNK_PIECE_NUMBER)).uint32(sizeOf(pieces))
    for (const piece of pieces) writer.raw(piece)
    writer.ldelim()
  })
}

/** Field 1, a varint. */
const ID_TAG = 8

/** Throws RPC_INVALID. */
export function decodeEnvelope(frame: Uint8Array): Envelope {
  return decodeFrame(frame, reader => {
    const number = reader.uint32() >>> 3
    const end = reader.uint32() + reader.pos
    if (end !== reader.len) throw new RangeError('an envelope holds one content')
    switch (number) {
      case numbers.hello:
        return { kind: 'hello', hello: helloCodec.decode(reader, end) }
      case numbers.quorum:
        return { kind: 'quorum', message: decodeQuorumMessage(reader, end) }
      case numbers.request:
        return { kind: 'request', ...decodeCall(reader, end, 'request') }
      case numbers.response:
        return { kind: 'response', ...decodeCall(reader, end, 'response') }
      case numbers.failure:
        return { kind: 'failure', failure: failureCodec.decode(reader, end) }
      case numbers.chunk:
        return { kind: 'chunk', chunk: chunkCodec.decode(reader, end) }
      default:
        throw new RangeError(`content ${number}`)
    }
  })
}

function decodeCall(
  reader: Reader,
  end: number,
  direction: 'request' | 'response',
): { id: number; call: PeerRequestKind; body: unknown } {
  let id = 0
  let call: PeerRequestKind | undefined
  let body: unknown
  while (reader.pos < end) {
    const tag = reader.uint32()
    const kind = calls[(tag >>> 3) - FIRST_BODY_NUMBER]
    if (tag === ID_TAG) id = readInt(reader)
    else if (kind !== undefined) {
      call = kind
      body = readMessage(reader, callCodecs[kind][direction] as unknown as AnyCodec)
    } else reader.skipType(tag & 7)
  }
  if (call === undefined) throw new RangeError('a call of no known kind')
  return { id, call, body }
}
