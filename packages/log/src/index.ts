export type { CheckpointEntry } from './checkpoints.ts'
export { defaultLogConfig, type LogConfig } from './config.ts'
export {
  type DamageListener,
  type DamagedLog,
  LogDirectory,
  type LogDirectoryOptions,
  type NewLog,
} from './log-directory.ts'
export type { RecordPosition } from './lookups.ts'
export type { PartitionLog } from './partition-log.ts'
export { decodeProducerSnapshot, type ProducerSnapshot } from './producer-snapshot.ts'
export type { RecoveryReport } from './recovery-report.ts'
export type { ColdRead, ReadLimits } from './segment.ts'
export type { AppendResult, CompactionPass } from './stored-log.ts'
