/** Writes and reads as fast as the cluster takes it; what is sent is made once and sent again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorCodes, errorInfo, forEachBatch } from '@trimaran/protocol'
import type { KafkaConnection } from 'trimaran/client'
import {
  connect,
  createTopic,
  layoutOf,
  prepareBatch,
  produce,
  untilConnected,
  untilGiven,
  type Address,
  type TopicLayout,
} from './client.ts'

/** Four producers, each with Kafka's five requests under way per broker. */
export const producerCount = 4
export const inFlightPerBroker = 5
export const batchBytes = 64 * 1024
export const partitionCount = 12
/** What one broker knows of a new topic reaches the others in this time. */
const settleMs = 1_000
const fetchBytesMax = 8 * 1024 * 1024
const partitionFetchBytesMax = 1024 * 1024

export interface Moved {
  readonly records: number
  readonly bytes: number
  readonly elapsedMs: number
}

export const perSecond = (
  moved: Moved,
): { readonly records: number; readonly megabytes: number } => ({
  records: (moved.records * 1000) / moved.elapsedMs,
  megabytes: moved.bytes / 1000 / moved.elapsedMs,
})

export async function makeTopic(brokers: readonly Address[], name: string): Promise<TopicLayout> {
  const admin = await untilConnected(brokers)
  try {
    await createTopic(admin, { name, partitions: partitionCount })
    const layout = await untilGiven(`topic ${name} is not in sync`, () =>
      layoutOf(admin, name, { inSync: true }),
    )
    await sleep(settleMs)
    return layout
  } finally {
    admin.close()
  }
}

/** Writes until `durationMs` are over, and counts what was acknowledged in that time after the warm-up. */
export async function produceFor(
  layout: TopicLayout,
  valueBytes: number,
  warmUpMs: number,
  durationMs: number,
): Promise<Moved> {
  const recordCount = Math.max(1, Math.floor(batchBytes / valueBytes))
  const batch = prepareBatch(recordCount, valueBytes)
  const fromMs = performance.now() + warmUpMs
  const untilMs = fromMs + durationMs
  let records = 0
  const lane = async (
    connection: KafkaConnection,
    partitions: readonly number[],
  ): Promise<void> => {
    for (let at = 0; performance.now() < untilMs; at++) {
      const partition = partitions[at % partitions.length] ?? 0
      const errorCode = await produce(connection, layout, partition, batch)
      if (errorCode !== errorCodes.NONE)
        throw new Error(`produce was refused: ${errorInfo(errorCode).name}`)
      const nowMs = performance.now()
      if (nowMs >= fromMs && nowMs < untilMs) records += recordCount
    }
  }
  const connections: KafkaConnection[] = []
  const lanes: Promise<void>[] = []
  for (let producer = 0; producer < producerCount; producer++) {
    for (const [address, partitions] of byLeader(layout)) {
      const connection = await connect(address)
      connections.push(connection)
      for (let at = 0; at < inFlightPerBroker; at++) {
        const shift = (producer + at) % partitions.length
        lanes.push(lane(connection, [...partitions.slice(shift), ...partitions.slice(0, shift)]))
      }
    }
  }
  await Promise.all(lanes)
  for (const connection of connections) connection.close()
  return { records, bytes: records * valueBytes, elapsedMs: durationMs }
}

/** One consumer for all partitions of each broker, from the beginning, until `durationMs` are over or all is read. */
export async function consumeFor(
  layout: TopicLayout,
  valueBytes: number,
  durationMs: number,
): Promise<Moved> {
  const startMs = performance.now()
  const readers = [...byLeader(layout)].map(([address, partitions]) =>
    readAll(address, layout, partitions, startMs + durationMs),
  )
  const records = (await Promise.all(readers)).reduce((sum, read) => sum + read, 0)
  return { records, bytes: records * valueBytes, elapsedMs: performance.now() - startMs }
}

async function readAll(
  address: { readonly host: string; readonly port: number },
  layout: TopicLayout,
  partitions: readonly number[],
  untilMs: number,
): Promise<number> {
  const connection = await connect(address)
  const nextOffsets = new Map(partitions.map(partition => [partition, 0]))
  let records = 0
  // A second request is under way while the first answer is looked at: of the other half of the partitions.
  const half = Math.ceil(partitions.length / 2)
  const readSome = async (some: readonly number[]): Promise<void> => {
    for (let open = some; open.length > 0 && performance.now() < untilMs;) {
      const answer = await fetchOnce(connection, layout, open, nextOffsets)
      records += answer.records
      open = answer.open
    }
  }
  await Promise.all([readSome(partitions.slice(0, half)), readSome(partitions.slice(half))])
  connection.close()
  return records
}

async function fetchOnce(
  connection: KafkaConnection,
  layout: TopicLayout,
  partitions: readonly number[],
  nextOffsets: Map<number, number>,
): Promise<{ readonly records: number; readonly open: readonly number[] }> {
  const answer = await connection.request(apis.fetch, {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: fetchBytesMax,
    isolationLevel: 0,
    sessionId: 0,
    rackId: '',
    forgottenTopicsData: [],
    topics: [
      {
        topic: layout.name,
        topicId: layout.topicId,
        partitions: partitions.map(partition => ({
          partition,
          fetchOffset: nextOffsets.get(partition) ?? 0,
          partitionMaxBytes: partitionFetchBytesMax,
          replicaDirectoryId: noDirectory,
        })),
      },
    ],
  })
  let records = 0
  const done = new Set<number>()
  for (const part of answer.responses[0]?.partitions ?? []) {
    if (part.errorCode !== errorCodes.NONE)
      throw new Error(`fetch was refused: ${errorInfo(part.errorCode).name}`)
    let next = nextOffsets.get(part.partitionIndex) ?? 0
    forEachBatch(part.records ?? noBytes, header => {
      records += header.recordCount
      next = header.lastOffset + 1
    })
    nextOffsets.set(part.partitionIndex, next)
    if (next >= part.highWatermark) done.add(part.partitionIndex)
  }
  // What could not be sent this time goes first next time.
  const open = partitions.filter(partition => !done.has(partition))
  return { records, open: [...open.slice(1), ...open.slice(0, 1)] }
}

const noBytes = new Uint8Array(0)
const noDirectory = 'AAAAAAAAAAAAAAAAAAAAAA'

function byLeader(
  layout: TopicLayout,
): Map<{ readonly host: string; readonly port: number }, readonly number[]> {
  const partitionsByLeader = new Map<number, number[]>()
  layout.leaders.forEach((leader, partition) => {
    const known = partitionsByLeader.get(leader)
    if (known === undefined) partitionsByLeader.set(leader, [partition])
    else known.push(partition)
  })
  return new Map(
    [...partitionsByLeader].flatMap(([leader, partitions]) => {
      const address = layout.addresses.get(leader)
      return address === undefined ? [] : [[address, partitions] as const]
    }),
  )
}
