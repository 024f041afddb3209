/** For the simulator and tests above: what nodes say to each other, readable. */
export { decodeEnvelope, encodeEnvelope } from '../rpc/envelope.ts'
export type { Envelope, PeerRequestKind, PeerRequests } from '../rpc/envelope.ts'
export { MemoryDisk } from '../ports/memory-disk.ts'
export { MemoryQuorumStore } from '../ports/memory-quorum-store.ts'
