/** The six, with what each may cost and where it must be seen. */
import { runProduce } from 'trimaran/perf'
import { makeTopic, bootstrapOf } from '../load.ts'
import type { Address } from '../client.ts'
import type { AbuseName } from './abuser.ts'
import { requestsPerSecond } from './lone-records.ts'
import { partitionCount } from './many-partitions.ts'
import { connectionCount } from './one-byte.ts'

export interface Series {
  readonly name: string
  readonly labels?: readonly string[]
  /** By how much it grows at least, over all nodes, from before the abuse to its end. */
  readonly grows: number
}

export interface Abuse {
  readonly name: AbuseName
  readonly words: string
  readonly series: Series
  /** By how much the RSS of the three nodes may grow, and why. */
  readonly growthMaxMb: number
  readonly growthWhy: string
  /** Makes what it needs; absent: it needs nothing. */
  readonly prepare?: (addresses: readonly Address[], topic: string) => Promise<void>
}

/** More than `fetch.max.bytes` (55 MiB) at every broker: a third each, 1.1 KB a record. */
const storedRecords = 180_000
const storedRecordBytes = 1024

async function fill(addresses: readonly Address[], topic: string): Promise<void> {
  await makeTopic(addresses, topic)
  await runProduce({
    bootstrapServers: bootstrapOf(addresses),
    topic,
    recordSizeBytes: storedRecordBytes,
    batchBytes: 64 * 1024,
    producers: 4,
    numRecords: storedRecords,
  })
}

/** For the work that any request brings: a young generation and buffers of each of three nodes. */
export const workMb = 100
const unread = 'kafka_network_socketserver_unreadresponsebytes'

export const abuses: readonly Abuse[] = [
  {
    name: 'never-reads',
    words: 'a producer that never reads answers',
    // Of what is answered within a round all but this, or some more, is in the buffers of the sockets.
    series: { name: unread, grows: 250_000 },
    growthMaxMb: workMb + 50,
    growthWhy:
      '64 requests of 1,000 partitions under way on each of 3 connections, and 1 MiB of answers',
    prepare: makeTopic,
  },
  {
    name: 'stops-reading',
    words: 'consumers that stop reading in the middle of an answer',
    series: { name: unread, grows: 10_000_000 },
    growthMaxMb: workMb + 24 * 8,
    growthWhy: '24 consumers with 4 MiB of an answer each, and the garbage of reading as much',
    prepare: fill,
  },
  {
    name: 'one-byte',
    words: `${connectionCount.toLocaleString('en-US')} connections that send one byte`,
    series: {
      name: 'kafka_server_socket_server_metrics_connection_count',
      grows: connectionCount / 2,
    },
    growthMaxMb: workMb + 160,
    growthWhy: '12 KB and what a chunk of one byte keeps, per connection',
  },
  {
    name: 'lone-records',
    words: `batches of one record at ${requestsPerSecond.toLocaleString('en-US')} requests/s`,
    series: {
      name: 'kafka_network_requestmetrics_totaltimems_count',
      labels: ['request="Produce"'],
      grows: 5_000,
    },
    growthMaxMb: workMb + 150,
    growthWhy: 'tails of the logs, and requests that wait for followers',
    prepare: makeTopic,
  },
  {
    name: 'huge-fetch',
    words: 'fetches with 1 GB max.bytes',
    series: {
      name: 'kafka_server_fetchstats_fetchedbytes_sum',
      labels: ['from="consumer"'],
      grows: 50_000_000,
    },
    growthMaxMb: workMb + 100,
    growthWhy: 'answers of 4 MiB a node, and those before them until they are collected',
    prepare: fill,
  },
  {
    name: 'many-partitions',
    words: `a topic with ${partitionCount.toLocaleString('en-US')} partitions`,
    series: {
      name: 'kafka_controller_kafkacontroller_globalpartitioncount',
      grows: partitionCount,
    },
    growthMaxMb: workMb + 200,
    growthWhy: '30,000 replicas of 2 KB, and the records that make them while they are written',
  },
]
