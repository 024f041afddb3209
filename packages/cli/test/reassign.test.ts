import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster, type Cluster } from '@trimaran/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  currentMoves,
  parseBrokers,
  planJson,
  propose,
  readPlan,
} from '../src/commands/reassign-plan.ts'

const main = join(import.meta.dirname, '../src/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'trimaran-reassign-'))
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ nodes: 4 })
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await cluster.stop()
})

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function trimaran(...args: readonly string[]): Promise<Outcome> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, TRIMARAN_BOOTSTRAP_SERVER: cluster.bootstrapServers, NO_COLOR: '1' },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += String(chunk)))
    child.stderr.on('data', chunk => (stderr += String(chunk)))
    child.on('error', fail)
    child.on('close', code => settle({ code: code ?? -1, stdout, stderr }))
    child.stdin.end('a\nb\nc\n')
  })
}

const json = async (...args: readonly string[]): Promise<unknown> =>
  JSON.parse((await trimaran(...args, '--json')).stdout) as unknown

const replicasOf = async (topic: string): Promise<unknown> =>
  ((await json('topics', 'describe', topic)) as { replicas: number[]; leader: number }[]).map(
    ({ replicas, leader }) => ({ replicas, leader }),
  )

test('a partition moves with its records, and the command waits until it is there', async () => {
  await trimaran('topics', 'create', 'orders', '--replica-assignment', '1:2:3')
  await trimaran('produce', 'orders')
  const moved = await trimaran('reassign', 'orders', '--partition', '0', '--replicas', '4,2')
  expect(moved).toMatchObject({ code: 0, stderr: '' })
  expect(moved.stdout).toContain(
    '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3]}]}',
  )
  expect(moved.stdout).toContain('Moved orders-0 to 4,2.')
  expect(await replicasOf('orders')).toEqual([{ replicas: [4, 2], leader: 4 }])
  const read = await trimaran('consume', 'orders', '--from-beginning', '-e')
  expect(read.stdout).toBe('a\nb\nc\n')
  expect((await trimaran('reassign', '--list')).stdout).toBe('Nothing is being reassigned.\n')
})

test('a plan is generated, executed and verified; one that waits for a dead broker is listed and cancelled', async () => {
  await trimaran('topics', 'create', 'wide', '--partitions', '3', '--replication-factor', '2')
  const plan = join(directory, 'plan.json')
  const generated = await trimaran('reassign', '--generate', 'wide', '--brokers', '1,2,4')
  expect(generated.code).toBe(0)
  writeFileSync(plan, generated.stdout)
  const executed = await trimaran('reassign', '--file', plan)
  expect(executed.code).toBe(0)
  expect(await replicasOf('wide')).toMatchObject([
    { replicas: [1, 2] },
    { replicas: [2, 4] },
    { replicas: [4, 1] },
  ])
  const verified = await trimaran('reassign', '--verify', '--file', plan)
  expect(verified.code).toBe(0)
  expect(verified.stdout).toContain('done')

  await cluster.kill(3)
  const one = ['wide', '--partition', '0', '--replicas', '1,3'] as const
  const begun = await trimaran('reassign', ...one, '--no-wait')
  expect(begun).toMatchObject({ code: 0 })
  expect(begun.stdout).toContain('wide-0 moves to 1,3: see --verify, --cancel.')
  expect(await json('reassign', '--list')).toEqual([
    { topic: 'wide', partition: 0, replicas: [1, 3, 2], adding: [3], removing: [2] },
  ])
  const moving = await trimaran('reassign', ...one, '--verify', '--json')
  expect(moving.code).toBe(4)
  expect(JSON.parse(moving.stdout)).toMatchObject([{ state: 'moving', missing: [3] }])
  const cancelled = await trimaran('reassign', '--cancel', 'wide')
  expect(cancelled).toMatchObject({
    code: 0,
    stdout: 'Cancelled the reassignment of wide-0.\n',
  })
  expect(await replicasOf('wide')).toMatchObject([{ replicas: [1, 2] }, {}, {}])
  expect((await trimaran('reassign', ...one, '--verify')).code).toBe(1)
  expect((await trimaran('reassign', '--cancel')).stdout).toBe('Nothing is being reassigned.\n')
  await cluster.restart(3)
})

