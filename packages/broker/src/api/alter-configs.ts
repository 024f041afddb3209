/** What IncrementalAlterConfigs and AlterConfigs share: resources, refusals, the way to the controller. */
import type { ControllerRequests } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { duplicatesOf } from './duplicates.ts'
import type { HandlerContext } from './handler.ts'

export const resourceTypes = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const

type ResourceChange = ControllerRequests['alterConfigs']['request']['resources'][number]
export type ConfigChange = ResourceChange['changes'][number]

/** A resource of a request with what shall change, or the reason why not. */
export interface AskedResource {
  readonly resourceType: number
  readonly resourceName: string
  readonly plan:
    | { readonly kind: 'changes'; readonly changes: readonly ConfigChange[] }
    | { readonly kind: 'refused'; readonly errorCode: number; readonly errorMessage: string }
}
export interface ResourceAnswer {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly resourceType: number
  readonly resourceName: string
}

export const refusedPlan = (
  errorMessage: string,
  errorCode: number = errorCodes.INVALID_REQUEST,
): AskedResource['plan'] => ({
  kind: 'refused',
  errorCode,
  errorMessage,
})

const keyOf = (resource: {
  readonly resourceType: number
  readonly resourceName: string
}): string => `${resource.resourceType} ${resource.resourceName}`

/** One answer per resource; what is named twice is refused as a whole. */
export async function alterResources(
  asked: readonly AskedResource[],
  validateOnly: boolean,
  context: HandlerContext,
): Promise<ResourceAnswer[]> {
  const duplicates = duplicatesOf(asked.map(keyOf))
  const answers = new Map<string, ResourceAnswer>()
  const resources: ResourceChange[] = []
  for (const resource of asked) {
    const { resourceType, resourceName } = resource
    const plan = duplicates.has(keyOf(resource))
      ? refusedPlan('Each resource must appear at most once.')
      : resource.plan
    const kind = kindOf(resourceType)
    if (plan.kind === 'refused')
      answers.set(keyOf(resource), { ...plan, resourceType, resourceName })
    else if (kind === null) {
      const errorMessage = `Configurations of resource type ${resourceType} are not supported.`
      answers.set(keyOf(resource), {
        errorCode: errorCodes.INVALID_REQUEST,
        errorMessage,
        resourceType,
        resourceName,
      })
    } else resources.push({ resourceType: kind, resourceName, changes: plan.changes })
  }
  if (resources.length > 0) {
    for (const answer of await send(resources, validateOnly, context))
      answers.set(keyOf(answer), answer)
  }
  return [...answers.values()]
}

async function send(
  resources: readonly ResourceChange[],
  validateOnly: boolean,
  context: HandlerContext,
): Promise<ResourceAnswer[]> {
  const { requestTimeoutMs } = context.config
  const forwarded = await forward(
    context.controller,
    'alterConfigs',
    { validateOnly, resources },
    requestTimeoutMs,
  )
  const outcomes =
    forwarded.kind === 'answered'
      ? forwarded.response.resources
      : resources.map(resource => ({
          ...resource,
          errorCode: forwarded.errorCode,
          errorMessage: forwarded.errorMessage,
        }))
  return outcomes.map(({ errorCode, errorMessage, resourceType, resourceName }) => ({
    errorCode,
    errorMessage,
    resourceType: resourceTypes[resourceType],
    resourceName,
  }))
}

function kindOf(resourceType: number): 'topic' | 'broker' | null {
  if (resourceType === resourceTypes.topic) return 'topic'
  return resourceType === resourceTypes.broker ? 'broker' : null
}
