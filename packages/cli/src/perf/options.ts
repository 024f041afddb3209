import { existsSync } from 'node:fs'
import { compressions, type Compression } from '@trimaran/protocol'
import { CliError, exitCodes } from '../output.ts'
import { parseBootstrap } from '../client/cluster-client.ts'

export interface LoadOptions {
  readonly bootstrapServers: string
  readonly clientId?: string
  /** Threads that carry the load. The calling thread only adds up. */
  readonly workers?: number
  /** Ends the load early; the report then says `aborted`. */
  readonly signal?: AbortSignal
  /** Once a second. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly elapsedMs: number
  /** Since the report before. */
  readonly records: number
  readonly bytes: number
  readonly recordsPerSecond: number
  /** MB of 1024 × 1024 bytes, as Kafka's own tools count. */
  readonly megabytesPerSecond: number
  readonly averageMs: number
  readonly maxMs: number
}

export interface ProduceOptions extends LoadOptions {
  readonly topic: string
  /** All partitions of the topic unless named. */
  readonly partitions?: readonly number[]
  /** Random letters of this length; or else `payloadFile`. */
  readonly recordSizeBytes?: number
  /** One value per line, taken in turn. */
  readonly payloadFile?: string
  /** Records per second by a schedule; −1: as fast as they are acknowledged. */
  readonly throughput?: number
  readonly numRecords?: number
  /** Counted after the warm-up. */
  readonly durationMs?: number
  readonly warmUpMs?: number
  readonly acks?: -1 | 0 | 1
  /** By default on with acks −1. */
  readonly idempotence?: boolean
  readonly compression?: Compression
  readonly batchBytes?: number
  readonly lingerMs?: number
  /** Requests under way per connection. */
  readonly maxInFlight?: number
  /** Batches per request, one per partition; by default one of every partition of the broker that has one. */
  readonly partitionsPerRequest?: number
  /** Each with its own connections and producer id. */
  readonly producers?: number
  /** Throttled: fill a batch of one partition, then the next one (KIP-794), or one record to each in turn. */
  readonly partitioner?: 'sticky' | 'round-robin'
  readonly requestTimeoutMs?: number
  /** A batch that is not acknowledged by then ends the load. */
  readonly deliveryTimeoutMs?: number
  readonly retryBackoffMs?: number
}

export interface ConsumeOptions extends LoadOptions {
  readonly topics: readonly string[]
  /** By assignment without it. */
  readonly group?: string
  readonly members?: number
  /** At the oldest record; otherwise at the end, or where the group has committed. */
  readonly fromBeginning?: boolean
  readonly numRecords?: number
  readonly durationMs?: number
  /** Up to the end of every partition as it was when reading began. */
  readonly untilEnd?: boolean
  readonly fetchMaxBytes?: number
  readonly partitionMaxBytes?: number
  readonly fetchMinBytes?: number
  readonly fetchMaxWaitMs?: number
}

export interface EndToEndOptions extends Omit<
  ProduceOptions,
  'workers' | 'producers' | 'payloadFile' | 'throughput'
> {
  readonly throughput: number
  readonly fetchMaxWaitMs?: number
}

const wrong = (text: string): never => {
  throw new CliError(text, exitCodes.usage)
}

function whole(name: string, value: number | undefined, min: number, max = 2 ** 31 - 1): void {
  if (value === undefined) return
  if (!Number.isInteger(value) || value < min || value > max)
    wrong(`${name} must be a whole number from ${min} to ${max}, not ${value}.`)
}

/** Bytes of a request; brokers take no more (socket.request.max.bytes is 100 MiB, message.max.bytes 1 MiB). */
const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** More threads than that are no load but a contest for the processor. */
const WORKERS_MAX = 64

function checkLoad(options: LoadOptions): void {
  parseBootstrap(options.bootstrapServers)
  whole('workers', options.workers, 1, WORKERS_MAX)
}

export type CheckedProduce = Required<
  Omit<
    ProduceOptions,
    | 'signal'
    | 'onProgress'
    | 'partitions'
    | 'recordSizeBytes'
    | 'payloadFile'
    | 'numRecords'
    | 'durationMs'
  >
> &
  Pick<
    ProduceOptions,
    'partitions' | 'recordSizeBytes' | 'payloadFile' | 'numRecords' | 'durationMs'
  >

/** @throws CliError that says which option is wrong, and why */
export function checkProduce(options: ProduceOptions): CheckedProduce {
  checkLoad(options)
  const { signal: _, onProgress: __, ...plain } = options
  const acks = options.acks ?? -1
  const checked: CheckedProduce = {
    clientId: 'trimaran-perf',
    workers: 1,
    throughput: -1,
    warmUpMs: 0,
    acks,
    idempotence: acks === -1,
    compression: 'none',
    batchBytes: 16_384,
    lingerMs: 0,
    maxInFlight: 5,
    partitionsPerRequest: 1_000_000,
    producers: 1,
    partitioner: 'sticky',
    requestTimeoutMs: 30_000,
    deliveryTimeoutMs: 120_000,
    retryBackoffMs: 100,
    ...plain,
  }
  checkSizes(checked)
  checkEnd('numRecords or durationMs', checked.numRecords, checked.durationMs)
  if (![-1, 0, 1].includes(acks)) wrong(`acks must be -1, 0 or 1, not ${acks}.`)
  if (!compressions.includes(checked.compression))
    wrong(`compression must be one of ${compressions.join(', ')}, not ${checked.compression}.`)
  if (checked.idempotence && acks !== -1) wrong('idempotence needs acks -1 (all).')
  if (checked.idempotence && checked.maxInFlight > 5)
    wrong('idempotence allows 5 requests in flight at most; brokers remember no more batches.')
  const { throughput } = checked
  if (throughput !== -1 && !(Number.isFinite(throughput) && throughput > 0))
    wrong(`throughput must be -1 (unlimited) or above 0, not ${throughput}.`)
  if (checked.workers > checked.producers)
    wrong(`${checked.workers} workers need at least as many producers, not ${checked.producers}.`)
  return checked
}

