import { CliError, exitCodes, printJson, printLine } from '../output.ts'
import {
  runConsume,
  runEndToEnd,
  runProduce,
  type LatencySummary,
  type LoadReport,
  type Progress,
} from '../perf/index.ts'
import { producerProperties } from './perf-properties.ts'
import { withProfiles, type ProfileOptions } from './perf-profile.ts'

interface CommonOptions extends ProfileOptions {
  readonly workers: number
  readonly duration?: number
  readonly warmUp?: number
  readonly json?: boolean
}

interface PerfProduceOptions extends CommonOptions {
  readonly numRecords?: number
  readonly throughput: number
  readonly recordSize?: number
  readonly payloadFile?: string
  readonly producerProperty: readonly string[]
  readonly producers: number
}

const defaultRecordSizeBytes = 1024
const endToEndSeconds = 10

/** Runs a load that Ctrl-C ends early, with what it has measured so far. */
async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  process.once('SIGINT', abort)
  process.once('SIGTERM', abort)
  try {
    return await run(controller.signal)
  } finally {
    process.removeListener('SIGINT', abort)
    process.removeListener('SIGTERM', abort)
  }
}

const rates = (moved: {
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
}): string =>
  `${moved.recordsPerSecond.toFixed(1)} records/sec (${moved.megabytesPerSecond.toFixed(2)} MB/sec)`

/** In the words of kafka-producer-perf-test, so that what reads its output can read this. */
const liveLine =
  (verb: string) =>
  ({ records, averageMs, maxMs, ...progress }: Progress): void =>
    printLine(
      `${records} records ${verb}, ${rates(progress)}, ${averageMs.toFixed(1)} ms avg latency, ${maxMs.toFixed(1)} ms max latency.`,
    )

const percentiles = (latency: LatencySummary): string =>
  [
    ...[
      `${latency.averageMs.toFixed(2)} ms avg latency`,
      `${latency.maxMs.toFixed(2)} ms max latency`,
    ],
    ...[`${latency.p50Ms.toFixed(1)} ms 50th`, `${latency.p95Ms.toFixed(1)} ms 95th`],
    ...[`${latency.p99Ms.toFixed(1)} ms 99th`, `${latency.p999Ms.toFixed(1)} ms 99.9th`],
  ].join(', ')

function printTroubles({ errors, aborted, throttledMs }: LoadReport): void {
  const named = Object.entries(errors).map(([name, times]) => `${name} × ${times}`)
  if (named.length > 0) printLine(`Tried again after: ${named.join(', ')}.`)
  if (throttledMs > 0) printLine(`Quotas asked for pauses of ${throttledMs} ms in all.`)
  if (aborted) printLine('Interrupted: this is what was measured until then.')
}

const milliseconds = (seconds: number | undefined): { durationMs?: number } =>
  seconds === undefined ? {} : { durationMs: seconds * 1000 }

export async function perfProduce(topic: string, options: PerfProduceOptions): Promise<void> {
  const { numRecords, payloadFile, duration } = options
  if (payloadFile !== undefined && options.recordSize !== undefined)
    throw new CliError('--record-size and --payload-file exclude each other.', exitCodes.usage)
  if (numRecords === undefined && duration === undefined)
    throw new CliError('Say when it ends: --num-records or --duration.', exitCodes.usage)
  const load = {
    bootstrapServers: options.bootstrapServer,
    ...{ topic, throughput: options.throughput },
    ...{ workers: options.workers, producers: options.producers },
    ...(numRecords === undefined ? {} : { numRecords }),
    ...milliseconds(duration),
    warmUpMs: (options.warmUp ?? 0) * 1000,
    ...(payloadFile === undefined
      ? { recordSizeBytes: options.recordSize ?? defaultRecordSizeBytes }
      : { payloadFile }),
    ...producerProperties(options.producerProperty),
    ...(options.json === true ? {} : { onProgress: liveLine('sent') }),
  }
  const report = await untilInterrupted(signal =>
    withProfiles({ ...options, bootstrapServer: load.bootstrapServers }, () =>
      runProduce({ ...load, signal }),
    ),
  )
  if (options.json === true) {
    printJson({ topic, ...report })
    return
  }
  printLine(`${report.records} records sent, ${rates(report)}, ${percentiles(report.latency)}.`)
  printTroubles(report)
}

interface PerfConsumeOptions extends CommonOptions {
  readonly messages?: number
  readonly group?: string
  readonly members: number
  readonly fromBeginning?: boolean
}

export async function perfConsume(
  topics: readonly string[],
  options: PerfConsumeOptions,
): Promise<void> {
  const { messages, group, duration, fromBeginning = false } = options
  const hasEnd = messages !== undefined || duration !== undefined
  if (!hasEnd && !fromBeginning) {
    throw new CliError(
      'Say when it ends: --messages, --duration, or --from-beginning to read what is there.',
      exitCodes.usage,
    )
  }
  const report = await untilInterrupted(signal =>
    withProfiles(options, () =>
      runConsume({
        bootstrapServers: options.bootstrapServer,
        ...{ topics, signal, fromBeginning, untilEnd: !hasEnd },
        ...{ workers: options.workers, members: options.members },
        ...(group === undefined ? {} : { group }),
        ...(messages === undefined ? {} : { numRecords: messages }),
        ...milliseconds(duration),
        ...(options.json === true
          ? {}
          : {
              onProgress: progress =>
                printLine(`${progress.records} records read, ${rates(progress)}.`),
            }),
      }),
    ),
  )
  if (options.json === true) {
    printJson({ topics, ...report })
    return
  }
  const { firstRecordMs, groupFormedMs } = report
  const first = firstRecordMs === null ? '' : `, first record after ${firstRecordMs.toFixed(1)} ms`
  const formed = groupFormedMs === null ? '' : `, group formed in ${groupFormedMs.toFixed(0)} ms`
  printLine(`${report.records} records read, ${rates(report)}${first}${formed}.`)
  printTroubles(report)
}

interface PerfEndToEndOptions extends Omit<CommonOptions, 'workers'> {
  readonly throughput: number
  readonly numRecords?: number
  readonly recordSize: number
  readonly producerProperty: readonly string[]
}

export async function perfEndToEnd(topic: string, options: PerfEndToEndOptions): Promise<void> {
  const { numRecords, duration, throughput } = options
  const isOpen = numRecords === undefined && duration === undefined
  const load = {
    bootstrapServers: options.bootstrapServer,
    ...{ topic, throughput, recordSizeBytes: options.recordSize },
    ...(numRecords === undefined ? {} : { numRecords }),
    ...milliseconds(isOpen ? endToEndSeconds : duration),
    warmUpMs: (options.warmUp ?? 0) * 1000,
    ...producerProperties(options.producerProperty),
    ...(options.json === true ? {} : { onProgress: liveLine('read') }),
  }
  const report = await untilInterrupted(signal =>
    withProfiles({ ...options, bootstrapServer: load.bootstrapServers }, () =>
      runEndToEnd({ ...load, signal }),
    ),
  )
  if (options.json === true) {
    printJson({ topic, ...report })
    return
  }
  printLine(`${report.records} records sent and read, ${rates(report)}.`)
  printLine(`Acknowledged: ${percentiles(report.acknowledged)}.`)
  printLine(`End to end: ${percentiles(report.endToEnd)}.`)
  printTroubles(report)
}
