import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signal, stopNodes } from '../local-cluster/processes.ts'
import { newCluster, startNodes } from '../local-cluster/startup.ts'
import { readPid, type LocalCluster } from '../local-cluster/state.ts'

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

  private constructor(nodes: number, port: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'trimaran-chaos-'))
    this.state = newCluster(nodes, port)
    process.on('exit', this.#killAll)
  }

  static async up(nodes: number, port: number): Promise<OwnCluster> {
    const cluster = new OwnCluster(nodes, port)
    try {
      await startNodes(cluster.directory, cluster.state, cluster.state.nodes, new Map())
      return cluster
    } catch (error) {
      await cluster.down(false)
      throw error
    }
  }

  async down(keepData: boolean): Promise<void> {
    await stopNodes(
      this.directory,
      this.state.nodes.map(({ id }) => id),
    )
    this.#killAll()
    process.removeListener('exit', this.#killAll)
    if (!keepData) rmSync(this.directory, { recursive: true, force: true })
  }
}
