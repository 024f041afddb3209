import { CloseConnection } from '@trimaran/broker'
import type { ConnectionContext } from '@trimaran/broker'
import { ClusterError, zeroUuid } from '@trimaran/common'
import type { NodeId, TopicId } from '@trimaran/common'
import type { Image } from '@trimaran/metadata'
import {
  apiByKey,
  apis,
  codecsOf,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  errorCodes,
  Reader,
  responseReader,
  supports,
} from '@trimaran/protocol'
import type { ApiName, ErrorName, RequestHeader } from '@trimaran/protocol'
import type { Answer, HandlesRequests } from '../node-host.ts'
import { failingApis } from './failing-answers.ts'
import type { FailingApi } from './failing-api.ts'
import type { PauseGate } from './pause-gate.ts'

export interface FailNextOptions {
  /** As in `apis`, e.g. `produce`, or its key. */
  readonly api: ApiName | number
  /** Kafka's name or number of it, e.g. `NOT_LEADER_OR_FOLLOWER` or 6. */
  readonly error: ErrorName | number
  /** 1 unless told otherwise. */
  readonly times?: number
  /** Only requests to this node. */
  readonly nodeId?: NodeId
  /** Only what is asked of this topic; the rest of a request is carried out. */
  readonly topic?: string
}

/** What is left of a `failNext`. */
export interface Failure {
  readonly left: number
  /** No further request fails by it. */
  cancel(): void
}

/** A request on its way from a connection to its node. */
export interface Passing {
  readonly nodeId: NodeId
  readonly gate: PauseGate
  readonly connection: ConnectionContext
  readonly frame: Uint8Array
  readonly node: HandlesRequests
  readonly image: () => Image | undefined
}

interface Rule {
  readonly failing: FailingApi
  readonly errorCode: number
  readonly nodeId: NodeId | undefined
  readonly topic: string | undefined
  left: number
}

type Body = Record<string, unknown>

/** Requests that are to fail, one rule after the other, and those that wait for a paused node. */
export class RequestFaults {
  #rules: Rule[] = []

  get rules(): readonly Readonly<Rule>[] {
    return this.#rules
  }

  failNext(options: FailNextOptions): Failure {
    const rule = ruleOf(options)
    this.#rules.push(rule)
    return {
      get left() {
        return rule.left
      },
      cancel: () => {
        rule.left = 0
        this.#rules = this.#rules.filter(other => other !== rule)
      },
    }
  }

  handle(passing: Passing): Answer {
    const { gate } = passing
    if (!gate.isPaused) return gate.passOut(this.#answer(passing))
    return new Promise((resolve, reject) => {
      gate.run(() => {
        gate.passOut(this.#answer(passing)).then(resolve, reject)
      })
    })
  }

  #answer(passing: Passing): Answer {
    return this.#failed(passing) ?? passing.node.handle(passing.connection, passing.frame)
  }

  #failed({ nodeId, connection, frame, node, image }: Passing): Answer | null {
    if (this.#rules.length === 0 || frame.length < 2) return null
    const apiKey = new Reader(frame).int16()
    const rules = this.#rules.filter(
      rule => rule.failing.api.key === apiKey && (rule.nodeId ?? nodeId) === nodeId,
    )
    const metadata = image()
    const request = rules.length === 0 ? null : decode(frame)
    if (request === null || metadata === undefined) return null
    for (const rule of rules) {
      const split = splitOf(rule, request.body, metadata)
      if (split === null) continue
      this.#count(rule)
      return fail({
        rule,
        request,
        split,
        metadata,
        ask: frames => node.handle(connection, frames),
      })
    }
    return null
  }

  #count(rule: Rule): void {
    rule.left--
    if (rule.left === 0) this.#rules = this.#rules.filter(other => other !== rule)
  }
}

function ruleOf({ api, error, times = 1, nodeId, topic }: FailNextOptions): Rule {
  const bad = (text: string): never => {
    throw new ClusterError('BAD_CONFIG', `failNext: ${text}`)
  }
  const definition = typeof api === 'number' ? apiByKey(api) : apis[api]
  if (definition === undefined) {
    return bad(`there is no api ${api}; the apis are ${Object.keys(apis).join(', ')}`)
  }
  const failing = failingApis.get(definition.key)
  if (failing === undefined) return bad(`requests of ${definition.name} cannot be failed`)
  const errorCode = typeof error === 'number' ? error : errorCodes[error]
  if (errorCode === undefined || !isError(errorCode)) {
    return bad(`${error} is none of Kafka's errors: give its name, e.g. NOT_LEADER_OR_FOLLOWER`)
  }
  if (!Number.isInteger(times) || times < 1) return bad(`times: ${times} is no number of requests`)
  if (topic !== undefined && failing.topics === null)
    return bad(`${definition.name} fails as a whole, not by topic: leave out the topic`)
  return { failing, errorCode, nodeId, topic, left: times }
}

