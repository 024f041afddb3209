import { expect, test } from 'vitest'
import { AssertionError, concatBytes, Prng } from '@trimaran/common'
import type { Clock, NodeId } from '@trimaran/common'
import { SimClock } from '@trimaran/log/testing'
import { apis, encodeRequest } from '@trimaran/protocol'
import type { QuorumStore } from '@trimaran/raft'
import { loadConfig } from '../src/config/config.ts'
import { ClosableContext } from '../src/kafka-connection.ts'
import { ClusterNode } from '../src/node.ts'
import { MemoryDisk } from '../src/ports/memory-disk.ts'
import { MemoryQuorumStore } from '../src/ports/memory-quorum-store.ts'
import { decodeEnvelope, encodeEnvelope } from '../src/rpc/envelope.ts'
import type { Envelope } from '../src/rpc/envelope.ts'
import type { PeerReceiver } from '../src/rpc/peer-links.ts'

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** One node in virtual time, without sockets: what the simulator does, as small as it can be. */
class World {
  readonly clock = new SimClock()
  readonly medium: MemoryQuorumStore
  readonly sent: { to: NodeId; envelope: Envelope }[] = []
  readonly fatal: unknown[] = []
  readonly node: ClusterNode
  /** Waits under way on the node's clock. */
  readonly wakes = new Set<object>()
  receiver: PeerReceiver | null = null

  constructor(
    settings: Record<string, string> = {},
    storeOf = (store: QuorumStore): QuorumStore => store,
    medium = new MemoryQuorumStore(),
  ) {
    this.medium = medium
    const { durable, store } = this.medium.open()
    const { properties } = loadConfig({ overrides: settings })
    this.node = new ClusterNode({
      config: {
        nodeId: 1,
        clusterId: 'cluster-a',
        directoryId: 'AAAAAAAAAAAAAAAAAAAAAQ',
        roles: { broker: true, controller: true },
        voters: [{ nodeId: 1, host: 'node1', port: 9093 }],
        endpoints: [
          { listener: 'PLAINTEXT', host: 'node1', port: 9092, securityProtocol: 'PLAINTEXT' },
        ],
        nodeHost: 'node1',
        nodePort: 9093,
        logDirectory: 'logs',
        properties,
      },
      clock: this.#countedClock(),
      random: new Prng(1),
      disk: new MemoryDisk(),
      durable,
      store: storeOf(store),
      links: {
        send: (to, frame) => {
          this.sent.push({ to, envelope: decodeEnvelope(concatBytes(frame)) })
          return true
        },
        learn: () => {},
        start: receiver => (this.receiver = receiver),
      },
      logEvent: () => {},
      onFatal: error => this.fatal.push(error),
    })
  }

  #countedClock(): Clock {
    return {
      monotonicMs: () => this.clock.monotonicMs(),
      wallMs: () => this.clock.wallMs(),
      wakeAt: (deadlineMs, wake) => {
        const wait = {}
        this.wakes.add(wait)
        const cancel = this.clock.wakeAt(deadlineMs, () => {
          this.wakes.delete(wait)
          wake()
        })
        return () => {
          this.wakes.delete(wait)
          cancel()
        }
      },
    }
  }

  async run(forMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < forMs; passedMs += 5) {
      this.clock.advance(5)
      await settle()
    }
  }
}

test('a node that is its own quorum leads, registers its broker and serves', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  expect(world.node.status()).toMatchObject({
    controllerId: 1,
    broker: { state: 'RUNNING', fenced: false },
  })
  expect(world.node.metrics.prometheusText()).toContain(
    'kafka_controller_kafkacontroller_activebrokercount 1',
  )
  expect(world.fatal).toEqual([])
})

test('a broken invariant halts the node: it is told once, and nothing runs or is sent afterwards', async () => {
  const world = new World({}, () => ({
    write: () => {
      throw new AssertionError('a vote went back')
    },
  }))
  world.node.start()
  await world.run(500)
  expect(world.fatal).toEqual([new AssertionError('a vote went back')])
  const sent = world.sent.length
  world.receiver?.reachable(2)
  await world.run(1000)
  expect(world.sent).toHaveLength(sent)
  const context = new ClosableContext(1, 'PLAINTEXT', '127.0.0.1')
  await expect(world.node.handle(context, new Uint8Array(8))).rejects.toThrow(
    'the node is stopping',
  )
})

test('a peer that speaks for another broker is refused (R1g)', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  const body = {
    brokerId: 3,
    brokerEpoch: 1,
    metadataOffset: 0,
    wantFence: false,
    wantShutDown: false,
  }
  world.receiver?.frame(
    2,
    concatBytes(encodeEnvelope({ kind: 'request', id: 4, call: 'heartbeat', body })),
  )
  await settle()
  expect(world.sent.at(-1)).toMatchObject({
    to: 2,
    envelope: {
      kind: 'failure',
      failure: { id: 4, code: 'RPC_INVALID', message: 'node 2 speaks for node 3' },
    },
  })
  expect(world.fatal).toEqual([])
})

test('bytes that are no envelope are dropped, and nothing else happens', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  const prng = new Prng(9)
  for (let round = 0; round < 500; round++)
    world.receiver?.frame(2, prng.bytes(prng.between(0, 60)))
  await world.run(100)
  expect(world.fatal).toEqual([])
  expect(world.node.status().controllerId).toBe(1)
})

test('the metadata log is cut by a snapshot once it has grown by as much as is configured, and read back from it', async () => {
  const world = new World({ 'metadata.log.max.record.bytes.between.snapshots': '2000' })
  world.node.start()
  await world.run(500)
  for (let index = 0; index < 60; index++) {
    const topic = {
      name: `topic-${index}`,
      partitionCount: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    }
    void world.node.controllerChannel.request('createTopics', {
      validateOnly: false,
      topics: [topic],
    })
    await world.run(10)
  }
  const { durable } = world.medium.open()
  expect(durable.snapshot).not.toBe(null)
  expect(durable.logStartOffset).toBe(durable.snapshot?.id.endOffset)
  expect(durable.entries.length).toBeLessThan(60)
  world.node.halt()
  const again = new World({}, undefined, world.medium)
  again.node.start()
  await again.run(500)
  expect(again.node.image.topicsByName.size).toBe(60)
})

test('a node that halts while it answers tells its clients nothing any more', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  const context = new ClosableContext(1, 'PLAINTEXT', '127.0.0.1')
  const header = { correlationId: 7, clientId: 'test' }
  const request = encodeRequest(apis.describeCluster, 1, header, {
    includeClusterAuthorizedOperations: false,
    endpointType: 1,
  })
  const frame = concatBytes(request).subarray(4)
  await expect(world.node.handle(context, frame)).resolves.not.toBeNull()
  const answer = world.node.handle(context, frame)
  world.node.halt()
  await expect(answer).rejects.toThrow('the node is stopping')
})

test('a halted node leaves no timer behind, so that a process that ends its cluster ends itself', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  expect(world.wakes.size).toBeGreaterThan(0)
  world.node.halt()
  expect(world.wakes.size).toBe(0)
  await world.run(1000)
  expect(world.wakes.size).toBe(0)
})

test('a stop that is under way when the node halts comes to its end', async () => {
  const world = new World()
  world.node.start()
  await world.run(500)
  // The hand-over waits for an answer that will not come any more.
  const stopped = world.node.shutdown()
  world.node.halt()
  await expect(Promise.race([stopped.then(() => 'ended'), world.run(500)])).resolves.toBe('ended')
})