function checkSizes(checked: CheckedProduce): void {
  const { recordSizeBytes, payloadFile } = checked
  whole('recordSizeBytes', recordSizeBytes, 1, BATCH_BYTES_MAX)
  whole('numRecords', checked.numRecords, 1, Number.MAX_SAFE_INTEGER)
  whole('durationMs', checked.durationMs, 1)
  whole('warmUpMs', checked.warmUpMs, 0)
  whole('batchBytes', checked.batchBytes, 1, BATCH_BYTES_MAX)
  whole('lingerMs', checked.lingerMs, 0)
  whole('maxInFlight', checked.maxInFlight, 1, 1000)
  whole('partitionsPerRequest', checked.partitionsPerRequest, 1)
  whole('producers', checked.producers, 1, 10_000)
  whole('requestTimeoutMs', checked.requestTimeoutMs, 1)
  whole('deliveryTimeoutMs', checked.deliveryTimeoutMs, 1)
  whole('retryBackoffMs', checked.retryBackoffMs, 0)
  if (recordSizeBytes === undefined && payloadFile === undefined)
    wrong('recordSizeBytes or payloadFile is needed.')
  if (recordSizeBytes !== undefined && payloadFile !== undefined)
    wrong('recordSizeBytes and payloadFile exclude each other.')
  if (payloadFile !== undefined && !existsSync(payloadFile))
    wrong(`There is no file ${payloadFile} to take payloads from.`)
}

function checkEnd(what: string, ...ends: readonly (number | boolean | undefined)[]): void {
  if (ends.every(end => end === undefined || end === false))
    wrong(`The load has no end: ${what} is needed.`)
}

export type CheckedConsume = Required<
  Omit<ConsumeOptions, 'signal' | 'onProgress' | 'group' | 'numRecords' | 'durationMs'>
> &
  Pick<ConsumeOptions, 'group' | 'numRecords' | 'durationMs'>

/** @throws CliError that says which option is wrong, and why */
export function checkConsume(options: ConsumeOptions): CheckedConsume {
  checkLoad(options)
  const { signal: _, onProgress: __, ...plain } = options
  const checked: CheckedConsume = {
    clientId: 'trimaran-perf',
    workers: 1,
    members: 1,
    fromBeginning: false,
    untilEnd: false,
    fetchMaxBytes: 50 * 1024 * 1024,
    partitionMaxBytes: 1024 * 1024,
    fetchMinBytes: 1,
    fetchMaxWaitMs: 500,
    ...plain,
  }
  if (checked.topics.length === 0) wrong('topics must name at least one topic.')
  if (checked.group === undefined && checked.members > 1)
    wrong('members need a group; one consumer reads by assignment.')
  if (checked.group === undefined && checked.workers > 1)
    wrong('workers above 1 need a group; one consumer reads by assignment.')
  whole('members', checked.members, 1, 10_000)
  if (checked.workers > checked.members)
    wrong(`${checked.workers} workers need at least as many members, not ${checked.members}.`)
  whole('numRecords', checked.numRecords, 1, Number.MAX_SAFE_INTEGER)
  whole('durationMs', checked.durationMs, 1)
  whole('fetchMaxBytes', checked.fetchMaxBytes, 1)
  whole('partitionMaxBytes', checked.partitionMaxBytes, 1)
  whole('fetchMinBytes', checked.fetchMinBytes, 0)
  whole('fetchMaxWaitMs', checked.fetchMaxWaitMs, 0)
  checkEnd(
    'numRecords, durationMs or untilEnd',
    checked.numRecords,
    checked.durationMs,
    checked.untilEnd,
  )
  return checked
}

/** Eight bytes that tell this run's records from others, eight with the time. */
export const STAMP_BYTES = 16

export type CheckedEndToEnd = CheckedProduce & { readonly fetchMaxWaitMs: number }

/** @throws CliError that says which option is wrong, and why */
export function checkEndToEnd(options: EndToEndOptions): CheckedEndToEnd {
  const checked = checkProduce(options)
  if (checked.throughput === -1)
    wrong('throughput must be above 0: latency without a schedule is that of a queue.')
  if (checked.acks === 0) wrong('acks must not be 0: there would be no acknowledgement to measure.')
  if ((checked.recordSizeBytes ?? 0) < STAMP_BYTES)
    wrong(`recordSizeBytes must be at least ${STAMP_BYTES}: the value carries its time.`)
  whole('fetchMaxWaitMs', options.fetchMaxWaitMs, 0)
  return { ...checked, fetchMaxWaitMs: options.fetchMaxWaitMs ?? 500 }
}
