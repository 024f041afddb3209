/** The load generator: any Kafka cluster, raw connections, batches made beforehand, threads. */
export { LatencyHistogram } from './histogram.ts'
export type { HistogramData, LatencySummary } from './histogram.ts'
export type {
  ConsumeOptions,
  EndToEndOptions,
  LoadOptions,
  ProduceOptions,
  Progress,
} from './options.ts'
export { MEGABYTE } from './report.ts'
export type { ConsumeReport, EndToEndReport, LoadReport, Moved, ProduceReport } from './report.ts'
export { runConsume, runEndToEnd, runProduce } from './run.ts'
