import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorCodes, errorInfo } from '@trimaran/protocol'
import {
  outcomeText,
  RetriableError,
  withClient,
  type ClusterClient,
  type TopicMetadata,
} from '../client/cluster-client.ts'
import { CliError, count, exitCodes, printJson, printLine, red, table } from '../output.ts'
import {
  currentMoves,
  type Move,
  nameOf,
  parseBrokers,
  planJson,
  propose,
  readPlan,
} from './reassign-plan.ts'

interface ReassignOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
  readonly file?: string
  readonly partition?: number
  readonly replicas?: string
  readonly brokers?: string
  readonly replicationFactor?: number
  readonly disallowReplicationFactorChange?: boolean
  /** `--no-wait` makes it false. */
  readonly wait: boolean
  readonly generate?: boolean
  readonly execute?: boolean
  readonly verify?: boolean
  readonly cancel?: boolean
  readonly list?: boolean
}

const requestTimeoutMs = 30_000
const pollIntervalMs = 200
/** A broker that answers after another one has died may be a moment behind: it is asked this often before it is believed. */
const doubtsMax = 5

const modes = ['generate', 'execute', 'verify', 'cancel', 'list'] as const

export async function reassign(topics: readonly string[], options: ReassignOptions): Promise<void> {
  const [mode = 'execute', other] = modes.filter(each => options[each] === true)
  if (other !== undefined)
    throw new CliError(`--${mode} and --${other} are two things; ask for one.`, exitCodes.usage)
  await withClient(options, async client => {
    switch (mode) {
      case 'generate':
        return generate(client, topics, options)
      case 'execute':
        return execute(client, moveFrom(topics, options), options)
      case 'verify':
        return verify(client, moveFrom(topics, options), options)
      case 'cancel':
        return cancel(client, topics, options)
      case 'list':
        return list(client, topics, options)
    }
  })
}

/** What is asked for: a file, or one partition. */
function moveFrom(topics: readonly string[], options: ReassignOptions): readonly Move[] {
  const { file, partition, replicas } = options
  const [topic] = topics
  if (file !== undefined) {
    if (topic !== undefined || partition !== undefined || replicas !== undefined) {
      throw new CliError(
        '--file says which partitions go where; leave the topic, --partition and --replicas out.',
        exitCodes.usage,
      )
    }
    return readPlan(file)
  }
  if (
    topic === undefined ||
    topics.length > 1 ||
    partition === undefined ||
    replicas === undefined
  ) {
    throw new CliError(
      'Say what goes where: TOPIC --partition 0 --replicas 2,3,1 for one partition, --file plan.json ' +
        'for many. --generate makes such a file.',
      exitCodes.usage,
    )
  }
  return [{ topic, partition, replicas: parseBrokers('--replicas', replicas) }]
}

// Asking

interface Moving {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

/** What is on the move, by its name; all topics without any. */
async function listed(
  client: ClusterClient,
  partitions: readonly Pick<Move, 'topic' | 'partition'>[] | null,
): Promise<ReadonlyMap<string, Moving>> {
  const answer = await client.retry(async () => {
    const topics = partitions === null ? null : byTopic(partitions, ({ partition }) => partition)
    const told = await client.request(apis.listPartitionReassignments, {
      timeoutMs: requestTimeoutMs,
      topics:
        topics === null
          ? null
          : [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
    })
    checkWhole(told)
    return told
  })
  const moving = answer.topics.flatMap(({ name, partitions: each }) =>
    each.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: partitionIndex,
      replicas,
      adding: addingReplicas,
      removing: removingReplicas,
    })),
  )
  return new Map(moving.map(each => [nameOf(each), each]))
}

/** The same may be asked again: where it is to end does not depend on where it began. */
function checkWhole(told: {
  readonly errorCode: number
  readonly errorMessage: string | null
}): void {
  if (told.errorCode === errorCodes.NONE) return
  const { retriable } = errorInfo(told.errorCode)
  throw new RetriableError(outcomeText(told.errorCode, told.errorMessage), retriable)
}

interface Outcome {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Null replicas: it is called off. */
async function alter(
  client: ClusterClient,
  partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly replicas: readonly number[] | null
  }[],
  options: ReassignOptions,
): Promise<readonly Outcome[]> {
  const topics = byTopic(partitions, ({ partition, replicas }) => ({
    partitionIndex: partition,
    replicas,
  }))
  const answer = await client.retry(async () => {
    const told = await client.request(
      apis.alterPartitionReassignments,
      {
        timeoutMs: requestTimeoutMs,
        allowReplicationFactorChange: options.disallowReplicationFactorChange !== true,
        topics: [...topics].map(([name, each]) => ({ name, partitions: each })),
      },
      requestTimeoutMs + 5000,
    )
    checkWhole(told)
    return told
  })
  return answer.responses.flatMap(({ name, partitions: each }) =>
    each.map(({ partitionIndex, errorCode, errorMessage }) => ({
      topic: name,
      partition: partitionIndex,
      errorCode,
      errorMessage,
    })),
  )
}

