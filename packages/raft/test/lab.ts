import type { NodeId, Random, VoterChange, VoterRefusal } from '@trimaran/common'
import { noBugs } from '../src/bugs.ts'
import type { Bugs } from '../src/bugs.ts'
import type { Effects, Envelope, Input, Notice } from '../src/effects.ts'
import { defaultLimits } from '../src/limits.ts'
import type { Limits } from '../src/limits.ts'
import type { Message } from '../src/messages.ts'
import type { QuorumWrite } from '../src/ports.ts'
import { Raft } from '../src/raft.ts'
import { DurableLog } from '../src/testing/simulated-store.ts'

export const electionTimeoutMs = 1000
export const fetchTimeoutMs = 2000

interface LabNode {
  raft: Raft
  up: boolean
  disk: DurableLog
  pending: { id: number; content: QuorumWrite; send: readonly Envelope[] }[]
  readonly notices: Notice[]
}

export interface Parcel {
  readonly from: NodeId
  readonly to: NodeId
  readonly message: Message
}

/**
 * Cores on a bench: time, disks and every single message under the hand of the test. Random numbers depend on the node
 * alone, so that lower ids are quicker.
 */
export class Lab {
  readonly nodes = new Map<NodeId, LabNode>()
  nowMs = 0
  /** Under way, in the order of sending. */
  mail: Parcel[] = []
  /** Everything that was delivered or told, as lines. */
  readonly trace: string[] = []
  /** What the network lets through; the rest is lost. */
  passes: (parcel: Parcel) => boolean = () => true
  readonly #voters: readonly NodeId[]
  readonly #configured: ReadonlyMap<NodeId, readonly NodeId[]>
  readonly #knowsDirectories: boolean
  readonly #directories = new Map<NodeId, string>()
  readonly #bugs: Bugs
  readonly #limits: Limits

  constructor(options: {
    readonly voters: readonly NodeId[]
    readonly observers?: readonly NodeId[]
    /** Nodes whose configuration is another one than that of the voters. */
    readonly configuredVoters?: ReadonlyMap<NodeId, readonly NodeId[]>
    readonly bugs?: Partial<Bugs>
    readonly limits?: Partial<Limits>
    /** False: the leader has yet to write down which disk each voter has. */
    readonly knowsDirectories?: boolean
  }) {
    this.#voters = options.voters
    this.#configured = options.configuredVoters ?? new Map()
    this.#knowsDirectories = options.knowsDirectories ?? true
    this.#bugs = { ...noBugs, ...options.bugs }
    this.#limits = { ...defaultLimits, ...options.limits }
    for (const nodeId of [...options.voters, ...(options.observers ?? [])]) {
      const disk = new DurableLog()
      const raft = this.#core(nodeId, disk)
      this.nodes.set(nodeId, { raft, up: true, disk, pending: [], notices: [] })
    }
    for (const nodeId of this.nodes.keys()) this.step(nodeId, { kind: 'start' })
  }

  node(nodeId: NodeId): LabNode {
    return this.nodes.get(nodeId) as LabNode
  }

  state(nodeId: NodeId): Raft['state'] {
    return this.node(nodeId).raft.state
  }

  leaders(): readonly NodeId[] {
    return [...this.nodes].flatMap(([id, { up, raft }]) =>
      up && raft.state.role.kind === 'leader' ? [id] : [],
    )
  }

  step(nodeId: NodeId, input: Input): void {
    const node = this.node(nodeId)
    if (!node.up) return
    this.#perform(nodeId, node.raft.step(input, this.nowMs))
  }

  propose(nodeId: NodeId, ...texts: string[]): void {
    this.step(nodeId, { kind: 'propose', payloads: texts.map(encode) })
  }

  /** Asked of a leader by an operator; null: it began. */
  changeVoters(nodeId: NodeId, change: VoterChange): VoterRefusal | null {
    const refusal = this.node(nodeId).raft.refusalOf(change, this.nowMs)
    if (refusal === null) this.step(nodeId, { kind: 'changeVoters', change })
    return refusal
  }

  add(leaderId: NodeId, nodeId: NodeId): VoterRefusal | null {
    const directoryId = this.#directories.get(nodeId) ?? `directory-${nodeId}`
    const voter = { nodeId, directoryId, host: `node-${nodeId}`, port: 9093 }
    return this.changeVoters(leaderId, { kind: 'add', voter })
  }

