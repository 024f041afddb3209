import type { NodeId, Prng } from '@trimaran/common'
import {
  apis,
  decodeResponse,
  encodeRequest,
  responseReader,
  versionRange,
} from '@trimaran/protocol'
import type { Api, Decoded, Encodable, Struct } from '@trimaran/protocol'
import type { History } from 'trimaran/history'
import { ClientPort, clientPlace } from '../client-network.ts'
import type { Marks } from '../marks.ts'
import type { SimNetwork } from '../network.ts'
import type { SimNode } from '../node-host.ts'
import type { World } from '../world.ts'

/** No answer: the outcome is unknown. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** What all clients share. */
export interface ClientWorld {
  readonly world: World
  readonly network: SimNetwork
  readonly nodes: ReadonlyMap<NodeId, SimNode>
  readonly history: History
  readonly oracle: ClientOracle
  /** From now on the node may be a voter of the quorum. */
  askedToAddVoter(nodeId: NodeId): void
  readonly marks: Marks
  /** Nobody begins anything new. */
  isDraining: boolean
  fail(error: unknown): void
}

/** Looks at what clients are told, the moment they are told it. */
export interface ClientOracle {
  acked(told: {
    readonly topicId: string
    readonly partition: number
    readonly baseOffset: number
    readonly values: readonly number[]
    readonly acks: number
  }): void
  mayBeginAt(topicId: string, partition: number): number
  logStart(topicId: string, partition: number, offset: number): void
  deleting(topicId: string, partition: number, offset: number, to: NodeId): AskedDeletion | null
  /** I6: never given twice. */
  producerId(producerId: number): void
  read(told: {
    readonly topicId: string
    readonly partition: number
    readonly offset: number
    readonly value: number
  }): void
}

/** Null: no answer. */
export interface AskedDeletion {
  ended(told: { readonly errorCode: number; readonly lowWatermark: number } | null): void
}

export interface PartitionAddress {
  readonly topicId: string
  readonly partition: number
  readonly leader: NodeId
  readonly leaderEpoch: number
  readonly replicas: readonly NodeId[]
}

export interface TopicAddress {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly PartitionAddress[]
}

interface Pending {
  readonly decode: (frame: Uint8Array) => void
  readonly reject: (error: Error) => void
  readonly cancelTimeout: () => void
}

interface Connection {
  port: ClientPort
  readonly pending: Map<number, Pending>
}

/** A client with the real codecs: connections, correlation, time-outs, metadata. What it asks is its users' matter. */
export class KafkaClient {
  readonly name: string
  readonly random: Prng
  readonly shared: ClientWorld
  readonly topics = new Map<string, TopicAddress>()
  requestTimeoutMs = 2_000
  readonly #connections = new Map<NodeId, Connection>()
  readonly #versions = new Map<number, number>()
  #correlation = 0

  constructor(shared: ClientWorld, name: string, random: Prng) {
    this.shared = shared
    this.name = name
    this.random = random
  }

  get nowUs(): number {
    return this.shared.world.nowUs
  }

  sleep(ms: number): Promise<void> {
    const { world } = this.shared
    return new Promise(resolve => {
      world.after(Math.round(ms * 1000), world.outside, resolve)
    })
  }

  /** Each client speaks one version of each api: the newest mostly, an old one now and then. */
  version(definition: Api, min = 0): number {
    const known = this.#versions.get(definition.key)
    if (known !== undefined) return known
    const range = versionRange(definition.versions as never)
    const lowest = Math.max(range.min, min)
    const version = this.random.chance(2, 3) ? range.max : this.random.between(lowest, range.max)
    this.#versions.set(definition.key, version)
    return version
  }

  /** Rejects with NoAnswer. */
  call<Q extends Struct, R extends Struct>(
    nodeId: NodeId,
    definition: Api<Q, R>,
    body: Encodable<Q>,
    { timeoutMs = this.requestTimeoutMs, version = this.version(definition as never) } = {},
  ): Promise<Decoded<R>> {
    return new Promise((resolve, reject) => {
      const connection = this.#connection(nodeId)
      const correlationId = ++this.#correlation
      const { world } = this.shared
      const cancelTimeout = world.after(Math.round(timeoutMs * 1000), world.outside, () => {
        this.#drop(nodeId, connection, 'no answer in time')
      })
      connection?.pending.set(correlationId, {
        decode: frame => {
          resolve(decodeResponse(definition, version, responseReader(frame)).body)
        },
        reject,
        cancelTimeout,
      })
      if (connection === null) {
        cancelTimeout()
        world.after(1_000, world.outside, () => reject(new NoAnswer(`node ${nodeId} refuses`)))
        return
      }
      const header = { correlationId, clientId: this.name }
      connection.port.send(withoutSize(encodeRequest(definition, version, header, body)))
    })
  }

