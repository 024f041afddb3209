import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apache, apacheIsThere, apacheOutcome } from '../support/apache.ts'
import { CliCluster, votersOf } from '../support/cli-cluster.ts'
import { until } from '../support/run.ts'

const timeoutMs = 180_000

describe.skipIf(!apacheIsThere)("Apache's kafka-metadata-quorum", { timeout: timeoutMs }, () => {
  let cluster: CliCluster
  let server: readonly [string, string]
  let added: number
  beforeAll(async () => {
    cluster = await CliCluster.up({ port: 21_170 })
    server = ['--bootstrap-server', cluster.bootstrapServers]
    added = await cluster.addNode()
  })
  afterAll(async () => cluster?.down())

  const directoryOf = async (nodeId: number): Promise<string> => {
    const { replicas } = await cluster.quorum()
    return replicas.find(({ id }) => id === nodeId)?.directoryId ?? ''
  }
  const removal = async (nodeId: number): Promise<readonly string[]> => [
    ...server,
    'remove-controller',
    '--controller-id',
    String(nodeId),
    '--controller-directory-id',
    await directoryOf(nodeId),
  ]

  test('adds the node whose configuration it is given, and describes it as a voter', async () => {
    const file = join(cluster.dataDirectory(added), '../server.properties')
    const args = [...server, '--command-config', file, 'add-controller']
    const { stdout } = await apache('kafka-metadata-quorum', args)
    expect(stdout).toContain(
      `Added controller ${added} with directory id ${await directoryOf(added)}`,
    )
    const told = await apache('kafka-metadata-quorum', [...server, 'describe', '--status'])
    const [, voters = '[]'] = /^CurrentVoters:\s*(.*)$/m.exec(told.stdout) ?? []
    const parsed = JSON.parse(voters) as { readonly id: number; readonly endpoints: string[] }[]
    const described = parsed.toSorted((a, b) => a.id - b.id)
    expect(described.map(({ id }) => id)).toEqual([1, 2, 3, added])
    expect(described.at(-1)?.endpoints).toEqual([
      `CONTROLLER://127.0.0.1:${cluster.portOf(added) + 1000}`,
    ])
    expect(told.stdout).toMatch(/^CurrentObservers:\s*\[\]$/m)
    const again = await apacheOutcome('kafka-metadata-quorum', args)
    expect(again.stderr).toContain('DuplicateVoterException')
  })

  test('removes a voter, the leader too, and says what is wrong with another', async () => {
    const { leaderId } = await cluster.quorum()
    const args = await removal(leaderId)
    const { stdout } = await apache('kafka-metadata-quorum', args)
    expect(stdout).toContain(`KRaft controller ${leaderId} with directory id ${args.at(-1)}`)
    await until('another leads', async () => {
      const now = await cluster.newestStatus()
      return now.controllerId > 0 && now.controllerId !== leaderId
    })
    const left = [1, 2, 3, added].filter(id => id !== leaderId)
    expect(votersOf(await cluster.quorum())).toEqual(left)
    const again = await apacheOutcome('kafka-metadata-quorum', args)
    expect(again.stderr).toContain('VoterNotFoundException')
  })
})
