import { api, array, int16, int32, int8, nullable, since, string, struct } from '../schema.ts'

/**
 * FindCoordinator: which broker coordinates a group or a transactional id.
 *
 * v1 transactions · v3 flexible · v4 many keys at once (KIP-699) · v6 share groups (KIP-932)
 */
export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    /** Group id or transactional id. */
    key: since('0-3', string),
    /** 0 group · 1 transaction · 2 share. */
    keyType: since('1+', int8),
    /** Takes the place of `key`. */
    coordinatorKeys: since('4+', array(string)),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /** As `coordinators[].errorCode`. */
    errorCode: since('0-3', int16),
    errorMessage: since('1-3', nullable(string)),
    nodeId: since('0-3', int32),
    host: since('0-3', string),
    port: since('0-3', int32),
    coordinators: since(
      '4+',
      array(
        struct({
          key: string,
          /** -1 with an error. */
          nodeId: int32,
          host: string,
          port: int32,
          /**
           * COORDINATOR_NOT_AVAILABLE: its partition has no leader, or its topic is being created ·
           * INVALID_REQUEST: unknown key type · INVALID_GROUP_ID · GROUP_AUTHORIZATION_FAILED,
           * TRANSACTIONAL_ID_AUTHORIZATION_FAILED
           */
          errorCode: int16,
          errorMessage: nullable(string),
        }),
      ),
    ),
  },
})
