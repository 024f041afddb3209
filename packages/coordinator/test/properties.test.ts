import { Prng } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { StoredGroups } from '../src/group/stored-groups.ts'
import { committing, joining, syncing } from './requests.ts'
import { settle, World } from './world.ts'

const partitionCount = 6
const sessionTimeoutMs = 6000
const rebalanceTimeoutMs = 8000

/**
 * What must hold (reliability.md §2.5), noted by the clients and checked at once:
 * G1 one owner per partition and generation · G2 a generation has one leader and never comes again · G3 only the
 * current generation commits · G4 no acknowledged offset is lost or goes back · G6 nobody is stuck · G8 one live member
 * per instance · G9 the log says what the coordinator says.
 */
class History {
  readonly wrong: string[] = []
  readonly #leaders = new Map<number, string>()
  readonly #owners = new Map<string, string>()
  readonly acknowledged = new Map<number, number>()
  #newest = 0

  generation(generationId: number, leader: string): void {
    const known = this.#leaders.get(generationId)
    if (known !== undefined && known !== leader)
      this.wrong.push(`G2: generation ${generationId} has two leaders`)
    this.#leaders.set(generationId, leader)
    if (generationId < this.#newest)
      this.wrong.push(`G2: generation ${generationId} after ${this.#newest}`)
    this.#newest = generationId
  }

  owns(generationId: number, partition: number, client: string): void {
    const key = `${generationId}/${partition}`
    const owner = this.#owners.get(key)
    if (owner !== undefined && owner !== client)
      this.wrong.push(`G1: ${key} is of ${owner} and ${client}`)
    this.#owners.set(key, client)
  }
}

/** A consumer: joins, syncs, beats, commits; dies without a word. */
class Client {
  readonly name: string
  readonly instanceId: string | null
  memberId = ''
  generationId = -1
  owned: number[] = []
  isAlive = true
  readonly #world: World
  readonly #history: History
  readonly #random: Prng
  readonly #nextOffset: () => number

  constructor(
    name: string,
    options: {
      readonly world: World
      readonly history: History
      readonly random: Prng
      readonly instanceId: string | null
      readonly nextOffset: () => number
    },
  ) {
    this.name = name
    this.#world = options.world
    this.#history = options.history
    this.#random = options.random
    this.#nextOffset = options.nextOffset
    this.instanceId = options.instanceId
  }

  async run(): Promise<void> {
    while (this.isAlive) {
      if (await this.#enter()) await this.#consume()
      await this.#pause(this.#random.between(20, 300))
    }
  }

  async leave(): Promise<void> {
    this.isAlive = false
    const members = [{ memberId: this.memberId, groupInstanceId: null, reason: null }]
    await this.#world.coordinator.leaveGroup({ groupId: 'g', members })
  }

  /** No answer reaches the dead; the living wait for theirs, or for their own timeout. */
  async #pause(ms: number): Promise<void> {
    await this.#world.clock.after(ms)
  }

  async #enter(): Promise<boolean> {
    const coordinator = this.#world.coordinator
    const request = joining({
      clientId: this.name,
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
    })
    const joined = await coordinator.joinGroup(request)
    if (!this.isAlive) return false
    if (joined.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
      this.memberId = joined.memberId
      return false
    }
    if (joined.errorCode !== errorCodes.NONE) {
      this.#fail(joined.errorCode)
      return false
    }
    this.memberId = joined.memberId
    this.generationId = joined.generationId
    // A static leader that comes back gets a new id in the same generation.
    this.#history.generation(joined.generationId, joined.leader.replace(/-[0-9a-f-]{36}$/, ''))
    const assignments =
      joined.leader === joined.memberId && !joined.skipAssignment
        ? joined.members.map(({ memberId }, at) => ({
            memberId,
            assignment: Uint8Array.from(
              [...Array(partitionCount).keys()]
                .filter(each => each % joined.members.length === at)
                .concat([99]),
            ),
          }))
        : []
    if (this.#random.chance(1, 30)) await this.#pause(this.#random.between(1000, 12_000))
    if (!this.isAlive) return false
    const synced = await this.#world.coordinator.syncGroup(
      syncing({
        generationId: this.generationId,
        memberId: this.memberId,
        groupInstanceId: this.instanceId,
        assignments,
      }),
    )
    if (!this.isAlive) return false
    if (synced.errorCode !== errorCodes.NONE) {
      this.#fail(synced.errorCode)
      return false
    }
    this.owned = [...synced.assignment].filter(each => each < partitionCount)
    for (const partition of this.owned)
      this.#history.owns(this.generationId, partition, this.instanceId ?? this.name)
    return true
  }

