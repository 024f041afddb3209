import { ClusterClient, PartitionReader, earliest, listOffsets } from 'trimaran/client'
import type { ConsumedRecord, Position } from 'trimaran/client'
import type { History } from 'trimaran/history'
import { kcatConsume, kcatIsThere } from '../support/kcat.ts'

const drainTimeoutMs = 60_000

interface ReaderOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly history: History
}

const numberOf = (record: ConsumedRecord): number =>
  Number(Buffer.from(record.value ?? new Uint8Array()).toString())

function note(
  { history, topic }: ReaderOptions,
  process: string,
  invokedAt: number,
  records: readonly { partition: number; offset: number; value: number }[],
): void {
  const endedAt = performance.now()
  for (const [partition, group] of Map.groupBy(records, record => record.partition)) {
    history.polls.push({
      process,
      partition: `${topic}/${partition}`,
      stream: streamOf(process, `${topic}/${partition}`),
      invokedAt,
      endedAt,
      records: group.map(({ offset, value }) => ({ offset, value })),
    })
  }
}

async function openReader(
  client: ClusterClient,
  { topic, partitions }: ReaderOptions,
): Promise<PartitionReader> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition)
  const starts = await listOffsets(client, topic, numbers, earliest)
  const reader = new PartitionReader(client, { readCommitted: true })
  const positions: Position[] = numbers.map(partition => ({
    topic,
    partition,
    nextOffset: starts.get(partition) ?? 0,
    highWatermark: -1,
  }))
  reader.assign(positions)
  return reader
}

/** Reads along while the faults happen; whatever it is shown must never change. */
export async function follow(options: ReaderOptions): Promise<{ stop(): Promise<void> }> {
  const client = new ClusterClient({ bootstrapServers: options.brokers.join(',') })
  const reader = await openReader(client, options)
  let stopped = false
  const done = (async () => {
    while (!stopped) {
      const invokedAt = performance.now()
      const records = await reader.poll()
      const values = records.map(record => ({ ...record, value: numberOf(record) }))
      note(options, 'follower', invokedAt, values)
    }
  })()
  return {
    stop: async () => {
      stopped = true
      await done
      await client.close()
    },
  }
}

const streamOf = (process: string, partition: string): string => `${process} ${partition}`

/** Reads every partition to its end with the bundled client and, if it is there, with kcat. */
export async function drain(options: ReaderOptions): Promise<number> {
  const client = new ClusterClient({ bootstrapServers: options.brokers.join(',') })
  const reader = await openReader(client, options)
  const deadlineMs = performance.now() + drainTimeoutMs
  let count = 0
  while (!reader.isAtEnd) {
    if (performance.now() > deadlineMs) throw new Error(`${options.topic} is not read to its end`)
    const invokedAt = performance.now()
    const records = await reader.poll()
    count += records.length
    const values = records.map(record => ({ ...record, value: numberOf(record) }))
    note(options, 'drain', invokedAt, values)
  }
  await client.close()
  if (kcatIsThere) {
    const invokedAt = performance.now()
    const lines = await kcatConsume(options.brokers.join(','), options.topic)
    const values = lines.map(({ partition, offset, text }) => ({
      partition,
      offset,
      value: Number(text),
    }))
    note(options, 'kcat', invokedAt, values)
  }
  for (let partition = 0; partition < options.partitions; partition++) {
    const name = `${options.topic}/${partition}`
    options.history.finallyRead.add(name)
    options.history.finalStreams.set(name, streamOf('drain', name))
  }
  return count
}
