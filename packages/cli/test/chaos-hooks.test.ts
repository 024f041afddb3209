import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster, type Cluster } from '@trimaran/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HookVictim, commandsOfFile, runShell } from '../src/chaos/torture/hook-victim.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-hooks-'))
const told = join(scratch, 'told')
let cluster: Cluster
let victim: HookVictim

beforeAll(async () => {
  cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'struck', partitions: 3, replicationFactor: 3 })
  victim = await HookVictim.open(
    {
      bootstrapServers: cluster.bootstrapServers,
      commands: { kill: `echo kill {} >> ${told}`, start: `echo heal {} >> ${told}` },
    },
    'struck',
  )
})
afterAll(async () => {
  await victim?.close()
  await cluster.stop()
  rmSync(scratch, { recursive: true, force: true })
})

test('a cluster behind commands is seen through the protocol', async () => {
  expect(victim.nodes).toEqual([1, 2, 3])
  await victim.healed()
  const { leaders, controller } = await victim.view()
  expect(leaders).toHaveLength(3)
  expect(victim.nodes).toContain(await victim.leader(1))
  expect(await victim.leader(1)).toBe(leaders[1])
  expect(await victim.controller()).toBe(controller)
})

test('commands are told the node, and their failure is said', async () => {
  expect([...victim.can]).toEqual(['kill'])
  await victim.act('kill', 2)
  await victim.act('start', 2)
  expect(readFileSync(told, 'utf8')).toBe('kill 2\nheal 2\n')
  await expect(victim.act('pause', 2)).rejects.toThrow('no command for pause')
  const hooks = (kill: string) => ({
    bootstrapServers: cluster.bootstrapServers,
    commands: { kill, start: 'true {}' },
  })
  const failing = await HookVictim.open(hooks('echo no such node {} >&2; exit 3'), 'struck')
  await expect(failing.act('kill', 7)).rejects.toThrow('ended with 3: no such node 7')
  await failing.close()
  await expect(HookVictim.open(hooks('reboot'), 'struck')).rejects.toThrow('has no {}')
})

test('a file of hooks says what it can, and is told deed and node', async () => {
  const file = join(scratch, "it's hooks.sh")
  const write = (can: string): void =>
    writeFileSync(file, `#!/bin/sh\n[ "$1" = can ] && echo ${can} || echo "$@" >> ${told}\n`, {
      mode: 0o755,
    })
  write('unplug kill')
  const bootstrapServers = cluster.bootstrapServers
  const commands = await commandsOfFile(file)
  const hooked = await HookVictim.open({ bootstrapServers, commands }, 'struck')
  expect([...hooked.can]).toEqual(['unplug', 'kill'])
  writeFileSync(told, '')
  await hooked.act('unplug', 3)
  await hooked.act('reconnect', 3)
  await hooked.act('start', 1)
  expect(readFileSync(told, 'utf8')).toBe('unplug 3\nreconnect 3\nstart 1\n')
  await hooked.close()
  write('dance')
  await expect(commandsOfFile(file)).rejects.toThrow('said "dance"')
  write("''")
  await expect(commandsOfFile(file)).rejects.toThrow('prints some of: kill')
})

test('a command that leaves something in the background is over, and one that hangs is ended with all it began', async () => {
  const pids = join(scratch, 'pids')
  const startedMs = performance.now()
  expect(await runShell(`sleep 60 & echo $! >> ${pids}; echo up`)).toBe('up\n')
  expect(performance.now() - startedMs).toBeLessThan(10_000)
  await expect(runShell(`sleep 61 & echo $! >> ${pids}; wait`, 200)).rejects.toThrow(
    'did not end within 0.2 s',
  )
  const [left = 0, ended = 0] = readFileSync(pids, 'utf8').trim().split('\n').map(Number)
  process.kill(left)
  await expect.poll(() => readState(ended)).toMatch(/^[ZX-]$/)
})

/** Of a process: Z, if it has died and nobody has looked; -: gone. */
function readState(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '-'
  } catch {
    return '-'
  }
}
