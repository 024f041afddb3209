import { assert, must } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { GroupProtocol } from '../requests.ts'
import type { Timer } from '../timers.ts'
import type { Member } from './member.ts'
import { legalPreviousStates } from './states.ts'
import type { GroupState } from './states.ts'
import type { StoredGroup, StoredGroups } from './stored-groups.ts'

/**
 * One classic group: who is in it, and what it waits for. What must survive its coordinator is not in here but in
 * `stored`, which changes only by replaying committed records; this is rebuilt from that after a load.
 */
export class ClassicGroup {
  readonly groupId: string
  readonly #stored: StoredGroups
  readonly #members = new Map<string, Member>()
  readonly #memberIdByInstance = new Map<string, string>()
  /** How many members offer each protocol. */
  readonly #offers = new Map<string, number>()
  #parkedJoins = 0
  #state: GroupState = 'Empty'

  /** Ids that were given out and not joined with yet (KIP-394), with their deadlines. */
  readonly pendingMembers: Map<string, Timer> = new Map()
  /** Members of the current generation that have not asked for their assignment yet. */
  readonly pendingSync: Set<string> = new Set()
  /** In PreparingRebalance: when to stop waiting for members. */
  readonly joinTimer: Timer
  /** Since CompletingRebalance: when to stop waiting for SyncGroup. */
  readonly syncTimer: Timer
  protocolType: string | null = null
  leaderId: string | null = null
  /** Set while the first rebalance of an empty group waits for more members: what is left of the longest wait. */
  initialDelayLeftMs: number | null = null
  /** Someone joined during the current step of that wait. */
  joinedDuringDelay = false

  constructor(
    groupId: string,
    options: {
      readonly stored: StoredGroups
      readonly joinTimer: Timer
      readonly syncTimer: Timer
    },
  ) {
    this.groupId = groupId
    this.#stored = options.stored
    this.joinTimer = options.joinTimer
    this.syncTimer = options.syncTimer
  }

  get stored(): StoredGroup {
    return this.#stored.get(this.groupId)
  }

  /** 0: there was none yet. */
  get generation(): number {
    return this.stored.metadata?.generation ?? 0
  }

  get protocolName(): string | null {
    return this.stored.metadata?.protocolName ?? null
  }

  get state(): GroupState {
    return this.#state
  }

  get size(): number {
    return this.#members.size
  }

  get parkedJoins(): number {
    return this.#parkedJoins
  }

  /** Nothing in it that anyone could miss. */
  get isVacant(): boolean {
    return this.size === 0 && this.pendingMembers.size === 0 && !this.#stored.has(this.groupId)
  }

