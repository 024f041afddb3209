import { zeroUuid } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import {
  outcomeText,
  withClient,
  type ClusterClient,
  type TopicMetadata,
} from '../client/cluster-client.ts'
import { CliError, count, exitCodes, printJson, printLine, red, table, yellow } from '../output.ts'

interface CommonOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
}

const requestTimeoutMs = 30_000

/** `key=value`, as given to `--config` and `--set`. */
export function parseSetting(
  option: string,
  text: string,
): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=')
  if (at <= 0) throw new CliError(`${option} wants key=value, not "${text}".`, exitCodes.usage)
  return { name: text.slice(0, at), value: text.slice(at + 1) }
}

/** Reports items one by one; some failing is another exit code than all failing. */
export function reportOutcomes(
  json: boolean | undefined,
  done: string,
  items: readonly {
    readonly name: string
    readonly errorCode: number
    readonly errorMessage: string | null
  }[],
): void {
  const failed = items.filter(item => item.errorCode !== errorCodes.NONE)
  if (json === true) {
    printJson(
      items.map(({ name, errorCode, errorMessage }) => ({
        name,
        ok: errorCode === 0,
        error: errorCode === 0 ? null : outcomeText(errorCode, errorMessage),
      })),
    )
  } else {
    for (const item of items) {
      if (item.errorCode === errorCodes.NONE) printLine(`${done} ${item.name}.`)
      else
        process.stderr.write(
          `${red('error:')} ${item.name}: ${outcomeText(item.errorCode, item.errorMessage)}\n`,
        )
    }
  }
  if (failed.length > 0)
    process.exitCode = failed.length === items.length ? exitCodes.failed : exitCodes.partly
}

interface CreateOptions extends CommonOptions {
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly replicaAssignment?: string
  readonly config: readonly string[]
  readonly ifNotExists?: boolean
}

export async function create(names: readonly string[], options: CreateOptions): Promise<void> {
  const assignments = parseAssignment(options)
  const configs = options.config.map(setting => parseSetting('--config', setting))
  await withClient(options, async client => {
    const answer = await client.request(
      apis.createTopics,
      {
        topics: names.map(name => ({
          name,
          numPartitions: assignments.length > 0 ? -1 : (options.partitions ?? -1),
          replicationFactor: assignments.length > 0 ? -1 : (options.replicationFactor ?? -1),
          assignments,
          configs,
        })),
        timeoutMs: requestTimeoutMs,
        validateOnly: false,
      },
      requestTimeoutMs + 5000,
    )
    const isFine = (errorCode: number): boolean =>
      errorCode === errorCodes.TOPIC_ALREADY_EXISTS && options.ifNotExists === true
    reportOutcomes(
      options.json,
      'Created topic',
      answer.topics.map(topic => ({
        ...topic,
        errorCode: isFine(topic.errorCode) ? errorCodes.NONE : topic.errorCode,
      })),
    )
  })
}

function parseAssignment(
  options: CreateOptions,
): { partitionIndex: number; brokerIds: number[] }[] {
  if (options.replicaAssignment === undefined) return []
  if (options.partitions !== undefined || options.replicationFactor !== undefined) {
    throw new CliError(
      '--replica-assignment says how many partitions and replicas there are; leave the other two out.',
      exitCodes.usage,
    )
  }
  return options.replicaAssignment.split(',').map((part, partitionIndex) => {
    const brokerIds = part.split(':').map(Number)
    if (part === '' || brokerIds.some(id => !Number.isInteger(id) || id < 0)) {
      throw new CliError(
        `--replica-assignment is written 1:2:3,2:3:1 (brokers of partition 0, of partition 1, …); "${part}" is not.`,
        exitCodes.usage,
      )
    }
    return { partitionIndex, brokerIds }
  })
}

export async function list(
  options: CommonOptions & { readonly excludeInternal?: boolean },
): Promise<void> {
  await withClient(options, async client => {
    const metadata = await client.metadata(null)
    const names = metadata.topics
      .filter(topic => !(options.excludeInternal === true && topic.isInternal))
      .map(topic => topic.name ?? '')
      .toSorted()
    if (options.json === true) printJson(names)
    else for (const name of names) printLine(name)
  })
}

interface DescribeOptions extends CommonOptions {
  readonly unavailablePartitions?: boolean
  readonly underReplicatedPartitions?: boolean
}

export async function describe(names: readonly string[], options: DescribeOptions): Promise<void> {
  await withClient(options, async client => {
    const topics = await describedTopics(client, names)
    const rows = topics.flatMap(topic =>
      topic.partitions
        .filter(partition => options.unavailablePartitions !== true || partition.leaderId < 0)
        .filter(
          partition =>
            options.underReplicatedPartitions !== true ||
            partition.isrNodes.length < partition.replicaNodes.length,
        )
        .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
        .map(partition => ({
          topic: topic.name ?? '',
          topicId: topic.topicId,
          partition: partition.partitionIndex,
          leader: partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          isr: partition.isrNodes,
          offline: partition.offlineReplicas,
        })),
    )
    if (options.json === true) {
      printJson(rows)
      return
    }
    if (names.length > 0) {
      for (const topic of topics) {
        printLine(
          `${topic.name}  ${topic.topicId}  ${count(topic.partitions.length, 'partition')}, replication factor ${topic.partitions[0]?.replicaNodes.length ?? 0}`,
        )
      }
    }
    printLine(
      table(
        ['TOPIC', 'PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'OFFLINE'],
        rows.map(row => [
          row.topic,
          row.partition,
          row.leader < 0 ? red('none') : row.leader,
          row.leaderEpoch,
          row.replicas.join(','),
          row.isr.length < row.replicas.length ? yellow(row.isr.join(',')) : row.isr.join(','),
          row.offline.length === 0 ? '-' : red(row.offline.join(',')),
        ]),
      ),
    )
  })
}

async function describedTopics(
  client: ClusterClient,
  names: readonly string[],
): Promise<readonly TopicMetadata[]> {
  const metadata = await client.metadata(names.length === 0 ? null : names)
  for (const topic of metadata.topics) {
    const isGone = topic.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    if (isGone) throw new CliError(`There is no topic "${topic.name}".`)
    if (topic.errorCode === errorCodes.INVALID_TOPIC_EXCEPTION)
      throw new CliError(`"${topic.name}" is no legal topic name.`)
  }
  return metadata.topics.toSorted((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))
}

export async function alter(
  name: string,
  options: CommonOptions & { readonly partitions: number },
): Promise<void> {
  await withClient(options, async client => {
    const answer = await client.request(apis.createPartitions, {
      topics: [{ name, count: options.partitions, assignments: null }],
      timeoutMs: requestTimeoutMs,
      validateOnly: false,
    })
    reportOutcomes(options.json, 'Altered topic', answer.results)
  })
}

export async function remove(
  names: readonly string[],
  options: CommonOptions & { readonly ifExists?: boolean },
): Promise<void> {
  await withClient(options, async client => {
    const answer = await client.request(apis.deleteTopics, {
      topics: names.map(name => ({ name, topicId: zeroUuid })),
      topicNames: names,
      timeoutMs: requestTimeoutMs,
    })
    const isFine = (errorCode: number): boolean =>
      errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION && options.ifExists === true
    reportOutcomes(
      options.json,
      'Deleted topic',
      answer.responses.map(topic => ({
        ...topic,
        name: topic.name ?? '',
        errorCode: isFine(topic.errorCode) ? errorCodes.NONE : topic.errorCode,
      })),
    )
  })
}
