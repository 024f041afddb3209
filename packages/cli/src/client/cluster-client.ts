import { setTimeout as sleep } from 'node:timers/promises'
import type { HostPort } from '@trimaran/common'
import {
  apis,
  errorCodes,
  errorInfo,
  type Api,
  type Decoded,
  type Encodable,
  type IncomingResponseOf,
  type Struct,
} from '@trimaran/protocol'
import { CliError, exitCodes } from '../output.ts'
import { ConnectionError, KafkaConnection } from './connection.ts'

export type Metadata = IncomingResponseOf<typeof apis.metadata>
export type TopicMetadata = Metadata['topics'][number]

export interface ClientOptions {
  readonly bootstrapServers: string
  readonly clientId?: string
  /** How long an operation is tried again while leaders move. */
  readonly retryTimeoutMs?: number
  /** How long a broker may think about who is who, before another one is asked. */
  readonly queryTimeoutMs?: number
  /** How long a broker may take for anything else that says nothing of it, as a fetch. */
  readonly requestTimeoutMs?: number
}

const retryPauseMs = 50
const retryTimeoutMs = 30_000
/** Metadata are in a broker's memory: one that needs longer hangs. */
const queryTimeoutMs = 3000

/** `host:port,host:port`; a port alone is not guessed. */
export function parseBootstrap(text: string): HostPort[] {
  return text.split(',').map(part => {
    const match = /^\s*(?:\[([^\]]+)\]|([^:\s]+)):(\d+)\s*$/.exec(part)
    if (match === null) {
      throw new CliError(
        `"${part}" is no broker address; it is written host:port, as in localhost:9092.`,
        exitCodes.usage,
      )
    }
    return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
  })
}

/** What went wrong with one item of a request, in words. */
export function outcomeText(errorCode: number, errorMessage?: string | null): string {
  const info = errorInfo(errorCode)
  return errorMessage === null || errorMessage === undefined || errorMessage === ''
    ? `${info.name}: ${info.text}`
    : `${errorMessage} (${info.name})`
}

/**
 * A broker answers a connection in the order of its requests, and a produce with acks=all may wait for a replica that hangs.
 * Whoever asks then where the leader is must not wait behind it, so questions have a connection of their own.
 */
type Use = 'questions' | 'data'

