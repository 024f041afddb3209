import { ClusterError, Prng, must, type BrokerId, type LogEvent } from '@trimaran/common'
import { LogDirectory } from '@trimaran/log'
import { MemoryDisk } from './memory-disk.ts'
import type { TopicImage } from '@trimaran/metadata'
import { encodeBatch } from '@trimaran/protocol'
import { Broker, brokerConfig, type ReplicaFetchChannel } from '../../src/index.ts'
import { topicReplicaConfig } from '../../src/topic-configs.ts'
import { TestClient, TestConnection } from './client.ts'
import { SimClock, settled } from './sim-clock.ts'
import { StandInController } from './stand-in-controller.ts'

const directoryIdOf = (id: BrokerId): string => `directory${String(id).padStart(12, '0')}A`

export interface TestClusterOptions {
  readonly brokerCount?: number
  readonly properties?: Readonly<Record<string, string>>
  readonly clusterId?: string
}

/** Brokers on simulated disks, one controller, no sockets; time moves when a test says so. */
export class TestCluster {
  readonly clock = new SimClock()
  readonly controller = new StandInController()
  readonly brokers = new Map<BrokerId, Broker>()
  readonly events: { readonly phrase: string; readonly fields: unknown }[] = []
  /** Brokers that do not answer their peers. */
  readonly unreachable = new Set<BrokerId>()
  #connections = 0

  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster()
    for (let id = 1; id <= (options.brokerCount ?? 1); id++) cluster.#addBroker(id, options)
    await cluster.clock.advance(0)
    return cluster
  }

  broker(id: BrokerId): Broker {
    return must(this.brokers.get(id), `broker ${id}`)
  }

  client(id: BrokerId = 1, listenerName = 'PLAINTEXT'): TestClient {
    return new TestClient(this.broker(id), new TestConnection(++this.#connections, listenerName))
  }

  /** `replicas` per partition; the first of each leads. */
  async addTopic(
    name: string,
    replicas: readonly (readonly BrokerId[])[] = [[1]],
  ): Promise<TopicImage> {
    this.controller.commit(this.controller.topicRecords(name, replicas))
    await this.clock.advance(10)
    return this.topic(name)
  }

  topic(name: string): TopicImage {
    return must(this.controller.image.topicsByName.get(name), `topic ${name}`)
  }

  setTopicConfig(resourceName: string, key: string, value: string | null): void {
    this.controller.commit([{ kind: 'config', resourceType: 'topic', resourceName, key, value }])
  }

  fence(brokerId: BrokerId): void {
    const broker = must(this.controller.image.brokers.get(brokerId), `broker ${brokerId}`)
    this.controller.overrides.heartbeat = () => ({
      errorCode: 0,
      errorMessage: null,
      isCaughtUp: true,
      isFenced: true,
      shouldShutDown: false,
    })
    this.controller.commit([
      {
        kind: 'brokerChange',
        brokerId,
        brokerEpoch: broker.epoch,
        fenced: true,
        inControlledShutdown: null,
      },
    ])
  }

  async stop(): Promise<void> {
    const stopping = [...this.brokers.values()].map(broker => broker.stop())
    await this.clock.advance(60_000)
    await Promise.all(stopping)
  }

  #addBroker(
    nodeId: BrokerId,
    { properties = {}, clusterId = 'cluster-of-the-test' }: TestClusterOptions,
  ): void {
    const logEvent: LogEvent = (_level, phrase, fields) => this.events.push({ phrase, fields })
    const { clock, controller } = this
    const config = brokerConfig(
      new Map(Object.entries({ 'log.dirs': `/data/${nodeId}`, ...properties })),
      {
        endpoints: [
          {
            listener: 'PLAINTEXT',
            host: `host${nodeId}`,
            port: 9092,
            securityProtocol: 'PLAINTEXT',
          },
          {
            listener: 'OUTSIDE',
            host: `outside${nodeId}`,
            port: 19_092,
            securityProtocol: 'PLAINTEXT',
          },
        ],
        nodeHost: `host${nodeId}`,
        nodePort: 9093,
        directoryId: directoryIdOf(nodeId),
      },
    )
    const logs = LogDirectory.open({
      disk: new MemoryDisk(),
      directory: 'data',
      clock,
      configFor: name => topicReplicaConfig(controller.image, config, nodeId, name).log,
      logEvent,
    })
    const broker = new Broker({
      nodeId,
      clusterId,
      config,
      ports: { clock, random: new Prng(nodeId), logEvent },
      logs,
      controller,
      peers: this.#peersOf(nodeId),
      onFatal: error => {
        throw error
      },
    })
    this.brokers.set(nodeId, broker)
    controller.publishers.push(broker)
    broker.start()
  }

  #peersOf(me: BrokerId): ReplicaFetchChannel {
    return {
      fetch: async (leader, request) => {
        await Promise.resolve()
        const broker = this.brokers.get(leader)
        if (broker === undefined || this.unreachable.has(leader) || this.unreachable.has(me)) {
          throw new ClusterError('RPC_UNAVAILABLE', `broker ${leader} is not reachable`)
        }
        return broker.replicaFetch(request)
      },
    }
  }
}

const text = new TextEncoder()

/** A batch as a producer sends it. */
export function batchOf(
  values: readonly string[],
  options: Partial<Parameters<typeof encodeBatch>[0]> & { readonly key?: string } = {},
): Uint8Array {
  const { key, ...rest } = options
  return encodeBatch({
    records: values.map(value => ({
      key: key === undefined ? null : text.encode(key),
      value: text.encode(value),
      headers: [],
      timestampMs: 1_700_000_001_000,
    })),
    ...rest,
  })
}

export { settled }