const isError = (code: number): boolean =>
  code !== errorCodes.NONE && Object.values<number>(errorCodes).includes(code)

interface Request {
  readonly header: RequestHeader
  readonly body: Body
}

/** Null: it is not for us to say what is wrong with it. */
function decode(frame: Uint8Array): Request | null {
  try {
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    const api = apiByKey(header.apiKey)
    if (api === undefined || !supports(api, header.apiVersion)) return null
    return { header, body: codecsOf(api).request(header.apiVersion).decode(reader) as Body }
  } catch {
    return null
  }
}

interface Split {
  /** With the topics that fail, or as it came. */
  readonly failing: Body
  /** With all others; null if there is nothing else to do. */
  readonly rest: Body | null
  readonly isHit: (item: Body) => boolean
}

/** Null: the request has nothing that the rule fails. */
function splitOf({ failing, topic }: Rule, request: Body, metadata: Image): Split | null {
  const { topics } = failing
  if (topics === null) return { failing: request, rest: null, isHit: () => true }
  const isHit = (item: Body): boolean => topic === undefined || nameOf(item, metadata) === topic
  const asked = (request[topics.asked] as readonly Body[] | null) ?? allTopics(metadata)
  const hit = asked.filter(isHit)
  const others = asked.filter(item => !isHit(item))
  if (hit.length === 0) return null
  const rest = { ...request, [topics.asked]: others }
  return {
    failing: { ...request, [topics.asked]: hit },
    rest:
      others.length > 0 || topics.needsRest === true
        ? ((topics.rest?.(rest as never) ?? rest) as Body)
        : null,
    isHit,
  }
}

const allTopics = (metadata: Image): Body[] =>
  [...metadata.topicsByName.keys()].map(name => ({ name, topicId: zeroUuid }))

/** By name, or by id in the versions that have ids only. */
function nameOf(item: Body, metadata: Image): unknown {
  const name = item['name'] ?? item['topic']
  if (name !== undefined && name !== null && name !== '') return name
  return metadata.topicsById.get(item['topicId'] as TopicId)?.name
}

const answered = ({ failing }: Rule, { header }: Request, body: Body): Answer =>
  Promise.resolve(
    encodeResponse(failing.api, header.apiVersion, header.correlationId, body as never),
  )

async function fail(options: {
  readonly rule: Rule
  readonly request: Request
  readonly split: Split
  readonly metadata: Image
  readonly ask: (frame: Uint8Array) => Answer
}): Answer {
  const { rule, request, split, metadata, ask } = options
  const { failing, errorCode } = rule
  const failed = failing.answer(split.failing as never, errorCode, metadata) as Body
  if (split.rest === null || failing.topics === null) {
    if (wantsNoAnswer(rule, request.body)) throw new CloseConnection('failed on command, acks=0')
    return answered(rule, request, failed)
  }
  const { header } = request
  const frame = encodeRequest(failing.api, header.apiVersion, header, split.rest as never)
  const answer = await ask(Buffer.concat(frame).subarray(SIZE_BYTES))
  if (answer === null) throw new CloseConnection('failed on command, acks=0')
  const reader = responseReader(Buffer.concat(answer).subarray(SIZE_BYTES))
  const body = decodeResponse(failing.api, header.apiVersion, reader).body as Body
  const { answered: list } = failing.topics
  const served = (body[list] as readonly Body[]).filter(item =>
    rule.topic === undefined ? false : !split.isHit(item),
  )
  return answered(rule, request, { ...body, [list]: [...served, ...(failed[list] as Body[])] })
}

const SIZE_BYTES = 4

/** Whoever wants no answer learns of an error by the end of its connection, as with Kafka. */
const wantsNoAnswer = ({ failing }: Rule, request: Body): boolean =>
  failing.api.key === apis.produce.key && request['acks'] === 0
