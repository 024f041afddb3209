import { errorCodes, errorInfo } from '@trimaran/protocol'
import { ConnectionError } from '../client/connection.ts'
import { outcomeText } from '../client/cluster-client.ts'
import { CliError } from '../output.ts'
import {
  FetchRequest,
  topicKey,
  type FetchEvents,
  type FetchPosition,
  type FetchSettings,
  type FetchedBatch,
} from './fetch-format.ts'
import { LeaderSearch } from './leader-search.ts'
import type { Layout } from './load-producer.ts'
import { RawSocket } from './raw-socket.ts'

/** What a consumer needs of its thread. */
export interface ConsumerHost {
  readonly layout: (topic: string) => Layout
  readonly refresh: () => Promise<void>
  /** Where to read on when what comes next has been deleted (auto.offset.reset); without it, that is the end. */
  readonly resetOffset?: (position: FetchPosition) => Promise<number>
  readonly onFatal: (error: Error) => void
  /** At the end of every answer: what was new in it. */
  readonly onRead: (records: number, bytes: number) => void
  readonly onThrottled: (ms: number) => void
  readonly onTrouble: (name: string) => void
  /** What looks at the answers. */
  readonly reader: (events: FetchEvents) => { push(bytes: Buffer, end: number): void }
}

interface Link {
  readonly nodeId: number
  positions: FetchPosition[]
  request: FetchRequest | null
  socket: RawSocket | null
  isOpening: boolean
  /** When the fetch under way was sent; null: there is none. */
  sentMs: number | null
  /** Read of the answer that is arriving, and not told yet. */
  records: number
  bytes: number
}

const retryBackoffMs = 100
/** A broker may think so long beyond the time it was asked to wait. */
const answerTimeoutMs = 30_000

/** Reads partitions from their leaders: one connection and one fetch under way per broker, as Kafka's consumer. */
export class LoadConsumer {
  readonly #settings: FetchSettings
  readonly #host: ConsumerHost
  readonly #positions: readonly FetchPosition[]
  readonly #byKey: ReadonlyMap<string, FetchPosition>
  readonly #links = new Map<number, Link>()
  readonly #outOfRange = new Set<FetchPosition>()
  #nextCorrelationId = 1
  readonly #search: LeaderSearch

