import { apis } from '@trimaran/protocol'
import { frameOf } from './abuse.ts'

const version = 12

/** A fetch from the beginning of each partition. */
export const fetchFrame = (
  topic: string,
  partitions: readonly number[],
  maxBytes: number,
): Buffer =>
  frameOf(apis.fetch, version, {
    replicaId: -1,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic,
        partitions: partitions.map(partition => ({
          partition,
          currentLeaderEpoch: -1,
          fetchOffset: 0,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: maxBytes,
        })),
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
  })
