import type { LocalCluster, LocalNode } from '../../local-cluster/state.ts'
import { LinkProxy } from './link-proxy.ts'

export type LinkFault = 'cut' | 'unplug' | 'mute' | 'deafen' | 'slow-links'

/** One way; a round trip between continents. */
const slowMs = 100

const silent: ReadonlySet<LinkFault | undefined> = new Set<LinkFault>(['cut', 'unplug', 'mute'])
const deaf: ReadonlySet<LinkFault | undefined> = new Set<LinkFault>(['cut', 'unplug', 'deafen'])
const host = '127.0.0.1'

interface Link {
  readonly from: number
  readonly to: number
  readonly proxy: LinkProxy
}

/**
 * The network of a local cluster: a proxy in front of each listener for clients, and one for each node as each other one dials
 * it. A link is one stream that either side may have dialled, so what 1 says to 2 goes there through the one and back through
 * the other of two proxies.
 */
export class LinkNetwork {
  readonly #links: readonly Link[]
  readonly #clients: ReadonlyMap<number, LinkProxy>
  readonly #faults = new Map<number, LinkFault>()

  private constructor(links: readonly Link[], clients: ReadonlyMap<number, LinkProxy>) {
    this.#links = links
    this.#clients = clients
  }

  static async open({ nodes }: LocalCluster): Promise<LinkNetwork> {
    const links: Link[] = []
    const clients = new Map<number, LinkProxy>()
    for (const to of nodes) {
      clients.set(to.id, await LinkProxy.open({ host, port: to.port }))
      for (const from of nodes) {
        if (from === to) continue
        const proxy = await LinkProxy.open({ host, port: to.nodePort })
        links.push({ from: from.id, to: to.id, proxy })
      }
    }
    return new LinkNetwork(links, clients)
  }

  /** What tells a node to go through us, and its clients. */
  settingsOf({ id }: LocalNode): ReadonlyMap<string, string> {
    const peers = this.#links.filter(({ from }) => from === id)
    return new Map([
      ['test.faults', 'true'],
      [
        'test.peer.addresses',
        peers.map(({ to, proxy }) => `${to}@${host}:${proxy.port}`).join(','),
      ],
      ['advertised.listeners', `PLAINTEXT://${this.clientAddress(id)}`],
    ])
  }

  clientAddress(node: number): string {
    const proxy = this.#clients.get(node)
    if (proxy === undefined) throw new Error(`there is no node ${node}`)
    return `${host}:${proxy.port}`
  }

  strike(node: number, fault: LinkFault): void {
    this.#faults.set(node, fault)
    this.#apply()
  }

  reconnect(node: number): void {
    this.#faults.delete(node)
    this.#apply()
  }

  /** What one says reaches the other, whoever dialled. */
  isOpen(from: number, to: number): boolean {
    const valves = this.#links.flatMap(link => {
      if (link.from === from && link.to === to) return [link.proxy.there]
      return link.from === to && link.to === from ? [link.proxy.back] : []
    })
    return valves.every(valve => valve.isOpen)
  }

  isOpenToClients(node: number): boolean {
    const proxy = this.#clients.get(node)
    return proxy !== undefined && proxy.there.isOpen && proxy.back.isOpen
  }

  close(): void {
    for (const { proxy } of this.#links) proxy.close()
    for (const proxy of this.#clients.values()) proxy.close()
  }

  #apply(): void {
    for (const { from, to, proxy } of this.#links) {
      proxy.delayMs = Math.max(this.#delayMs(from), this.#delayMs(to))
      proxy.there.isOpen = this.#hears(from, to)
      proxy.back.isOpen = this.#hears(to, from)
    }
    for (const [node, proxy] of this.#clients) {
      proxy.delayMs = this.#delayMs(node)
      const isOpen = this.#faults.get(node) !== 'unplug'
      proxy.there.isOpen = isOpen
      proxy.back.isOpen = isOpen
    }
  }

  #delayMs(node: number): number {
    return this.#faults.get(node) === 'slow-links' ? slowMs : 0
  }

  #hears(from: number, to: number): boolean {
    const [sender, receiver] = [this.#faults.get(from), this.#faults.get(to)]
    return !silent.has(sender) && !deaf.has(receiver)
  }
}
