import type { Offset, TopicId } from '@trimaran/common'

/** Kafka's file and directory names. */
export const epochsFileName = 'leader-epoch-checkpoint'
export const metadataFileName = 'partition.metadata'
export const recoveryPointsFileName = 'recovery-point-offset-checkpoint'
export const highWatermarksFileName = 'replication-offset-checkpoint'
export const logStartOffsetsFileName = 'log-start-offset-checkpoint'
/** Where compaction goes on. */
export const firstDirtyOffsetsFileName = 'cleaner-offset-checkpoint'
export const cleanShutdownFileName = '.kafka_cleanshutdown'
export const deletedSuffix = '.deleted'
export const cleanedSuffix = '.cleaned'
export const swapSuffix = '.swap'

export type SegmentFileKind = 'log' | 'index' | 'timeindex' | 'txnindex' | 'snapshot'
/** The log itself comes last: once its name is free, the others are too. */
export const segmentFileKinds: readonly SegmentFileKind[] = [
  'index',
  'timeindex',
  'txnindex',
  'snapshot',
  'log',
]

/** Twenty digits, so that names sort as offsets do. */
export function segmentFileName(baseOffset: Offset, kind: SegmentFileKind): string {
  return `${String(baseOffset).padStart(20, '0')}.${kind}`
}

const segmentFilePattern = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/

/** null: no segment file. Offsets past 2^53 were never written by a broker. */
export function parseSegmentFileName(
  name: string,
): { baseOffset: Offset; kind: SegmentFileKind } | null {
  const match = segmentFilePattern.exec(name)
  if (match === null) return null
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return null
  return { baseOffset, kind: match[2] as SegmentFileKind }
}

export function partitionDirectoryName(topicName: string, partition: number): string {
  return `${topicName}-${partition}`
}

/** null: no partition's directory. Names with `/` or leading dots cannot match, so a path never leaves the directory. */
export function parsePartitionDirectoryName(
  name: string,
): { topicName: string; partition: number } | null {
  const match = /^([A-Za-z0-9._-]{1,249})-(0|[1-9]\d{0,9})$/.exec(name)
  if (match === null) return null
  const topicName = match[1] as string
  if (topicName === '.' || topicName === '..') return null
  return { topicName, partition: Number(match[2]) }
}

/** A name on its way out: 255 bytes is what file systems take, so a long topic name is cut as Kafka cuts it. */
export function retiredDirectoryName(options: {
  readonly topicName: string
  readonly partition: number
  readonly unique: string
  readonly suffix: 'delete' | 'stray'
}): string {
  const tail = `-${options.partition}.${options.unique}-${options.suffix}`
  return options.topicName.slice(0, 255 - tail.length) + tail
}

export function isRetiredForDeletion(name: string): boolean {
  return /^\S+-\d+\.\S+-delete$/.test(name)
}

export function formatPartitionMetadata(topicId: TopicId): string {
  return `version: 0\ntopic_id: ${topicId}\n`
}

export function parsePartitionMetadata(text: string): TopicId | null {
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{21}[AQgw])\n?$/.exec(text)
  return match === null ? null : (match[1] as string)
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  if (slash < 0) return '.'
  return slash === 0 ? '/' : path.slice(0, slash)
}
