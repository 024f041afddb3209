/** What the abuses have in common: whom they meet, how they are told to go on and to stop. */
import { connect as connectTcp, type Socket } from 'node:net'
import { encodeRequest, type Api, type Encodable, type Struct } from '@trimaran/protocol'
import type { Address, TopicLayout } from '../client.ts'

/** Whom it is done to: a topic that is not the well-behaved client's. */
export interface Target {
  readonly addresses: readonly Address[]
  readonly topic: string
  readonly layout: TopicLayout | null
}

/** What the abuser says of itself, for the line of progress: how much of what it offers is carried. */
export type Told = Readonly<Record<string, number>>

/** Under way. */
export interface Attack {
  tell(): Told
  stop(): Promise<void>
}

export type Start = (target: Target) => Promise<Attack>

const tickMs = 10

/** Calls `send` so often a second, evenly; what is late after a stall comes at once. The result ends it. */
export function paced(perSecond: number, send: (count: number) => void): () => void {
  const startMs = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) / 1_000) * perSecond)
    if (due === sent) return
    send(due - sent)
    sent = due
  }, tickMs)
  return () => clearInterval(timer)
}

/** A frame as it goes over the wire. */
export const frameOf = <Q extends Struct, R extends Struct>(
  api: Api<Q, R>,
  version: number,
  body: Encodable<Q>,
): Buffer =>
  Buffer.concat(encodeRequest(api, version, { correlationId: 7, clientId: 'hostile' }, body))

export function open(address: Address): Promise<Socket> {
  return new Promise((settle, fail) => {
    const socket = connectTcp({ ...address, noDelay: true })
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      // The broker may end it: that is one of the answers.
      socket.on('error', () => {})
      settle(socket)
    })
  })
}

/** The partitions of each leader, and where it listens. */
export function ledOf({
  layout,
}: Target): readonly { readonly address: Address; readonly partitions: readonly number[] }[] {
  if (layout === null) throw new Error('this abuse needs a topic')
  return [...layout.addresses].flatMap(([nodeId, address]) => {
    const partitions = [...layout.leaders.keys()].filter(at => layout.leaders[at] === nodeId)
    return partitions.length === 0 ? [] : [{ address, partitions }]
  })
}
