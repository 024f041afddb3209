import { api, int16, int32, nullable, string, uuid } from '../schema.ts'

/**
 * RemoveRaftVoter takes a voter out of the metadata quorum (KIP-853). Brokers pass it on to the
 * leader.
 */
export const removeRaftVoter = api({
  key: 81,
  name: 'RemoveRaftVoter',
  versions: '0',
  flexible: '0+',
  request: {
    /** Null: whatever it is. */
    clusterId: nullable(string),
    voterId: int32,
    /** As the quorum has it written down. */
    voterDirectoryId: uuid,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * VOTER_NOT_FOUND · REQUEST_TIMED_OUT: another change is not committed, or too few of the other
     * voters are heard · INCONSISTENT_CLUSTER_ID · INVALID_REQUEST · NOT_CONTROLLER ·
     * CLUSTER_AUTHORIZATION_FAILED.
     */
    errorCode: int16,
    errorMessage: nullable(string),
  },
})
