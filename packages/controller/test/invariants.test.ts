import { Prng } from '@trimaran/common'
import {
  decodeRecords,
  deletionKey,
  emptyImage,
  encodeSnapshot,
  type Image,
  isBrokerActive,
  isLegalPartitionTransition,
  isLegalReplicaTransition,
  MetadataLoader,
  partitionStateOf,
  replicaStateOf,
} from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { ClusterIndex } from '../src/cluster-index.ts'
import { TestCluster } from './harness.ts'

/** The names of kafka.md §4.5 (I1–I9) and reliability.md §2 (P2, M3, M4), as far as one picture shows them. */
function brokenRules(image: Image): string[] {
  const broken: string[] = []
  const rule = (name: string, holds: boolean): void => {
    if (!holds) broken.push(name)
  }
  const isUp = (id: number): boolean => isBrokerActive(image.brokers.get(id))
  for (const topic of image.topicsById.values()) {
    const minInsync = Number(
      image.configs.get(`topic:${topic.name}`)?.get('min.insync.replicas') ?? 1,
    )
    for (const partition of topic.partitions) {
      const { isr, replicas, leader, elr = [] } = partition
      const name = `${topic.name}-${partition.partition}`
      rule(`I3 ${name} leader in ISR`, leader === -1 || isr.includes(leader))
      rule(
        `I3 ${name} ISR part of replicas`,
        isr.every(id => replicas.includes(id)),
      )
      rule(
        `I3 ${name} leader online`,
        leader === -1 || replicaStateOf(image, topic.id, partition.partition, leader) === 'online',
      )
      rule(`I4 ${name} ISR not empty`, isr.length > 0)
      rule(`P2 ${name} ISR up`, leader === -1 || isr.every(isUp))
      rule(`P2 ${name} ISR and ELR disjoint`, !elr.some(id => isr.includes(id)))
      rule(
        `P2 ${name} no ELR while the ISR is large enough`,
        elr.length === 0 || isr.length < Math.min(minInsync, replicas.length),
      )
      rule(
        `P16 ${name} has a leader if an eligible replica is up`,
        leader !== -1 || ![...isr, ...elr].some(isUp),
      )
      const { addingReplicas: adding, removingReplicas: removing } = partition
      rule(
        `reassignment of ${name} is not done`,
        adding.length + removing.length === 0 ||
          !replicas.every(id => removing.includes(id) || isr.includes(id)),
      )
      rule(
        `reassignment of ${name} can be reverted`,
        replicas.some(id => !adding.includes(id)),
      )
      rule(`online ${name}`, (partitionStateOf(partition) === 'online') === (leader !== -1))
    }
  }
  const deletions = [...image.deletions.values()]
  for (const { topicId, brokerId, state } of deletions) {
    rule(`I6 ${topicId} is gone`, !image.topicsById.has(topicId))
    rule(
      `I7 ${topicId} is forgotten with its last replica`,
      deletions.some(each => each.topicId === topicId && each.state !== 'successful'),
    )
    rule(
      `I9 ${topicId}@${brokerId} goes on while its broker is up`,
      state !== 'ineligible' || !isUp(brokerId),
    )
    rule(
      `${topicId}@${brokerId} waits while its broker is fenced`,
      state !== 'started' || image.brokers.get(brokerId)?.fenced === false,
    )
    rule('key', image.deletions.has(deletionKey(topicId, brokerId)))
  }
  return broken
}

