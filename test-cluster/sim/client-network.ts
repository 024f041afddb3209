import { CloseConnection } from '@trimaran/broker'
import type { ConnectionContext } from '@trimaran/broker'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './node-host.ts'
import type { World } from './world.ts'

interface Slot {
  answer: readonly Uint8Array[] | null | undefined
  closes: boolean
}

/** The server's side of a client's connection, as handlers see it. */
class ServerContext implements ConnectionContext {
  readonly id: number
  readonly listenerName = 'PLAINTEXT'
  readonly remoteAddress: string
  closed = false
  readonly #listeners = new Set<() => void>()

  constructor(id: number, remoteAddress: string) {
    this.id = id
    this.remoteAddress = remoteAddress
  }

  onClose(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    for (const listener of [...this.#listeners]) listener()
    this.#listeners.clear()
  }
}

/** Where clients run, as a place in the network: all of them can be cut off from a node. */
export const clientPlace = 'clients'

/**
 * One TCP connection of a client to a node's Kafka listener: frames in order in both directions, answers in the order of
 * the requests (server/src/kafka-connection.ts). Death of the node, or a wish of its broker, closes it.
 */
export class ClientPort {
  isOpen = true
  readonly #world: World
  readonly #network: SimNetwork
  readonly #server: SimNode
  readonly #incarnation: number
  readonly #context: ServerContext
  readonly #received: (frame: Uint8Array) => void
  readonly #closed: () => void
  readonly #slots: Slot[] = []
  #toServerUs = 0
  #toClientUs = 0

  constructor(options: {
    readonly world: World
    readonly network: SimNetwork
    readonly server: SimNode
    readonly clientId: string
    readonly received: (frame: Uint8Array) => void
    readonly closed: () => void
  }) {
    this.#world = options.world
    this.#network = options.network
    this.#server = options.server
    this.#incarnation = options.server.owner.incarnation
    this.#context = new ServerContext(options.network.nextConnectionId(), options.clientId)
    this.#received = options.received
    this.#closed = options.closed
    options.server.clients.add(this)
  }

  /** A request without its size. */
  send(frame: Uint8Array): void {
    const { owner } = this.#server
    if (!this.isOpen || owner.incarnation !== this.#incarnation) return
    if (this.#network.isBlocked(clientPlace, this.#server.id)) return
    this.#toServerUs = this.#later(this.#toServerUs, clientPlace, this.#server.id)
    this.#world.at(this.#toServerUs, owner, () => this.#handle(frame))
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const { owner } = this.#server
    if (owner.incarnation !== this.#incarnation) return
    this.#toServerUs = this.#later(this.#toServerUs, clientPlace, this.#server.id)
    this.#world.at(this.#toServerUs, owner, () => this.#leave())
  }

  serverDied(isTold: boolean): void {
    this.#context.close()
    if (isTold) this.#tellClosed()
  }

  #handle(frame: Uint8Array): void {
    const { node } = this.#server
    if (node === null || this.#context.closed) return
    const slot: Slot = { answer: undefined, closes: false }
    this.#slots.push(slot)
    node.handle(this.#context, frame).then(
      answer => {
        slot.answer = answer
        this.#flush()
      },
      (error: unknown) => {
        if (!(error instanceof CloseConnection)) this.#server.failed(error)
        slot.answer = null
        slot.closes = true
        this.#flush()
      },
    )
  }

  #flush(): void {
    while (this.#slots[0]?.answer !== undefined && !this.#context.closed) {
      const { answer, closes } = this.#slots.shift() as Slot
      if (answer) this.#answer(answer)
      if (!closes) continue
      this.#leave()
      this.#tellClosed()
    }
  }

  #answer(parts: readonly Uint8Array[]): void {
    // A copy, as the network makes one: views on the log must not reach a client.
    const frame = Buffer.concat(parts)
    if (this.#network.isBlocked(this.#server.id, clientPlace)) return
    this.#world.note(frame.length)
    this.#toClientUs = this.#later(this.#toClientUs, this.#server.id, clientPlace)
    this.#world.at(this.#toClientUs, this.#world.outside, () => {
      if (this.isOpen) this.#received(frame.subarray(4))
    })
  }

  #leave(): void {
    this.#context.close()
    this.#server.clients.delete(this)
  }

  #tellClosed(): void {
    this.#toClientUs = this.#later(this.#toClientUs, this.#server.id, clientPlace)
    this.#world.at(this.#toClientUs, this.#world.outside, () => {
      if (!this.isOpen) return
      this.isOpen = false
      this.#closed()
    })
  }

  #later(lastUs: number, from: number | string, to: number | string): number {
    return Math.max(lastUs + 1, this.#world.nowUs + this.#network.delayUs(from, to))
  }
}
