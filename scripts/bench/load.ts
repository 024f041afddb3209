/** What the load generator of the CLI (`trimaran perf`) is asked for, the same for every cluster. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  runConsume,
  runProduce,
  type ConsumeReport,
  type Moved,
  type ProduceOptions,
  type ProduceReport,
} from 'trimaran/perf'
import { createTopic, dropTopic, layoutOf, untilConnected, untilGiven } from './client.ts'
import type { Address } from './client.ts'

/** Each with Kafka's five requests under way per broker, and a batch of each of its partitions in each. */
export const producerCount = 4
export const partitionCount = 6
/** What one broker knows of a new topic reaches the others in this time. */
const settleMs = 1_000

export interface RecordSize {
  readonly label: string
  readonly valueBytes: number
  readonly batchBytes: number
}

/** Large records fill large batches; small ones Kafka's own batch.size. */
export const recordSizes: readonly RecordSize[] = [
  { label: '1 KiB', valueBytes: 1024, batchBytes: 64 * 1024 },
  { label: '100 B', valueBytes: 100, batchBytes: 16 * 1024 },
]

export const bootstrapOf = (addresses: readonly Address[]): string =>
  addresses.map(({ host, port }) => `${host}:${port}`).join(',')

export const megabytesPerSecond = ({
  bytes,
  elapsedMs,
}: Pick<Moved, 'bytes' | 'elapsedMs'>): number => bytes / 1_000 / elapsedMs

export async function makeTopic(
  brokers: readonly Address[],
  name: string,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = await untilConnected(brokers)
  try {
    await createTopic(admin, { name, partitions: partitionCount, configs })
    await untilGiven(`topic ${name} is not in sync`, () => layoutOf(admin, name, { inSync: true }))
    await sleep(settleMs)
  } finally {
    admin.close()
  }
}

/** A topic for as long as it is used: its log would take the page cache that the next rounds need. */
export async function withTopic<T>(
  brokers: readonly Address[],
  name: string,
  use: () => Promise<T>,
  configs: Readonly<Record<string, string>> = {},
): Promise<T> {
  await makeTopic(brokers, name, configs)
  try {
    return await use()
  } finally {
    await dropTopic(brokers, name)
  }
}

export interface ProduceLoad extends Pick<
  ProduceOptions,
  | 'recordSizeBytes'
  | 'payloadFile'
  | 'batchBytes'
  | 'compression'
  | 'producers'
  | 'warmUpMs'
  | 'durationMs'
> {
  readonly durationMs: number
}

/** As fast as it is acknowledged by all, idempotent. */
export const produceTo = (
  brokers: readonly Address[],
  topic: string,
  load: ProduceLoad,
): Promise<ProduceReport> =>
  runProduce({
    bootstrapServers: bootstrapOf(brokers),
    topic,
    producers: producerCount,
    ...load,
  })

/** From the oldest record to the end; with `members` as a group of so many. */
export const consumeAll = (
  brokers: readonly Address[],
  topic: string,
  members: number | null,
  group = `${topic}-group`,
): Promise<ConsumeReport> =>
  runConsume({
    bootstrapServers: bootstrapOf(brokers),
    topics: [topic],
    fromBeginning: true,
    untilEnd: true,
    ...(members !== null && { group, members }),
  })

export interface Passes {
  /** Of all passes together. */
  readonly bytes: number
  readonly elapsedMs: number
  /** The first one's; null: no group. */
  readonly groupFormedMs: number | null
}

/** Whole passes, one after the other, for as long: one through what some seconds have produced may be over in 0.2 s. */
export async function consumeFor(
  brokers: readonly Address[],
  topic: string,
  members: number | null,
  durationMs: number,
): Promise<Passes> {
  const pass = (at: number): Promise<ConsumeReport> =>
    consumeAll(brokers, topic, members, `${topic}-group-${at}`)
  const { groupFormedMs, ...first } = await pass(1)
  let { bytes, elapsedMs } = first
  for (let at = 2; elapsedMs < durationMs; at++) {
    const next = await pass(at)
    if (next.bytes === 0) throw new Error(`A pass through ${topic} has read nothing.`)
    bytes += next.bytes
    elapsedMs += next.elapsedMs
  }
  return { bytes, elapsedMs, groupFormedMs }
}
