import { apis } from '@trimaran/protocol'
import { failing, NOT_ASKED } from './failing-api.ts'
import type { FailingApi } from './failing-api.ts'

const failedResources = (
  {
    resources,
  }: {
    readonly resources: readonly { readonly resourceType: number; readonly resourceName: string }[]
  },
  errorCode: number,
) => ({
  throttleTimeMs: 0,
  responses: resources.map(({ resourceType, resourceName }) => ({
    errorCode,
    errorMessage: null,
    resourceType,
    resourceName,
  })),
})

/** Nodes, the quorum, configurations; what is asked of a connection. */
export const failCluster: readonly FailingApi[] = [
  failing(apis.describeCluster, ({ endpointType }, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage: null,
    endpointType,
    clusterId: '',
    controllerId: -1,
    brokers: [],
    clusterAuthorizedOperations: NOT_ASKED,
  })),
  failing(apis.describeQuorum, (_request, errorCode) => ({ errorCode, topics: [] })),
  ...[apis.unregisterBroker, apis.addRaftVoter, apis.removeRaftVoter].map(definition =>
    failing(definition, (_request, errorCode) => ({
      throttleTimeMs: 0,
      errorCode,
      errorMessage: null,
    })),
  ),
  failing(apis.describeConfigs, ({ resources }, errorCode) => ({
    throttleTimeMs: 0,
    results: resources.map(({ resourceType, resourceName }) => ({
      errorCode,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: [],
    })),
  })),
  failing(apis.alterConfigs, failedResources),
  failing(apis.incrementalAlterConfigs, failedResources),
  failing(apis.describeLogDirs, (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    results: [{ errorCode, logDir: '', topics: [] }],
  })),
  failing(apis.apiVersions, (_request, errorCode) => ({ errorCode, apiKeys: [] })),
  failing(apis.saslHandshake, (_request, errorCode) => ({ errorCode, mechanisms: [] })),
]
