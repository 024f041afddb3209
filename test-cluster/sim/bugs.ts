import { tmpdir } from 'node:os'
import type { SimulatedMistakes } from '@trimaran/server/node'
import { noBugs } from '@trimaran/raft/testing'
import type { Bugs } from '@trimaran/raft/testing'
import { isMutationName, mutations } from './bank/mutations.ts'
import type { MutationName } from './bank/mutations.ts'

/** A rule that the product itself can switch off, for its own tests. */
interface Switch {
  /** Of reliability.md §6; null: a rule that no row names. */
  readonly row: string | null
  readonly rule: string
  readonly mistakes: SimulatedMistakes
}

const quorum = (bug: keyof Bugs, row: string | null, rule: string): Switch => ({
  row,
  rule,
  mistakes: { quorum: { ...noBugs, [bug]: true } },
})

const switches = {
  doubleVote: quorum('doubleVote', 'B55', 'a voter votes twice in an epoch'),
  noUpToDateCheck: quorum('noUpToDateCheck', null, 'a voter votes for any log'),
  voteBeforeDurable: quorum('voteBeforeDurable', null, 'a vote leaves before it is durable'),
  ackBeforeDurable: quorum('ackBeforeDurable', 'B47', 'a fetch acknowledges what is not durable'),
  leaderCountsUnsynced: quorum(
    'leaderCountsUnsynced',
    'B63',
    'the quorum’s leader counts what it has not synced (etcd 14370)',
  ),
  commitOlderEpochs: quorum(
    'commitOlderEpochs',
    'B57',
    'entries of older epochs are committed by counting (Raft, figure 8)',
  ),
  resumeLeadership: quorum('resumeLeadership', 'B46', 'a restarted leader leads on (KAFKA-10527)'),
  halfIsMajority: quorum('halfIsMajority', 'B59', 'half of the voters is a majority'),
  noDivergenceCheck: quorum(
    'noDivergenceCheck',
    'B58',
    'fetch offsets are believed without their epoch',
  ),
  truncateAll: quorum('truncateAll', 'B49', 'who diverges drops everything (KAFKA-12460)'),
  noCheckQuorum: quorum('noCheckQuorum', 'B48', 'a leader leads without a majority (KAFKA-15489)'),
  snapshotEndOffByOne: quorum(
    'snapshotEndOffByOne',
    'B50',
    'a snapshot claims one entry too many (KAFKA-14618)',
  ),
  acceptOldAnswers: quorum('acceptOldAnswers', 'B56', 'old answers are taken for the awaited one'),
  forgetVote: quorum('forgetVote', null, 'a vote is forgotten when its voter restarts'),
  manyChangesAtOnce: quorum(
    'manyChangesAtOnce',
    null,
    'the voters change again before the last change is committed',
  ),
  removedReturns: quorum('removedReturns', null, 'a voter that was removed comes back by itself'),
  B01: {
    row: 'B01',
    rule: 'followers truncate to their high watermark (KIP-101)',
    mistakes: { replication: new Set(['B01']) },
  },
  B04: {
    row: 'B04',
    rule: 'a replica joins the ISR below the epoch’s start (KAFKA-7128)',
    mistakes: { replication: new Set(['B04']) },
  },
  B05: {
    row: 'B05',
    rule: 'the high watermark that comes with a divergence is taken (KAFKA-14704)',
    mistakes: { replication: new Set(['B05']) },
  },
  B06: {
    row: 'B06',
    rule: 'the high watermark moves below min.insync.replicas (KAFKA-15583)',
    mistakes: { replication: new Set(['B06']) },
  },
  committedIsr: {
    row: null,
    rule: 'the committed ISR bounds the high watermark, not the maximal one',
    mistakes: { replication: new Set(['committedIsr']) },
  },
  B08: {
    row: 'B08',
    rule: 'fenced brokers get into an ISR (KIP-841)',
    mistakes: { controller: new Set(['B08']) },
  },
  reassignsUnsynced: {
    row: null,
    rule: 'the target of a reassignment is taken for in sync',
    mistakes: { controller: new Set(['reassignsUnsynced']) },
  },
} as const satisfies Record<string, Switch>

type SwitchName = keyof typeof switches
export type BugName = SwitchName | MutationName

const isSwitchName = (name: string): name is SwitchName => Object.hasOwn(switches, name)
export const isBugName = (name: string): name is BugName =>
  isSwitchName(name) || isMutationName(name)

/** Rules that can be broken by name, for `--bug`: a simulator that does not notice is presumed broken. */
export const bugNames: readonly BugName[] = [
  ...(Object.keys(switches) as SwitchName[]),
  ...(Object.keys(mutations) as MutationName[]),
]

export const describeBug = (
  name: BugName,
): { readonly row: string | null; readonly rule: string } => {
  const { row, rule } = isSwitchName(name) ? switches[name] : mutations[name]
  return { row, rule }
}

/** What a simulation is told; a mutation is in the sources that its process has loaded. */
export const mistakesOf = (name: BugName | null): SimulatedMistakes =>
  name !== null && isSwitchName(name) ? switches[name].mistakes : {}

/** Code that a few seeds do without would be compiled again and again, which costs a fifth of all time. */
const keepsCode = ['--no-flush-bytecode', '--single-threaded-gc']

/** How a process is started that runs with the bug. */
export function processOf(name: BugName | null): {
  readonly execArgv: string[]
  readonly env: NodeJS.ProcessEnv
} {
  // What is compiled is kept for the next process: its start takes a third of the time.
  const env = { NODE_COMPILE_CACHE: `${tmpdir()}/trimaran-sim`, ...process.env }
  if (name === null || isSwitchName(name)) return { execArgv: [...keepsCode], env }
  return {
    execArgv: [...keepsCode, '--import', new URL('bank/mutate.ts', import.meta.url).href],
    env: { ...env, SIM_BUG: name },
  }
}

/** A mutation can only be had in a process that was started for it. */
export const needsProcess = (name: BugName | null): boolean =>
  name !== null && isMutationName(name) && process.env['SIM_BUG'] !== name
