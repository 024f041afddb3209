import type { Contest, Measure } from '@trimaran/common/testing/measure'
import {
  apis,
  codecsOf,
  crc32c,
  decodeRequestHeader,
  encodeBatch,
  encodeRequest,
  encodeResponse,
  Reader,
  validateProduceBatch,
} from '../src/index.ts'

const topicId = 'ordersAAAAAAAAAAAAAAAA'
const dayMs = 86_400_000
const startMs = 1_700_000_000_000
const rules = {
  apiVersion: 12,
  maxMessageBytes: 1 << 20,
  compactedTopic: false,
  timestampBeforeMaxMs: dayMs * 10_000,
  timestampAfterMaxMs: dayMs * 10_000,
  nowMs: startMs,
  timestampType: 'createTime',
} as const

/** Values that do not repeat, so that nobody's cache or branch predictor learns them. */
function batchOf(recordCount: number, valueBytes: number): Uint8Array {
  let seed = 1
  const value = (): Uint8Array =>
    Uint8Array.from({ length: valueBytes }, () => (seed = (seed * 48_271) % 2_147_483_647) & 0xff)
  const records = Array.from({ length: recordCount }, (_, index) => ({
    timestampMs: startMs + index,
    value: value(),
  }))
  return encodeBatch({ records, producerId: 7, producerEpoch: 0, baseSequence: 0 })
}

const joined = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts)
const copyOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes)

/** Six partitions with 16 KiB each, as the client of a busy producer sends them. */
function readProduce(): Contest {
  const partitionData = Array.from({ length: 6 }, (_, index) => ({
    index,
    records: batchOf(150, 100),
  }))
  const body = {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: 'orders', topicId, partitionData }],
  }
  const header = { correlationId: 1, clientId: 'producer-1' }
  const frame = joined(encodeRequest(apis.produce, 12, header, body)).subarray(4)
  const codec = codecsOf(apis.produce).request(12)
  return {
    stepBytes: frame.length,
    ours: () => {
      const reader = new Reader(frame)
      decodeRequestHeader(reader)
      return codec.decode(reader)
    },
    naive: () => copyOf(frame),
  }
}

function validate(recordCount: number, valueBytes: number): Contest {
  const batch = batchOf(recordCount, valueBytes)
  const checked = validateProduceBatch(batch, rules)
  if (!checked.ok) throw new Error(checked.errorMessage)
  return {
    stepBytes: batch.length,
    ours: () => validateProduceBatch(batch, rules),
    naive: () => crc32c(batch),
  }
}

function encodeFetch(): Contest {
  const records = batchOf(150, 100)
  const partitions = Array.from({ length: 6 }, (_, partitionIndex) => ({
    partitionIndex,
    errorCode: 0,
    highWatermark: 1000,
    lastStableOffset: 1000,
    logStartOffset: 0,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records,
  }))
  const body = {
    throttleTimeMs: 0,
    errorCode: 0,
    sessionId: 0,
    responses: [{ topic: 'orders', topicId, partitions }],
    nodeEndpoints: [],
  }
  const bytes = joined(encodeResponse(apis.fetch, 16, 1, body))
  return {
    stepBytes: bytes.length,
    ours: () => encodeResponse(apis.fetch, 16, 1, body),
    naive: () => copyOf(bytes),
  }
}

/** 1,000 partitions on three brokers, and the same fields by hand into one buffer of the right size. */
function encodeMetadata(): Contest {
  const partitions = Array.from({ length: 1000 }, (_, partitionIndex) => ({
    errorCode: 0,
    partitionIndex,
    leaderId: 1 + (partitionIndex % 3),
    leaderEpoch: 5,
    replicaNodes: [1, 2, 3],
    isrNodes: [1, 2, 3],
    offlineReplicas: [],
  }))
  const topic = { errorCode: 0, name: 'orders', topicId, isInternal: false, partitions }
  const brokers = [1, 2, 3].map(nodeId => ({ nodeId, host: 'localhost', port: 9092, rack: null }))
  const body = { throttleTimeMs: 0, brokers, clusterId: 'c', controllerId: 1, topics: [topic] }
  const bytes = joined(encodeResponse(apis.metadata, 12, 1, body))
  return {
    stepBytes: bytes.length,
    ours: () => encodeResponse(apis.metadata, 12, 1, body),
    naive: () => metadataByHand(partitions, bytes.length),
  }
}

function metadataByHand(
  partitions: readonly {
    readonly partitionIndex: number
    readonly leaderId: number
    readonly leaderEpoch: number
    readonly replicaNodes: readonly number[]
    readonly isrNodes: readonly number[]
    readonly offlineReplicas: readonly number[]
  }[],
  sizeBytes: number,
): Buffer {
  const into = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  const list = (nodes: readonly number[]): void => {
    at = into.writeUInt8(nodes.length + 1, at)
    for (const node of nodes) at = into.writeInt32BE(node, at)
  }
  for (const partition of partitions) {
    at = into.writeInt16BE(0, at)
    at = into.writeInt32BE(partition.partitionIndex, at)
    at = into.writeInt32BE(partition.leaderId, at)
    at = into.writeInt32BE(partition.leaderEpoch, at)
    list(partition.replicaNodes)
    list(partition.isrNodes)
    list(partition.offlineReplicas)
    at = into.writeUInt8(0, at)
  }
  return into
}

/** The library's releases differ by a factor of four here, and every batch is summed by its leader and its followers. */
function sum(): Contest {
  const bytes = copyOf(batchOf(64, 1024))
  return { stepBytes: bytes.length, ours: () => crc32c(bytes), naive: () => copyOf(bytes) }
}

const copy = 'a copy of the bytes'
const checksum = 'crc32c of the bytes'

export const measures: readonly Measure[] = [
  { name: 'read produce, 6 × 16 KiB', naive: copy, must: 3, prepare: readProduce },
  { name: 'crc32c, 64 KiB', naive: copy, must: 1, prepare: sum },
  { name: 'validate 64 × 1 KiB', naive: checksum, must: 0.3, prepare: () => validate(64, 1024) },
  { name: 'validate 150 × 100 B', naive: checksum, must: 0.07, prepare: () => validate(150, 100) },
  { name: 'encode fetch, 6 × 16 KiB', naive: copy, must: 1.5, prepare: encodeFetch },
  {
    name: 'encode metadata, 1,000 partitions',
    naive: 'the partitions written by hand',
    must: 0.5,
    prepare: encodeMetadata,
  },
]
