import { decodeConsumerSubscription, ProtocolError } from '@trimaran/protocol'
import type { ClassicGroup } from './group.ts'
import { metadataFor } from './member.ts'

export function isSubscription(metadata: Uint8Array): boolean {
  try {
    decodeConsumerSubscription(metadata)
    return true
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}

/**
 * The topics that members of a `consumer` group read, from their subscriptions: the one opaque field that the
 * coordinator looks into, so as not to let their offsets expire or be deleted. Null: not to be known (another
 * type of group, or a subscription of its own making), so any topic may be in use.
 */
export function subscribedTopics(group: ClassicGroup): ReadonlySet<string> | null {
  if (group.protocolType !== 'consumer' || group.protocolName === null) return null
  const topics = new Set<string>()
  for (const member of group.members()) {
    try {
      for (const topic of decodeConsumerSubscription(metadataFor(member, group.protocolName))
        .topics)
        topics.add(topic)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return null
    }
  }
  return topics
}
