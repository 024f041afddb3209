import { ClusterError } from '@trimaran/common'
import type { Clock, HostPort, LogEvent, NodeId, Uuid } from '@trimaran/common'
import { GrpcTransport } from './grpc-transport.ts'
import type { LinkStream } from './grpc-transport.ts'
import { decodeEnvelope, encodeEnvelope } from './rpc/envelope.ts'
import type { Hello } from './rpc/envelope.ts'
import { cutFrame, FrameAssembler, MAX_FRAME_BYTES } from './rpc/frame-assembler.ts'
import type { PeerAddress, PeerLinks, PeerReceiver } from './rpc/peer-links.ts'
import { sizeOf } from './rpc/wire.ts'

/** A dial without an answer in this time means that the peer is gone, if its stream broke before (decision 15). */
const GONE_AFTER_MS = 200
/** A dial is given up after this: a peer that starts up can be slow without being gone. */
const DIAL_TIMEOUT_MS = 1_000
const REDIAL_BACKOFF_MIN_MS = 20
const REDIAL_BACKOFF_MAX_MS = 200
/** Who refused us by name (another cluster, another node, a former process still linked) is asked less often. */
const REFUSED_BACKOFF_MS = 500
/** A peer that nobody sent to for this long is not dialled again by itself. */
const INTEREST_MS = 10_000
/** A stream that does not say who it is within this is closed. */
const HELLO_TIMEOUT_MS = 2_000
/** Between two tries to find anybody of the cluster at the addresses that are configured, and how long each may take. */
const SEEK_INTERVAL_MS = 500
/** Whom a dial is for that knows an address and no id. */
const ANYBODY = -1
/** Frames that wait for a slow peer; beyond, frames are dropped, as on a broken link: one large frame and ten usual. */
const MAX_QUEUED_BYTES = MAX_FRAME_BYTES + 16 * 1024 * 1024

export interface GrpcLinksOptions {
  readonly clock: Clock
  readonly clusterId: string
  readonly nodeId: NodeId
  /** New with every start of the process. */
  readonly incarnationId: Uuid
  readonly listen: HostPort
  /** Where peers dial this node; port 0 means the one that was bound. */
  readonly advertised: HostPort
  /** Where these are dialled, whatever they say: through what fails links on command. */
  readonly detours?: readonly PeerAddress[]
  readonly logEvent: LogEvent
}

interface Link {
  readonly stream: LinkStream
  readonly incarnationId: Uuid
}

interface Peer {
  readonly nodeId: NodeId
  address: PeerAddress | null
  /** The first is in use; another may exist when both sides dialled at the same time. */
  links: Link[]
  dialing: LinkStream | null
  /** True from the break of the last link until a dial has told what it means. */
  suspect: boolean
  backoffMs: number
  wantedUntilMs: number
  cancelRedial: (() => void) | null
  /** Last refusal that was logged, so that each is logged once. */
  refusal: string | null
}

/**
 * Links to peers over gRPC: one long-lived stream per pair, of raw envelope frames. Either side may dial; both sides
 * write to the stream that came first. The first frame in each direction is a hello; no other frame is looked at before.
 */
export class GrpcLinks implements PeerLinks {
  readonly #options: GrpcLinksOptions
  readonly #transport: GrpcTransport
  readonly #peers = new Map<NodeId, Peer>()
  readonly #anonymous = new Set<LinkStream>()
  #receiver: PeerReceiver | null = null
  #port: number
  #closed = false
  #sought: readonly HostPort[] = []
  #cancelSeek: (() => void) | null = null
  /** The last that was logged. */
  #seekRefusal: string | null = null

  /** Loads gRPC and listens. Frames are accepted after `start`. */
  static async open(options: GrpcLinksOptions): Promise<GrpcLinks> {
    const transport = await GrpcTransport.load()
    const waiting: LinkStream[] = []
    let links: GrpcLinks | undefined
    const { host, port } = options.listen
    const bound = await transport
      .listen(host, port, stream => {
        if (links === undefined) waiting.push(stream)
        else links.#accept(stream)
      })
      .catch((error: unknown) => {
        transport.close()
        throw error
      })
    links = new GrpcLinks(options, transport, bound)
    for (const stream of waiting) links.#accept(stream)
    return links
  }

