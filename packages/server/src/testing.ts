/** For the simulator of the whole cluster and for benchmarks: what production keeps inside. */
export { decodeEnvelope } from './rpc/envelope.ts'
export type { Envelope } from './rpc/envelope.ts'
export { systemClock } from './ports/clock.ts'
export { MemoryDisk } from './ports/memory-disk.ts'
export { NodeDisk } from './ports/node-disk.ts'
export { letHeapGrow } from './heap-memory.ts'
