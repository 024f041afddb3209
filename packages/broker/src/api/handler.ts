import type { BrokerEpoch, BrokerId, Clock, LogEvent, Random } from '@trimaran/common'
import type { GroupCoordinator } from '@trimaran/coordinator'
import type { Image } from '@trimaran/metadata'
import type { Api, RequestOf, ResponseOf } from '@trimaran/protocol'
import type { TopicAutoCreator } from '../auto-create.ts'
import type { ControllerChannel } from '../channels.ts'
import type { BrokerConfig } from '../config.ts'
import type { ConnectionContext } from '../connection.ts'
import type { ImageWaiters } from '../image-waiters.ts'
import type { BrokerMetrics } from '../metrics.ts'
import type { ProducerIds } from '../producer-ids.ts'
import type { Replicas } from '../replication/types.ts'

/** What every handler may use, whatever the request. One object per broker. */
export interface BrokerServices {
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly random: Random
  readonly logEvent: LogEvent
  /** The newest metadata that this broker has applied. */
  image(): Image
  /** −1 before the registration is answered. */
  brokerEpoch(): BrokerEpoch
  readonly replicas: Replicas
  readonly groups: GroupCoordinator
  readonly controller: ControllerChannel
  readonly topicCreator: TopicAutoCreator
  readonly imageWaiters: ImageWaiters
  readonly producerIds: ProducerIds
  readonly metrics: BrokerMetrics
}

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

/** Services, and where this one request came from. */
export interface HandlerContext extends BrokerServices {
  readonly connection: ConnectionContext
  readonly header: RequestHeader
}

/** First and last version served, both included: what ApiVersions advertises. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** A handler whose request type is forgotten: what the table holds. */
export interface Handler {
  readonly api: Api
  readonly versions: VersionRange
  /** Null: no answer (acks 0). May throw CloseConnection. */
  handle(request: unknown, context: HandlerContext): unknown
}

/**
 * Ties a function to an api and to the versions that work. Effects whose order matters (appends, offset commits)
 * happen before the function first waits: requests of one connection are handed over in order, without waiting for
 * earlier answers.
 */
export function handler<A extends Api>(
  api: A,
  versions: VersionRange,
  handle: (
    request: RequestOf<A>,
    context: HandlerContext,
  ) => ResponseOf<A> | null | Promise<ResponseOf<A> | null>,
): Handler {
  return {
    api,
    versions,
    handle: (request, context) => handle(request as RequestOf<A>, context),
  }
}