  transitionTo(next: GroupState): void {
    assert(
      legalPreviousStates[next].has(this.#state),
      `group ${this.groupId} cannot go from ${this.#state} to ${next}`,
    )
    this.#state = next
  }

  /** After a load: the state is what the records say, whatever led to it. */
  restore(state: GroupState): void {
    this.#state = state
  }

  members(): IterableIterator<Member> {
    return this.#members.values()
  }

  member(memberId: string): Member | undefined {
    return this.#members.get(memberId)
  }

  mustMember(memberId: string): Member {
    return must(this.#members.get(memberId), `no member ${memberId} in group ${this.groupId}`)
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.#memberIdByInstance.get(groupInstanceId)
  }

  add(member: Member): void {
    assert(!this.#members.has(member.memberId), `member ${member.memberId} is there`)
    if (member.groupInstanceId !== null) {
      // G8: at most one live member per instance.
      assert(
        !this.#memberIdByInstance.has(member.groupInstanceId),
        `instance ${member.groupInstanceId} is there`,
      )
      this.#memberIdByInstance.set(member.groupInstanceId, member.memberId)
    }
    this.leaderId ??= member.memberId
    this.#members.set(member.memberId, member)
    this.#count(member.protocols, 1)
    if (member.parkedJoin !== null) this.#parkedJoins++
  }

  remove(memberId: string): Member {
    const member = this.mustMember(memberId)
    this.#members.delete(memberId)
    this.pendingSync.delete(memberId)
    if (member.groupInstanceId !== null) this.#memberIdByInstance.delete(member.groupInstanceId)
    this.#count(member.protocols, -1)
    if (member.parkedJoin !== null) this.#parkedJoins--
    if (this.leaderId === memberId) this.leaderId = this.#members.keys().next().value ?? null
    return member
  }

  /** A static member came back under a new id: takes the place of the old one, its leadership included (KIP-345). */
  replace(oldMemberId: string, successor: Member): Member {
    const wasLeader = this.leaderId === oldMemberId
    const old = this.remove(oldMemberId)
    this.add(successor)
    if (wasLeader) this.leaderId = successor.memberId
    return old
  }

  setProtocols(member: Member, protocols: readonly GroupProtocol[]): void {
    this.#count(member.protocols, -1)
    member.protocols = protocols
    this.#count(protocols, 1)
  }

  parkJoin(member: Member, join: NonNullable<Member['parkedJoin']>): void {
    if (member.parkedJoin === null) this.#parkedJoins++
    member.parkedJoin = join
  }

  takeParkedJoin(member: Member): Member['parkedJoin'] {
    const join = member.parkedJoin
    if (join !== null) this.#parkedJoins--
    member.parkedJoin = null
    return join
  }

  get everyoneJoined(): boolean {
    return this.#parkedJoins === this.size && this.pendingMembers.size === 0
  }

  /** The longest of the members': nobody is dropped before its own time. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.#members.values())
      longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  /** Whether a member with these protocols can be in the group together with those who are. */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.size === 0) return true
    return (
      protocolType === this.protocolType &&
      protocols.some(protocol => this.#offers.get(protocol.name) === this.size)
    )
  }

  /**
   * Of the protocols that all offer, the one that most members like best. Ties go to the one that the earlier member
   * likes. `replacing` looks at the group as if a member were another already.
   */
  selectProtocol(replacing?: { readonly memberId: string; readonly by: Member }): string {
    const members = [...this.#members.values()].map(member =>
      member.memberId === replacing?.memberId ? replacing.by : member,
    )
    const offers = new Map<string, number>()
    for (const member of members) {
      for (const { name } of member.protocols) offers.set(name, (offers.get(name) ?? 0) + 1)
    }
    const votes = new Map<string, number>()
    for (const member of members) {
      const favourite = member.protocols.find(
        ({ name }) => offers.get(name) === members.length,
      )?.name
      if (favourite !== undefined) votes.set(favourite, (votes.get(favourite) ?? 0) + 1)
    }
    let selected: string | undefined
    for (const [name, count] of votes) {
      if (selected === undefined || count > must(votes.get(selected), 'a vote')) selected = name
    }
    return must(selected, `members of group ${this.groupId} have no protocol in common`)
  }

  /** NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
  checkMember(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const current = this.#memberIdByInstance.get(groupInstanceId)
      if (current === undefined) return errorCodes.UNKNOWN_MEMBER_ID
      if (current !== memberId) return errorCodes.FENCED_INSTANCE_ID
    }
    return this.#members.has(memberId) ? errorCodes.NONE : errorCodes.UNKNOWN_MEMBER_ID
  }

  /** The same, and that it speaks of this generation. */
  checkGeneration(request: {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly generationId: number
  }): number {
    const errorCode = this.checkMember(request.memberId, request.groupInstanceId)
    if (errorCode !== errorCodes.NONE) return errorCode
    return request.generationId === this.generation
      ? errorCodes.NONE
      : errorCodes.ILLEGAL_GENERATION
  }

  #count(protocols: readonly GroupProtocol[], by: number): void {
    for (const name of new Set(protocols.map(protocol => protocol.name))) {
      const count = (this.#offers.get(name) ?? 0) + by
      if (count === 0) this.#offers.delete(name)
      else this.#offers.set(name, count)
    }
  }
}
