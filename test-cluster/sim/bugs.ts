import type { SimulatedMistakes } from '@trimaran/server/node'
import { noBugs } from '@trimaran/raft/testing'
import type { Bugs } from '@trimaran/raft/testing'

const quorum = (bug: keyof Bugs): SimulatedMistakes => ({ quorum: { ...noBugs, [bug]: true } })

/** Broken rules by name, for `--bug`: a simulator that finds none of them is presumed broken. */
export const bugs = {
  doubleVote: quorum('doubleVote'),
  noUpToDateCheck: quorum('noUpToDateCheck'),
  voteBeforeDurable: quorum('voteBeforeDurable'),
  ackBeforeDurable: quorum('ackBeforeDurable'),
  leaderCountsUnsynced: quorum('leaderCountsUnsynced'),
  commitOlderEpochs: quorum('commitOlderEpochs'),
  resumeLeadership: quorum('resumeLeadership'),
  halfIsMajority: quorum('halfIsMajority'),
  noDivergenceCheck: quorum('noDivergenceCheck'),
  truncateAll: quorum('truncateAll'),
  noCheckQuorum: quorum('noCheckQuorum'),
  snapshotEndOffByOne: quorum('snapshotEndOffByOne'),
  acceptOldAnswers: quorum('acceptOldAnswers'),
  forgetVote: quorum('forgetVote'),
  manyChangesAtOnce: quorum('manyChangesAtOnce'),
  removedReturns: quorum('removedReturns'),
  B01: { replication: new Set(['B01']) },
  B04: { replication: new Set(['B04']) },
  B05: { replication: new Set(['B05']) },
  B06: { replication: new Set(['B06']) },
  committedIsr: { replication: new Set(['committedIsr']) },
  B08: { controller: new Set(['B08']) },
  B09: { controller: new Set(['B09']) },
  reassignsUnsynced: { controller: new Set(['reassignsUnsynced']) },
} as const satisfies Record<string, SimulatedMistakes>

export type BugName = keyof typeof bugs
export const isBugName = (name: string): name is BugName => Object.hasOwn(bugs, name)