  remove(leaderId: NodeId, nodeId: NodeId): VoterRefusal | null {
    return this.changeVoters(leaderId, {
      kind: 'remove',
      nodeId,
      directoryId: `directory-${nodeId}`,
    })
  }

  /** The oldest write under way becomes durable. */
  persistOne(nodeId: NodeId): boolean {
    const node = this.node(nodeId)
    const write = node.up ? node.pending.shift() : undefined
    if (write === undefined) return false
    node.disk.apply(write.content)
    this.#post(nodeId, write.send)
    this.step(nodeId, { kind: 'persisted', writeId: write.id })
    return true
  }

  deliver(parcel: Parcel): void {
    if (!this.node(parcel.to).up) return
    this.trace.push(`${parcel.from}>${parcel.to} ${drawMessage(parcel.message)}`)
    this.step(parcel.to, { kind: 'message', from: parcel.from, message: parcel.message })
  }

  /** Disks finish and messages arrive until nothing is left to do at this time. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      const wrote = [...this.nodes.keys()].filter(nodeId => this.persistOne(nodeId))
      const parcel = this.mail.shift()
      if (parcel !== undefined && this.passes(parcel)) this.deliver(parcel)
      if (wrote.length === 0 && parcel === undefined) return
    }
    throw new Error(`never settles:\n${this.trace.slice(-20).join('\n')}`)
  }

  /** Time passes, deadline by deadline. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms
    this.settle()
    for (;;) {
      const due = [...this.nodes].filter(([, node]) => node.up)
      const nextMs = Math.min(...due.map(([, node]) => node.raft.deadlineMs))
      if (nextMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      for (const [nodeId, node] of due) {
        if (node.raft.deadlineMs <= this.nowMs) this.step(nodeId, { kind: 'deadline' })
      }
      this.settle()
    }
    this.nowMs = untilMs
  }

  /** Loses what was not durable. */
  crash(nodeId: NodeId): void {
    const node = this.node(nodeId)
    node.up = false
    node.pending = []
    this.mail = this.mail.filter(parcel => parcel.to !== nodeId)
  }

  restart(nodeId: NodeId): void {
    const node = this.node(nodeId)
    node.raft = this.#core(nodeId, node.disk)
    node.up = true
    this.step(nodeId, { kind: 'start' })
  }

  /** Its disk is lost: it comes back under its old id with an empty one. */
  wipe(nodeId: NodeId): void {
    this.crash(nodeId)
    this.node(nodeId).disk = new DurableLog()
    this.#directories.set(nodeId, `new-directory-${nodeId}`)
    this.restart(nodeId)
  }

  /** Makes the node stand now, whatever it waits for. */
  stand(nodeId: NodeId): void {
    const { role } = this.state(nodeId)
    if (role.kind === 'unattached') role.standsAtMs = this.nowMs
    else if (role.kind === 'follower') role.timesOutAtMs = this.nowMs
    else if (role.kind === 'prospective' || role.kind === 'candidate') {
      role.roundEndsAtMs = this.nowMs
    }
    this.step(nodeId, { kind: 'deadline' })
  }

  /** Elected by these voters alone, who hear nothing else of it. */
  elect(nodeId: NodeId, by: readonly NodeId[]): void {
    const before = this.passes
    const party = new Set([nodeId, ...by])
    this.passes = ({ from, to, message }) =>
      party.has(from) && party.has(to) && message.kind.startsWith('vote')
    // Whoever still follows a leader refuses; a broken link is what changes its mind.
    for (const voter of by) {
      const { leaderId } = this.state(voter)
      if (leaderId !== null) this.step(voter, { kind: 'peerGone', nodeId: leaderId })
    }
    // Its first round may only teach it the epoch.
    for (let round = 0; round < 3 && this.state(nodeId).role.kind !== 'leader'; round++) {
      this.stand(nodeId)
      this.settle()
    }
    this.passes = before
  }

  /** The log from its start, as `epoch:text` of each entry. */
  drawLog(nodeId: NodeId): string {
    const { log } = this.state(nodeId)
    const entries = log.slice(log.startOffset, log.endOffset).map(({ epoch, kind, payload }) => {
      return `${epoch}:${kind === 'data' ? decode(payload) : kind}`
    })
    return `[${log.startOffset}] ${entries.join(' ')}`
  }

