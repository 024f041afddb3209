/**
 * IncrementalAlterConfigs v0–1: sets, deletes, appends to or subtracts from single configurations of topics and brokers
 * (KIP-339). Forwarded to the controller, which validates values.
 *
 * - A resource named twice, a key named twice in one, an unknown operation, no value where one is needed: INVALID_REQUEST
 *   for that resource; the others are changed.
 *
 * Not done: broker loggers, client metrics and groups have no configuration here (INVALID_REQUEST).
 */
import { apis, type RequestOf } from '@trimaran/protocol'
import {
  alterResources,
  refusedPlan,
  type AskedResource,
  type ConfigChange,
} from './alter-configs.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler } from './handler.ts'

type Resource = RequestOf<typeof apis.incrementalAlterConfigs>['resources'][number]

const operations = ['set', 'delete', 'append', 'subtract'] as const

export const incrementalAlterConfigs = handler(
  apis.incrementalAlterConfigs,
  { min: 0, max: 1 },
  async (request, context) => {
    const asked = request.resources.map(resource => ({ ...resource, plan: planOf(resource) }))
    const responses = await alterResources(asked, request.validateOnly, context)
    return { throttleTimeMs: 0, responses }
  },
)

function planOf({ configs }: Resource): AskedResource['plan'] {
  const twice = duplicatesOf(configs.map(config => config.name))
  if (twice.size > 0)
    return refusedPlan(`Error due to duplicate config keys: ${[...twice].join(', ')}`)
  const changes: ConfigChange[] = []
  for (const { name, configOperation, value } of configs) {
    const operation = operations[configOperation]
    if (operation === undefined)
      return refusedPlan(`Unknown operation type ${configOperation} for ${name}`)
    if (operation !== 'delete' && value === null)
      return refusedPlan(`Null value not supported for ${name}`)
    changes.push({ name, operation, value: operation === 'delete' ? null : value })
  }
  return { kind: 'changes', changes }
}
