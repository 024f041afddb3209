import type { Image } from '@trimaran/metadata'
import type { Api, RequestOf, ResponseOf } from '@trimaran/protocol'

/** Where an api has its topics, if its errors are per topic. */
export interface TopicLists {
  /** Of the request; null there means all topics. */
  readonly asked: string
  /** Of the answer. */
  readonly answered: string
  /** How the broker itself is asked for the topics that are not to fail. */
  readonly rest?: (request: never) => unknown
  /** An answer needs what only the broker has, whatever was asked. */
  readonly needsRest?: boolean
}

/** How requests of an api are failed, whatever their version. */
export interface FailingApi {
  readonly api: Api
  readonly answer: (request: never, errorCode: number, image: Image) => unknown
  /** Null: the error is the whole request's. */
  readonly topics: TopicLists | null
}

/** The answer is what Kafka's `getErrorResponse` makes of that request. */
export const failing = <A extends Api>(
  api: A,
  answer: (request: RequestOf<A>, errorCode: number, image: Image) => ResponseOf<A>,
  topics: (Omit<TopicLists, 'rest'> & { rest?: (request: RequestOf<A>) => unknown }) | null = null,
): FailingApi => ({ api, answer, topics })

/** What authorized operations are where nobody asked for them. */
export const NOT_ASKED = -2_147_483_648
