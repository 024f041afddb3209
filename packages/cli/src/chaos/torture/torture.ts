import { remedies } from './victim.ts'
import type { ClusterView, Deed, Fault, Remedy, Victim } from './victim.ts'

/** First what a start needs to succeed. */
const remedyOrder: readonly Remedy[] = ['reconnect', 'resume', 'start', 'repair-disk']

/** The hands of a scenario. They tell what they do, and know what they have left undone. */
export class Torture {
  readonly nodes: readonly number[]
  /** Faults that this cluster can be given. */
  readonly can: ReadonlySet<Fault>
  readonly #victim: Victim
  readonly #tell: (what: Deed, node: number) => void
  readonly #troubles = new Map<number, Set<Fault>>()

  constructor(victim: Victim, tell: (what: Deed, node: number) => void) {
    this.#victim = victim
    this.#tell = tell
    this.nodes = victim.nodes
    this.can = victim.can
  }

  /** By node. */
  get troubles(): ReadonlyMap<number, ReadonlySet<Fault>> {
    return this.#troubles
  }

  kill(node: number): Promise<void> {
    return this.strike('kill', node)
  }

  pause(node: number): Promise<void> {
    return this.strike('pause', node)
  }

  stop(node: number): Promise<void> {
    return this.strike('stop', node)
  }

  resume(node: number): Promise<void> {
    return this.help('resume', node)
  }

  start(node: number): Promise<void> {
    return this.help('start', node)
  }

  reconnect(node: number): Promise<void> {
    return this.help('reconnect', node)
  }

  /** Waits until the partition has one. */
  leader(partition: number): Promise<number> {
    return this.#victim.leader(partition)
  }

  controller(): Promise<number> {
    return this.#victim.controller()
  }

  /** Resolves when every node serves and every replica is in sync. */
  healed(): Promise<void> {
    return this.#victim.healed()
  }

  view(): Promise<ClusterView> {
    return this.#victim.view()
  }

  async strike(fault: Fault, node: number): Promise<void> {
    this.#tell(fault, node)
    const troubles = this.#troubles.get(node) ?? new Set()
    // A process that ends does not hang any more.
    if (remedies[fault] === 'start') troubles.delete('pause')
    this.#troubles.set(node, troubles.add(fault))
    await this.#victim.act(fault, node)
  }

  async help(remedy: Remedy, node: number): Promise<void> {
    this.#tell(remedy, node)
    await this.#victim.act(remedy, node)
    const troubles = this.#troubles.get(node)
    for (const fault of troubles ?? []) if (remedies[fault] === remedy) troubles?.delete(fault)
    if (troubles?.size === 0) this.#troubles.delete(node)
  }

  /** Whatever a scenario has left undone, all nodes at once: a majority may be needed. */
  async bringBack(): Promise<void> {
    for (const remedy of remedyOrder) {
      const inNeed = [...this.#troubles].filter(([, troubles]) =>
        [...troubles].some(fault => remedies[fault] === remedy),
      )
      await Promise.all(inNeed.map(([node]) => this.help(remedy, node)))
    }
  }
}
