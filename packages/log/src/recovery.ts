import { ClusterError, type Disk, type Offset, type TopicId } from '@trimaran/common'
import { hasBatchAfter, scanBatches } from './batch-scan.ts'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { loadEpochs } from './epoch-recovery.ts'
import { cleanedSuffix, deletedSuffix, parseSegmentFileName, swapSuffix } from './file-names.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { ProducerStates } from './producer-state.ts'
import { applyScanned, statesAt } from './replay.ts'
import type { RecoveryReport } from './recovery-report.ts'
import type { Segment } from './segment.ts'
import { Segments } from './segments.ts'
import { StoredLog } from './stored-log.ts'
import { readSnapshot, removeSnapshots } from './snapshots.ts'

export interface OpenLogOptions {
  readonly context: LogContext
  readonly directory: string
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly config: LogConfig
  /** From the directory's checkpoints; 0 where there is none. */
  readonly recoveryPoint: Offset
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly firstDirtyOffset: Offset
  /** The last stop was clean: what the checkpoints say is tried first. */
  readonly isClean: boolean
}

/**
 * Opens one partition's log. After a clean stop the snapshot at the log's end vouches for the active segment, and
 * nothing is scanned. Otherwise every batch from the segment of the recovery point on is checked; a torn tail is cut.
 * @throws ClusterError CORRUPT if bytes are bad that were durable or replicated: cutting there would lose records that
 * were acknowledged. DISK_FAILED if the disk does.
 */
export function openStoredLog(options: OpenLogOptions): StoredLog {
  const settings = { config: options.config }
  const { context, directory, topicId, topicName, partition } = options
  const log = { topicId, topicName, partition }
  const segments = new Segments({ context, directory, log, settings })
  adoptFiles(segments, options)
  const isRestored = options.isClean && restoreActive(segments, options.recoveryPoint)
  const opened = isRestored ? restoreRest(segments, options) : recoverTail(segments, options)
  let { logEndOffset, producers } = opened
  const { epochs } = opened
  const logStartOffset = startOf(segments, options)
  if (logStartOffset > logEndOffset) {
    // What was kept is gone, and what is left was deleted before.
    segments.removeFrom(0, 0)
    segments.create(logStartOffset)
    logEndOffset = logStartOffset
    epochs.clear()
    producers = statesAt(segments, logEndOffset)
  }
  epochs.truncateFromEnd(logEndOffset)
  epochs.truncateFromStart(logStartOffset)
  removeSnapshots(options.context.disk, options.directory, offset => offset > logEndOffset)
  producers.expire(options.context.clock.wallMs(), options.config.producerIdExpirationMs)
  return new StoredLog({
    context: options.context,
    topicName: options.topicName,
    partition: options.partition,
    settings,
    segments,
    epochs,
    producers,
    logStartOffset,
    logEndOffset,
    recoveryPoint: Math.min(options.recoveryPoint, logEndOffset),
    firstDirtyOffset: Math.min(options.firstDirtyOffset, logEndOffset),
    recovery: isRestored ? null : opened.report,
    // A process that was killed may have left names that no sync made durable.
    isNew: !options.isClean,
  })
}

interface Opened {
  readonly logEndOffset: Offset
  readonly producers: ProducerStates
  readonly epochs: LeaderEpochs
  readonly report: RecoveryReport | null
}

