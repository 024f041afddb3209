import { readFileSync } from 'node:fs'
import type { Metadata, TopicMetadata } from '../client/cluster-client.ts'
import { CliError, exitCodes } from '../output.ts'

/** Where one partition is to be: brokers in order of preference, the first of them leads. */
export interface Move {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

export const nameOf = ({ topic, partition }: Pick<Move, 'topic' | 'partition'>): string =>
  `${topic}-${partition}`

/** Kafka's file for kafka-reassign-partitions. */
export const planJson = (moves: readonly Move[]): string =>
  JSON.stringify({
    version: 1,
    partitions: moves.map(({ topic, partition, replicas }) => ({ topic, partition, replicas })),
  })

/** `1,2,3` */
export function parseBrokers(option: string, text: string): readonly number[] {
  const brokers = text.split(',').map(part => (part.trim() === '' ? Number.NaN : Number(part)))
  if (brokers.some(id => !Number.isInteger(id) || id < 0)) {
    throw new CliError(
      `${option} is written 1,2,3 (broker ids); "${text}" is not.`,
      exitCodes.usage,
    )
  }
  const twice = brokers.find((id, at) => brokers.indexOf(id) !== at)
  if (twice !== undefined)
    throw new CliError(`${option} names broker ${twice} twice.`, exitCodes.usage)
  return brokers
}

export function readPlan(file: string): readonly Move[] {
  const bad = (why: string): CliError =>
    new CliError(
      `${file} is no reassignment file: ${why}. It is written ` +
        '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3]}]}.',
      exitCodes.usage,
    )
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`, exitCodes.usage)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw bad((error as Error).message)
  }
  const partitions = (document as { partitions?: unknown } | null)?.partitions
  if (!Array.isArray(partitions)) throw bad('it has no list "partitions"')
  const moves = partitions.map((item: unknown, at) => {
    const { topic, partition, replicas } = (item ?? {}) as Partial<Record<keyof Move, unknown>>
    const where = `partitions[${at}]`
    if (typeof topic !== 'string' || topic === '') throw bad(`${where} has no topic`)
    if (!isId(partition)) throw bad(`${where} has no partition number`)
    if (!Array.isArray(replicas) || !replicas.every(isId)) {
      throw bad(`the replicas of ${where} are no list of broker ids`)
    }
    return { topic, partition, replicas: replicas as number[] }
  })
  const names = moves.map(nameOf)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw bad(`${twice} is there twice`)
  return moves
}

const isId = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0

/** As the topics are now. */
export const currentMoves = (topics: readonly TopicMetadata[]): Move[] =>
  topics.flatMap(({ name, partitions }) =>
    partitions
      .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
      .map(({ partitionIndex, replicaNodes }) => ({
        topic: name ?? '',
        partition: partitionIndex,
        replicas: replicaNodes,
      })),
  )

/** Neighbours in the list are in different racks, as far as that goes: a broker of each rack in turn. */
function alternatingRacks(
  ids: readonly number[],
  racks: ReadonlyMap<number, string | null>,
): number[] {
  const byRack = new Map<string, number[]>()
  for (const id of ids.toSorted((a, b) => a - b)) {
    const rack = racks.get(id) ?? ''
    byRack.set(rack, [...(byRack.get(rack) ?? []), id])
  }
  const lists = [...byRack.values()]
  const longest = Math.max(...lists.map(list => list.length))
  return Array.from({ length: longest }, (_, at) => lists.flatMap(list => list[at] ?? [])).flat()
}

/**
 * The partitions of the topics in stripes over the brokers: the first replicas, and so the leaders, are spread evenly, and
 * the others of a partition are shifted by one more with each round, so that no broker inherits all of another's.
 */
export function propose(
  current: readonly Move[],
  brokers: readonly number[],
  metadata: Pick<Metadata, 'brokers'>,
  replicationFactor?: number,
): Move[] {
  const racks = new Map(metadata.brokers.map(broker => [broker.nodeId, broker.rack ?? null]))
  const unknown = brokers.find(id => !racks.has(id))
  if (unknown !== undefined) {
    const alive = [...racks.keys()].toSorted((a, b) => a - b).join(',')
    throw new CliError(`There is no live broker ${unknown}. Alive: ${alive}.`, exitCodes.usage)
  }
  const list = alternatingRacks(brokers, racks)
  return current.map((move, at) => {
    const factor = replicationFactor ?? move.replicas.length
    if (factor > list.length) {
      throw new CliError(
        `${nameOf(move)} is to have ${factor} replicas, and --brokers names ${list.length}.`,
        exitCodes.usage,
      )
    }
    const others = list.length - 1
    const shift = others === 0 ? 0 : Math.floor(at / list.length) % others
    const replicas = Array.from({ length: factor }, (_, nth) => {
      const step = nth === 0 ? 0 : 1 + ((shift + nth - 1) % others)
      return list[(at + step) % list.length] as number
    })
    return { ...move, replicas }
  })
}
