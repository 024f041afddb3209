import { expect, test } from 'vitest'
import { ClusterError, concatBytes, Prng, zeroUuid } from '@trimaran/common'
import type { Clock, NodeId } from '@trimaran/common'
import { SimClock } from '@trimaran/log/testing'
import { type ControllerRequests, errorCodes } from '@trimaran/metadata'
import { PeerControllerChannel } from '../src/rpc/controller-channel.ts'
import { decodeEnvelope, encodeEnvelope } from '../src/rpc/envelope.ts'
import type { Envelope } from '../src/rpc/envelope.ts'
import { PeerRpc } from '../src/rpc/peer-rpc.ts'
import { PeerReplicaChannel } from '../src/rpc/replica-channel.ts'

type Unregistered = ControllerRequests['unregisterBroker']['response']
const ok: Unregistered = { errorCode: 0, errorMessage: null }

/** One node's side of its links: what it sends is kept, what it receives is given by the test. */
class Side {
  readonly clock = new SimClock()
  readonly sent: { to: NodeId; envelope: Envelope }[] = []
  readonly up = new Set<NodeId>([2, 3])
  readonly served: string[] = []
  readonly rpc: PeerRpc

  constructor(seed = 1) {
    this.rpc = this.#makeRpc(seed)
  }

  #makeRpc(seed: number): PeerRpc {
    return new PeerRpc({
      clock: this.clock as Clock,
      random: new Prng(seed),
      send: (to, frame) => {
        if (!this.up.has(to)) return false
        this.sent.push({ to, envelope: decodeEnvelope(concatBytes(frame)) })
        return true
      },
      serve: (from, call) => {
        this.served.push(`${call} of ${from}`)
        return call === 'unregisterBroker'
          ? Promise.resolve(ok as never)
          : Promise.reject(new ClusterError('NOT_CONTROLLER', 'not me'))
      },
      logEvent: () => {},
    })
  }

  answer(at: number, response: unknown = ok): void {
    const { to, envelope } = this.sent[at] as {
      to: NodeId
      envelope: Envelope & { kind: 'request' }
    }
    this.#receive(to, { kind: 'response', id: envelope.id, call: envelope.call, body: response })
  }

  fail(at: number, code: string): void {
    const { to, envelope } = this.sent[at] as {
      to: NodeId
      envelope: Envelope & { kind: 'request' }
    }
    this.#receive(to, { kind: 'failure', failure: { id: envelope.id, code, message: 'no' } })
  }

  channel(local: ((kind: string) => Promise<unknown>) | null = null): PeerControllerChannel {
    const controller =
      local === null ? null : { request: (kind: string) => local(kind) as Promise<never> }
    return new PeerControllerChannel({
      clock: this.clock as Clock,
      nodeId: 1,
      rpc: this.rpc,
      local: controller,
    })
  }

  #receive(from: NodeId, envelope: Envelope): void {
    this.rpc.receive(from, decodeEnvelope(concatBytes(encodeEnvelope(envelope))))
  }
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error as ClusterError).code,
  )
