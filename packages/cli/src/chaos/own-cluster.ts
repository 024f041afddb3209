import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signal, stopNodes } from '../local-cluster/processes.ts'
import { newCluster, startNodes } from '../local-cluster/startup.ts'
import { LinkNetwork } from './network/link-network.ts'
import { readPid, type LocalCluster } from '../local-cluster/state.ts'

export interface OwnClusterOptions {
  readonly nodes: number
  readonly port: number
  /** Between the nodes and in front of them, so that links can be cut. */
  readonly hasProxies: boolean
  /** Of every node. */
  readonly settings: ReadonlyMap<string, string>
}

/** A cluster of a run's own: nothing of it outlives the process, unless its data are evidence. */
export class OwnCluster {
  readonly directory: string
  readonly state: LocalCluster
  readonly #killAll = (): void => {
    for (const { id } of this.state.nodes) {
      const pid = readPid(this.directory, id)
      if (pid !== null) signal(pid, 'SIGKILL')
    }
  }

  #network: LinkNetwork | null = null

  private constructor(nodes: number, port: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'trimaran-chaos-'))
    this.state = newCluster(nodes, port)
    process.on('exit', this.#killAll)
  }

  static async up({ nodes, port, hasProxies, settings }: OwnClusterOptions): Promise<OwnCluster> {
    const cluster = new OwnCluster(nodes, port)
    const { directory, state } = cluster
    try {
      if (hasProxies) cluster.#network = await LinkNetwork.open(state)
      await startNodes(
        ...([directory, state, state.nodes] as const),
        node => new Map([...(cluster.#network?.settingsOf(node) ?? []), ...settings]),
      )
      return cluster
    } catch (error) {
      await cluster.down(false)
      throw error
    }
  }

  /** Null: the nodes are linked directly. */
  get network(): LinkNetwork | null {
    return this.#network
  }

  async down(keepData: boolean): Promise<void> {
    await stopNodes(
      this.directory,
      this.state.nodes.map(({ id }) => id),
    )
    this.#killAll()
    process.removeListener('exit', this.#killAll)
    this.#network?.close()
    if (!keepData) rmSync(this.directory, { recursive: true, force: true })
  }
}
