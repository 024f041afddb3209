import type { Prng } from '@trimaran/common'
import { Admin } from './clients/admin.ts'
import { Consumer } from './clients/consumer.ts'
import { GiantProducer } from './clients/giant-producer.ts'
import { GroupMember } from './clients/group-member.ts'
import { KafkaClient } from './clients/kafka-client.ts'
import type { ClientWorld } from './clients/kafka-client.ts'
import { Producer } from './clients/producer.ts'
import { RecordDeleter } from './clients/record-deleter.ts'
import { Reader } from './clients/reader.ts'
import { Values } from './clients/values.ts'
import type { Swarm } from './swarm.ts'

const churnTopic = 'churn'
const offsetsTopic = '__consumer_offsets'
/** min.insync.replicas of all topics: with fewer replicas, one broker that loses writes is one too many. */
const replicasMin = 2
const replicasMax = 4
const compressions = ['none', 'none', 'none', 'none', 'none', 'none', 'snappy', 'snappy'] as const

/** The clients of a seed and what they do. */
export class Workload {
  readonly producers: Producer[] = []
  readonly consumers: Consumer[] = []
  readonly members: GroupMember[] = []
  readonly admin: Admin
  readonly topics: readonly string[]
  /** All topics are there, and everything has begun. */
  isReady = false
  readonly #shared: ClientWorld
  readonly #swarm: Swarm
  readonly #random: Prng
  readonly #values = new Values()
  readonly #adminClient: KafkaClient
  readonly #running = new Set<string>()