/** Finds brokers, leaders and coordinators, and asks again where they have moved. */
export class ClusterClient {
  readonly #options: ClientOptions
  readonly #connections = new Map<string, Promise<KafkaConnection>>()
  readonly #addresses = new Map<number, HostPort>()
  /** `host:port` of brokers that did not answer, or are in doubt: asked last, until they answer a question again. */
  readonly #suspects = new Set<string>()
  #isClosed = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  get clientId(): string {
    return this.#options.clientId ?? 'trimaran-cli'
  }

  async #open(use: Use, host: string, port: number): Promise<KafkaConnection> {
    // What was under way when the client was closed must not hold the process with a new connection.
    if (this.#isClosed) throw new ConnectionError('the client was closed')
    const key = `${use} ${host}:${port}`
    const known = this.#connections.get(key)
    if (known !== undefined) {
      const connection = await known
      if (connection.isOpen) return connection
    }
    const opening = KafkaConnection.connect({
      host,
      port,
      clientId: this.clientId,
      connectTimeoutMs: this.#queryTimeoutMs,
      ...(this.#options.requestTimeoutMs === undefined
        ? {}
        : { requestTimeoutMs: this.#options.requestTimeoutMs }),
    })
    this.#connections.set(key, opening)
    opening.catch(() => this.#connections.delete(key))
    return opening
  }

  /** Any broker that answers: the known ones first, then the bootstrap list. */
  async anyBroker(): Promise<KafkaConnection> {
    const bootstrap = parseBootstrap(this.#options.bootstrapServers)
    const failures: string[] = []
    const candidates = [...this.#addresses.values(), ...bootstrap]
    const suspects = [...this.#suspects]
    const rank = ({ host, port }: HostPort): number => suspects.indexOf(`${host}:${port}`)
    for (const { host, port } of candidates.toSorted((a, b) => rank(a) - rank(b))) {
      try {
        return await this.#open('questions', host, port)
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        this.#suspect(`${host}:${port}`)
        failures.push(error.message)
      }
    }
    throw new CliError(
      `No broker can be reached (${[...new Set(failures)].join('; ')}). Is the cluster up, and is --bootstrap-server right?`,
      exitCodes.unreachable,
    )
  }

  /** It fails what it should do, so its word on who leads is worth less: one that is cut off believes for long that it does. */
  doubt(nodeId: number): void {
    const address = this.#addresses.get(nodeId)
    if (address !== undefined) this.#suspect(`${address.host}:${address.port}`)
  }

  /** The newest is asked last of all. */
  #suspect(address: string): void {
    this.#suspects.delete(address)
    this.#suspects.add(address)
  }

  async broker(nodeId: number): Promise<KafkaConnection> {
    if (!this.#addresses.has(nodeId)) await this.metadata([])
    const address = this.#addresses.get(nodeId)
    if (address === undefined)
      throw new ConnectionError(`broker ${nodeId} is not in the cluster's list of live brokers`)
    return this.#open('data', address.host, address.port)
  }

  /** Asks any broker, and another one if it dies meanwhile. */
  async request<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    body: Encodable<Q>,
    timeoutMs?: number,
  ): Promise<Decoded<R>> {
    return this.retry(async () => {
      const broker = await this.anyBroker()
      const address = `${broker.host}:${broker.port}`
      try {
        const answer = await broker.request(definition, body, timeoutMs)
        this.#suspects.delete(address)
        return answer
      } catch (error) {
        if (error instanceof ConnectionError) this.#suspect(address)
        throw error
      }
    })
  }

  get #queryTimeoutMs(): number {
    return this.#options.queryTimeoutMs ?? queryTimeoutMs
  }

  /** Null: all topics. */
  async metadata(
    topics: readonly string[] | null,
    allowAutoTopicCreation = false,
  ): Promise<Metadata> {
    const answer = await this.retry(async () => {
      const told = await this.request(
        apis.metadata,
        {
          topics: topics === null ? null : topics.map(name => ({ name })),
          allowAutoTopicCreation,
        },
        this.#queryTimeoutMs,
      )
      // A broker that has just started knows of nobody who lives, not even of itself.
      if (told.brokers.length === 0) throw new RetriableError('no broker is alive yet', true)
      return told
    })
    this.#addresses.clear()
    for (const broker of answer.brokers)
      this.#addresses.set(broker.nodeId, { host: broker.host, port: broker.port })
    return answer
  }

  async topic(name: string, allowAutoTopicCreation = false): Promise<TopicMetadata> {
    return this.retry(async () => {
      const answer = await this.metadata([name], allowAutoTopicCreation)
      const topic = answer.topics[0]
      const errorCode = topic?.errorCode ?? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      if (topic === undefined || errorCode !== errorCodes.NONE) {
        const missing = errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION
        if (missing && !allowAutoTopicCreation)
          throw new CliError(
            `There is no topic "${name}". Create it with: trimaran topics create ${name}`,
          )
        throw new RetriableError(outcomeText(errorCode), errorInfo(errorCode).retriable)
      }
      return topic
    })
  }

  async coordinator(groupId: string): Promise<KafkaConnection> {
    return this.retry(async () => {
      const answer = await this.request(
        apis.findCoordinator,
        { key: groupId, keyType: 0, coordinatorKeys: [groupId] },
        this.#queryTimeoutMs,
      )
      const found = answer.coordinators[0] ?? answer
      if (found.errorCode !== errorCodes.NONE) {
        throw new RetriableError(
          outcomeText(found.errorCode, found.errorMessage),
          errorInfo(found.errorCode).retriable,
        )
      }
      this.#addresses.set(found.nodeId, { host: found.host, port: found.port })
      return this.#open('data', found.host, found.port)
    })
  }

  /** Tries again while brokers are away and leaders move, until the retry time is over. */
  async retry<T>(attempt: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + (this.#options.retryTimeoutMs ?? retryTimeoutMs)
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        const mayRetry =
          error instanceof ConnectionError ||
          (error instanceof RetriableError && error.retriable) ||
          this.#isOutage(error)
        if (!mayRetry || performance.now() > deadlineMs) throw error
        if (this.#isClosed) throw new ConnectionError('the client was closed')
        await sleep(retryPauseMs)
      }
    }
  }

  /** No broker at all: a wrong address at first, but a cluster that restarts once there was an answer. */
  #isOutage(error: unknown): boolean {
    return (
      error instanceof CliError &&
      error.exitCode === exitCodes.unreachable &&
      this.#addresses.size > 0
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const opening of this.#connections.values())
      await opening.then(connection => connection.close()).catch(() => {})
    this.#connections.clear()
  }
}

/** An error code of the cluster; `retriable` says whether asking again may help. */
export class RetriableError extends Error {
  override readonly name = 'RetriableError'
  readonly retriable: boolean

  constructor(message: string, retriable: boolean) {
    super(message)
    this.retriable = retriable
  }
}

/** Runs `work` with a client that is closed afterwards. */
export async function withClient<T>(
  options: { readonly bootstrapServer: string },
  work: (client: ClusterClient) => Promise<T>,
): Promise<T> {
  const client = new ClusterClient({ bootstrapServers: options.bootstrapServer })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}
