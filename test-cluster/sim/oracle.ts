import type { NodeId } from '@trimaran/common'
import { emptyImage, effectiveTopicConfig } from '@trimaran/metadata'
import { checkIsrCompleteness, ReplicationQuorum } from '../checkers/isr-completeness.ts'
import { MetadataChecker } from '../checkers/metadata.ts'
import { QuorumProperties } from '../checkers/quorum.ts'
import { ReplicatedLogs } from '../checkers/replicated-logs.ts'
import { checkStoredSequences } from '../checkers/stored-sequences.ts'
import { ToldClients } from '../checkers/told-clients.ts'
import { decodeValue } from './clients/values.ts'
import type { SimNode } from './node-host.ts'
import { SimNodeView } from './node-view.ts'
import type { World } from './world.ts'

/** All checkers over one simulated cluster; draws no randomness and changes nothing. */
export class Oracle {
  readonly quorum: QuorumProperties
  readonly metadata: MetadataChecker
  readonly logs = new ReplicatedLogs(decodeValue)
  readonly clients = new ToldClients(this.logs, () => ({
    image: this.metadata.latest,
    nodes: this.#views,
  }))
  readonly #replicationQuorum = new ReplicationQuorum()
  readonly #world: World
  readonly #nodes: readonly SimNode[]
  /** Only those that run. */
  readonly #views = new Map<NodeId, SimNodeView>()

  constructor(options: {
    readonly world: World
    readonly nodes: readonly SimNode[]
    readonly fetchTimeoutMs: number
    readonly properties: ReadonlyMap<string, string>
  }) {
    const { world, nodes, fetchTimeoutMs, properties } = options
    this.#world = world
    this.#nodes = nodes
    this.quorum = new QuorumProperties({ fetchTimeoutMs, nowMs: () => world.nowMs })
    this.metadata = new MetadataChecker(
      emptyImage,
      (image, topic) => effectiveTopicConfig(image, properties, topic.name).minInsyncReplicas,
    )
  }

  /** Distinct states that leaders have been in. */
  get states(): ReadonlySet<string> {
    return this.#replicationQuorum.states
  }

  get marks(): ReadonlySet<string> {
    return this.#replicationQuorum.marks
  }

  get views(): ReadonlyMap<NodeId, SimNodeView> {
    return this.#views
  }

  started(node: SimNode): void {
    if (node.node === null) return
    this.#views.set(node.id, new SimNodeView(node))
    this.quorum.started(node.id, node.node.raft)
  }

  stopped(node: SimNode): void {
    this.#views.delete(node.id)
    this.quorum.stopped(node.id)
  }

  readonly #isStandingStill = (id: NodeId): boolean =>
    (this.#nodes[id - 1]?.owner.pausedUntilUs ?? 0) >= this.#world.nowUs

  /** `nodeId` had an event; 0: nobody had. */
  afterEvent(nodeId: NodeId): void {
    const view = this.#views.get(nodeId)
    if (view === undefined) return
    this.quorum.afterEvent(nodeId, this.#isStandingStill)
    const isNews = this.metadata.look(view)
    this.logs.look(view)
    const image = this.metadata.latest
    if (isNews) {
      for (const topic of image.topicsById.values()) {
        for (const { partition } of topic.partitions) {
          const log = this.logs.log(topic.id, partition)
          if (log !== undefined) this.logs.changed.add(log)
        }
      }
      for (const node of this.#nodes) {
        const epoch = image.brokers.get(node.id)?.epoch
        if (epoch !== undefined && epoch === this.#views.get(node.id)?.brokerEpoch) {
          node.diedUncleanly = false
        }
      }
    }
    if (this.logs.changed.size > 0) {
      checkIsrCompleteness({ image, logs: this.logs, nodes: this.#views })
    }
    this.#replicationQuorum.look(view, image, isNews)
    if (!isNews) return
    for (const other of this.#views.values()) this.#replicationQuorum.look(other, image, true)
  }

  atEnd(): void {
    checkStoredSequences(this.logs)
  }
}
