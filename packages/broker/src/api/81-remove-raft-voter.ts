/**
 * RemoveRaftVoter v0: takes a voter out of the metadata quorum (KIP-853), for good: it comes back only when it is added.
 * Forwarded to the quorum's leader; answered when the smaller set is committed. The leader may remove itself.
 */
import { apis } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { handler } from './handler.ts'

export const removeRaftVoter = handler(
  apis.removeRaftVoter,
  { min: 0, max: 0 },
  async (request, context) => {
    const { clusterId, voterId, voterDirectoryId } = request
    const forwarded = await forward(
      context.controller,
      'removeRaftVoter',
      { clusterId, nodeId: voterId, directoryId: voterDirectoryId },
      context.config.requestTimeoutMs,
    )
    const { errorCode, errorMessage } = forwarded.kind === 'failed' ? forwarded : forwarded.response
    return { throttleTimeMs: 0, errorCode, errorMessage }
  },
)
