import type { Edit, Mutation } from './mutation.ts'

const at =
  (file: string) =>
  (find: string, replace: string): Edit => ({ file: `log/src/${file}`, find, replace })
const log = at('stored-log.ts')
const flusher = at('flusher.ts')
const recovery = at('recovery.ts')
const directory = at('log-directory.ts')
const producers = at('producer-state.ts')
const checkpoints = at('directory-checkpoints.ts')
const retention = at('retention.ts')

/** Segments, recovery, idempotence. */
export const logMutations = {
  B16: {
    row: 'B16',
    rule: 'a truncation leaves the leader epochs of what it cut (KAFKA-12153)',
    edits: [
      log(
        'this.#epochs.truncateFromEnd(endOffset)\n    this.#tail?.clear()',
        'this.#tail?.clear()',
      ),
      log('      this.#epochs.truncateFromEnd(offset)\n', ''),
    ],
  },
  B22: {
    row: 'B22',
    rule: 'an fsync that began before a truncation counts for what was appended after it',
    edits: [
      flusher('for (const flush of this.#ends) flush.end = Math.min(flush.end, logEndOffset)', ''),
    ],
  },
  B25: {
    row: 'B25',
    rule: 'a repeated batch is answered as one out of order',
    edits: [
      producers("if (duplicate !== undefined) return { kind: 'duplicate', batch: duplicate }", ''),
    ],
  },
  B26: {
    row: 'B26',
    rule: 'repetitions are found by sequence number alone, whatever the producer epoch',
    edits: [
      producers(
        'entry.producerEpoch !== header.producerEpoch || header.baseSequence < 0',
        'header.baseSequence < 0',
      ),
      producers(
        '      entry.batches = []\n    }\n    entry.lastTimestampMs',
        '    }\n    entry.lastTimestampMs',
      ),
    ],
  },
  B36: {
    row: 'B36',
    rule: 'producers are forgotten when a log is opened, long before their time (KAFKA-9144)',
    edits: [
      recovery(
        'producers.expire(options.context.clock.wallMs(), options.config.producerIdExpirationMs)',
        'producers.expire(options.context.clock.wallMs(), -1e12)',
      ),
    ],
  },
  B37: {
    row: 'B37',
    rule: 'producers’ state stays as it was when their batches are truncated (KAFKA-6003)',
    edits: [
      log(
        'if (!isUntouched) this.#producers = statesAt(this.#segments, endOffset)',
        'void isUntouched',
      ),
    ],
  },
  B61: {
    row: 'B61',
    rule: 'an fsync counts for what was appended while it was under way',
    edits: [
      flusher(
        'Math.max(this.#recoveryPoint, flush.end)',
        'Math.max(this.#recoveryPoint, this.#logEndOffset)',
      ),
    ],
  },
  B62: {
    row: 'B62',
    rule: 'a failed fsync is taken for a good one, and the node goes on',
    edits: [
      flusher('await segment.file.sync()', 'await segment.file.sync().catch(() => undefined)'),
      {
        file: 'server/src/guarded-disk.ts',
        find: 'if (isFailure && !this.#halted) this.#onFailure(error)',
        replace: 'void isFailure',
      },
    ],
  },
  B68: {
    row: 'B68',
    rule: 'the names of new segments are not made durable (KAFKA-3968)',
    edits: [flusher('      await this.#namesSynced()\n', '')],
  },
  B69: {
    row: 'B69',
    rule: 'checkpoints are written without an fsync (KAFKA-15046)',
    edits: [
      checkpoints(
        'this.#disk.writeFileAtomic(this.#path, formatOffsets(this.#entries()))',
        'const file = this.#disk.open(this.#path, { create: true })\n    file.truncate(0)\n    file.append([formatOffsets(this.#entries())])\n    file.close()',
      ),
    ],
  },
  B70: {
    row: 'B70',
    rule: 'a truncation leaves the recovery point ahead of the log (KAFKA-10101)',
    edits: [
      flusher('this.#recoveryPoint = Math.min(this.#recoveryPoint, logEndOffset)', ''),
      log('this.#context.recoveryPointFell(this)', ''),
    ],
  },
  B72: {
    row: 'B72',
    rule: 'what a deleted topic has left is there when one of its name is created again (KAFKA-12257)',
    edits: [
      directory(
        'return this.#failing(log.directory, () => this.#retire(log.directory, log, suffix))',
        'return null',
      ),
      directory("if (this.#disk.exists(path)) this.#retire(path, log, 'stray')", ''),
    ],
  },
  retainsUncommitted: {
    row: null,
    rule: 'retention deletes what is not committed yet',
    edits: [retention('    if (endOffset > highWatermark) break\n', '')],
  },
  retainsTooBriefly: {
    row: null,
    rule: 'retention takes a segment for expired at half its age',
    edits: [retention('> config.retentionMs', '> config.retentionMs / 2')],
  },
} as const satisfies Record<string, Mutation>
