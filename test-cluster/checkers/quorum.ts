import type { NodeId } from '@trimaran/common'
import type { Message, QuorumWrite, RaftDriver } from '@trimaran/raft'
import { QuorumChecker } from '@trimaran/raft/testing'

/**
 * Longest that a request to add a voter can be on its way: two seconds with the node that forwards it, and what the network and a
 * paused leader make of its last attempt. An attempt whose answer is lost is repeated, as with Kafka, and so one request may make a
 * node a voter twice, if somebody removes it in between.
 */
const addOnItsWayMs = 10_000

/**
 * R1-R9, R11, R12, R14, R16, R17 of the metadata quorum: the checker that the quorum's own simulation uses, on nodes that have
 * everything else on top.
 */
export class QuorumProperties {
  readonly #checker: QuorumChecker
  readonly #nowMs: () => number
  /** By when they end. */
  readonly #adds: { readonly nodeId: NodeId; readonly untilMs: number }[] = []

  constructor(options: { readonly fetchTimeoutMs: number; readonly nowMs: () => number }) {
    this.#checker = new QuorumChecker(options)
    this.#nowMs = options.nowMs
  }

  get elections(): number {
    return this.#checker.elections
  }

  get committed(): number {
    return this.#checker.committed.length - 1
  }

  get voterChanges(): number {
    return this.#checker.voterChanges
  }

  askedToAdd(nodeId: NodeId): void {
    this.#checker.askedToAdd(nodeId)
    this.#adds.push({ nodeId, untilMs: this.#nowMs() + addOnItsWayMs })
  }

  started(nodeId: NodeId, driver: RaftDriver): void {
    this.#checker.started(nodeId, driver)
  }

  stopped(nodeId: NodeId): void {
    this.#checker.stopped(nodeId)
  }

  writing(nodeId: NodeId, write: QuorumWrite): void {
    this.#endAdds()
    this.#checker.writing(nodeId, write)
  }

  durable(nodeId: NodeId, write: QuorumWrite): void {
    this.#checker.durable(nodeId, write)
  }

  sending(from: NodeId, to: NodeId, message: Message): void {
    this.#checker.sending(from, to, message)
  }

  delivered(from: NodeId, to: NodeId, message: Message): void {
    this.#checker.delivered(from, to, message, this.#nowMs())
  }

  /** Of `nodeId`: nobody else can have changed. */
  afterEvent(nodeId: NodeId, isStandingStill: (nodeId: NodeId) => boolean): void {
    this.#checker.afterEvent(this.#nowMs(), isStandingStill, nodeId)
  }

  #endAdds(): void {
    const nowMs = this.#nowMs()
    for (const { nodeId, untilMs } of this.#adds) {
      if (untilMs >= nowMs) break
      this.#checker.addEnds(nodeId)
    }
    while ((this.#adds[0]?.untilMs ?? Infinity) < nowMs) this.#adds.shift()
  }
}