  constructor(settings: FetchSettings, host: ConsumerHost, positions: readonly FetchPosition[]) {
    this.#settings = settings
    this.#host = host
    this.#positions = positions
    this.#search = new LeaderSearch({
      backoffMs: retryBackoffMs,
      refresh: host.refresh,
      refreshed: async () => {
        await this.#resetOffsets()
        this.#arrange()
        await this.#connectAll()
        this.start()
      },
      onFatal: host.onFatal,
    })
    this.#byKey = new Map(
      positions.map(position => [
        `${topicKey(settings.version, position.topic)} ${position.partition}`,
        position,
      ]),
    )
  }

  get positions(): readonly FetchPosition[] {
    return this.#positions
  }

  open(): Promise<void> {
    this.#arrange()
    return this.#connectAll()
  }

  async #connectAll(): Promise<void> {
    await Promise.all([...this.#links.values()].map(link => this.#connect(link)))
  }

  /** The first fetches; each answer is followed by the next one. */
  start(): void {
    for (const link of this.#links.values()) this.#fetch(link)
  }

  close(): void {
    this.#search.close()
    for (const link of this.#links.values()) {
      link.socket?.close()
      this.#tell(link)
    }
  }

  checkTimeouts(nowMs: number): void {
    for (const link of this.#links.values()) {
      const { sentMs } = link
      if (sentMs !== null && nowMs - sentMs > answerTimeoutMs + this.#settings.maxWaitMs)
        this.#broken(link)
    }
  }

  #arrange(): void {
    for (const link of this.#links.values()) link.positions = []
    for (const position of this.#positions) {
      const { leaders } = this.#host.layout(position.topic.topic)
      const nodeId = leaders.get(position.partition) ?? -1
      if (nodeId < 0) {
        this.#search.request()
        continue
      }
      let link = this.#links.get(nodeId)
      if (link === undefined) {
        link = {
          ...{ nodeId, positions: [], request: null },
          ...{ socket: null, isOpening: false, sentMs: null, records: 0, bytes: 0 },
        }
        this.#links.set(nodeId, link)
      }
      link.positions.push(position)
    }
    for (const link of this.#links.values()) link.request = null
  }

  async #connect(link: Link): Promise<void> {
    if (link.isOpening || link.socket !== null || link.positions.length === 0) return
    link.isOpening = true
    try {
      const [first] = link.positions as [FetchPosition]
      const address = this.#host.layout(first.topic.topic).addresses.get(link.nodeId)
      if (address === undefined) throw new ConnectionError(`broker ${link.nodeId} is not alive`)
      const reader = this.#host.reader(this.#events(link))
      const socket = await RawSocket.connect(address, {
        onBytes: (bytes, end) => reader.push(bytes, end),
        onBroken: () => this.#broken(link),
      })
      if (this.#search.isClosed) socket.close()
      else link.socket = socket
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#host.onTrouble('disconnected')
      this.#search.request()
    } finally {
      link.isOpening = false
    }
  }

  #fetch(link: Link): void {
    const { socket, positions } = link
    if (this.#search.isClosed || socket === null || link.sentMs !== null || positions.length === 0)
      return
    const isCrowded = positions.length * this.#settings.partitionMaxBytes > this.#settings.maxBytes
    // What cannot be sent this time goes first next time.
    if (isCrowded) positions.push(...positions.splice(0, Math.ceil(positions.length / 2)))
    if (link.request === null || isCrowded)
      link.request = new FetchRequest(this.#settings, positions)
    this.#nextCorrelationId = (this.#nextCorrelationId + 1) & 0x7fffffff
    link.sentMs = performance.now()
    socket.write([link.request.renew(this.#nextCorrelationId)])
  }

  #events(link: Link): FetchEvents {
    let position: FetchPosition | null = null
    return {
      onPartition: (topic, partition, highWatermark) => {
        position = this.#byKey.get(`${topic} ${partition}`) ?? null
        if (position !== null) position.highWatermark = highWatermark
      },
      onError: (topic, partition, errorCode) => {
        position = null
        this.#onError(this.#byKey.get(`${topic} ${partition}`), errorCode)
      },
      onBatch: (batch: FetchedBatch) => {
        if (position === null || batch.lastOffset < position.nextOffset) return Infinity
        const from = position.nextOffset
        // A fetch may begin in the middle of a batch; of compacted ones, nobody knows how much is before it.
        const before = batch.baseOffset >= from ? 0 : from - batch.baseOffset
        link.records += Math.max(0, batch.recordCount - before)
        link.bytes += batch.sizeBytes
        position.nextOffset = batch.lastOffset + 1
        return from
      },
      onEnd: (_correlationId, errorCode, throttleMs) => {
        link.sentMs = null
        if (throttleMs > 0) this.#host.onThrottled(throttleMs)
        if (errorCode !== errorCodes.NONE) this.#onError(undefined, errorCode)
        this.#tell(link)
        if (errorCode === errorCodes.NONE && !this.#search.isPausing) this.#fetch(link)
      },
    }
  }

  /** Positions have moved past it: it counts, even if the rest of the answer never comes. */
  #tell(link: Link): void {
    const { records, bytes } = link
    link.records = 0
    link.bytes = 0
    if (bytes > 0) this.#host.onRead(records, bytes)
  }

  async #resetOffsets(): Promise<void> {
    const positions = [...this.#outOfRange]
    this.#outOfRange.clear()
    for (const position of positions)
      position.nextOffset = (await this.#host.resetOffset?.(position)) ?? position.nextOffset
  }

  #onError(position: FetchPosition | undefined, errorCode: number): void {
    const info = errorInfo(errorCode)
    this.#host.onTrouble(info.name)
    const isDeleted = errorCode === errorCodes.OFFSET_OUT_OF_RANGE && position !== undefined
    if (isDeleted && this.#host.resetOffset !== undefined) {
      this.#outOfRange.add(position)
      this.#search.request()
      return
    }
    if (info.retriable || errorCode === errorCodes.FENCED_LEADER_EPOCH) {
      this.#search.request()
      return
    }
    const where =
      position === undefined
        ? ''
        : `${position.topic.topic}-${position.partition}, offset ${position.nextOffset}: `
    this.#host.onFatal(new CliError(`${where}${outcomeText(errorCode)}`))
  }

  #broken(link: Link): void {
    link.socket?.close()
    link.socket = null
    link.sentMs = null
    this.#tell(link)
    this.#host.onTrouble('disconnected')
    this.#search.request()
  }
}