/** Segments by their names; leftovers of deletions go, index files without a log are no use. */
function adoptFiles(segments: Segments, options: OpenLogOptions): void {
  const { disk } = options.context
  const { directory } = options
  for (const name of disk.list(directory)) {
    if (name.endsWith(`.log${swapSuffix}`)) completeSwap(disk, directory, name)
  }
  const names = disk.list(directory)
  const bases = new Set<Offset>()
  for (const name of names) {
    const parsed = parseSegmentFileName(name)
    if (parsed?.kind === 'log') bases.add(parsed.baseOffset)
  }
  const leftovers: string[] = []
  for (const name of names) {
    const parsed = parseSegmentFileName(name)
    if (name.endsWith(deletedSuffix) || name.endsWith(cleanedSuffix)) {
      leftovers.push(`${directory}/${name}`)
    } else if (parsed && parsed.kind !== 'snapshot' && !bases.has(parsed.baseOffset)) {
      disk.removeFile(`${directory}/${name}`)
    }
  }
  if (leftovers.length > 0) options.context.removeLater(leftovers, 0)
  for (const base of [...bases].sort((a, b) => a - b)) segments.adopt(base)
  if (bases.size === 0) segments.create(options.logStartOffset)
}

/**
 * A crash came between the moment a compacted segment was ready and the moment it had its name. Its sources lie within
 * it and go; one that is left because nothing of it remained is compacted again.
 */
function completeSwap(disk: Disk, directory: string, name: string): void {
  const target = name.slice(0, -swapSuffix.length)
  const base = parseSegmentFileName(target)?.baseOffset
  if (base === undefined) return
  const file = disk.open(`${directory}/${name}`)
  let nextOffset = base
  const range = { from: 0, to: file.sizeBytes, minOffset: base, verify: false }
  scanBatches(file, range, ({ header }) => {
    nextOffset = header.lastOffset + 1
    return true
  })
  file.close()
  for (const other of disk.list(directory)) {
    const parsed = parseSegmentFileName(other)
    if (parsed === null || parsed.baseOffset < base || parsed.baseOffset >= nextOffset) continue
    // The snapshot at its start speaks of the segment before.
    if (parsed.kind === 'snapshot' && parsed.baseOffset === base) continue
    if (other !== target) disk.removeFile(`${directory}/${other}`)
  }
  disk.rename(`${directory}/${name}`, `${directory}/${target}`)
  disk.syncDirectory(directory)
}

/** True: the active segment is what it was at the clean stop that set the recovery point to the log's end. */
function restoreActive(segments: Segments, logEndOffset: Offset): boolean {
  const { active } = segments
  if (active.isEmpty) return active.baseOffset === logEndOffset
  const { disk } = segments.context
  const summary = readSnapshot(disk, segments.directory, logEndOffset)?.summary ?? null
  if (summary === null || summary.baseOffset !== active.baseOffset) return false
  if (summary.sizeBytes !== active.sizeBytes) return false
  active.restoreNotes(summary)
  active.summary = summary
  return true
}

const startOf = (segments: Segments, { logStartOffset }: OpenLogOptions): Offset =>
  Math.max(logStartOffset, segments.first.baseOffset)

function restoreRest(segments: Segments, options: OpenLogOptions): Opened {
  const logEndOffset = options.recoveryPoint
  const logStartOffset = startOf(segments, options)
  return {
    logEndOffset,
    producers: statesAt(segments, logEndOffset),
    epochs: loadEpochs(segments, {
      from: segments.all.length,
      vouchedAt: logEndOffset,
      logStartOffset,
    }),
    report: null,
  }
}

interface Damage {
  readonly number: number
  readonly position: number
  readonly offset: Offset
  readonly problem: string
}

