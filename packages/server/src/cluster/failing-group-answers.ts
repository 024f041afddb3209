import { emptyBytes } from '@trimaran/common'
import { apis } from '@trimaran/protocol'
import { failing } from './failing-api.ts'
import type { FailingApi } from './failing-api.ts'

/** Groups and their offsets. */
export const failGroups: readonly FailingApi[] = [
  failing(apis.findCoordinator, ({ coordinatorKeys }, errorCode) => ({
    errorCode,
    nodeId: -1,
    host: '',
    port: -1,
    coordinators: coordinatorKeys.map(key => ({
      key,
      nodeId: -1,
      host: '',
      port: -1,
      errorCode,
      errorMessage: null,
    })),
  })),
  failing(apis.joinGroup, ({ memberId }, errorCode) => ({
    errorCode,
    generationId: -1,
    protocolName: '',
    leader: '',
    memberId,
    members: [],
  })),
  failing(apis.syncGroup, (_request, errorCode) => ({ errorCode, assignment: emptyBytes })),
  failing(apis.heartbeat, (_request, errorCode) => ({ errorCode })),
  failing(apis.leaveGroup, ({ members }, errorCode) => ({
    errorCode,
    members: members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode,
    })),
  })),
  failing(
    apis.offsetCommit,
    ({ topics }, errorCode) => ({
      topics: topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }),
    { asked: 'topics', answered: 'topics' },
  ),
  // The first version has no error of its own: there it is each partition's.
  failing(apis.offsetFetch, ({ topics, groups }, errorCode) => ({
    topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({
        partitionIndex,
        committedOffset: -1,
        metadata: '',
        errorCode,
      })),
    })),
    errorCode,
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })),
  })),
  failing(apis.describeGroups, ({ groups }, errorCode) => ({
    groups: groups.map(groupId => ({
      errorCode,
      groupId,
      groupState: '',
      protocolType: '',
      protocolData: '',
      members: [],
    })),
  })),
  failing(apis.listGroups, (_request, errorCode) => ({ errorCode, groups: [] })),
  failing(apis.deleteGroups, ({ groupsNames }, errorCode) => ({
    throttleTimeMs: 0,
    results: groupsNames.map(groupId => ({ groupId, errorCode })),
  })),
  failing(apis.offsetDelete, (_request, errorCode) => ({
    errorCode,
    throttleTimeMs: 0,
    topics: [],
  })),
]
