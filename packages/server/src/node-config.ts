import type { HostPort, NodeId, Uuid } from '@trimaran/common'
import type { Endpoint } from '@trimaran/metadata'

/** What one node is: settled before anything of it runs, ports as they were bound. */
export interface NodeConfig {
  readonly nodeId: NodeId
  readonly clusterId: string
  /** Of the data directory; a wiped disk is another voter (KIP-853). */
  readonly directoryId: Uuid
  readonly roles: { readonly broker: boolean; readonly controller: boolean }
  /** Whom the quorum begins with: the same on every voter. Whose log is not empty takes them from there. */
  readonly voters: readonly {
    readonly nodeId: NodeId
    readonly host: string
    readonly port: number
  }[]
  /** Where a node that joins finds the quorum. */
  readonly bootstrapServers?: readonly HostPort[]
  /** Where clients reach its broker. */
  readonly endpoints: readonly Endpoint[]
  /** Where nodes reach it. */
  readonly nodeHost: string
  readonly nodePort: number
  /** Of the partition logs, on the Disk port. */
  readonly logDirectory: string
  /** Kafka's keys as given; what is not here has its default. */
  readonly properties: ReadonlyMap<string, string>
}