/** Lets every promise that is due settle. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

const unregister = (side: Side, to: NodeId = 2, timeoutMs = 1000): Promise<Unregistered> =>
  side.rpc.request(to, 'unregisterBroker', { brokerId: 9 }, timeoutMs)

test('an answer goes to the request that it belongs to, whatever the order', async () => {
  const side = new Side()
  const [first, second] = [unregister(side), unregister(side)]
  side.answer(1, { errorCode: 2, errorMessage: null })
  side.answer(0, { errorCode: 1, errorMessage: null })
  expect([(await first).errorCode, (await second).errorCode]).toEqual([1, 2])
})

test('an answer from another peer than the one that was asked is ignored', async () => {
  const side = new Side()
  const asked = codeOf(unregister(side))
  side.rpc.receive(3, { kind: 'response', id: 1, call: 'unregisterBroker', body: ok })
  side.clock.advance(1000)
  expect(await asked).toBe('RPC_TIMEOUT')
})

test('a request fails with its link, and what has not left yet leaves on the next one', async () => {
  const side = new Side()
  const sent = codeOf(unregister(side))
  side.up.delete(2)
  const waiting = codeOf(unregister(side))
  side.up.add(2)
  side.rpc.reachable(2)
  expect(await sent).toBe('RPC_UNAVAILABLE')
  side.answer(1)
  expect(await waiting).toBe('answered')
})

test('everything asked of a peer that is gone fails at once', async () => {
  const side = new Side()
  const toGone = codeOf(unregister(side, 2))
  const toOther = codeOf(unregister(side, 3))
  side.rpc.gone(2)
  expect(await toGone).toBe('RPC_UNAVAILABLE')
  side.answer(1)
  expect(await toOther).toBe('answered')
})

test('what is served is answered on the link, errors by their code', async () => {
  const side = new Side()
  side.rpc.receive(2, { kind: 'request', id: 7, call: 'unregisterBroker', body: { brokerId: 1 } })
  side.rpc.receive(3, { kind: 'request', id: 8, call: 'describeQuorum', body: {} })
  await settle()
  expect(side.served).toEqual(['unregisterBroker of 2', 'describeQuorum of 3'])
  expect(side.sent).toEqual([
    { to: 2, envelope: { kind: 'response', id: 7, call: 'unregisterBroker', body: ok } },
    {
      to: 3,
      envelope: { kind: 'failure', failure: { id: 8, code: 'NOT_CONTROLLER', message: 'not me' } },
    },
  ])
})

test('a follower fetch waits for its long poll and a margin, no longer', async () => {
  const side = new Side()
  const fetch = codeOf(
    new PeerReplicaChannel(side.rpc).fetch(2, {
      replicaId: 1,
      brokerEpoch: 5,
      sessionId: 1,
      sessionEpoch: 0,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1000,
      partitions: [],
      forgotten: [],
    }),
  )
  side.clock.advance(2499)
  await settle()
  expect(side.sent).toHaveLength(1)
  side.clock.advance(1)
  expect(await fetch).toBe('RPC_TIMEOUT')
})

test('the controller of this node is asked without a detour', async () => {
  const side = new Side()
  const channel = side.channel(() => Promise.resolve(ok))
  channel.leaderChanged(1)
  expect(await channel.request('unregisterBroker', { brokerId: 9 })).toEqual(ok)
  expect(side.sent).toEqual([])
})

test('a request waits for a leader to be known, and follows it to the next one at once', async () => {
  const side = new Side()
  const channel = side.channel()
  const asked = channel.request('unregisterBroker', { brokerId: 9 })
  expect(side.sent).toEqual([])
  channel.leaderChanged(2)
  channel.leaderChanged(3)
  expect(side.sent.map(({ to }) => to)).toEqual([2, 3])
  side.answer(0, { errorCode: 99, errorMessage: null })
  await settle()
  side.answer(1)
  expect(await asked).toEqual(ok)
})

test('a node that is not the controller yet is asked again after a moment', async () => {
  const side = new Side()
  const channel = side.channel()
  channel.leaderChanged(2)
  const asked = channel.request('unregisterBroker', { brokerId: 9 })
  side.fail(0, 'NOT_CONTROLLER')
  await settle()
  side.clock.advance(20)
  expect(side.sent).toHaveLength(2)
  side.answer(1)
  expect(await asked).toEqual(ok)
})

test('what a repeated request finds done is done, and what a first one finds done is an error', async () => {
  const side = new Side()
  const channel = side.channel()
  const gone = { errorCode: errorCodes.VOTER_NOT_FOUND, errorMessage: 'no voter' }
  const remove = () =>
    channel.request('removeRaftVoter', { clusterId: null, nodeId: 2, directoryId: zeroUuid }, 1000)
  channel.leaderChanged(2)
  const first = remove()
  side.answer(0, gone)
  expect(await first).toEqual(gone)
  const repeated = remove()
  channel.leaderChanged(3)
  side.answer(2, gone)
  expect(await repeated).toEqual(ok)

  const topic = { name: 'a', topicId: zeroUuid, errorMessage: null }
  const missing = { ...topic, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }
  const refused = { ...topic, errorCode: errorCodes.TOPIC_DELETION_DISABLED }
  const deleted = channel.request('deleteTopics', { topics: [{ name: 'a', topicId: null }] }, 1000)
  channel.leaderChanged(2)
  side.answer(4, { topics: [missing, refused] })
  expect(await deleted).toEqual({ topics: [{ ...topic, errorCode: 0 }, refused] })
})

test('who was told that it asked the wrong node has asked nobody yet', async () => {
  const side = new Side()
  const channel = side.channel()
  channel.leaderChanged(2)
  const removed = channel.request(
    'removeRaftVoter',
    { clusterId: null, nodeId: 9, directoryId: zeroUuid },
    1000,
  )
  side.fail(0, 'NOT_CONTROLLER')
  await settle()
  side.clock.advance(100)
  const gone = { errorCode: errorCodes.VOTER_NOT_FOUND, errorMessage: 'no voter' }
  side.answer(1, gone)
  expect(await removed).toEqual(gone)
})

test('without an answer in time the last reason is given, and nothing is sent afterwards', async () => {
  const side = new Side()
  const channel = side.channel()
  const unknown = codeOf(channel.request('unregisterBroker', { brokerId: 9 }, 100))
  side.clock.advance(100)
  expect(await unknown).toBe('RPC_UNAVAILABLE')
  channel.leaderChanged(2)
  const refused = codeOf(channel.request('unregisterBroker', { brokerId: 9 }, 100))
  side.fail(0, 'NOT_CONTROLLER')
  await settle()
  side.clock.advance(100)
  expect(await refused).toBe('NOT_CONTROLLER')
  const sent = side.sent.length
  channel.leaderChanged(3)
  side.clock.advance(10_000)
  expect(side.sent).toHaveLength(sent)
})

test('stopping fails what waits, halting says nothing to anybody', async () => {
  const [stopped, halted] = [new Side(), new Side()]
  const asked = codeOf(unregister(stopped))
  stopped.rpc.stop()
  expect(await asked).toBe('STOPPING')
  let told = false
  void codeOf(unregister(halted)).then(() => (told = true))
  halted.rpc.halt()
  halted.clock.advance(10_000)
  await settle()
  expect(told).toBe(false)
})

test('an answer to an earlier life of this node is not taken for one to this life', async () => {
  const before = new Side(1)
  void unregister(before)
  const { envelope } = before.sent[0] as { envelope: Envelope & { kind: 'request' } }
  const now = new Side(2)
  const asked = unregister(now)
  // The peer answers late, over the link that it has now.
  const late: Envelope = { kind: 'response', id: envelope.id, call: envelope.call, body: ok }
  now.rpc.receive(2, decodeEnvelope(concatBytes(encodeEnvelope(late))))
  now.answer(0, { errorCode: 7, errorMessage: null })
  expect(await asked).toMatchObject({ errorCode: 7 })
})
