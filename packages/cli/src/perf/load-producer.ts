import type { HostPort } from '@trimaran/common'
import { errorCodes, errorInfo, sequenceAfter, BATCH_OVERHEAD } from '@trimaran/protocol'
import { ConnectionError } from '../client/connection.ts'
import { outcomeText } from '../client/cluster-client.ts'
import { CliError } from '../output.ts'
import type { BatchSource, LoadBatch } from './batch-source.ts'
import { LeaderSearch } from './leader-search.ts'
import { ProduceFormat } from './produce-format.ts'
import { FrameAssembler, RawSocket } from './raw-socket.ts'
import type { Tally } from './tally.ts'

/** Who leads each partition, and where the brokers are. */
export interface Layout {
  readonly leaders: ReadonlyMap<number, number>
  readonly addresses: ReadonlyMap<number, HostPort>
}

export interface LoadProducerOptions {
  readonly format: ProduceFormat
  readonly acks: -1 | 0 | 1
  readonly maxInFlight: number
  readonly partitionsPerRequest: number
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly retryBackoffMs: number
  readonly isIdempotent: boolean
  readonly batchBytes: number
}

/** What a producer needs of its thread. */
export interface ProducerHost {
  readonly tally: Tally
  readonly layout: () => Layout
  /** Asks the cluster again who leads. */
  readonly refresh: () => Promise<void>
  readonly onDone: () => void
  readonly onFatal: (error: Error) => void
}

interface Lane {
  readonly partition: number
  /** In the source's list. */
  readonly at: number
  nextSequence: number
  inFlight: number
  /** Where its requests under way are. Until they are answered, nothing of it goes elsewhere. */
  nodeId: number
  /** Batches to be sent again, by sequence; one at a time and nothing beside them, so that order holds. */
  readonly again: Sending[]
}

interface Sending {
  readonly lane: Lane
  readonly batch: LoadBatch
  readonly sequence: number
  /** When it was first sent. */
  readonly sinceMs: number
}

/** A request under way. Its head is memory of its own until the answer is there. */
interface Slot {
  readonly head: Buffer
  correlationId: number
  sentMs: number
  sendings: readonly Sending[]
}

interface Link {
  readonly nodeId: number
  lanes: Lane[]
  /** Where the next request begins to look for batches. */
  cursor: number
  socket: RawSocket | null
  isOpening: boolean
  free: Slot[]
  readonly underWay: Slot[]
}

/** Kafka's max.request.size. */
const REQUEST_BYTES_MAX = 1024 * 1024

/** One producer: a connection per leader, so many requests under way on each, partitions in order. */
export class LoadProducer {
  readonly #options: LoadProducerOptions
  readonly #host: ProducerHost
  readonly #source: BatchSource
  readonly #lanes: readonly Lane[]
  readonly #links = new Map<number, Link>()
  #nextCorrelationId = 1
  readonly #search: LeaderSearch
  #isDone = false

