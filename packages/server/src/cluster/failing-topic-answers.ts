import { zeroUuid } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import { failing, NOT_ASKED } from './failing-api.ts'
import type { FailingApi } from './failing-api.ts'

/** Of a fetch as a whole; every other error is a partition's. */
const sessionErrors: ReadonlySet<number> = new Set([
  errorCodes.FETCH_SESSION_ID_NOT_FOUND,
  errorCodes.INVALID_FETCH_SESSION_EPOCH,
  errorCodes.FETCH_SESSION_TOPIC_ID_ERROR,
])

const sameNames = { asked: 'topics', answered: 'topics' } as const

/** Records and their offsets. */
export const failData: readonly FailingApi[] = [
  failing(
    apis.produce,
    ({ topicData }, errorCode) => ({
      throttleTimeMs: 0,
      responses: topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => ({
          index,
          errorCode,
          baseOffset: -1,
          logAppendTimeMs: -1,
        })),
      })),
    }),
    { asked: 'topicData', answered: 'responses' },
  ),
  failing(
    apis.fetch,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      ...(sessionErrors.has(errorCode) && { errorCode }),
      responses: (sessionErrors.has(errorCode) ? [] : topics).map(
        ({ topic, topicId, partitions }) => ({
          topic,
          topicId,
          partitions: partitions.map(({ partition }) => ({
            partitionIndex: partition,
            errorCode,
            highWatermark: -1,
            lastStableOffset: -1,
            abortedTransactions: null,
            preferredReadReplica: -1,
            records: null,
          })),
        }),
      ),
    }),
    {
      asked: 'topics',
      answered: 'responses',
      // The answer is a whole one: no session remembers what it left out.
      rest: request => ({ ...request, sessionId: 0, sessionEpoch: -1, maxWaitMs: 0 }),
    },
  ),
  failing(
    apis.listOffsets,
    ({ topics }, errorCode) => ({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode,
          timestamp: -1,
          offset: -1,
        })),
      })),
    }),
    sameNames,
  ),
  failing(
    apis.offsetForLeaderEpoch,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({
          partition,
          errorCode,
          leaderEpoch: -1,
          endOffset: -1,
        })),
      })),
    }),
    sameNames,
  ),
  failing(
    apis.deleteRecords,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          lowWatermark: -1,
          errorCode,
        })),
      })),
    }),
    sameNames,
  ),
  failing(apis.initProducerId, (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    producerId: -1,
    producerEpoch: -1,
  })),
]

/** Topics and who leads them. */
export const failTopics: readonly FailingApi[] = [
  failing(
    apis.metadata,
    ({ topics }, errorCode, image) => ({
      brokers: [],
      topics: (topics ?? []).map(({ name, topicId }) => ({
        errorCode,
        name: name ?? image.topicsById.get(topicId)?.name ?? null,
        topicId: image.topicsByName.get(name ?? '')?.id ?? topicId,
        partitions: [],
      })),
    }),
    // A client that learned of no brokers would have nobody left to ask.
    { ...sameNames, needsRest: true },
  ),
  failing(
    apis.describeTopicPartitions,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name }) => ({
        errorCode,
        name,
        topicId: zeroUuid,
        isInternal: false,
        partitions: [],
        topicAuthorizedOperations: NOT_ASKED,
      })),
      nextCursor: null,
    }),
    sameNames,
  ),
  failing(
    apis.createTopics,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name }) => ({ name, errorCode, errorMessage: null, configs: null })),
    }),
    sameNames,
  ),
  failing(apis.deleteTopics, ({ topics, topicNames }, errorCode) => ({
    throttleTimeMs: 0,
    responses: [...topics, ...topicNames.map(name => ({ name, topicId: zeroUuid }))].map(
      ({ name, topicId }) => ({ name, topicId, errorCode }),
    ),
  })),
  failing(
    apis.createPartitions,
    ({ topics }, errorCode) => ({
      throttleTimeMs: 0,
      results: topics.map(({ name }) => ({ name, errorCode, errorMessage: null })),
    }),
    { asked: 'topics', answered: 'results' },
  ),
  failing(apis.electLeaders, ({ topicPartitions }, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({
        partitionId,
        errorCode,
        errorMessage: null,
      })),
    })),
  })),
  failing(apis.alterPartitionReassignments, ({ topics }, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage: null,
    responses: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode,
        errorMessage: null,
      })),
    })),
  })),
  failing(
    apis.alterPartitionReassignments,
    ({ topics, allowReplicationFactorChange }, errorCode) => ({
      throttleTimeMs: 0,
      allowReplicationFactorChange,
      errorCode,
      errorMessage: null,
      responses: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode,
          errorMessage: null,
        })),
      })),
    }),
  ),
  failing(apis.listPartitionReassignments, (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage: null,
    topics: [],
  })),
]
