export type { ControllerRequests, Outcome, QuorumReplica } from '@trimaran/metadata'