  #fail(errorCode: number): void {
    this.owned = []
    if (errorCode === errorCodes.UNKNOWN_MEMBER_ID) this.memberId = ''
    // Another client took our instance over.
    if (errorCode === errorCodes.FENCED_INSTANCE_ID) this.isAlive = false
  }

  async #consume(): Promise<void> {
    for (;;) {
      await this.#pause(this.#random.between(100, 1500))
      if (!this.isAlive) return
      const { generationId, memberId } = this
      const beat = { groupId: 'g', generationId, memberId, groupInstanceId: this.instanceId }
      if (this.owned.length > 0 && this.#random.chance(2, 3)) {
        const errorCode = await this.#commit(this.#random.pick(this.owned))
        if (!this.isAlive) return
        if (isRetriable(errorCode)) continue
        if (errorCode !== errorCodes.NONE) return this.#fail(errorCode)
      }
      const { errorCode } = await this.#world.coordinator.heartbeat(beat)
      if (!this.isAlive) return
      if (isRetriable(errorCode)) continue
      if (errorCode !== errorCodes.NONE) return this.#fail(errorCode)
    }
  }

  async #commit(partition: number): Promise<number> {
    const offset = this.#nextOffset()
    const { generationId, memberId } = this
    const request = committing(offset, {
      generationId,
      memberId,
      groupInstanceId: this.instanceId,
      partition,
      metadata: String(generationId),
    })
    const { topics } = await this.#world.coordinator.commitOffsets(request)
    const errorCode = topics[0]?.partitions[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR
    if (errorCode === errorCodes.NONE) {
      const { acknowledged } = this.#history
      acknowledged.set(partition, Math.max(acknowledged.get(partition) ?? 0, offset))
    }
    return errorCode
  }
}

const isRetriable = (errorCode: number): boolean =>
  errorCode === errorCodes.NOT_COORDINATOR ||
  errorCode === errorCodes.COORDINATOR_LOAD_IN_PROGRESS ||
  errorCode === errorCodes.COORDINATOR_NOT_AVAILABLE

function checkOffsets(world: World, history: History, when: string): void {
  const topics = [{ name: 'orders', partitions: [...history.acknowledged.keys()] }]
  const response = world.coordinator.fetchOffsets({ groupId: 'g', topics, requireStable: true })
  if (response.errorCode !== errorCodes.NONE) return
  for (const { partition, offset } of response.topics[0]?.partitions ?? []) {
    const least = history.acknowledged.get(partition) ?? 0
    if (offset < least)
      history.wrong.push(`G4: ${when}: partition ${partition} is at ${offset}, not ${least}`)
  }
}

/** The order of the log is the order of the truth: no commit of a generation after the next one began. */
function checkLog(world: World, history: History): StoredGroups {
  const stored = new StoredGroups()
  let generation = 0
  for (const record of world.log.records(0)) {
    stored.replay(record)
    if (record.kind === 'group') {
      const next = record.value?.generation ?? 0
      if (record.value !== null && next < generation)
        history.wrong.push(`G2: ${next} after ${generation} in the log`)
      generation = next
      const instances = (record.value?.members ?? []).flatMap(
        member => member.groupInstanceId ?? [],
      )
      if (new Set(instances).size !== instances.length)
        history.wrong.push('G8: an instance is there twice')
    } else if (record.value !== null && Number(record.value.metadata) !== generation) {
      history.wrong.push(`G3: commit of ${record.value.metadata} in ${generation}`)
    }
  }
  return stored
}

