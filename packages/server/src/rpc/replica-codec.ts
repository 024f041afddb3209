import type {
  ReplicaFetchPartition,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
  ReplicaFetchResult,
} from '@trimaran/broker'
import { bool, bytes, int, list, message, nullableSub, text } from './wire.ts'

const fetchPartition = message<ReplicaFetchPartition>('ReplicaFetchPartition', {
  topicId: text(1),
  partition: int(2),
  currentLeaderEpoch: int(3),
  fetchOffset: int(4),
  lastFetchedEpoch: int(5),
  logStartOffset: int(6),
  maxBytes: int(7),
  partitionEpoch: int(8),
})

const forgotten = message<ReplicaFetchRequest['forgotten'][number]>('ForgottenPartition', {
  topicId: text(1),
  partition: int(2),
})

const epochEnd = message<NonNullable<ReplicaFetchResult['diverging']>>('EpochEnd', {
  epoch: int(1),
  endOffset: int(2),
})

const fetchResult = message<ReplicaFetchResult>('ReplicaFetchResult', {
  topicId: text(1),
  partition: int(2),
  errorCode: int(3),
  leaderEpoch: int(4),
  highWatermark: int(5),
  logStartOffset: int(6),
  diverging: nullableSub(7, epochEnd),
  records: bytes(8),
})

export const replicaFetchRequest = message<ReplicaFetchRequest>('ReplicaFetchRequest', {
  replicaId: int(1),
  brokerEpoch: int(2),
  sessionId: int(3),
  sessionEpoch: int(4),
  maxWaitMs: int(5),
  minBytes: int(6),
  maxBytes: int(7),
  partitions: list(8, fetchPartition),
  forgotten: list(9, forgotten),
})

export const replicaFetchResponse = message<ReplicaFetchResponse>('ReplicaFetchResponse', {
  sessionUnknown: bool(1),
  partitions: list(2, fetchResult),
})