function byTopic<T extends Pick<Move, 'topic'>, R>(
  items: readonly T[],
  map: (item: T) => R,
): ReadonlyMap<string, R[]> {
  const topics = new Map<string, R[]>()
  for (const item of items) {
    const known = topics.get(item.topic)
    if (known === undefined) topics.set(item.topic, [map(item)])
    else known.push(map(item))
  }
  return topics
}

async function topicsNamed(
  client: ClusterClient,
  names: Iterable<string>,
): Promise<readonly TopicMetadata[]> {
  return Promise.all([...new Set(names)].map(name => client.topic(name)))
}

// Doing

type State = 'done' | 'moving' | 'failed' | 'elsewhere'

interface Progress extends Move {
  readonly state: State
  readonly current: readonly number[]
  /** Replicas of the target that are not in sync. */
  readonly missing: readonly number[]
  readonly error: string | null
}

async function progressOf(
  client: ClusterClient,
  moves: readonly Move[],
): Promise<readonly Progress[]> {
  // First what moves: what ends between the two answers is then seen at its end in the second or in the next round.
  const moving = await listed(client, moves)
  const topics = await topicsNamed(
    client,
    moves.map(({ topic }) => topic),
  )
  const known = new Map<string, TopicMetadata['partitions'][number]>(
    topics.flatMap(({ name, partitions }) =>
      partitions.map(each => [`${name}-${each.partitionIndex}`, each]),
    ),
  )
  return moves.map(move => {
    const partition = known.get(nameOf(move))
    if (partition === undefined) {
      const error = `There is no partition ${nameOf(move)}.`
      return { ...move, state: 'failed', current: [], missing: [], error }
    }
    const current = partition.replicaNodes
    const missing = move.replicas.filter(id => !partition.isrNodes.includes(id))
    const state = stateOf(move, current, moving.get(nameOf(move)))
    const error =
      state === 'elsewhere' ? `Its replicas are ${current.join(',')}, and it does not move.` : null
    return { ...move, state, current, missing, error }
  })
}

function stateOf(move: Move, current: readonly number[], moving: Moving | undefined): State {
  if (moving !== undefined) return 'moving'
  return current.join() === move.replicas.join() ? 'done' : 'elsewhere'
}

async function execute(
  client: ClusterClient,
  moves: readonly Move[],
  options: ReassignOptions,
): Promise<void> {
  const topics = await topicsNamed(
    client,
    moves.map(({ topic }) => topic),
  )
  const wanted = new Set(moves.map(nameOf))
  const before = currentMoves(topics).filter(each => wanted.has(nameOf(each)))
  if (options.json !== true && moves.length > 0) {
    printLine('Before, as a file for the way back:')
    printLine(planJson(before))
    printLine()
  }
  const outcomes = await alter(client, moves, options)
  const errors = new Map(
    outcomes
      .filter(({ errorCode }) => errorCode !== errorCodes.NONE)
      .map(each => [nameOf(each), outcomeText(each.errorCode, each.errorMessage)]),
  )
  const begun = moves.filter(move => !errors.has(nameOf(move)))
  const ended =
    begun.length === 0
      ? []
      : options.wait
        ? await waited(client, begun, options)
        : await progressOf(client, begun)
  const failed = moves
    .filter(move => errors.has(nameOf(move)))
    .map(move => ({
      ...move,
      state: 'failed' as const,
      current: before.find(each => nameOf(each) === nameOf(move))?.replicas ?? [],
      missing: [],
      error: errors.get(nameOf(move)) ?? null,
    }))
  tell([...ended, ...failed], options, options.wait ? [] : ended)
}

/** Until nothing of it moves. What ends is said when it ends. */
async function waited(
  client: ClusterClient,
  moves: readonly Move[],
  options: ReassignOptions,
): Promise<readonly Progress[]> {
  let doubts = 0
  const isLive = process.stderr.isTTY === true && options.json !== true
  for (;;) {
    const progress = await progressOf(client, moves)
    const moving = progress.filter(({ state }) => state === 'moving')
    if (isLive)
      process.stderr.write(`\r\u001b[K${moving.length > 0 ? liveText(moving, moves) : ''}`)
    const isDoubtful = progress.some(({ state }) => state === 'elsewhere')
    if (moving.length === 0 && (!isDoubtful || ++doubts > doubtsMax)) return progress
    await sleep(pollIntervalMs)
  }
}

function liveText(moving: readonly Progress[], moves: readonly Move[]): string {
  const [first] = moving
  const who = first === undefined ? '' : ` · ${nameOf(first)} waits for ${first.missing.join(', ')}`
  return `${moves.length - moving.length} of ${count(moves.length, 'partition')} moved${who}`
}