  constructor(shared: ClientWorld, swarm: Swarm, random: Prng) {
    this.#shared = shared
    this.#swarm = swarm
    this.#random = random
    this.topics = swarm.topics.map((_, at) => `topic-${at + 1}`)
    this.#adminClient = this.#client('admin')
    this.admin = new Admin(this.#adminClient)
  }

  /** Who is not done with what was begun. */
  get busy(): readonly string[] {
    const producers = this.producers.filter(({ isIdle }) => !isIdle)
    return [...this.#running, ...producers.map(({ name }) => `${name}'s batches`)]
  }

  get isIdle(): boolean {
    return this.#running.size === 0 && this.producers.every(producer => producer.isIdle)
  }

  /** Nothing new begins; what is under way goes on to its end. */
  drain(): void {
    this.#shared.isDraining = true
  }

  start(): void {
    this.#spawn('beginning', this.#begin())
  }

  async #begin(): Promise<void> {
    for (const [at, topic] of this.#swarm.topics.entries()) {
      await this.admin.create({ name: this.topics[at] ?? '', ...topic })
    }
    this.isReady = true
    for (let at = 0; at < this.#swarm.producers; at++) this.#produce(at, -1, true)
    for (let at = 0; at < this.#swarm.plainProducers; at++) {
      this.#produce(this.#swarm.producers + at, this.#random.pick([-1, 1, 0] as const), false)
    }
    for (let at = 0; at < this.#swarm.consumers; at++) {
      const consumer = new Consumer(
        this.#client(`consumer-${at}`),
        this.#random.pick(this.topics),
        {
          maxWaitMs: this.#random.pick([0, 100, 300]),
          maxBytes: this.#random.pick([500, 100_000]),
          fromFollowers: this.#random.chance(1, 2),
        },
      )
      this.consumers.push(consumer)
      this.#spawn(`consumer-${at}`, consumer.run())
    }
    for (let at = 0; at < this.#swarm.members; at++) {
      const member = new GroupMember(this.#client(`member-${at}`), {
        group: 'group-1',
        topic: this.topics[0] ?? '',
        sessionTimeoutMs: this.#random.pick([800, 2_000]),
        heartbeatIntervalMs: 200,
        lifeMs: this.#swarm.memberLifeMs === 0 ? 0 : this.#swarm.memberLifeMs + 700 * at,
      })
      this.members.push(member)
      this.#spawn(`member-${at}`, member.run())
    }
    if (this.#swarm.hasAdmin) this.#spawn('admin', this.#administer())
    if (this.#swarm.hasReassignments) this.#spawn('reassigner', this.#reassign())
    if (this.#swarm.deletesRecords) this.#spawn('deleter', this.#deleteRecords())
    if (this.#swarm.giantBytes > 0) this.#spawn('giant producer', this.#produceGiants())
    // Two operators who do not know of each other.
    for (let at = 0; at < (this.#swarm.hasVoterChanges ? 2 : 0); at++) {
      this.#spawn(`voters-${at}`, this.#changeVoters(at))
    }
  }

  #produce(at: number, acks: -1 | 0 | 1, isIdempotent: boolean): void {
    const topics = this.#swarm.hasAdmin ? [...this.topics, churnTopic] : this.topics
    const topic = this.#random.pick(topics)
    const producer = new Producer(
      this.#client(`producer-${at}`),
      {
        topic,
        isByTopicId: topic === churnTopic,
        acks,
        isIdempotent,
        inFlightMax: this.#random.between(1, 5),
        pauseMinMs: 3,
        pauseMaxMs: this.#swarm.pauseMaxMs,
        recordsMax: this.#random.pick([1, 5, 20]),
        fillerBytesMax: this.#random.pick([10, 200]),
        compression: this.#random.pick(compressions),
        deliveryTimeoutMs: this.#random.pick([4_000, 15_000]),
      },
      this.#values,
    )
    this.producers.push(producer)
    this.#spawn(`producer-${at}`, producer.run())
  }

  async #administer(): Promise<void> {
    const random = this.#random.fork(99)
    const { admin, topics } = this
    while (!this.#shared.isDraining) {
      await this.#adminClient.sleep(random.between(100, 1_200))
      if (this.#shared.isDraining) return
      switch (random.between(0, 5)) {
        case 0:
        case 1:
          await admin.create({
            name: churnTopic,
            partitionCount: random.between(1, 3),
            replicationFactor: 3,
            configs: [],
          })
          break
        case 2:
          await admin.delete(churnTopic)
          break
        case 3:
          await admin.addPartition(random.pick(topics))
          break
        case 4:
          await admin.electPreferred()
          break
        default:
          await admin.setRetention(random.pick(topics))
      }
    }
  }

  /**
   * With just min.insync.replicas of them, one that has damaged records stays in the ELR, and as it is: nobody else may come
   * into the ISR, and the controller must be able to count on whoever is in the ELR.
   */
  get #replicasKept(): number {
    return this.#swarm.extraFaults.has('rotRecords') ? replicasMin + 1 : 0
  }

  async #reassign(): Promise<void> {
    // Streams of its own: seeds without reassignments are what they were before there were any.
    const random = this.#random.fork(98)
    const client = new KafkaClient(this.#shared, 'reassigner', this.#random.fork(97))
    const topics = [...this.topics, ...this.topics, churnTopic, offsetsTopic]
    const nodeIds = [...this.#shared.nodes.keys()]
    while (!this.#shared.isDraining) {
      await client.sleep(random.between(50, 800))
      const [topic, partition] = [random.pick(topics), random.between(0, 2)]
      // Most run to their end; some get another target on the way, or are called off.
      const steps = random.pick([1, 1, 2, 3])
      for (let step = 0; step < steps; step++) {
        if (this.#shared.isDraining) return
        const count = Math.max(random.between(replicasMin, replicasMax), this.#replicasKept)
        const isCalledOff = random.chance(step === 0 ? 1 : 4, 8)
        const replicas = isCalledOff ? null : shuffled(nodeIds, random).slice(0, count)
        await this.admin.reassign(client, { topic, partition }, replicas)
        await client.sleep(random.pick([0, 0, 5, 60]))
      }
    }
  }

  #deleteRecords(): Promise<void> {
    // As for the reassigner.
    const client = new KafkaClient(this.#shared, 'deleter', this.#random.fork(92))
    return new RecordDeleter(client, this.topics).run()
  }

  #produceGiants(): Promise<void> {
    const client = new KafkaClient(this.#shared, 'giant', this.#random.fork(91))
    const topic = this.topics[0] ?? ''
    return new GiantProducer(client, topic, this.#swarm.giantBytes, this.#values).run()
  }

  async #changeVoters(at: number): Promise<void> {
    const random = this.#random.fork(96 - 2 * at)
    const client = new KafkaClient(this.#shared, `voters-${at}`, this.#random.fork(95 - 2 * at))
    const nodeIds = [...this.#shared.nodes.keys()]
    while (!this.#shared.isDraining) {
      await client.sleep(random.pick([5, 100, 1_500]))
      if (this.#shared.isDraining) return
      await this.admin.changeVoter(client, random.pick(nodeIds), this.#shared.askedToAddVoter)
    }
  }

  /** After everything is over: all partitions from their beginning to their end. Resolves when they are read. */
  async readAll(endOf: (topicId: string, partition: number) => number): Promise<void> {
    const client = this.#client('final')
    const names = this.#swarm.hasAdmin ? [...this.topics, churnTopic] : this.topics
    await client.refresh(names)
    const reader = new Reader(client, { maxWaitMs: 0, maxBytes: 1_000_000, fromFollowers: false })
    const addresses = [...client.topics.values()].flatMap(topic => topic.partitions)
    const positions = [...client.topics.values()].flatMap(topic =>
      topic.partitions.map(({ topicId, partition }) => ({
        topic: topic.name,
        topicId,
        partition,
        offset: 0,
        lastEpoch: -1,
      })),
    )
    reader.seek(positions)
    while (positions.some(one => one.offset < endOf(one.topicId, one.partition))) {
      await reader.poll()
      await client.sleep(5)
    }
    for (const { topicId, partition } of addresses) {
      const name = `${topicId}/${partition}`
      this.#shared.history.finallyRead.add(name)
      this.#shared.history.finalStreams.set(name, reader.stream)
    }
  }

  #client(name: string): KafkaClient {
    return new KafkaClient(this.#shared, name, this.#random.fork(this.#nextStream++))
  }

  #nextStream = 1

  #spawn(who: string, task: Promise<void>): void {
    this.#running.add(who)
    task.then(
      () => {
        this.#running.delete(who)
      },
      (error: unknown) => this.#shared.fail(error),
    )
  }
}

function shuffled<T>(items: readonly T[], random: Prng): T[] {
  const left = [...items]
  return items.map(() => left.splice(random.between(0, left.length - 1), 1)[0] as T)
}
