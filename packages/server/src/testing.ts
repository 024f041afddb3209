/** For the simulator of the whole cluster: what production keeps inside. */
export { decodeEnvelope } from './rpc/envelope.ts'
export type { Envelope } from './rpc/envelope.ts'
