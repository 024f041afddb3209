import { apis, errorCodes, type Api } from '@trimaran/protocol'
import { ClusterClient, outcomeText } from '../client/cluster-client.ts'
import { ConnectionError } from '../client/connection.ts'
import { CliError } from '../output.ts'
import type { FetchTopic } from './fetch-format.ts'
import type { Layout } from './load-producer.ts'
import { notIdempotent, type ProducerIdentity } from './prepared-batch.ts'

const nowhere: Layout = { leaders: new Map(), addresses: new Map() }

/** What a thread of a load knows of the cluster: who leads, where the brokers are, what they speak. */
export class LoadCluster {
  readonly client: ClusterClient
  readonly #layouts = new Map<string, Layout>()
  readonly #topics = new Map<string, FetchTopic>()
  #refreshing: Promise<void> | null = null

  constructor(options: { readonly bootstrapServers: string; readonly clientId: string }) {
    this.client = new ClusterClient(options)
  }

  /** @throws CliError if a topic does not exist, with the command that creates it */
  async open(topics: readonly string[]): Promise<void> {
    for (const name of topics) {
      const { topicId } = await this.client.topic(name)
      this.#topics.set(name, { topic: name, topicId })
    }
    await this.refresh()
  }

  topic(name: string): FetchTopic {
    return this.#topics.get(name) ?? { topic: name, topicId: '' }
  }

  layout(topic: string): Layout {
    return this.#layouts.get(topic) ?? nowhere
  }

  partitions(topic: string): number[] {
    return [...this.layout(topic).leaders.keys()].toSorted((a, b) => a - b)
  }

  /** Several producers that ask at once share one answer. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => (this.#refreshing = null))
    return this.#refreshing
  }

  async #ask(): Promise<void> {
    const answer = await this.client.metadata([...this.#topics.keys()])
    const addresses = new Map(
      answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }] as const),
    )
    for (const topic of answer.topics) {
      if (topic.name === null || topic.errorCode !== errorCodes.NONE) continue
      const leaders = new Map(
        topic.partitions.map(({ partitionIndex, leaderId }) => [partitionIndex, leaderId] as const),
      )
      this.#layouts.set(topic.name, { leaders, addresses })
    }
  }

  /** The highest version that both sides speak. */
  async version(definition: Api, min: number): Promise<number> {
    const broker = await this.client.anyBroker()
    const version = broker.versionOf(definition)
    if (version === null || version < min) {
      throw new CliError(
        `${broker.host}:${broker.port} speaks ${definition.name} up to version ${version ?? 'none'}; ${min} at least is needed.`,
      )
    }
    return version
  }

  async identity(isIdempotent: boolean): Promise<ProducerIdentity> {
    if (!isIdempotent) return notIdempotent
    return this.client.retry(async () => {
      const answer = await this.client.request(apis.initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      })
      if (answer.errorCode !== errorCodes.NONE)
        throw new ConnectionError(outcomeText(answer.errorCode))
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
    })
  }
}
