import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster, type Cluster } from '@trimaran/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HookTorture } from '../src/chaos/torture/hook-torture.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-hooks-'))
const told = join(scratch, 'told')
let cluster: Cluster
let torture: HookTorture

beforeAll(async () => {
  cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'struck', partitions: 3, replicationFactor: 3 })
  torture = await HookTorture.open(
    {
      bootstrapServers: cluster.bootstrapServers,
      killCommand: `echo kill {} >> ${told}`,
      healCommand: `echo heal {} >> ${told}`,
    },
    'struck',
  )
})
afterAll(async () => {
  await torture?.close()
  await cluster.stop()
  rmSync(scratch, { recursive: true, force: true })
})

test('a cluster behind commands is seen through the protocol', async () => {
  expect(torture.nodes).toEqual([1, 2, 3])
  await torture.healed()
  const { leaders, controller } = await torture.view()
  expect(leaders).toHaveLength(3)
  expect(torture.nodes).toContain(await torture.leader(1))
  expect(await torture.leader(1)).toBe(leaders[1])
  expect(await torture.controller()).toBe(controller)
})

test('commands are told the node, and their failure is said', async () => {
  await torture.kill(2)
  await torture.start(2)
  expect(readFileSync(told, 'utf8')).toBe('kill 2\nheal 2\n')
  const hooks = { bootstrapServers: cluster.bootstrapServers, healCommand: 'true {}' }
  const failing = await HookTorture.open(
    { ...hooks, killCommand: 'echo no such node {} >&2; exit 3' },
    'struck',
  )
  await expect(failing.kill(7)).rejects.toThrow('ended with 3: no such node 7')
  await failing.close()
  await expect(HookTorture.open({ ...hooks, killCommand: 'reboot' }, 'struck')).rejects.toThrow(
    'has no {}',
  )
})
