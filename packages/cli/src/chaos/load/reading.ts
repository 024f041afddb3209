import { setTimeout as sleep } from 'node:timers/promises'
import {
  PartitionReader,
  earliest,
  latest,
  listOffsets,
  type ClusterClient,
  type ConsumedRecord,
  type Position,
} from '../../client/index.ts'
import type { HistoryFile } from '../history-file.ts'
import type { LoadCounters } from './counters.ts'

export interface ReadingOptions {
  readonly client: ClusterClient
  readonly process: string
  readonly topic: string
  readonly partitions: number
  readonly file: HistoryFile
  readonly counters: LoadCounters
}

const errorPauseMs = 100
/** What a load leaves behind is some hundred MB at most. */
const drainTimeoutMs = 120_000
const utf8 = new TextDecoder()

/** What nobody of us has written has no number: -1, which was never sent. */
function valueOf({ value }: ConsumedRecord): number {
  const text = value === null ? '' : utf8.decode(value)
  return /^\d{1,15}$/.test(text) ? Number(text) : -1
}

function note(
  { file, process, topic, counters }: ReadingOptions,
  stream: string,
  invokedAt: number,
  records: readonly ConsumedRecord[],
): void {
  for (const [partition, group] of Map.groupBy(records, record => record.partition)) {
    file.poll({
      process,
      partition: `${topic}/${partition}`,
      stream,
      invokedAt,
      records: group.map(record => ({ offset: record.offset, value: valueOf(record) })),
    })
  }
  counters.read += records.length
}

async function positionsFromStart({
  client,
  topic,
  partitions,
}: ReadingOptions): Promise<Position[]> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition)
  const starts = await listOffsets(client, topic, numbers, earliest)
  return numbers.map(partition => ({
    topic,
    partition,
    nextOffset: starts.get(partition) ?? 0,
    highWatermark: -1,
  }))
}

/** Reads along while things happen: whatever it is shown must never change. */
export async function follow(options: ReadingOptions, isStopped: () => boolean): Promise<void> {
  const { client, process, file, counters } = options
  let reader: PartitionReader | null = null
  let stream = 0
  while (!isStopped()) {
    try {
      if (reader === null) {
        const positions = await positionsFromStart(options)
        reader = new PartitionReader(client, { readCommitted: true })
        reader.assign(positions)
        stream++
      }
      const invokedAt = file.now
      note(options, `${process}#${stream}`, invokedAt, await reader.poll())
    } catch (error) {
      // It begins anew, and all that it has read before must still be there.
      counters.failed((error as Error).message)
      reader = null
      await sleep(errorPauseMs)
    }
  }
}

/** Reads every partition from its start to where it ends now, and says so in the history. Tells what it could not read. */
export async function readAll(options: ReadingOptions): Promise<readonly string[]> {
  const { client, process, topic, file } = options
  const deadlineMs = performance.now() + drainTimeoutMs
  const positions = await positionsFromStart(options)
  const numbers = positions.map(({ partition }) => partition)
  const ends = await listOffsets(client, topic, numbers, latest)
  const isBehind = ({ partition, nextOffset }: Position): boolean =>
    nextOffset < (ends.get(partition) ?? 0)
  const reader = new PartitionReader(client, { readCommitted: true })
  reader.assign(positions)
  while (positions.some(isBehind) && performance.now() < deadlineMs) {
    const invokedAt = file.now
    note(options, process, invokedAt, await reader.poll())
  }
  for (const position of positions) {
    if (!isBehind(position)) file.readToEnd(`${topic}/${position.partition}`, process)
  }
  return positions.filter(isBehind).map(({ partition }) => `${topic}-${partition}`)
}