/** Checks and indexes everything from the recovery point's segment on. */
function recoverTail(segments: Segments, options: OpenLogOptions): Opened {
  const from = Math.max(0, segments.floor(options.recoveryPoint))
  const start = segments.at(from)
  const logStartOffset = startOf(segments, options)
  const epochs = loadEpochs(segments, { from, vouchedAt: null, logStartOffset })
  epochs.truncateFromEnd(start.baseOffset)
  const producers = statesAt(segments, start.baseOffset)
  let nextOffset = start.baseOffset
  let scannedBytes = 0
  let damage: Damage | null = null
  for (let number = from; number < segments.all.length && damage === null; number++) {
    const segment = segments.at(number)
    const order = orderProblem(segment, nextOffset, options)
    if (order !== null) {
      damage = {
        number: number - 1,
        position: segments.at(number - 1).sizeBytes,
        offset: nextOffset,
        problem: order,
      }
      break
    }
    const scan = recoverSegment(segments, segment, { producers, epochs, config: options.config })
    scannedBytes += segment.sizeBytes
    nextOffset = scan.nextOffset
    if (scan.problem !== null) {
      damage = { number, position: scan.position, offset: nextOffset, problem: scan.problem }
    }
  }
  const cutBytes = damage === null ? 0 : cutDamage(segments, damage, options)
  const lostBelowHighWatermark = nextOffset < options.highWatermark
  const report = {
    scannedBytes,
    truncatedBytes: cutBytes,
    problem: damage?.problem ?? null,
    logEndOffset: nextOffset,
    lostBelowHighWatermark,
  }
  if (cutBytes > 0 || lostBelowHighWatermark) {
    options.context.logEvent('warn', 'log recovered', { directory: options.directory, ...report })
  }
  return { logEndOffset: nextOffset, producers, epochs, report }
}

function orderProblem(
  segment: Segment,
  nextOffset: Offset,
  options: OpenLogOptions,
): string | null {
  if (segment.baseOffset < nextOffset) {
    throw new ClusterError('CORRUPT', `${segment.file.path} overlaps the segment before it`)
  }
  const isGap = segment.baseOffset > nextOffset && !options.config.cleanupCompact
  return isGap ? `offsets missing before segment ${segment.baseOffset}` : null
}

function recoverSegment(
  segments: Segments,
  segment: Segment,
  into: {
    readonly producers: ProducerStates
    readonly epochs: LeaderEpochs
    readonly config: LogConfig
  },
): { readonly position: number; readonly nextOffset: Offset; readonly problem: string | null } {
  const { producers, epochs, config } = into
  const indexes = segments.reset(segment)
  let nextOffset = segment.baseOffset
  let wentBack = false
  const range = { from: 0, to: segment.sizeBytes, minOffset: segment.baseOffset, verify: true }
  const scan = scanBatches(segment.file, range, batch => {
    const { header } = batch
    const epoch = header.partitionLeaderEpoch
    if (epoch >= 0 && epoch < epochs.latestEpoch) {
      wentBack = true
      return false
    }
    // As in rebuildEpochs: a gap belongs to the later epoch.
    if (epoch >= 0) epochs.assign(epoch, nextOffset)
    segment.note(header, config.indexIntervalBytes)
    applyScanned(producers, batch, indexes)
    nextOffset = header.lastOffset + 1
    return true
  })
  const problem = wentBack ? 'leader epoch went back' : scan.problem
  return { position: scan.position, nextOffset, problem }
}

/** Returns the bytes that were cut; refuses where that would take what was durable or replicated. */
function cutDamage(segments: Segments, damage: Damage, options: OpenLogOptions): number {
  const segment = segments.at(damage.number)
  const later = segments.all.slice(damage.number + 1)
  const { file } = segment
  const refuse = (why: string): never => {
    throw new ClusterError(
      'CORRUPT',
      `${file.path} at byte ${damage.position} (offset ${damage.offset}): ${damage.problem}; ${why}`,
    )
  }
  if (damage.offset < options.recoveryPoint) refuse('it was durable before')
  const hasLater =
    later.some(other => !other.isEmpty) ||
    hasBatchAfter(file, { from: damage.position, to: file.sizeBytes, minOffset: damage.offset })
  if (hasLater && damage.offset < options.highWatermark) {
    refuse('good batches follow, and it was replicated')
  }
  const cutBytes =
    later.reduce((sum, other) => sum + other.sizeBytes, 0) + file.sizeBytes - damage.position
  segments.removeFrom(damage.number + 1, 0)
  if (damage.position < file.sizeBytes) file.truncate(damage.position)
  return cutBytes
}
