import {
  apis,
  consumerProtocolAssignment,
  decodeVersioned,
  errorCodes,
  errorInfo,
} from '@trimaran/protocol'
import {
  RetriableError,
  outcomeText,
  withClient,
  type ClusterClient,
} from '../client/cluster-client.ts'
import { commitOffsets, fetchCommitted, partitionName } from '../client/group-member.ts'
import { earliest, latest, listOffsets } from '../client/reader.ts'
import { CliError, count, exitCodes, printJson, printLine, table } from '../output.ts'
import { reportOutcomes } from './topics.ts'

interface CommonOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
}

export async function list(options: CommonOptions): Promise<void> {
  await withClient(options, async client => {
    const metadata = await client.metadata([])
    const groups: {
      group: string
      protocol: string
      state: string
      type: string
      coordinator: number
    }[] = []
    for (const broker of metadata.brokers) {
      const answer = await (await client.broker(broker.nodeId)).request(apis.listGroups, {})
      if (answer.errorCode !== errorCodes.NONE) throw new CliError(outcomeText(answer.errorCode))
      for (const group of answer.groups) {
        groups.push({
          group: group.groupId,
          protocol: group.protocolType,
          state: group.groupState,
          type: group.groupType,
          coordinator: broker.nodeId,
        })
      }
    }
    groups.sort((a, b) => (a.group < b.group ? -1 : 1))
    if (options.json === true) printJson(groups)
    else
      printLine(
        table(
          ['GROUP', 'PROTOCOL', 'STATE', 'TYPE', 'COORDINATOR'],
          groups.map(each => [
            each.group,
            each.protocol || '-',
            each.state,
            each.type,
            each.coordinator,
          ]),
        ),
      )
  })
}

export async function describe(groupId: string, options: CommonOptions): Promise<void> {
  await withClient(options, async client => {
    const group = await describeGroup(client, groupId)
    const committed = await fetchCommitted(client, groupId, null)
    const owners = ownersOf(group.members)
    const names = new Set([...committed.keys(), ...owners.keys()])
    const rows = []
    for (const name of [...names].toSorted()) {
      const at = name.lastIndexOf('-')
      const topic = name.slice(0, at)
      const partition = Number(name.slice(at + 1))
      const end = (await listOffsets(client, topic, [partition], latest)).get(partition) ?? -1
      const offset = committed.get(name) ?? null
      rows.push({
        topic,
        partition,
        offset,
        end,
        lag: offset === null ? null : end - offset,
        member: owners.get(name) ?? null,
      })
    }
    if (options.json === true) {
      printJson({
        group: groupId,
        state: group.groupState,
        protocol: group.protocolData,
        members: group.members.map(member => ({
          memberId: member.memberId,
          clientId: member.clientId,
          host: member.clientHost,
        })),
        offsets: rows,
      })
      return
    }
    printLine(
      `${groupId}: ${group.groupState || 'Empty'}, ${count(group.members.length, 'member')}`,
    )
    printLine(
      table(
        ['TOPIC', 'PARTITION', 'OFFSET', 'END', 'LAG', 'MEMBER'],
        rows.map(row => [
          row.topic,
          row.partition,
          row.offset ?? '-',
          row.end,
          row.lag ?? '-',
          row.member ?? '-',
        ]),
      ),
    )
  })
}

type DescribedGroup = Awaited<ReturnType<typeof describeGroup>>

async function describeGroup(client: ClusterClient, groupId: string) {
  return client.retry(async () => {
    const coordinator = await client.coordinator(groupId)
    const answer = await coordinator.request(apis.describeGroups, { groups: [groupId] })
    const group = answer.groups[0]
    if (group === undefined)
      throw new CliError(`The coordinator does not know the group "${groupId}".`)
    if (group.errorCode === errorCodes.GROUP_ID_NOT_FOUND || group.groupState === 'Dead')
      throw new CliError(`There is no group "${groupId}".`)
    if (group.errorCode !== errorCodes.NONE)
      throw new RetriableError(
        outcomeText(group.errorCode, group.errorMessage),
        errorInfo(group.errorCode).retriable,
      )
    return group
  })
}

function ownersOf(members: DescribedGroup['members']): Map<string, string> {
  const owners = new Map<string, string>()
  for (const member of members) {
    if (member.memberAssignment.length === 0) continue
    for (const { topic, partitions } of decodeVersioned(
      consumerProtocolAssignment,
      member.memberAssignment,
    ).assignedPartitions) {
      for (const partition of partitions)
        owners.set(partitionName(topic, partition), member.memberId)
    }
  }
  return owners
}

interface ResetOptions extends CommonOptions {
  readonly topic: string
  readonly to: string
  readonly execute?: boolean
}

export async function reset(groupId: string, options: ResetOptions): Promise<void> {
  await withClient(options, async client => {
    const partitions = (await client.topic(options.topic)).partitions.map(
      partition => partition.partitionIndex,
    )
    const targets = await targetOffsets(client, options, partitions)
    const rows = [...targets]
      .toSorted(([a], [b]) => a - b)
      .map(([partition, offset]) => ({ topic: options.topic, partition, offset }))
    if (options.execute === true) {
      const coordinator = await client.coordinator(groupId)
      const answer = await coordinator.request(apis.describeGroups, { groups: [groupId] })
      const members = answer.groups[0]?.members.length ?? 0
      if (members > 0)
        throw new CliError(
          `"${groupId}" has ${count(members, 'member')}; offsets are set only while it has none. Stop its consumers first.`,
        )
      await commitOffsets(client, groupId, rows, { memberId: '', generationId: -1 })
    }
    if (options.json === true)
      printJson({ group: groupId, executed: options.execute === true, offsets: rows })
    else {
      printLine(
        table(
          ['TOPIC', 'PARTITION', 'NEW OFFSET'],
          rows.map(row => [row.topic, row.partition, row.offset]),
        ),
      )
      if (options.execute !== true) printLine('Nothing was changed; add --execute to do it.')
    }
  })
}

async function targetOffsets(
  client: ClusterClient,
  options: ResetOptions,
  partitions: readonly number[],
): Promise<Map<number, number>> {
  if (options.to === 'earliest') return listOffsets(client, options.topic, partitions, earliest)
  if (options.to === 'latest') return listOffsets(client, options.topic, partitions, latest)
  const offset = Number(options.to)
  if (!Number.isInteger(offset) || offset < 0)
    throw new CliError(
      `--to is earliest, latest or an offset, not "${options.to}".`,
      exitCodes.usage,
    )
  return new Map(partitions.map(partition => [partition, offset]))
}

export async function remove(names: readonly string[], options: CommonOptions): Promise<void> {
  await withClient(options, async client => {
    const results = []
    for (const name of names) {
      const answer = await (
        await client.coordinator(name)
      ).request(apis.deleteGroups, { groupsNames: [name] })
      const errorCode = answer.results[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR
      results.push({ name, errorCode, errorMessage: null })
    }
    reportOutcomes(options.json, 'Deleted group', results)
  })
}
