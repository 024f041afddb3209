export { Cluster, startCluster } from './cluster/cluster.ts'
export type {
  ClusterAccount,
  FailingAccount,
  NodeAccount,
  PartitionAccount,
} from './cluster/explain.ts'
export type { NewTopicOptions, OneWayCut, StartClusterOptions } from './cluster/options.ts'
export type { FailNextOptions, Failure } from './cluster/request-faults.ts'
export { ClusterNode } from './node.ts'
export type { ClusterNodeOptions } from './node.ts'
export type { NodeConfig } from './node-config.ts'
export type { BrokerStateName, NodeStatus, PartitionStatus } from './node-status.ts'
export type { PeerAddress, PeerLinks, PeerReceiver } from './rpc/peer-links.ts'
