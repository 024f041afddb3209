/** What can be done to a node that it did not ask for. */
export type Fault = 'kill' | 'pause' | 'stop'
export type Remedy = 'start' | 'resume'

/** The hands of a scenario: processes of this machine, or commands for a cluster elsewhere. */
export interface Torture {
  readonly nodes: readonly number[]
  /** Faults that this cluster can be given. */
  readonly can: ReadonlySet<Fault>
  /** The node dies without a word. */
  kill(node: number): Promise<void>
  /** It hangs with its connections open. */
  pause(node: number): Promise<void>
  resume(node: number): Promise<void>
  /** A controlled shutdown. */
  stop(node: number): Promise<void>
  /** After `kill` and `stop`; resolves when it serves. No error if it runs. */
  start(node: number): Promise<void>
  /** Waits until the partition has one. */
  leader(partition: number): Promise<number>
  controller(): Promise<number>
  /** Resolves when every node serves and every replica is in sync. */
  healed(): Promise<void>
  /** Who leads now, for those who watch; -1: nobody, or nobody says. */
  view(): Promise<ClusterView>
}

export interface ClusterView {
  readonly leaders: readonly number[]
  readonly controller: number
}

export type NodeTrouble = 'killed' | 'paused' | 'stopped'

const troubles: Readonly<Record<Fault, NodeTrouble>> = {
  kill: 'killed',
  pause: 'paused',
  stop: 'stopped',
}

/** A torture that tells what it does, and knows what it has left undone. */
export class WitnessedTorture implements Torture {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault>
  readonly down = new Map<number, NodeTrouble>()
  readonly #torture: Torture
  readonly #tell: (what: Fault | Remedy, node: number) => void

  constructor(torture: Torture, tell: (what: Fault | Remedy, node: number) => void) {
    this.#torture = torture
    this.#tell = tell
    this.nodes = torture.nodes
    this.can = torture.can
  }

  kill(node: number): Promise<void> {
    return this.#harm('kill', node)
  }

  pause(node: number): Promise<void> {
    return this.#harm('pause', node)
  }

  stop(node: number): Promise<void> {
    return this.#harm('stop', node)
  }

  resume(node: number): Promise<void> {
    return this.#help('resume', node)
  }

  start(node: number): Promise<void> {
    return this.#help('start', node)
  }

  leader(partition: number): Promise<number> {
    return this.#torture.leader(partition)
  }

  controller(): Promise<number> {
    return this.#torture.controller()
  }

  healed(): Promise<void> {
    return this.#torture.healed()
  }

  view(): Promise<ClusterView> {
    return this.#torture.view()
  }

  /** Whatever a scenario has left down comes back, all at once: a majority may be needed. */
  async bringBack(): Promise<void> {
    await Promise.all(
      [...this.down].map(([node, trouble]) =>
        trouble === 'paused' ? this.resume(node) : this.start(node),
      ),
    )
  }

  async #harm(what: Fault, node: number): Promise<void> {
    this.#tell(what, node)
    this.down.set(node, troubles[what])
    await this.#torture[what](node)
  }

  async #help(what: Remedy, node: number): Promise<void> {
    this.#tell(what, node)
    await this.#torture[what](node)
    this.down.delete(node)
  }
}
