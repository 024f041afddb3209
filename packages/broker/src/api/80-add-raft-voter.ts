/**
 * AddRaftVoter v0–1: a replica that has caught up becomes a voter of the metadata quorum (KIP-853). Forwarded to the
 * quorum's leader, which alone knows; answered when the new set is committed, or (v1, KIP-1186) as soon as it is written.
 *
 * Of the listeners it is the quorum's that counts: the one named CONTROLLER, or the first.
 */
import { apis, errorCodes, type RequestOf } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { handler } from './handler.ts'

type Listener = RequestOf<typeof apis.addRaftVoter>['listeners'][number]

/** The name that Kafka's own files give to the quorum's listener. */
const controllerListener = 'CONTROLLER'
/** RFC 1035: longer is no host name. */
const hostLengthMax = 255

export const addRaftVoter = handler(
  apis.addRaftVoter,
  { min: 0, max: 1 },
  async (request, context) => {
    const { clusterId, voterId, voterDirectoryId, listeners, timeoutMs, ackWhenCommitted } = request
    const place = listeners.find(({ name }) => name === controllerListener) ?? listeners[0]
    const objection = objectionTo(place)
    if (objection !== null || place === undefined) {
      const errorMessage = `Add voter request: ${objection}`
      return { throttleTimeMs: 0, errorCode: errorCodes.INVALID_REQUEST, errorMessage }
    }
    const { host, port } = place
    const forwarded = await forward(
      context.controller,
      'addRaftVoter',
      {
        clusterId,
        nodeId: voterId,
        directoryId: voterDirectoryId,
        host,
        port,
        waitsForCommit: ackWhenCommitted ?? true,
      },
      timeoutMs,
    )
    const { errorCode, errorMessage } = forwarded.kind === 'failed' ? forwarded : forwarded.response
    return { throttleTimeMs: 0, errorCode, errorMessage }
  },
)

function objectionTo(place: Listener | undefined): string | null {
  if (place === undefined) return 'it names no listener, so nobody could reach the voter.'
  const { name, host, port } = place
  if (host === '' || host.length > hostLengthMax || /[\s\p{Cc}]/u.test(host))
    return `listener ${name} has no host that could be reached.`
  return port === 0 ? `listener ${name} has port 0.` : null
}
