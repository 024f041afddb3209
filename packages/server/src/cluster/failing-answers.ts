import type { FailingApi } from './failing-api.ts'
import { failCluster } from './failing-cluster-answers.ts'
import { failGroups } from './failing-group-answers.ts'
import { failData, failTopics } from './failing-topic-answers.ts'

/** By api key. */
export const failingApis: ReadonlyMap<number, FailingApi> = new Map(
  [...failData, ...failTopics, ...failGroups, ...failCluster].map(one => [one.api.key, one]),
)