async function life(
  seed: number,
): Promise<{ readonly wrong: string[]; readonly commits: number; readonly generation: number }> {
  const random = new Prng(seed)
  const world = new World({
    nodes: 3,
    seed,
    config: { initialRebalanceDelayMs: random.pick([0, 500, 3000]), maxSize: 6 },
  })
  const faults = random.fork(1)
  let isHealed = false
  world.log.faults.delayMs = () => {
    if (isHealed || !faults.chance(1, 40)) return faults.between(0, 20)
    return faults.chance(1, 2) ? null : faults.between(100, 7000)
  }
  world.log.faults.refuse = () =>
    !isHealed && faults.chance(1, 60) ? errorCodes.NOT_ENOUGH_REPLICAS : 0
  await world.start()
  const history = new History()
  const clients: Client[] = []
  let offset = 0
  let names = 0
  const add = () => {
    const instanceId = random.chance(1, 3) ? `i${random.between(1, 2)}` : null
    const client = new Client(`c${++names}`, {
      world,
      history,
      random: random.fork(names + 2),
      instanceId,
      nextOffset: () => ++offset,
    })
    clients.push(client)
    void client.run()
  }
  for (let step = 0; step < 60; step++) {
    const living = clients.filter(client => client.isAlive)
    const dice = random.between(1, 10)
    if (living.length < 2 || (dice <= 2 && living.length < 6)) add()
    else if (dice === 3) random.pick(living).isAlive = false
    else if (dice === 4) void random.pick(living).leave()
    else if (dice <= 6) {
      const { highWatermark } = world.log.partition(0)
      const keepTo = random.between(highWatermark, world.log.endOffset(0))
      world.elect(random.between(0, 2), { keepTo, knownTo: random.between(0, highWatermark) })
    }
    await world.clock.run(random.between(50, 3000))
    if (random.chance(2, 3)) world.log.replicate(0)
    await settle()
    checkOffsets(world, history, `step ${step}`)
  }
  isHealed = true
  world.log.replicate(0)
  await world.clock.run(4 * (sessionTimeoutMs + rebalanceTimeoutMs) + 30_000)
  const living = clients.filter(client => client.isAlive)
  const described = world.coordinator.describeGroup('g')
  const expected = living.length === 0 ? 'Empty' : 'Stable'
  if (described.groupState !== expected)
    history.wrong.push(`G6: the group is ${described.groupState}`)
  const inGroup = new Set(described.members.map(member => member.memberId))
  for (const client of living) {
    if (!inGroup.has(client.memberId)) history.wrong.push(`G6: ${client.name} is not in the group`)
  }
  if (
    new Set(living.flatMap(client => client.owned)).size !==
    (living.length > 0 ? partitionCount : 0)
  ) {
    history.wrong.push('G6: a partition has no owner')
  }
  if (described.members.length > 6) history.wrong.push(`G10: ${described.members.length} members`)
  checkOffsets(world, history, 'at the end')
  for (const client of clients) client.isAlive = false
  // What is on its way into the log arrives.
  await world.clock.run(100)
  const stored = checkLog(world, history)
  checkReplay(world, history, stored)
  return {
    wrong: history.wrong,
    commits: history.acknowledged.size,
    generation: stored.get('g').metadata?.generation ?? 0,
  }
}

/** G9: live state, and a fold of the log from its beginning, are the same. */
function checkReplay(world: World, history: History, stored: StoredGroups): void {
  const live = world.coordinator.fetchOffsets({ groupId: 'g', topics: null, requireStable: true })
  const folded = [...stored.get('g').offsets].flatMap(([, partitions]) =>
    [...partitions].map(([partition, { offset }]) => `${partition}:${offset}`),
  )
  const told = live.topics.flatMap(topic =>
    topic.partitions.map(({ partition, offset }) => `${partition}:${offset}`),
  )
  if (folded.sort().join() !== told.sort().join())
    history.wrong.push(`G9: ${told.join()} is not ${folded.join()}`)
  const members = (stored.get('g').metadata?.members ?? []).map(
    ({ memberId, assignment }) => `${memberId} ${assignment.join()}`,
  )
  const described = world.coordinator
    .describeGroup('g')
    .members.map(({ memberId, memberAssignment }) => `${memberId} ${memberAssignment.join()}`)
  if (members.sort().join() !== described.sort().join())
    history.wrong.push('G9: members differ from the log')
}

const seeds = 150

test(`groups keep their promises through crashes, partings and fail-overs (${seeds} seeds)`, async () => {
  let generations = 0
  let commits = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await life(seed)
    expect({ seed, wrong: result.wrong }).toEqual({ seed, wrong: [] })
    generations += result.generation
    commits += result.commits
  }
  // The runs were not idle.
  expect(generations).toBeGreaterThan(10 * seeds)
  expect(commits).toBeGreaterThan(3 * seeds)
})

test('one seed gives one run', async () => {
  expect(await life(7)).toEqual(await life(7))
})
