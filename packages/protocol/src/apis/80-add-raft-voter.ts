import {
  api,
  array,
  boolean,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  uint16,
  uuid,
} from '../schema.ts'

/**
 * AddRaftVoter makes a replica a voter of the metadata quorum (KIP-853). Brokers pass it on to the
 * leader. v1 need not wait for the commit (KIP-1186)
 */
export const addRaftVoter = api({
  key: 80,
  name: 'AddRaftVoter',
  versions: '0-1',
  flexible: '0+',
  request: {
    /** Null: whatever it is. */
    clusterId: nullable(string),
    /** How long to wait for the new voter to be one. */
    timeoutMs: int32,
    voterId: int32,
    /** Of its metadata log: a voter is a disk. */
    voterDirectoryId: uuid,
    /** Where the other voters reach it. */
    listeners: array(
      struct({
        name: string,
        host: string,
        port: uint16,
      }),
    ),
    /** False: answered once the leader has written it, committed or not. */
    ackWhenCommitted: since('1+', boolean, true),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * DUPLICATE_VOTER · REQUEST_TIMED_OUT: it does not fetch, lags behind, or another change is not
     * committed · INCONSISTENT_CLUSTER_ID · INVALID_REQUEST · NOT_CONTROLLER ·
     * CLUSTER_AUTHORIZATION_FAILED.
     */
    errorCode: int16,
    errorMessage: nullable(string),
  },
})