/** What may not go back, between two pictures. */
function regressions(before: Image, after: Image, epochsOfLeaders: Map<string, number>): string[] {
  const broken: string[] = []
  for (const topic of after.topicsById.values()) {
    for (const partition of topic.partitions) {
      const { leader, leaderEpoch, partitionEpoch } = partition
      const old = before.topicsById.get(topic.id)?.partitions[partition.partition]
      const name = `${topic.id}-${partition.partition}`
      if (old !== undefined && old !== partition) {
        const changed = JSON.stringify(old) !== JSON.stringify(partition)
        if (changed && partitionEpoch <= old.partitionEpoch)
          broken.push(`I8 partition epoch ${name}`)
        if (leaderEpoch < old.leaderEpoch) broken.push(`I8 leader epoch ${name}`)
        const isLeft = old.replicas.some(id => !partition.replicas.includes(id))
        if (isLeft && leaderEpoch === old.leaderEpoch) broken.push(`I8 replica left ${name}`)
      }
      if (leader === -1) continue
      const key = `${name}@${leaderEpoch}`
      if ((epochsOfLeaders.get(key) ?? leader) !== leader) broken.push(`I2 two leaders of ${key}`)
      epochsOfLeaders.set(key, leader)
    }
  }
  for (const [id, broker] of after.brokers) {
    if (broker.epoch < (before.brokers.get(id)?.epoch ?? 0)) broken.push(`M3 broker epoch ${id}`)
  }
  if (after.nextProducerId < before.nextProducerId) broken.push('M3 producer ids')
  return broken
}

const partitionSet = (set: ReadonlyMap<string, ReadonlySet<number>>): string[] =>
  [...set].flatMap(([id, numbers]) => [...numbers].map(number => `${id}/${number}`)).toSorted()

const describeIndex = (index: ClusterIndex, image: Image): unknown => ({
  hosted: [1, 2, 3, 4].map(id => partitionSet(index.hosted(id))),
  leaderships: [1, 2, 3, 4].map(id => index.leadershipCount(id)),
  leaderless: partitionSet(index.leaderless),
  leaderlessCount: index.leaderlessCount,
  imbalanced: partitionSet(index.imbalanced),
  imbalancedCount: index.imbalancedCount,
  withElr: partitionSet(index.withElr),
  partitionCount: index.partitionCount,
  deletions: [1, 2, 3, 4].map(id => [...index.deletionsOfBroker(id)].toSorted()),
  topics: index.deletingTopicCount,
  names: [...image.topicsByName.keys()].map(name => [...index.colliding(name)].toSorted()),
})

const topicNames = ['a.b', 'a_b', 'c', 'd'] as const

/** Everything that can happen to a cluster, legal or not, in any order. */
async function happen(cluster: TestCluster, random: Prng): Promise<void> {
  const brokerId = random.between(1, 4)
  const name = random.pick(topicNames)
  const topic = cluster.image.topicsByName.get(name)
  const broker = cluster.image.brokers.get(brokerId)
  const ids = [1, 2, 3, 4].filter(id => random.chance(2, 3) && id > 0)
  // Most of the time most brokers are well.
  for (const id of cluster.image.brokers.keys()) if (random.chance(1, 3)) await cluster.beat(id)
  switch (random.between(0, 18)) {
    case 0:
      return cluster.kill(brokerId)
    case 1:
    case 2:
      if (broker !== undefined) await cluster.beat(brokerId)
      return
    case 3: {
      const previousBrokerEpoch = random.chance(1, 2) ? (broker?.epoch ?? -1) : -1
      await cluster.ask('registerBroker', cluster.registration(brokerId, { previousBrokerEpoch }))
      return
    }
    case 4:
      if (broker !== undefined) await cluster.beat(brokerId, { wantShutDown: true })
      return
    case 5:
      if (broker !== undefined) await cluster.beat(brokerId, { wantFence: random.chance(1, 3) })
      return
    case 6: {
      const configs = [{ name: 'min.insync.replicas', value: `${random.between(1, 3)}` }]
      const partitionCount = random.between(1, 3)
      const replicationFactor = random.between(1, 3)
      const wanted = { name, partitionCount, replicationFactor, assignments: [], configs }
      await cluster.ask('createTopics', { validateOnly: false, topics: [wanted] })
      return
    }
    case 7:
      if (random.chance(1, 3))
        await cluster.ask('deleteTopics', { topics: [{ name, topicId: null }] })
      return
    case 8:
    case 9:
    case 10: {
      const number = random.between(0, 2)
      const leader = topic?.partitions[number]?.leader ?? -1
      if (leader !== -1)
        await cluster.alterIsr(name, [leader, ...ids.filter(id => id !== leader)], { number })
      return
    }
    case 11: {
      const topicIds = [...cluster.image.deletions.values()].map(each => each.topicId)
      if (broker === undefined) return
      await cluster.ask('replicasDeleted', { brokerId, brokerEpoch: broker.epoch, topicIds })
      return
    }
    case 12:
      return await happenRarely(cluster, random, name)
    case 13:
      cluster.clock.pass(random.between(0, 6_000))
      return cluster.commit()
    case 14: {
      const count = (topic?.partitions.length ?? 0) + 1
      await cluster.ask('createPartitions', {
        validateOnly: false,
        topics: [{ name, count: Math.min(count, 3), assignments: null }],
      })
      return
    }
    case 15:
    case 16:
    case 17: {
      const replicas = random.chance(1, 4) ? null : random.chance(1, 2) ? ids : ids.toReversed()
      await cluster.reassign(name, replicas, { number: random.between(0, 2) })
      return
    }
    default:
      await cluster.ask('electLeaders', {
        kind: random.chance(1, 4) ? 'unclean' : 'preferred',
        partitions: null,
      })
  }
}

