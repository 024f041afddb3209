import type { BrokerId } from '@trimaran/common'
import type {
  ReplicaFetchChannel,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
} from '@trimaran/broker'
import type { PeerRpc } from './peer-rpc.ts'

/** An answer may be this much later than its long poll allows: transfer, and a busy event loop on either side. */
const FETCH_MARGIN_MS = 2_000

/** Follower fetches over the links; long polls are bounded by their own wait. */
export class PeerReplicaChannel implements ReplicaFetchChannel {
  readonly #rpc: PeerRpc

  constructor(rpc: PeerRpc) {
    this.#rpc = rpc
  }

  fetch(leader: BrokerId, request: ReplicaFetchRequest): Promise<ReplicaFetchResponse> {
    return this.#rpc.request(leader, 'replicaFetch', request, request.maxWaitMs + FETCH_MARGIN_MS)
  }
}
