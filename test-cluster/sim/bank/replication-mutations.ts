import type { Edit, Mutation } from './mutation.ts'

const at =
  (file: string) =>
  (find: string, replace: string): Edit => ({
    file: `broker/src/replication/${file}`,
    find,
    replace,
  })
const epochEnds = at('epoch-ends.ts')
const follower = at('follower.ts')
const followerSide = at('follower-side.ts')
const fetcher = at('fetcher.ts')
const leader = at('leader.ts')
const leaderSide = at('leader-side.ts')
const queue = at('alter-partition-queue.ts')
const table = at('partition-table.ts')
const reads = at('consumer-reads.ts')
const lookups = at('list-offsets.ts')
const manager = at('replica-manager.ts')
const flusher = at('flusher.ts')

/** Followers, leaders, high watermarks, what consumers see. */
export const replicationMutations = {
  B02: {
    row: 'B02',
    rule: 'a follower that has truncated once asks no second time where the logs part (KIP-279)',
    edits: [
      follower('  lag = 0\n', '  lag = 0\n  hasTruncated = false\n'),
      follower(
        'lastFetchedEpoch: log.latestEpoch,\n',
        'lastFetchedEpoch: this.hasTruncated ? -1 : log.latestEpoch,\n',
      ),
      follower(
        'if (result.diverging) {',
        'if (result.diverging) {\n      this.hasTruncated = true',
      ),
      epochEnds(
        'Math.min(leader.endOffset, own.endOffset, log.logEndOffset)',
        'Math.min(leader.endOffset, log.logEndOffset)',
      ),
    ],
  },
  B03: {
    row: 'B03',
    rule: 'a leader serves and counts fetches of another leader epoch (KIP-320)',
    edits: [
      table(
        'if (currentLeaderEpoch < 0 || currentLeaderEpoch === partition.leaderEpoch) return errorCodes.NONE',
        'if (currentLeaderEpoch < 1e9) return errorCodes.NONE',
      ),
      leaderSide('position.currentLeaderEpoch !== leader.leaderEpoch', 'position.fetchOffset < 0'),
      leaderSide('if (whereItLeft(partition, position)) return', ''),
    ],
  },
  B09: {
    row: 'B09',
    rule: 'what an earlier incarnation of a follower has fetched counts for the present one (KIP-903)',
    edits: [
      leader('fetch.brokerEpoch < replica.brokerEpoch', 'fetch.brokerEpoch < -1'),
      leader('broker?.epoch === brokerEpoch &&', 'broker !== undefined && brokerEpoch >= 0 &&'),
      {
        file: 'controller/src/alter-partition.ts',
        find: 'return member.brokerEpoch === broker?.epoch',
        replace: 'return broker !== undefined',
      },
    ],
  },
  B10: {
    row: 'B10',
    rule: 'an ISR change whose answer is lost is never asked for again (KAFKA-14144)',
    edits: [
      queue(
        `      (error: unknown) => {
        this.#isInFlight = false`,
        '      (error: unknown) => {\n        if (error instanceof ClusterError) return',
      ),
      queue(
        'else this.#failed(items, false, { errorCode: answer.errorCode })',
        'else this.#isInFlight = true',
      ),
    ],
  },
  B11: {
    row: 'B11',
    rule: 'older metadata takes back an ISR that the controller has answered with (KAFKA-12686)',
    edits: [
      leader('    if (image.partitionEpoch < this.#partitionEpoch) return\n', ''),
      leader(
        'if (image.partitionEpoch > this.#partitionEpoch)',
        'if (image.partitionEpoch !== this.#partitionEpoch)',
      ),
    ],
  },
  B12: {
    row: 'B12',
    rule: 'consumers read to the end of the log (KAFKA-9196)',
    edits: [
      reads(
        'isCommitted ? partition.lastStableOffset : partition.highWatermark\n    try',
        'isCommitted ? partition.lastStableOffset : partition.logEndOffset\n    try',
      ),
    ],
  },
  B17: {
    row: 'B17',
    rule: 'an answer to an earlier position ends the fetching of its partition (KAFKA-7786)',
    edits: [
      followerSide(
        "case 'discard':\n        return 'again'",
        "case 'discard':\n        return 'idle'",
      ),
    ],
  },
  B18: {
    row: 'B18',
    rule: 'an error of one partition ends the fetcher of all (KAFKA-4384)',
    edits: [fetcher('this.#backOffFrom(followed, result.errorCode)', 'this.stop()')],
  },
  B23: {
    row: 'B23',
    rule: 'a leader that resigns acknowledges what waits for its followers',
    edits: [leaderSide('partition.failProduces(errorCode)', 'partition.failProduces(0)')],
  },
  B29: {
    row: 'B29',
    rule: 'a new leader tells an end that is behind what the former one has told (KIP-207)',
    edits: [
      lookups('partition.highWatermark >= leading.epochStartOffset', 'leading.leaderEpoch >= 0'),
    ],
  },
  B43: {
    row: 'B43',
    rule: 'a batch larger than the reader’s buffer is never returned, so that loading a group hangs (KAFKA-15910)',
    edits: [reads('minOneBatch: isFirst,', 'minOneBatch: false,')],
  },
  B60: {
    row: 'B60',
    rule: 'logs that the metadata read so far do not name are taken for orphans',
    edits: [
      manager('if (registered === undefined) return', 'if (image.endOffset === 0) return'),
      manager('if (registered !== brokerEpoch()) {', 'if (registered === -2) {'),
    ],
  },
  B71: {
    row: 'B71',
    rule: 'a log that is deleted while it is flushed is flushed again and again (KAFKA-15391)',
    edits: [flusher('if (log.isClosed) return', '')],
  },
  B75: {
    row: 'B75',
    rule: 'a broker that does not lead answers with an error that producers take for the end (KAFKA-14034)',
    edits: [
      leaderSide(
        'if (!leading) return refused(errorCodes.NOT_LEADER_OR_FOLLOWER, partition.currentLeader)',
        'if (!leading) return refused(errorCodes.INVALID_PRODUCER_EPOCH, partition.currentLeader)',
      ),
    ],
  },
  acksBelowMinIsr: {
    row: null,
    rule: 'what waits for the ISR is acknowledged when the ISR becomes too small',
    edits: [
      leaderSide(
        'partition.failProduces(errorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND)',
        'partition.failProduces(0)',
      ),
    ],
  },
  deletionNotAwaited: {
    row: null,
    rule: 'deleted records are acknowledged as soon as the leader has deleted them',
    edits: [
      {
        file: 'broker/src/replication/leader-side.ts',
        find: 'if (this.#isAlive(brokerId)) lowWatermark',
        replace: 'if (brokerId < 0) lowWatermark',
      },
    ],
  },
  elrReturns: {
    row: null,
    rule: 'who has left the ELR comes back into the ISR with a fetch from before that',
    edits: [leader('if (!isCounted(image, replica.brokerId))', 'if (replica.brokerId < 0)')],
  },
} as const satisfies Record<string, Mutation>
