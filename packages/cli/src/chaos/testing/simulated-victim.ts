import { faults, isFault, remedies } from '../torture/victim.ts'
import type { ClusterView, Deed, Fault, Victim } from '../torture/victim.ts'

/** A cluster of a few maps: a node that is away loses what it leads to the next one that is there. */
export class SimulatedVictim implements Victim {
  readonly nodes: readonly number[]
  readonly can: ReadonlySet<Fault>
  readonly #away = new Map<number, Fault>()
  readonly #leaders: number[]
  #controller = 1

  constructor(nodes: number, partitions: number, can: readonly Fault[] = faults) {
    this.can = new Set(can)
    this.nodes = Array.from({ length: nodes }, (_, at) => at + 1)
    this.#leaders = Array.from({ length: partitions }, (_, at) => this.nodes[at % nodes] as number)
  }

  async act(deed: Deed, node: number): Promise<void> {
    const trouble = this.#away.get(node)
    if (isFault(deed)) {
      if (!this.can.has(deed)) throw new Error(`there is no ${deed} here`)
      if (trouble !== undefined && remedies[trouble] === 'start') {
        throw new Error(`node ${node} is dead already`)
      }
      this.#away.set(node, deed)
    } else {
      if (trouble !== undefined && remedies[trouble] !== deed) {
        throw new Error(`${trouble} of node ${node} is not ended by ${deed}`)
      }
      this.#away.delete(node)
    }
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