  status(): string {
    return [...this.nodes.values()]
      .map(({ up, raft }) => raft.describe() + (up ? '' : ' down'))
      .join('\n')
  }

  #core(nodeId: NodeId, disk: DurableLog): Raft {
    const configured =
      this.#configured.get(nodeId) ?? (this.#voters.includes(nodeId) ? this.#voters : [])
    return new Raft({
      config: {
        nodeId,
        directoryId: this.#directories.get(nodeId) ?? `directory-${nodeId}`,
        electionTimeoutMs,
        fetchTimeoutMs,
        electionBackoffMaxMs: 1000,
        bootstrapVoters: configured.map(id => ({
          nodeId: id,
          host: `node-${id}`,
          port: 9093,
          ...(this.#knowsDirectories && { directoryId: `directory-${id}` }),
        })),
        bootstrapNodeIds: this.#voters,
      },
      durable: disk.load(),
      random: fixedRandom(nodeId),
      limits: this.#limits,
      bugs: this.#bugs,
    })
  }

  #perform(nodeId: NodeId, effects: Effects): void {
    const node = this.node(nodeId)
    this.#post(nodeId, effects.send)
    const { write, sendAfterWrite } = effects
    if (write !== null) node.pending.push({ ...write, send: sendAfterWrite })
    else {
      const last = node.pending.at(-1)
      if (last === undefined) this.#post(nodeId, sendAfterWrite)
      else
        node.pending[node.pending.length - 1] = { ...last, send: [...last.send, ...sendAfterWrite] }
    }
    for (const notice of effects.notices) {
      node.notices.push(notice)
      this.trace.push(`${nodeId} ${drawNotice(notice)}`)
    }
  }

  #post(from: NodeId, envelopes: readonly Envelope[]): void {
    for (const { to, message } of envelopes) this.mail.push({ from, to, message })
  }
}

export const encode = (text: string): Uint8Array =>
  Uint8Array.from(text, unit => unit.charCodeAt(0))
export const decode = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

const fixedRandom = (nodeId: NodeId): Random => ({
  between: (min, max) => Math.min(max, min + 10 * (nodeId - 1)),
  bytes: count => new Uint8Array(count),
})

function drawMessage(m: Message): string {
  const head = `${m.kind} epoch=${m.epoch}`
  switch (m.kind) {
    case 'voteRequest':
      return `${head}${m.preVote ? ' pre' : ''} end=${m.endOffset}@${m.lastEpoch}`
    case 'voteResponse':
      return `${head}${m.preVote ? ' pre' : ''} ${m.granted ? 'granted' : 'refused'} leader=${m.leaderId}`
    case 'beginQuorumEpoch':
      return head
    case 'endQuorumEpoch':
      return `${head} successors=${m.preferredSuccessors.join()}`
    case 'fetchRequest':
      return `${head} from=${m.fetchOffset}@${m.lastFetchedEpoch} hw=${m.highWatermark}`
    case 'fetchResponse': {
      const hint = m.hint === null ? '' : ` ${m.hint.endOffset}@${m.hint.epoch}`
      return `${head} ${m.outcome}${hint} base=${m.baseOffset} count=${m.entries.length} hw=${m.highWatermark}`
    }
    case 'fetchSnapshotRequest':
      return `${head} ${m.snapshotId.endOffset}@${m.snapshotId.epoch} at=${m.position}`
    case 'fetchSnapshotResponse':
      return `${head} ${m.found ? `at=${m.position} of=${m.sizeBytes}` : 'not found'}`
  }
}

function drawNotice(notice: Notice): string {
  switch (notice.kind) {
    case 'committed': {
      const texts = notice.entries.map(({ offset, payload }) => `${offset}=${decode(payload)}`)
      return ['committed', ...texts, `end=${notice.endOffset}`].join(' ')
    }
    case 'snapshotLoaded':
      return `snapshotLoaded end=${notice.snapshot.id.endOffset}`
    case 'leading':
    case 'resigned':
      return `${notice.kind} epoch=${notice.epoch}`
    case 'leaderChanged':
      return `leaderChanged epoch=${notice.epoch} leader=${notice.leaderId}`
  }
}
