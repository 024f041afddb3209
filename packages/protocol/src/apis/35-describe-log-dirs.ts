import {
  api,
  array,
  boolean,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

/**
 * DescribeLogDirs: what lies in a broker's log directories (KIP-113).
 *
 * v2 flexible · v3 error for the whole answer · v4 disk sizes (KIP-827) · v5 cordoned directories
 * (KIP-1066)
 */
export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '1-5',
  flexible: '2+',
  request: {
    /** Null: all. */
    topics: nullable(
      array(
        struct({
          topic: string,
          partitions: array(int32),
        }),
      ),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /** CLUSTER_AUTHORIZATION_FAILED. */
    errorCode: since('3+', int16),
    results: array(
      struct({
        /** KAFKA_STORAGE_ERROR: the directory is offline. */
        errorCode: int16,
        logDir: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                /** Bytes of its segments. */
                partitionSize: int64,
                /**
                 * Records behind the high watermark; for a future replica, behind the current one.
                 */
                offsetLag: int64,
                /** It is being moved here from another directory. */
                isFutureKey: boolean,
              }),
            ),
          }),
        ),
        /** Of the volume; -1 unknown. */
        totalBytes: since('4+', int64, -1),
        /** Of the volume, for this process; -1 unknown. */
        usableBytes: since('4+', int64, -1),
        /** No new partitions are placed here. */
        isCordoned: since('5+', boolean),
      }),
    ),
  },
})
