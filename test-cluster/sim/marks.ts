import type { Message } from '@trimaran/raft'
import { errorInfo } from '@trimaran/protocol'
import { extraFaultKinds, faultKinds } from './swarm.ts'

/**
 * Situations that a campaign must have been in, or it proves nothing about them: what nodes say of themselves, what goes over
 * the wire, what clients are told, who is struck by what.
 */
export class Marks {
  readonly counts: Record<string, number> = {}

  hit(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
  }

  /** A node's log event. */
  logged(phrase: string, fields: Readonly<Record<string, unknown>>): void {
    const names = namesByPhrase.get(phrase)
    if (names === undefined) return
    if (names.length === 0) this.hit(phrase)
    for (const field of names) {
      const value = fields[field]
      if (typeof value === 'string' || typeof value === 'boolean') this.hit(`${phrase}: ${value}`)
    }
  }

  /** A message of the quorum. */
  sent(message: Message): void {
    switch (message.kind) {
      case 'fetchResponse':
        if (message.outcome !== 'entries') this.hit(`quorum fetch: ${message.outcome}`)
        break
      case 'fetchSnapshotResponse':
        this.hit(`quorum snapshot: ${message.found ? 'sent' : 'gone'}`)
        break
      case 'voteResponse': {
        const what = message.preVote ? 'pre-vote' : 'vote'
        this.hit(`quorum ${what}: ${message.granted ? 'granted' : 'refused'}`)
        break
      }
      case 'endQuorumEpoch':
      case 'beginQuorumEpoch':
        this.hit(`quorum: ${message.kind}`)
        break
      default:
    }
  }

  /** What a client was answered. */
  told(api: string, errorCode: number): void {
    if (errorCode !== 0) this.hit(`${api}: ${errorInfo(errorCode).name}`)
  }
}

/** By the field whose values are told apart; none: the phrase alone. */
const namesByPhrase: ReadonlyMap<string, readonly string[]> = new Map([
  ['controller active', []],
  ['controller resigned', []],
  ['controller stood still', []],
  ['broker fenced', ['why']],
  ['controlled shutdown ends', ['why']],
  ['peer is gone', []],
  ['follower truncated its log', []],
  ['log recovered', ['lostBelowHighWatermark']],
  ['log set aside', []],
  ['log emptied', []],
  ['segment indexes rebuilt', []],
  ['partition offline', []],
  ['replica damaged', []],
  ['damaged replica begins anew', []],
  ['isr change rejected', []],
  ['isr changes wait for a controller', []],
  ['group is stable', []],
  ['group is empty', []],
  ['group coordinator loaded', []],
  ['group coordinator lost its partition', []],
  ['group member removed', ['reason']],
])

const ofRoles = (kind: string): string[] =>
  ['the controller', 'a leader', 'another'].map(role => `${kind} of ${role}`)

/** What every campaign of some hundred seeds must hit. */
export const marksWanted: readonly string[] = [
  ...[...faultKinds, ...extraFaultKinds].filter(kind => kind !== 'blackout').flatMap(ofRoles),
  'controller active',
  'controller resigned',
  'broker fenced: peerGone',
  'broker fenced: sessionTimeout',
  'broker fenced: controlledShutdown',
  'controlled shutdown ends: nothing is led here any more',
  'follower truncated its log',
  'log recovered: true',
  'log recovered: false',
  'isr changes wait for a controller',
  'group is stable',
  'group is empty',
  'group coordinator loaded',
  'group member removed: session expired',
  'quorum fetch: diverging',
  'quorum fetch: snapshot',
  'quorum fetch: notLeader',
  'quorum snapshot: sent',
  'quorum pre-vote: granted',
  'quorum pre-vote: refused',
  'quorum vote: granted',
  'quorum vote: refused',
  'quorum: endQuorumEpoch',
  'quorum: beginQuorumEpoch',
  'ISR: pendingShrink',
  'ISR: pendingExpand',
  'ISR: too small',
  'high watermark: behind the epoch’s start',
  'elected: from the ELR',
  'elected: from the last known ELR',
  'reassignment: done',
  'reassignment: cancelled',
  'rot: index',
  'rot: epochs',
  'rot: snapshot',
  'rot: checkpoint',
  'deleteRecords: done',
  'deleteRecords: OFFSET_OUT_OF_RANGE',
  'retention: batches deleted',
  'reader: reset to the log start',
  'produce: NOT_LEADER_OR_FOLLOWER',
  'produce: NOT_ENOUGH_REPLICAS',
  'produce: NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'produce: REQUEST_TIMED_OUT',
  'produce: UNKNOWN_TOPIC_ID',
  'produce: MESSAGE_TOO_LARGE',
  'produce: as large as may be',
  'producer: new epoch',
  'fetch: NOT_LEADER_OR_FOLLOWER',
  'fetch: FENCED_LEADER_EPOCH',
  'fetch: UNKNOWN_LEADER_EPOCH',
  'fetch: OFFSET_NOT_AVAILABLE',
  'listOffsets: OFFSET_NOT_AVAILABLE',
  'listOffsets: NOT_LEADER_OR_FOLLOWER',
  'group: NOT_COORDINATOR',
  'group: COORDINATOR_LOAD_IN_PROGRESS',
  'group: REBALANCE_IN_PROGRESS',
  'group: UNKNOWN_MEMBER_ID',
  'group: MEMBER_ID_REQUIRED',
]
