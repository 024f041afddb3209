/**
 * DescribeConfigs v1–4: every configuration of topics and of this broker, with its source, what it would be otherwise
 * (synonyms, when asked), from v3 its type and documentation (KIP-569).
 *
 * - Brokers answer for themselves alone, and for the default of all brokers (the empty name); another id is
 *   INVALID_REQUEST. Values of sensitive keys are never told.
 * - A resource named twice is answered once. No keys named: all of them.
 *
 * Not done: broker loggers, client metrics and groups have no configuration here (INVALID_REQUEST).
 */
import {
  describeBrokerConfigs,
  describeTopicConfigs,
  type DescribedConfig,
} from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { topicNameProblem } from '../topics.ts'
import { resourceTypes } from './alter-configs.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.describeConfigs>
type Resource = Request['resources'][number]
type Answer = ResponseOf<typeof apis.describeConfigs>['results'][number]
type ConfigAnswer = Answer['configs'][number]

export const describeConfigs = handler(
  apis.describeConfigs,
  { min: 1, max: 4 },
  (request, context) => {
    const resources = new Map(
      request.resources.map(resource => [
        `${resource.resourceType} ${resource.resourceName}`,
        resource,
      ]),
    )
    const results = [...resources.values()].map(resource => describe(resource, request, context))
    return { throttleTimeMs: 0, results }
  },
)

function describe(resource: Resource, request: Request, context: HandlerContext): Answer {
  const { resourceType, resourceName, configurationKeys } = resource
  const found = configsOf(resource, context)
  if (found.kind === 'refused') {
    const { errorCode, errorMessage } = found
    return { errorCode, errorMessage, resourceType, resourceName, configs: [] }
  }
  const keys =
    configurationKeys === null || configurationKeys.length === 0 ? null : new Set(configurationKeys)
  const configs = found.configs
    .filter(config => keys === null || keys.has(config.name))
    .map(config => answerOf(config, request))
  return { errorCode: errorCodes.NONE, errorMessage: null, resourceType, resourceName, configs }
}

type Found =
  | { readonly kind: 'found'; readonly configs: readonly DescribedConfig[] }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly errorMessage: string }

const refused = (errorCode: number, errorMessage: string): Found => ({
  kind: 'refused',
  errorCode,
  errorMessage,
})

function configsOf({ resourceType, resourceName }: Resource, context: HandlerContext): Found {
  const image = context.image()
  const { properties } = context.config
  if (resourceType === resourceTypes.topic) {
    const problem = topicNameProblem(resourceName)
    if (problem !== null) return refused(errorCodes.INVALID_TOPIC_EXCEPTION, problem)
    if (!image.topicsByName.has(resourceName)) {
      return refused(
        errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        `The topic '${resourceName}' does not exist.`,
      )
    }
    return {
      kind: 'found',
      configs: describeTopicConfigs(image, properties, resourceName, context.nodeId),
    }
  }
  if (resourceType !== resourceTypes.broker) {
    return refused(
      errorCodes.INVALID_REQUEST,
      `Configurations of resource type ${resourceType} are not supported.`,
    )
  }
  if (resourceName !== '' && resourceName !== String(context.nodeId)) {
    const message = `Unexpected broker id, expected ${context.nodeId} or empty string, but received ${resourceName}`
    return refused(errorCodes.INVALID_REQUEST, message)
  }
  const brokerId = resourceName === '' ? null : context.nodeId
  return { kind: 'found', configs: describeBrokerConfigs(image, properties, brokerId) }
}

const answerOf = (config: DescribedConfig, request: Request): ConfigAnswer => ({
  name: config.name,
  value: config.value,
  readOnly: config.readOnly,
  configSource: config.source,
  isSensitive: config.isSensitive,
  synonyms: request.includeSynonyms ? config.synonyms : [],
  configType: config.configType,
  documentation: request.includeDocumentation ? config.documentation : null,
})
