/** What a topic's configuration means to its partition logs. −1 is "no limit" where a limit may be absent. */
export interface LogConfig {
  /** `segment.bytes`: a segment is rolled before it would grow past this. */
  readonly segmentBytes: number
  /** `segment.ms`: a segment is rolled this long after its first batch's timestamp. */
  readonly segmentMs: number
  /** `segment.jitter.ms`: up to this much is taken off `segmentMs`, differently for each segment. */
  readonly segmentJitterMs: number
  /** `index.interval.bytes`: log bytes between two index entries. */
  readonly indexIntervalBytes: number
  /** `segment.index.bytes`: a segment is rolled when an index would grow past this. */
  readonly segmentIndexBytes: number
  /** `retention.ms`; −1 keeps for ever. */
  readonly retentionMs: number
  /** `retention.bytes`; −1 keeps everything. */
  readonly retentionBytes: number
  /** `cleanup.policy` as its two halves; both may be set, or neither. */
  readonly cleanupDelete: boolean
  readonly cleanupCompact: boolean
  /** `flush.messages`: offsets appended before `flushDue` says so; 1 is fsync before acknowledgement. */
  readonly flushMessages: number
  /** `flush.ms`: age of the oldest unflushed append at which `flushDue` says so. */
  readonly flushMs: number
  /** `message.timestamp.type`. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  /** `file.delete.delay.ms`: renamed files stay this long, so that reads under way can end. */
  readonly fileDeleteDelayMs: number
  /** `producer.id.expiration.ms`: idle producers are forgotten after this. */
  readonly producerIdExpirationMs: number
  /** `min.cleanable.dirty.ratio`: share of the log not yet compacted that makes a pass worth its reads. */
  readonly minCleanableDirtyRatio: number
  /** `delete.retention.ms`: how long a tombstone outlives the compaction that first met it. */
  readonly deleteRetentionMs: number
  /** `min.compaction.lag.ms`: younger records are not compacted. */
  readonly minCompactionLagMs: number
}

const dayMs = 86_400_000

/** Kafka's defaults. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 7 * dayMs,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10_485_760,
  retentionMs: 7 * dayMs,
  retentionBytes: -1,
  cleanupDelete: true,
  cleanupCompact: false,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  timestampType: 'CreateTime',
  fileDeleteDelayMs: 60_000,
  producerIdExpirationMs: dayMs,
  minCleanableDirtyRatio: 0.5,
  deleteRetentionMs: dayMs,
  minCompactionLagMs: 0,
}
