import { api, array, int16, int32, since, string, struct } from '../schema.ts'

/**
 * ListGroups: the groups that this broker coordinates.
 *
 * v1 throttle · v3 flexible · v4 states (KIP-518) · v5 types (KIP-848)
 */
export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    /** Empty: all. */
    statesFilter: since('4+', array(string)),
    /** "classic", "consumer", "share", "streams"; empty: all. */
    typesFilter: since('5+', array(string)),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE. */
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        /** Empty for a group that only stores offsets. */
        protocolType: string,
        groupState: since('4+', string),
        groupType: since('5+', string),
      }),
    ),
  },
})