  /** Without an answer, as acks=0 has it. */
  cast<Q extends Struct, R extends Struct>(
    nodeId: NodeId,
    definition: Api<Q, R>,
    body: Encodable<Q>,
    version: number,
  ): void {
    const header = { correlationId: ++this.#correlation, clientId: this.name }
    const frame = withoutSize(encodeRequest(definition, version, header, body))
    this.#connection(nodeId)?.port.send(frame)
  }

  anyNode(): NodeId {
    return this.random.pick([...this.shared.nodes.keys()])
  }

  /** Asks any broker; false when none answered, or it does not know all of them. */
  async refresh(names: readonly string[]): Promise<boolean> {
    const version = this.random.between(12, 13)
    try {
      const answer = await this.call(
        this.anyNode(),
        apis.metadata,
        {
          topics: names.map(name => ({ name })),
          allowAutoTopicCreation: false,
          includeTopicAuthorizedOperations: false,
        } as never,
        { version },
      )
      let isComplete = true
      for (const { errorCode, name, topicId, partitions } of answer.topics) {
        if (name === null) continue
        if (errorCode !== 0) {
          isComplete = false
          continue
        }
        const known = this.topics.get(name)
        const fresh = partitions
          .map(partition => ({
            topicId,
            partition: partition.partitionIndex,
            leader: partition.leaderId,
            leaderEpoch: partition.leaderEpoch,
            replicas: partition.replicaNodes,
          }))
          .toSorted((a, b) => a.partition - b.partition)
        // An answer of a broker that is behind does not take back what is known (KIP-320).
        const merged = fresh.map(partition => {
          const before = known?.topicId === topicId ? known.partitions[partition.partition] : null
          return before && before.leaderEpoch > partition.leaderEpoch ? before : partition
        })
        this.topics.set(name, { name, topicId, partitions: merged })
      }
      return isComplete
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return false
    }
  }

  close(): void {
    for (const [nodeId, connection] of this.#connections) {
      this.#drop(nodeId, connection, 'client closes')
    }
  }

  /** Null: refused at once. A node that does not answer at all is found out by the time-out. */
  #connection(nodeId: NodeId): Connection | null {
    const known = this.#connections.get(nodeId)
    if (known) return known
    const { world, network, nodes } = this.shared
    const server = nodes.get(nodeId)
    if (server === undefined) return null
    if (!server.isUp && server.host.state === 'dead' && !network.isBlocked(clientPlace, nodeId)) {
      return null
    }
    const connection: Connection = { port: undefined as never, pending: new Map() }
    connection.port = new ClientPort({
      world,
      network,
      server,
      clientId: this.name,
      received: frame => this.#received(connection, frame),
      closed: () => this.#drop(nodeId, connection, 'connection closed'),
    })
    this.#connections.set(nodeId, connection)
    return connection
  }

  #received(connection: Connection, frame: Uint8Array): void {
    const correlationId = new DataView(frame.buffer, frame.byteOffset).getInt32(0)
    const pending = connection.pending.get(correlationId)
    if (pending === undefined) return
    connection.pending.delete(correlationId)
    pending.cancelTimeout()
    try {
      pending.decode(frame)
    } catch (error) {
      this.shared.fail(error)
    }
  }

  #drop(nodeId: NodeId, connection: Connection | null, why: string): void {
    if (connection === null) return
    if (this.#connections.get(nodeId) === connection) this.#connections.delete(nodeId)
    connection.port.close()
    for (const { reject, cancelTimeout } of connection.pending.values()) {
      cancelTimeout()
      reject(new NoAnswer(`node ${nodeId}: ${why}`))
    }
    connection.pending.clear()
  }
}

function withoutSize(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts).subarray(4)
}