async function happenRarely(cluster: TestCluster, random: Prng, name: string): Promise<void> {
  const set = (key: string, value: string) => ({ name: key, operation: 'set' as const, value })
  const changes = random.chance(1, 2)
    ? [set('min.insync.replicas', `${random.between(1, 3)}`)]
    : [set('unclean.leader.election.enable', random.chance(1, 3) ? 'true' : 'false')]
  const resource = { resourceType: 'topic' as const, resourceName: name, changes }
  await cluster.ask('alterConfigs', { validateOnly: false, resources: [resource] })
  if (random.chance(1, 4)) await cluster.ask('unregisterBroker', { brokerId: random.between(1, 4) })
}

test('whatever happens, the rules hold after every entry, and every node has the same picture', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Prng(seed)
    let cluster = await TestCluster.of([1, 2, 3], { seed })
    const twin = new MetadataLoader({ publishers: [] })
    const epochsOfLeaders = new Map<string, number>()
    let before: Image = emptyImage
    for (let step = 0; step < 150; step++) {
      await happen(cluster, random)
      if (random.chance(1, 40)) {
        cluster.controller.resign()
        cluster = new TestCluster({ after: cluster, seed: seed + step })
        cluster.activate()
      }
      // Entry by entry: nothing half done is ever published (M4).
      for (const entry of cluster.log.entries.filter(each => each.offset >= twin.image.endOffset)) {
        twin.committed([entry], entry.offset + 1)
        const broken = [
          ...brokenRules(twin.image),
          ...regressions(before, twin.image, epochsOfLeaders),
        ]
        expect(
          broken,
          `seed ${seed} step ${step} ${JSON.stringify(decodeRecords(entry.payload))}`,
        ).toEqual([])
        before = twin.image
      }
    }
    expect(encodeSnapshot(twin.image)).toEqual(encodeSnapshot(cluster.image))
  }
})

test('every hop that nodes are told is in the tables', async () => {
  for (let seed = 100; seed <= 110; seed++) {
    const random = new Prng(seed)
    const cluster = await TestCluster.of([1, 2, 3], { seed })
    for (let step = 0; step < 200; step++) await happen(cluster, random)
    expect(cluster.transitions.length).toBeGreaterThan(50)
    const illegal = cluster.transitions.filter(hop =>
      hop.kind === 'partition'
        ? !isLegalPartitionTransition(hop.from, hop.to)
        : !isLegalReplicaTransition(hop.from, hop.to),
    )
    expect(illegal).toEqual([])
  }
})

test('the index is always that of the image', async () => {
  for (let seed = 200; seed <= 215; seed++) {
    const random = new Prng(seed)
    const cluster = await TestCluster.of([1, 2, 3], { seed })
    const follower = new MetadataLoader({
      publishers: [{ onMetadata: delta => index.update(delta) }],
    })
    const index = new ClusterIndex(emptyImage)
    for (let step = 0; step < 120; step++) {
      await happen(cluster, random)
      const fresh = cluster.log.entries.filter(each => each.offset >= follower.image.endOffset)
      follower.committed(fresh, cluster.log.nextOffset)
      const wanted = new ClusterIndex(follower.image)
      expect(describeIndex(index, follower.image)).toEqual(describeIndex(wanted, follower.image))
    }
  }
})
