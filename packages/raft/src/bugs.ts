/**
 * Rules of the quorum that a test can break, to see whether the simulator notices: a simulator that finds no seeded
 * bug is presumed broken. Never set outside tests; each is one boolean read where its rule is applied.
 */
export interface Bugs {
  /** Votes again in an epoch in which it has voted. */
  readonly doubleVote: boolean
  /** Votes for any log. */
  readonly noUpToDateCheck: boolean
  /** A vote leaves before it is durable. */
  readonly voteBeforeDurable: boolean
  /** A fetch acknowledges entries before they are durable. */
  readonly ackBeforeDurable: boolean
  /** The leader counts its own entries before they are durable. */
  readonly leaderCountsUnsynced: boolean
  /** Entries of older epochs commit by counting (Raft, figure 8). */
  readonly commitOlderEpochs: boolean
  /** A restarted leader leads its epoch again. */
  readonly resumeLeadership: boolean
  /** Half of the voters are taken for a majority. */
  readonly halfIsMajority: boolean
  /** The leader takes a fetch offset as an acknowledgement without comparing epochs. */
  readonly noDivergenceCheck: boolean
  /** A follower that diverges drops its whole log. */
  readonly truncateAll: boolean
  /** A leader without a majority leads on. */
  readonly noCheckQuorum: boolean
  /** A snapshot claims one entry more than it holds. */
  readonly snapshotEndOffByOne: boolean
  /** An answer to an older fetch is taken for the awaited one. */
  readonly acceptOldAnswers: boolean
  /** The vote is forgotten when the node restarts. */
  readonly forgetVote: boolean
  /** A voter counts by its id, whatever disk it has. */
  readonly countLostDisks: boolean
  /** The voters change again before the last change is committed. */
  readonly manyChangesAtOnce: boolean
  /** A voter that was removed on purpose comes back by itself. */
  readonly removedReturns: boolean
}

export const noBugs: Bugs = Object.freeze({
  doubleVote: false,
  noUpToDateCheck: false,
  voteBeforeDurable: false,
  ackBeforeDurable: false,
  leaderCountsUnsynced: false,
  commitOlderEpochs: false,
  resumeLeadership: false,
  halfIsMajority: false,
  noDivergenceCheck: false,
  truncateAll: false,
  noCheckQuorum: false,
  snapshotEndOffByOne: false,
  acceptOldAnswers: false,
  forgetVote: false,
  countLostDisks: false,
  manyChangesAtOnce: false,
  removedReturns: false,
})
