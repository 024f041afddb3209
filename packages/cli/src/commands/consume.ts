import { withClient, type ClusterClient } from '../client/cluster-client.ts'
import { GroupMember, partitionName } from '../client/group-member.ts'
import {
  PartitionReader,
  earliest,
  latest,
  listOffsets,
  type ConsumedRecord,
  type Position,
} from '../client/reader.ts'
import { CliError, exitCodes } from '../output.ts'

interface ConsumeOptions {
  readonly bootstrapServer: string
  readonly fromBeginning?: boolean
  readonly group?: string
  readonly partition?: number
  readonly offset?: number
  readonly maxMessages?: number
  readonly exitAtEnd?: boolean
  readonly timeoutMs?: number
  readonly format: string
  readonly isolation: 'read_uncommitted' | 'read_committed'
}

const commitIntervalMs = 1000

export async function consume(topics: readonly string[], options: ConsumeOptions): Promise<void> {
  checkOptions(topics, options)
  const format = formatter(options.format)
  let stopped = false
  const stop = (): void => {
    stopped = true
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  await withClient(options, async client => {
    const source =
      options.group === undefined
        ? await assignedSource(client, topics, options)
        : groupSource(client, topics, options, options.group)
    let printed = 0
    let lastRecordMs = performance.now()
    try {
      while (!stopped) {
        for (const record of await source.poll()) {
          await write(format(record))
          source.printed(record)
          lastRecordMs = performance.now()
          if (++printed === options.maxMessages) return
        }
        if (options.exitAtEnd === true && source.isAtEnd()) return
        if (options.timeoutMs !== undefined && performance.now() - lastRecordMs > options.timeoutMs)
          return
      }
    } finally {
      await source.close()
    }
  })
}

function checkOptions(topics: readonly string[], options: ConsumeOptions): void {
  if (options.offset !== undefined && options.partition === undefined)
    throw new CliError('--offset needs --partition.', exitCodes.usage)
  if (options.partition !== undefined && topics.length > 1)
    throw new CliError('--partition goes with one topic.', exitCodes.usage)
  if (options.group !== undefined && options.partition !== undefined) {
    throw new CliError(
      '--group shares the partitions out itself; leave --partition away.',
      exitCodes.usage,
    )
  }
}

interface Source {
  poll(): Promise<readonly ConsumedRecord[]>
  printed(record: ConsumedRecord): void
  isAtEnd(): boolean
  close(): Promise<void>
}

async function assignedSource(
  client: ClusterClient,
  topics: readonly string[],
  options: ConsumeOptions,
): Promise<Source> {
  const positions: Position[] = []
  for (const topic of topics) {
    const all = (await client.topic(topic)).partitions.map(partition => partition.partitionIndex)
    if (options.partition !== undefined && !all.includes(options.partition)) {
      throw new CliError(
        `${topic} has partitions 0 to ${all.length - 1}, not ${options.partition}.`,
        exitCodes.usage,
      )
    }
    const wanted = options.partition === undefined ? all : [options.partition]
    const starts = await startOffsets(client, topic, wanted, options)
    for (const partition of wanted)
      positions.push({
        topic,
        partition,
        nextOffset: starts.get(partition) ?? 0,
        highWatermark: -1,
      })
  }
  const reader = new PartitionReader(client, {
    readCommitted: options.isolation === 'read_committed',
  })
  reader.assign(positions)
  return {
    poll: () => reader.poll(),
    printed: () => {},
    isAtEnd: () => reader.isAtEnd,
    close: async () => {},
  }
}

async function startOffsets(
  client: ClusterClient,
  topic: string,
  partitions: readonly number[],
  options: ConsumeOptions,
): Promise<Map<number, number>> {
  const { offset } = options
  if (offset !== undefined) return new Map(partitions.map(partition => [partition, offset]))
  return listOffsets(
    client,
    topic,
    partitions,
    options.fromBeginning === true ? earliest : latest,
    options.isolation === 'read_committed',
  )
}

/** As a group member: what was printed is committed every second, at a rebalance and at the end. */
function groupSource(
  client: ClusterClient,
  topics: readonly string[],
  options: ConsumeOptions,
  groupId: string,
): Source {
  const member = new GroupMember(client, groupId, topics)
  const reader = new PartitionReader(client, {
    readCommitted: options.isolation === 'read_committed',
  })
  const uncommitted = new Map<string, { topic: string; partition: number; offset: number }>()
  let lastCommitMs = performance.now()
  const commit = async (): Promise<void> => {
    const offsets = [...uncommitted.values()]
    uncommitted.clear()
    lastCommitMs = performance.now()
    await member.commit(offsets)
  }
  const rejoin = async (): Promise<void> => {
    if (reader.positions.length > 0) await commit()
    const owned = await member.join()
    const committed = await member.committed(owned)
    const positions: Position[] = []
    for (const [topic, group] of Map.groupBy(owned, each => each.topic)) {
      const starts = await startOffsets(
        client,
        topic,
        group.map(each => each.partition),
        options,
      )
      for (const { partition } of group) {
        const nextOffset =
          committed.get(partitionName(topic, partition)) ?? starts.get(partition) ?? 0
        positions.push({ topic, partition, nextOffset, highWatermark: -1 })
      }
    }
    reader.assign(positions)
  }
  return {
    poll: async () => {
      if (member.needsRejoin) await rejoin()
      else if (uncommitted.size > 0 && performance.now() - lastCommitMs > commitIntervalMs)
        await commit()
      return reader.poll()
    },
    printed: ({ topic, partition, offset }) =>
      uncommitted.set(partitionName(topic, partition), { topic, partition, offset: offset + 1 }),
    isAtEnd: () => !member.needsRejoin && reader.isAtEnd,
    close: async () => {
      await commit()
      await member.leave()
    },
  }
}

function write(text: string): Promise<void> | void {
  if (process.stdout.write(text)) return
  return new Promise(settle => process.stdout.once('drain', settle))
}

const textOf = (bytes: Uint8Array | null): string =>
  bytes === null ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

export function formatter(format: string): (record: ConsumedRecord) => string {
  switch (format) {
    case 'value':
      return record => `${textOf(record.value)}\n`
    case 'key-value':
      return record => `${textOf(record.key)}\t${textOf(record.value)}\n`
    case 'json':
      return record => `${JSON.stringify(jsonOf(record))}\n`
    default:
      return patternFormatter(format)
  }
}

function jsonOf(record: ConsumedRecord): unknown {
  return {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestampMs: record.timestampMs,
    key: record.key === null ? null : textOf(record.key),
    value: record.value === null ? null : textOf(record.value),
    headers: record.headers.map(({ key, value }) => ({
      key,
      value: value === null ? null : textOf(value),
    })),
  }
}

/** kcat's letters: %t topic, %p partition, %o offset, %T timestamp, %k key, %v or %s value, %% itself. */
function patternFormatter(format: string): (record: ConsumedRecord) => string {
  const fields: Readonly<Record<string, (record: ConsumedRecord) => string>> = {
    t: record => record.topic,
    p: record => String(record.partition),
    o: record => String(record.offset),
    T: record => String(record.timestampMs),
    k: record => textOf(record.key),
    v: record => textOf(record.value),
    s: record => textOf(record.value),
    '%': () => '%',
  }
  const unescaped = format.replaceAll('\\n', '\n').replaceAll('\\t', '\t')
  for (const [, letter = ''] of unescaped.matchAll(/%(.)/g)) {
    if (fields[letter] === undefined)
      throw new CliError(
        `--format does not know %${letter}; it knows %t %p %o %T %k %v %%.`,
        exitCodes.usage,
      )
  }
  return record =>
    unescaped.replaceAll(/%(.)/g, (_, letter: string) => fields[letter]?.(record) ?? '')
}