function tell(
  progress: readonly Progress[],
  options: ReassignOptions,
  alsoMoving: readonly Progress[],
): void {
  if (options.json === true) {
    printJson(progress.map(({ state, ...rest }) => ({ ...rest, state })))
  } else {
    for (const each of progress) {
      if (each.state === 'done') printLine(`Moved ${nameOf(each)} to ${each.replicas.join(',')}.`)
      else if (each.error !== null)
        process.stderr.write(`${red('error:')} ${nameOf(each)}: ${each.error}\n`)
    }
    for (const each of alsoMoving) {
      if (each.state === 'moving')
        printLine(`${nameOf(each)} moves to ${each.replicas.join(',')}: see --verify, --cancel.`)
    }
  }
  const failed = progress.filter(({ state }) => state === 'failed' || state === 'elsewhere')
  if (failed.length > 0)
    process.exitCode = failed.length === progress.length ? exitCodes.failed : exitCodes.partly
}

async function verify(
  client: ClusterClient,
  moves: readonly Move[],
  options: ReassignOptions,
): Promise<void> {
  const progress = await progressOf(client, moves)
  if (options.json === true) printJson(progress)
  else {
    printLine(
      table(
        ['PARTITION', 'TARGET', 'REPLICAS', 'STATE', 'WAITS FOR'],
        progress.map(each => [
          nameOf(each),
          each.replicas.join(','),
          each.current.join(','),
          each.state,
          each.state === 'moving' && each.missing.length > 0 ? each.missing.join(',') : '-',
        ]),
      ),
    )
  }
  const done = progress.filter(({ state }) => state === 'done').length
  const isAnyOnItsWay = progress.some(({ state }) => state !== 'failed' && state !== 'elsewhere')
  if (done < progress.length) process.exitCode = isAnyOnItsWay ? exitCodes.partly : exitCodes.failed
}

async function list(
  client: ClusterClient,
  topics: readonly string[],
  options: ReassignOptions,
): Promise<void> {
  const moving = [...(await listed(client, null)).values()]
    .filter(({ topic }) => topics.length === 0 || topics.includes(topic))
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  if (options.json === true) return printJson(moving)
  if (moving.length === 0) return printLine('Nothing is being reassigned.')
  const ids = (brokers: readonly number[]): string => (brokers.length > 0 ? brokers.join(',') : '-')
  printLine(
    table(
      ['PARTITION', 'REPLICAS', 'ADDING', 'REMOVING'],
      moving.map(each => [nameOf(each), ids(each.replicas), ids(each.adding), ids(each.removing)]),
    ),
  )
}

/** Of a file, of topics, of one partition; of everything that moves when nothing is named. */
async function cancel(
  client: ClusterClient,
  topics: readonly string[],
  options: ReassignOptions,
): Promise<void> {
  const { file, partition } = options
  if (partition !== undefined && topics.length !== 1)
    throw new CliError('--partition needs one topic.', exitCodes.usage)
  const named = file === undefined ? null : new Set(readPlan(file).map(nameOf))
  const moving = [...(await listed(client, null)).values()].filter(
    each =>
      (named?.has(nameOf(each)) ?? true) &&
      (topics.length === 0 || topics.includes(each.topic)) &&
      (partition === undefined || each.partition === partition),
  )
  const outcomes = await alter(
    client,
    moving.map(({ topic, partition: number }) => ({ topic, partition: number, replicas: null })),
    options,
  )
  // What has come to its end meanwhile is no failure.
  const items = outcomes
    .filter(({ errorCode }) => errorCode !== errorCodes.NO_REASSIGNMENT_IN_PROGRESS)
    .map(({ errorCode, errorMessage, ...each }) => ({
      name: nameOf(each),
      ok: errorCode === errorCodes.NONE,
      error: errorCode === errorCodes.NONE ? null : outcomeText(errorCode, errorMessage),
    }))
  if (options.json === true) printJson(items)
  else if (items.length === 0) printLine('Nothing is being reassigned.')
  else {
    for (const { name, ok, error } of items) {
      if (ok) printLine(`Cancelled the reassignment of ${name}.`)
      else process.stderr.write(`${red('error:')} ${name}: ${error}\n`)
    }
  }
  const failed = items.filter(({ ok }) => !ok).length
  if (failed > 0) process.exitCode = failed === items.length ? exitCodes.failed : exitCodes.partly
}

async function generate(
  client: ClusterClient,
  topics: readonly string[],
  options: ReassignOptions,
): Promise<void> {
  if (topics.length === 0 || options.brokers === undefined) {
    throw new CliError(
      '--generate wants topics and brokers: trimaran reassign --generate orders --brokers 1,2,3',
      exitCodes.usage,
    )
  }
  const brokers = parseBrokers('--brokers', options.brokers)
  const current = currentMoves(await topicsNamed(client, topics))
  const metadata = await client.metadata([])
  const proposed = propose(current, brokers, metadata, options.replicationFactor)
  if (options.json === true) {
    printJson({
      current: JSON.parse(planJson(current)) as unknown,
      proposed: JSON.parse(planJson(proposed)) as unknown,
    })
    return
  }
  // The plan alone on stdout: it is a file for --file, and for Kafka's own tool.
  process.stderr.write(`Now:\n${planJson(current)}\n\nProposed:\n`)
  printLine(planJson(proposed))
}