  private constructor(options: GrpcLinksOptions, transport: GrpcTransport, port: number) {
    this.#options = options
    this.#transport = transport
    this.#port = port
  }

  get port(): number {
    return this.#port
  }

  /** Dials whom it knows already, the voters: the quorum's first question should not have to wait for a connection. */
  start(receiver: PeerReceiver): void {
    this.#receiver = receiver
    const wantedUntilMs = this.#options.clock.monotonicMs() + INTEREST_MS
    for (const peer of this.#peers.values()) {
      peer.wantedUntilMs = wantedUntilMs
      if (peer.links.length > 0) receiver.reachable(peer.nodeId)
      else this.#dial(peer)
    }
    this.#seekAnybody()
  }

  learn(told: PeerAddress): void {
    if (told.nodeId === this.#options.nodeId) return
    const address = this.#options.detours?.find(({ nodeId }) => nodeId === told.nodeId) ?? told
    const peer = this.#peer(address.nodeId)
    const known = peer.address
    if (known !== null && known.host === address.host && known.port === address.port) return
    peer.address = address
    peer.backoffMs = REDIAL_BACKOFF_MIN_MS
    if (peer.cancelRedial !== null) this.#dial(peer)
  }

  seek(servers: readonly HostPort[]): void {
    const { host, port } = this.#options.advertised
    this.#sought = servers.filter(server => server.host !== host || server.port !== port)
    if (this.#receiver !== null) this.#seekAnybody()
  }

  addressOf(nodeId: NodeId): HostPort | null {
    return this.#peers.get(nodeId)?.address ?? null
  }

  send(to: NodeId, frame: readonly Uint8Array[]): boolean {
    if (this.#closed) return false
    const peer = this.#peer(to)
    peer.wantedUntilMs = this.#options.clock.monotonicMs() + INTEREST_MS
    const link = peer.links[0]
    if (link === undefined) {
      if (peer.dialing === null && peer.cancelRedial === null) this.#dial(peer)
      return false
    }
    if (link.stream.queuedBytes > MAX_QUEUED_BYTES || sizeOf(frame) > MAX_FRAME_BYTES) return false
    for (const message of cutFrame(frame)) link.stream.write(message)
    return true
  }

  /** Breaks every link at once and stops listening: what peers see is what they see of a killed process. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelSeek?.()
    for (const peer of this.#peers.values()) {
      peer.cancelRedial?.()
      peer.dialing?.destroy()
      for (const { stream } of peer.links) stream.destroy()
    }
    for (const stream of this.#anonymous) stream.destroy()
    this.#transport.close()
  }

  #peer(nodeId: NodeId): Peer {
    let peer = this.#peers.get(nodeId)
    if (peer === undefined) {
      peer = {
        nodeId,
        address: null,
        links: [],
        dialing: null,
        suspect: false,
        backoffMs: REDIAL_BACKOFF_MIN_MS,
        wantedUntilMs: 0,
        cancelRedial: null,
        refusal: null,
      }
      this.#peers.set(nodeId, peer)
    }
    return peer
  }

  #hello(toNodeId: NodeId): readonly Uint8Array[] {
    const { clusterId, nodeId, incarnationId, advertised } = this.#options
    const port = advertised.port === 0 ? this.#port : advertised.port
    return encodeEnvelope({
      kind: 'hello',
      hello: { clusterId, nodeId, incarnationId, host: advertised.host, port, toNodeId },
    })
  }

  // Outgoing.

  #dial(peer: Peer): void {
    peer.cancelRedial?.()
    peer.cancelRedial = null
    if (this.#closed || peer.address === null || peer.dialing !== null) return
    const { clock } = this.#options
    const stream = this.#transport.dial(peer.address.host, peer.address.port)
    peer.dialing = stream
    const startMs = clock.monotonicMs()
    const cancelGone = clock.wakeAt(startMs + GONE_AFTER_MS, () => this.#judge(peer))
    const cancelTimeout = clock.wakeAt(startMs + DIAL_TIMEOUT_MS, () => stream.destroy())
    const settled = (): void => {
      cancelGone()
      cancelTimeout()
      if (peer.dialing === stream) peer.dialing = null
    }
    stream.onClose(reason => {
      settled()
      this.#dialFailed(peer, reason)
    })
    this.#firstFrame(stream, hello => {
      settled()
      const objection = this.#objection(hello, peer.nodeId)
      if (objection === null) this.#established(peer, stream, hello)
      else {
        this.#refused(peer, objection)
        stream.destroy()
      }
    })
    stream.write(this.#hello(peer.nodeId))
  }

  #dialFailed(peer: Peer, reason: string | null): void {
    if (this.#closed) return
    this.#options.logEvent('debug', 'dial failed', { peer: peer.nodeId, reason })
    if (reason?.startsWith(REFUSED) === true) this.#refused(peer, reason)
    this.#judge(peer)
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (peer.links.length > 0 || nowMs > peer.wantedUntilMs || peer.cancelRedial !== null) return
    const waitMs = peer.refusal === null ? peer.backoffMs : REFUSED_BACKOFF_MS
    peer.backoffMs = Math.min(peer.backoffMs * 2, REDIAL_BACKOFF_MAX_MS)
    peer.cancelRedial = clock.wakeAt(nowMs + waitMs, () => this.#dial(peer))
  }

  /** The dial after a break was refused or not answered in time. */
  #judge(peer: Peer): void {
    if (this.#closed || !peer.suspect || peer.links.length > 0) return
    peer.suspect = false
    this.#options.logEvent('info', 'peer is gone', { peer: peer.nodeId })
    this.#receiver?.gone(peer.nodeId)
  }

  #refused(peer: Peer, reason: string): void {
    if (peer.refusal === reason) return
    peer.refusal = reason
    this.#options.logEvent('warn', 'link refused', { peer: peer.nodeId, reason })
  }

  /** As long as nobody is linked; then who is linked knows the others. */
  #seekAnybody(): void {
    const isLinked = [...this.#peers.values()].some(({ links }) => links.length > 0)
    if (this.#closed || this.#cancelSeek !== null || this.#sought.length === 0 || isLinked) return
    for (const server of this.#sought) this.#dialServer(server)
    const { clock } = this.#options
    this.#cancelSeek = clock.wakeAt(clock.monotonicMs() + SEEK_INTERVAL_MS, () => {
      this.#cancelSeek = null
      this.#seekAnybody()
    })
  }

  #dialServer({ host, port }: HostPort): void {
    const { clock } = this.#options
    const stream = this.#transport.dial(host, port)
    const cancel = clock.wakeAt(clock.monotonicMs() + SEEK_INTERVAL_MS, () => stream.destroy())
    stream.onClose(reason => {
      cancel()
      if (reason?.startsWith(REFUSED) !== true || this.#seekRefusal === reason) return
      this.#seekRefusal = reason
      this.#options.logEvent('warn', 'link refused', { server: `${host}:${port}`, reason })
    })
    this.#firstFrame(stream, hello => {
      cancel()
      const peer = this.#peer(hello.nodeId)
      const objection = this.#objection(hello, null)
      if (objection !== null) {
        this.#refused(peer, objection)
        stream.destroy()
        return
      }
      this.learn({ nodeId: hello.nodeId, host: hello.host, port: hello.port })
      this.#established(peer, stream, hello)
    })
    stream.write(this.#hello(ANYBODY))
  }

  // Incoming.

  #accept(stream: LinkStream): void {
    if (this.#closed) {
      stream.destroy()
      return
    }
    this.#anonymous.add(stream)
    const { clock } = this.#options
    const cancel = clock.wakeAt(clock.monotonicMs() + HELLO_TIMEOUT_MS, () => stream.destroy())
    const settled = (): void => {
      cancel()
      this.#anonymous.delete(stream)
    }
    stream.onClose(settled)
    this.#firstFrame(stream, hello => {
      settled()
      const peer = this.#peer(hello.nodeId)
      const objection = this.#objection(hello, null)
      if (objection === null) {
        this.learn({ nodeId: hello.nodeId, host: hello.host, port: hello.port })
        stream.write(this.#hello(hello.nodeId))
        this.#established(peer, stream, hello)
      } else {
        this.#refused(peer, objection)
        stream.destroy(`${REFUSED}${objection}`)
      }
    })
  }

  // Both.

  #firstFrame(stream: LinkStream, greeted: (hello: Hello) => void): void {
    stream.onMessage(message => {
      try {
        const envelope = decodeEnvelope(message)
        if (envelope.kind === 'hello') {
          greeted(envelope.hello)
          return
        }
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
      }
      this.#options.logEvent('warn', 'link without a hello closed')
      stream.destroy()
    })
  }

  /** Why not to talk to who says this of itself; null: welcome. `expected` is whom this side dialled. */
  #objection(hello: Hello, expected: NodeId | null): string | null {
    const { clusterId, nodeId } = this.#options
    if (hello.clusterId !== clusterId) {
      return `cluster id ${hello.clusterId} of node ${hello.nodeId} is not ${clusterId} of node ${nodeId}`
    }
    if (hello.nodeId === nodeId) return `node id ${nodeId} is used by another process, too`
    if (expected !== null && hello.nodeId !== expected) {
      return `node ${hello.nodeId} answers where node ${expected} should`
    }
    if (hello.toNodeId !== nodeId && hello.toNodeId !== ANYBODY)
      return `node ${nodeId} is not node ${hello.toNodeId}`
    const linked = this.#peers.get(hello.nodeId)?.links[0]
    if (linked !== undefined && linked.incarnationId !== hello.incarnationId) {
      // Links of a dead process break within milliseconds, those of a vanished machine within the keepalive.
      return `node id ${hello.nodeId} is in use by another process that is linked already`
    }
    return null
  }

  #established(peer: Peer, stream: LinkStream, { incarnationId }: Hello): void {
    const isFirst = peer.links.length === 0
    peer.links.push({ stream, incarnationId })
    peer.suspect = false
    peer.refusal = null
    peer.backoffMs = REDIAL_BACKOFF_MIN_MS
    peer.cancelRedial?.()
    peer.cancelRedial = null
    const assembler = new FrameAssembler()
    stream.onMessage(message => this.#received(peer, stream, assembler, message))
    stream.onClose(() => this.#linkClosed(peer, stream))
    if (!isFirst) return
    this.#options.logEvent('debug', 'link is up', { peer: peer.nodeId })
    this.#receiver?.reachable(peer.nodeId)
  }

  #received(peer: Peer, stream: LinkStream, assembler: FrameAssembler, message: Buffer): void {
    if (this.#closed) return
    let frame: Uint8Array | null
    try {
      frame = assembler.add(message)
    } catch (err) {
      this.#options.logEvent('warn', 'link closed after an invalid frame', {
        peer: peer.nodeId,
        err,
      })
      stream.destroy()
      return
    }
    if (frame !== null) this.#receiver?.frame(peer.nodeId, frame)
  }

  #linkClosed(peer: Peer, stream: LinkStream): void {
    const at = peer.links.findIndex(link => link.stream === stream)
    if (this.#closed || at < 0) return
    peer.links.splice(at, 1)
    if (peer.links.length === 0) {
      peer.suspect = true
      this.#dial(peer)
      this.#seekAnybody()
    } else if (at === 0) {
      // What was under way on the broken stream is lost; the other one takes over.
      this.#receiver?.reachable(peer.nodeId)
    }
  }
}

/** Begins the gRPC status text of a refusal by name, so that the dialler can tell it from a dead peer. */
const REFUSED = 'refused: '
