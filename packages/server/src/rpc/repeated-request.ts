import { type ControllerRequests, errorCodes, type Outcome } from '@trimaran/metadata'

type Kind = keyof ControllerRequests
type Response<K extends Kind> = ControllerRequests[K]['response']

const done: Outcome = { errorCode: errorCodes.NONE, errorMessage: null }

const doneIf =
  (...codes: readonly number[]) =>
  <R extends Outcome>(outcome: R): R =>
    codes.includes(outcome.errorCode) ? { ...outcome, ...done } : outcome

const isGone = doneIf(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorCodes.UNKNOWN_TOPIC_ID)

const foundDone: { readonly [K in Kind]?: (response: Response<K>) => Response<K> } = {
  addRaftVoter: doneIf(errorCodes.DUPLICATE_VOTER),
  removeRaftVoter: doneIf(errorCodes.VOTER_NOT_FOUND),
  unregisterBroker: doneIf(errorCodes.BROKER_ID_NOT_REGISTERED),
  deleteTopics: ({ topics }) => ({ topics: topics.map(topic => isGone(topic)) }),
}

/**
 * What a request finds done that was sent before, to a leader that never answered, it has done itself most likely: that is no
 * error. A leader that removes itself from the quorum, for one, is gone before everybody has its answer.
 */
export function answerOfRepeated<K extends Kind>(kind: K, response: Response<K>): Response<K> {
  return foundDone[kind]?.(response) ?? response
}