test('what cannot be is said: what is wrong, where, and what to do', async () => {
  await trimaran('topics', 'create', 'strict', '--replica-assignment', '1:2')
  const move = (replicas: string, ...more: readonly string[]): Promise<Outcome> =>
    trimaran('reassign', 'strict', '--partition', '0', '--replicas', replicas, ...more)
  const unknown = await move('1,9')
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('strict-0: ')
  expect(unknown.stderr).toContain('no such broker is registered')
  const held = await move('1', '--disallow-replication-factor-change')
  expect(held.code).toBe(1)
  expect(held.stderr).toContain('The replication factor is changed from 2 to 1')
  const nothing = await trimaran('reassign', 'nothing', '--partition', '0', '--replicas', '1')
  expect(nothing).toMatchObject({ code: 1 })
  expect(nothing.stderr).toContain('There is no topic "nothing"')
  const absent = await trimaran('reassign', 'strict', '--partition', '7', '--replicas', '1')
  expect(absent.stderr).toContain('strict-7')
  for (const args of [
    ['strict'],
    ['--generate', 'strict'],
    ['--verify', '--cancel'],
    ['strict', '--file', 'plan.json'],
    ['strict', '--partition', '0', '--replicas', 'one'],
    ['strict', '--partition', '0', '--replicas', '1,1'],
  ]) {
    const wrong = await trimaran('reassign', ...args)
    expect([args, wrong.code]).toEqual([args, 2])
    expect(wrong.stderr).toMatch(/^error: ./)
  }
  expect((await trimaran('reassign', '--help')).stdout).toContain(
    'trimaran reassign --file plan.json',
  )
})

test.each([
  ['{', 'is no reassignment file'],
  ['{}', 'it has no list "partitions"'],
  ['{"partitions":[{"partition":0,"replicas":[1]}]}', 'partitions[0] has no topic'],
  [
    '{"partitions":[{"topic":"a","partition":0,"replicas":["1"]}]}',
    'the replicas of partitions[0]',
  ],
  [
    '{"partitions":[{"topic":"a","partition":0,"replicas":[1]},{"topic":"a","partition":0,"replicas":[2]}]}',
    'a-0 is there twice',
  ],
])('a file that is none is refused: %s', (text, why) => {
  const file = join(directory, 'bad.json')
  writeFileSync(file, text)
  expect(() => readPlan(file)).toThrow(why)
})

test('a proposal spreads leaders and followers evenly, over racks as far as that goes', () => {
  const brokers = [1, 2, 3, 4].map(nodeId => ({
    nodeId,
    host: '',
    port: 0,
    rack: nodeId <= 2 ? 'a' : 'b',
  }))
  const current = Array.from({ length: 12 }, (_, partition) => ({
    topic: 'wide',
    partition,
    replicas: [1, 2],
  }))
  const proposed = propose(current, [1, 2, 3, 4], { brokers })
  const count = (nth: number, id: number): number =>
    proposed.filter(({ replicas }) => replicas[nth] === id).length
  for (const id of [1, 2, 3, 4]) expect([count(0, id), count(1, id)]).toEqual([3, 3])
  const isApart = ([a = 0, b = 0]: readonly number[]): boolean => a <= 2 !== b <= 2
  expect(proposed.slice(0, 4).every(({ replicas }) => isApart(replicas))).toBe(true)
  expect(propose(current, [3], { brokers }, 1).every(each => each.replicas.join() === '3')).toBe(
    true,
  )
  expect(() => propose(current, [1, 7], { brokers })).toThrow('There is no live broker 7')
  expect(() => propose(current, [1], { brokers })).toThrow('is to have 2 replicas')
  expect(parseBrokers('--brokers', '3,1')).toEqual([3, 1])
  expect(planJson(currentMoves([]))).toBe('{"version":1,"partitions":[]}')
})
