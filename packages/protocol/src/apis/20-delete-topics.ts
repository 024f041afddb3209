import { api, array, int16, int32, nullable, since, string, struct, uuid } from '../schema.ts'

/**
 * DeleteTopics. Brokers pass it on to the controller.
 *
 * v1 throttle · v4 flexible · v5 error messages, THROTTLING_QUOTA_EXCEEDED (KIP-599) · v6 by id
 * (KIP-516)
 */
export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  request: {
    /** By name or by id, from v6 on; takes the place of `topicNames`. */
    topics: since(
      '6+',
      array(
        struct({
          /** Null if the id is given. */
          name: nullable(string),
          /** All zeros if the name is given. */
          topicId: uuid,
        }),
      ),
    ),
    topicNames: since('0-5', array(string)),
    /** How long to wait for the controller. */
    timeoutMs: int32,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    responses: array(
      struct({
        /** Null if an id was given that may not be seen. */
        name: nullable(string, '6+'),
        topicId: since('6+', uuid),
        /**
         * UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID · INVALID_REQUEST: named twice, or by name
         * and id · TOPIC_DELETION_DISABLED · REQUEST_TIMED_OUT · NOT_CONTROLLER ·
         * THROTTLING_QUOTA_EXCEEDED · TOPIC_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: since('5+', nullable(string)),
      }),
    ),
  },
})
