/**
 * AlterConfigs v0–2: replaces all overrides of a resource by those given (KIP-133): what is not named goes back to its
 * default. Clients since 2.3 use IncrementalAlterConfigs. Forwarded to the controller as the difference to this broker's
 * metadata.
 *
 * A null value is INVALID_CONFIG; a resource or key named twice is INVALID_REQUEST (a Kafka broker does not answer that).
 */
import { apis, errorCodes, type RequestOf } from '@trimaran/protocol'
import {
  alterResources,
  refusedPlan,
  resourceTypes,
  type AskedResource,
  type ConfigChange,
} from './alter-configs.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Resource = RequestOf<typeof apis.alterConfigs>['resources'][number]

export const alterConfigs = handler(
  apis.alterConfigs,
  { min: 0, max: 2 },
  async (request, context) => {
    const asked = request.resources.map(resource => ({
      ...resource,
      plan: planOf(resource, context),
    }))
    const responses = await alterResources(asked, request.validateOnly, context)
    return { throttleTimeMs: 0, responses }
  },
)

function planOf(
  { resourceType, resourceName, configs }: Resource,
  context: HandlerContext,
): AskedResource['plan'] {
  const twice = duplicatesOf(configs.map(config => config.name))
  if (twice.size > 0)
    return refusedPlan(`Error due to duplicate config keys: ${[...twice].join(', ')}`)
  const kind = resourceType === resourceTypes.topic ? 'topic' : 'broker'
  const changes: ConfigChange[] = []
  for (const { name, value } of configs) {
    if (value === null)
      return refusedPlan(`Null value not supported for ${name}`, errorCodes.INVALID_CONFIG)
    changes.push({ name, operation: 'set', value })
  }
  const kept = new Set(configs.map(config => config.name))
  for (const name of context.image().configs.get(`${kind}:${resourceName}`)?.keys() ?? []) {
    if (!kept.has(name)) changes.push({ name, operation: 'delete', value: null })
  }
  return { kind: 'changes', changes }
}