  constructor(
    options: LoadProducerOptions,
    host: ProducerHost,
    source: BatchSource,
    partitions: readonly number[],
  ) {
    this.#options = options
    this.#host = host
    this.#source = source
    this.#search = new LeaderSearch({
      backoffMs: options.retryBackoffMs,
      refresh: host.refresh,
      refreshed: async () => {
        this.#arrange()
        await this.#connectAll()
        if (!this.#search.isClosed) this.fillAll()
      },
      onFatal: host.onFatal,
    })
    this.#lanes = partitions.map((partition, at) => ({
      partition,
      at,
      nextSequence: 0,
      inFlight: 0,
      nodeId: -1,
      again: [],
    }))
  }

  get hasUnderWay(): boolean {
    for (const lane of this.#lanes) if (lane.inFlight > 0 || lane.again.length > 0) return true
    return false
  }

  /** Opens its connections. Resolves when those that can be opened are open. */
  open(): Promise<void> {
    this.#arrange()
    return this.#connectAll()
  }

  async #connectAll(): Promise<void> {
    await Promise.all([...this.#links.values()].map(link => this.#connect(link)))
  }

  close(): void {
    this.#search.close()
    for (const link of this.#links.values()) link.socket?.close()
  }

  /** Lanes to the links of their leaders. */
  #arrange(): void {
    const { leaders } = this.#host.layout()
    for (const link of this.#links.values()) link.lanes = []
    for (const lane of this.#lanes) {
      const leader = leaders.get(lane.partition) ?? -1
      if (leader < 0) {
        this.#search.request()
        continue
      }
      this.#link(leader).lanes.push(lane)
    }
  }

  #link(nodeId: number): Link {
    let link = this.#links.get(nodeId)
    if (link === undefined) {
      link = {
        ...{ nodeId, lanes: [], cursor: 0, socket: null, isOpening: false },
        ...{ free: [], underWay: [] },
      }
      this.#links.set(nodeId, link)
    }
    return link
  }

  async #connect(link: Link): Promise<void> {
    if (link.isOpening || link.socket !== null || link.lanes.length === 0) return
    link.isOpening = true
    try {
      const address = this.#host.layout().addresses.get(link.nodeId)
      if (address === undefined) throw new ConnectionError(`broker ${link.nodeId} is not alive`)
      const frames = new FrameAssembler((bytes, at, end) => this.#answered(link, bytes, at, end))
      const socket = await RawSocket.connect(address, {
        onBytes: (bytes, end) => {
          frames.push(bytes, end)
          this.fillAll()
        },
        onBroken: error => this.#broken(link, error),
      })
      if (this.#search.isClosed) {
        socket.close()
        return
      }
      link.socket = socket
      // Heads of an earlier connection may still be held by its socket.
      link.free = Array.from({ length: this.#options.maxInFlight }, () => this.#slot())
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#host.tally.error('disconnected')
      this.#search.request()
    } finally {
      link.isOpening = false
    }
  }

  #slot(): Slot {
    const partitions = Math.min(this.#options.partitionsPerRequest, this.#lanes.length)
    const bytes = this.#options.format.headBytesMax(partitions, BATCH_OVERHEAD)
    return { head: Buffer.allocUnsafeSlow(bytes), correlationId: 0, sentMs: 0, sendings: [] }
  }

  /** Sends what there is, on every connection that has room. */
  fillAll(): void {
    for (const link of this.#links.values()) this.#fill(link)
    this.#settle()
  }

  #fill(link: Link): void {
    while (link.socket !== null && link.free.length > 0) {
      const nowMs = performance.now()
      const sendings = this.#collect(link, nowMs)
      if (sendings.length === 0) return
      this.#send(link, link.socket, sendings, nowMs)
    }
  }

  /** At most one batch of each partition, beginning after the last one that was served. */
  #collect(link: Link, nowMs: number): Sending[] {
    const { lanes } = link
    const sendings: Sending[] = []
    const countMax = Math.min(lanes.length, this.#options.partitionsPerRequest)
    let bytes = 0
    for (let step = 0; step < lanes.length && sendings.length < countMax; step++) {
      if (bytes > 0 && bytes + this.#options.batchBytes > REQUEST_BYTES_MAX) break
      const lane = lanes[(link.cursor + step) % lanes.length] as Lane
      if (lane.inFlight > 0 && lane.nodeId !== link.nodeId) continue
      const sending = this.#next(lane, nowMs)
      if (sending === null) continue
      sendings.push(sending)
      bytes += sending.batch.sizeBytes
    }
    const last = sendings.at(-1)
    if (last !== undefined) link.cursor = (lanes.indexOf(last.lane) + 1) % lanes.length
    return sendings
  }

  #next(lane: Lane, nowMs: number): Sending | null {
    if (lane.again.length > 0) return lane.inFlight > 0 ? null : (lane.again.shift() ?? null)
    const batch = this.#source.take(lane.at, lane.nextSequence, nowMs)
    if (batch === null) return null
    const sequence = lane.nextSequence
    lane.nextSequence = sequenceAfter(sequence, batch.recordCount)
    return { lane, batch, sequence, sinceMs: nowMs }
  }

  #send(link: Link, socket: RawSocket, sendings: readonly Sending[], nowMs: number): void {
    const slot = link.free.pop() as Slot
    const { format, acks } = this.#options
    const { head } = slot
    slot.correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (this.#nextCorrelationId + 1) & 0x7fffffff
    slot.sendings = sendings
    slot.sentMs = nowMs
    const parts: Buffer[] = []
    let bodyBytes = 0
    let from = 0
    let at = format.begin(head, slot.correlationId, sendings.length)
    for (const { lane, batch, sequence } of sendings) {
      lane.inFlight++
      lane.nodeId = link.nodeId
      at = format.beginPartition(head, at, lane.partition, batch.sizeBytes)
      if (batch.prepared !== null) at = batch.prepared.writeHead(head, at, sequence)
      parts.push(head.subarray(from, at), batch.body)
      bodyBytes += batch.body.length
      from = at
      at = format.endPartition(head, at)
    }
    at = format.end(head, at, bodyBytes)
    parts.push(head.subarray(from, at))
    this.#host.tally.requests++
    link.underWay.push(slot)
    if (acks === 0) socket.write(parts, () => this.#written(link, slot))
    else socket.write(parts)
  }

  /** With acks 0, what the kernel has counts as sent. */
  #written(link: Link, slot: Slot): void {
    const at = link.underWay.indexOf(slot)
    if (at < 0) return
    link.underWay.splice(at, 1)
    const nowMs = performance.now()
    for (const sending of slot.sendings) this.#outcome(sending, 0, null, nowMs)
    this.#release(link, slot)
    this.fillAll()
  }

  #release(link: Link, slot: Slot): void {
    slot.sendings = []
    link.free.push(slot)
  }

  #answered(link: Link, bytes: Buffer, at: number, end: number): void {
    const slot = link.underWay[0]
    if (slot === undefined || bytes.readInt32BE(at) !== slot.correlationId)
      throw new ConnectionError('an answer to a request that was not sent')
    link.underWay.shift()
    const { sendings } = slot
    const nowMs = performance.now()
    let told = 0
    const throttleMs = this.#options.format.readAnswer(
      bytes,
      at,
      end,
      (partition, code, message) => {
        const sending = sendings.find(one => one.lane.partition === partition)
        if (sending === undefined) return
        told++
        this.#outcome(sending, code, message, nowMs)
      },
    )
    if (told !== sendings.length) {
      this.#host.onFatal(new CliError('A broker answered a produce request without a partition.'))
    }
    this.#host.tally.throttledMs += throttleMs
    this.#release(link, slot)
  }

  #outcome(sending: Sending, code: number, message: string | null, nowMs: number): void {
    const { lane, batch } = sending
    lane.inFlight--
    if (code === errorCodes.NONE || code === errorCodes.DUPLICATE_SEQUENCE_NUMBER) {
      const { tally } = this.#host
      if (batch.dueMs === null) {
        tally.count(batch.recordCount, batch.payloadBytes, nowMs)
        tally.delay(nowMs - sending.sinceMs, batch.recordCount, nowMs)
      } else {
        const recordBytes = batch.payloadBytes / batch.recordCount
        for (const dueMs of batch.dueMs) {
          tally.count(1, recordBytes, dueMs)
          tally.delay(nowMs - dueMs, 1, dueMs)
        }
        tally.lastMs = Math.max(tally.lastMs, nowMs)
      }
      return
    }
    this.#host.tally.error(errorInfo(code).name)
    // Behind a batch that is to be sent again, the broker must refuse this one.
    const followsAnother =
      code === errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER &&
      lane.again.some(other => isBefore(other.sequence, sending.sequence))
    if (!errorInfo(code).retriable && !followsAnother) {
      const text = outcomeText(code, message)
      this.#host.onFatal(new CliError(`Partition ${lane.partition}: ${text}`))
      return
    }
    this.#sendAgain(sending, outcomeText(code, message), nowMs)
  }

  #sendAgain(sending: Sending, why: string, nowMs: number): void {
    const { again } = sending.lane
    if (nowMs - sending.sinceMs > this.#options.deliveryTimeoutMs) {
      this.#host.onFatal(
        new CliError(
          `Partition ${sending.lane.partition}: a batch was not acknowledged in ${this.#options.deliveryTimeoutMs} ms: ${why}`,
        ),
      )
      return
    }
    this.#host.tally.retries++
    let at = again.length
    while (at > 0 && isBefore(sending.sequence, (again[at - 1] as Sending).sequence)) at--
    again.splice(at, 0, sending)
    this.#search.request()
  }

  #broken(link: Link, error: Error): void {
    link.socket?.close()
    link.socket = null
    this.#host.tally.error('disconnected')
    const nowMs = performance.now()
    for (const slot of link.underWay.splice(0)) {
      for (const sending of slot.sendings) {
        sending.lane.inFlight--
        this.#sendAgain(sending, error.message, nowMs)
      }
    }
    this.#search.request()
  }

  /** Once a second: an answer that does not come is as good as a broken connection. */
  checkTimeouts(nowMs: number): void {
    for (const link of this.#links.values()) {
      const oldest = link.underWay[0]
      if (oldest === undefined || nowMs - oldest.sentMs < this.#options.requestTimeoutMs) continue
      this.#broken(link, new ConnectionError('no answer in time'))
    }
    for (const { again } of this.#lanes) {
      const first = again[0]
      if (first !== undefined && nowMs - first.sinceMs > this.#options.deliveryTimeoutMs) {
        again.shift()
        this.#sendAgain(first, 'its partition has no leader', nowMs)
      }
    }
  }

  #settle(): void {
    if (this.#isDone || !this.#source.isDone || this.hasUnderWay) return
    this.#isDone = true
    this.#host.onDone()
  }
}

/** Sequences wrap: the nearer way round says which one is first. */
const isBefore = (a: number, b: number): boolean => (b - a) << 1 > 0
