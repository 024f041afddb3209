import type { ClusterView, Fault, Torture } from '../torture/torture.ts'

/** A cluster of a few maps: a node that is away loses what it leads to the next one that is there. */
export class SimulatedTorture implements Torture {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault> = new Set<Fault>(['kill', 'pause', 'stop'])
  readonly #away = new Map<number, Fault>()
  readonly #leaders: number[]
  #controller = 1

  constructor(nodes: number, partitions: number) {
    this.nodes = Array.from({ length: nodes }, (_, at) => at + 1)
    this.#leaders = Array.from({ length: partitions }, (_, at) => this.nodes[at % nodes] as number)
  }

  kill(node: number): Promise<void> {
    return this.#leave(node, 'kill')
  }

  pause(node: number): Promise<void> {
    return this.#leave(node, 'pause')
  }

  stop(node: number): Promise<void> {
    return this.#leave(node, 'stop')
  }

  async resume(node: number): Promise<void> {
    if (this.#away.get(node) !== 'pause') throw new Error(`node ${node} is not paused`)
    this.#away.delete(node)
    this.#elect()
  }

  async start(node: number): Promise<void> {
    if (this.#away.get(node) === 'pause') throw new Error(`node ${node} is paused, not down`)
    this.#away.delete(node)
    this.#elect()
  }

  async leader(partition: number): Promise<number> {
    return this.#leaders[partition] ?? -1
  }

  async controller(): Promise<number> {
    return this.#controller
  }

  async healed(): Promise<void> {
    if (this.#away.size > 0) throw new Error(`away: ${[...this.#away.keys()].join()}`)
  }

  async view(): Promise<ClusterView> {
    return { leaders: this.#leaders, controller: this.#controller }
  }

  async #leave(node: number, how: Fault): Promise<void> {
    if (this.#away.get(node) === 'kill') throw new Error(`node ${node} is dead already`)
    this.#away.set(node, how)
    this.#elect()
  }

  #elect(): void {
    const here = this.nodes.filter(node => !this.#away.has(node))
    const next = (old: number): number =>
      here.length === 0 || here.includes(old)
        ? old
        : (here.find(node => node > old) ?? (here[0] as number))
    this.#leaders.forEach((leader, at) => (this.#leaders[at] = next(leader)))
    this.#controller = next(this.#controller)
  }
}
