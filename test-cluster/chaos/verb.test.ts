import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { History, HistoryReader, judge, type Verdict } from 'trimaran/history'
import { everyFault } from './every-fault.ts'
import { Running, measured, ownEnvironment, seconds, until } from '../support/run.ts'

const main = join(import.meta.dirname, '../../packages/cli/src/main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'trimaran-verb-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** The verb's own cluster, with its data where the test can see and remove them. */
function chaosRun(port: number, history: string, ...args: readonly string[]): Running {
  return new Running(
    process.execPath,
    [
      ...[main, 'chaos', 'run', '--json', '--rate', '500', '--seed', '1'],
      ...['--port', String(port), '--history', history, ...args],
    ],
    { env: ownEnvironment({ NO_COLOR: '1', TMPDIR: scratch }) },
  )
}

function judgeFile(path: string): Verdict {
  const history = new History()
  const reader = new HistoryReader(history)
  for (const line of readFileSync(path, 'utf8').split('\n')) reader.take(line)
  return judge(history, { countLeaderAcks: true })
}

/** Command lines of processes that name our folder: nodes that nobody has stopped. */
function survivors(): string[] {
  if (!existsSync('/proc')) return []
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
    .filter(line => line.includes(scratch) && line.includes('node-process'))
}

const timeout = 60_000

test(
  'chaos run kills leaders until Ctrl-C, loses nothing, and leaves nothing running',
  { timeout },
  async () => {
    const history = join(scratch, 'leader-kill.jsonl')
    const running = chaosRun(23_000, history, '--scenario', 'leader-kill', '--duration', '600')
    await until('a leader is back', async () => /start node \d/.test(running.stderr))
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running.outcome()
    expect(stderr).toContain('kill node')
    const verdict = JSON.parse(stdout) as Verdict
    expect(verdict).toMatchObject({ kept: true, lost: 0, duplicated: 0, reordered: 0, doubts: [] })
    expect(verdict.records.acknowledged).toBeGreaterThan(500)
    expect(verdict.progress.faults).toBeGreaterThan(0)
    expect(code).toBe(0)
    expect(judgeFile(history)).toMatchObject({ kept: true, records: verdict.records })
    expect(survivors()).toEqual([])
    const { silenceMaxMs } = verdict.progress
    measured(
      `chaos run: ${verdict.records.acknowledged} records, silent for ${seconds(silenceMaxMs)}`,
    )
  },
)

test(
  'every fault of the network and the disk, one after the other, by a scenario from a file',
  { timeout: 120_000 },
  async () => {
    const file = join(import.meta.dirname, 'every-fault.ts')
    const history = join(scratch, 'every-fault.jsonl')
    const running = chaosRun(23_720, history, '--scenario', file, '--duration', '1')
    const { code, stdout, stderr } = await running.outcome(110_000)
    for (const fault of everyFault.needs) expect(stderr).toMatch(new RegExp(`${fault} node \\d`))
    const verdict = JSON.parse(stdout) as Verdict
    expect(verdict).toMatchObject({ kept: true, lost: 0, duplicated: 0, reordered: 0, doubts: [] })
    expect(code).toBe(0)
    expect(verdict.progress.faults).toBe(everyFault.needs.length)
    // What was cut off was missed: a partition in the network is no partition in name only.
    const silences = Object.groupBy(verdict.progress.each, ({ fault }) => fault.what)
    expect(silences['unplug']?.[0]?.silenceMs).toBeGreaterThan(400)
    expect(survivors()).toEqual([])
    const told = verdict.progress.each.map(cost => `${cost.fault.what} ${seconds(cost.silenceMs)}`)
    measured(`chaos run: silent for ${told.join(', ')}`)
  },
)

// Beside each other, for the time that each waits.
test.concurrent(
  'a blackout loses nothing that was synced before it was acknowledged',
  { timeout },
  async () => {
    const history = join(scratch, 'blackout.jsonl')
    const running = chaosRun(23_740, history, '--scenario', 'blackout', '--duration', '1')
    const { code, stdout, stderr } = await running.outcome()
    expect(stderr).toContain('cut-power node 3')
    const verdict = JSON.parse(stdout) as Verdict
    expect(verdict).toMatchObject({ kept: true, lost: 0, doubts: [] })
    expect(verdict.records.acknowledged).toBeGreaterThan(500)
    expect(code).toBe(0)
  },
)

// What must lose, and so shows that the faults strike and that the checker sees it.
test.concurrent.each([
  ['blackout', ['--override', 'log.flush.interval.messages=9223372036854775807'], 'cut-power'],
  ['unclean-election', [], 'kill'],
])('chaos run finds what a %s loses, acks=all and all', { timeout }, async (name, args, fault) => {
  const history = join(scratch, `${name}-lossy.jsonl`)
  const port = name === 'blackout' ? 23_760 : 23_780
  const running = chaosRun(port, history, '--scenario', name, '--duration', '1', ...args)
  const { code, stdout } = await running.outcome()
  expect(code).toBe(1)
  const verdict = JSON.parse(stdout) as Verdict
  expect(verdict.kept).toBe(false)
  expect(verdict.lost).toBeGreaterThan(0)
  const losses = verdict.evidence.filter(evidence => evidence.name === 'lost-write')
  for (const { operations } of losses) {
    expect(operations.some(({ what }) => what.includes('(acks=all): acknowledged'))).toBe(true)
    expect(operations.some(({ what }) => what.startsWith(fault))).toBe(true)
  }
  expect(judgeFile(history)).toMatchObject({ lost: verdict.lost })
  measured(`chaos run ${name}: ${verdict.lost} of ${verdict.records.acknowledged} records lost`)
})

test('chaos run finds what acks=1 loses, and ends with 1', { timeout }, async () => {
  const history = join(scratch, 'stranded-leader.jsonl')
  const running = chaosRun(
    23_100,
    history,
    ...['--scenario', 'stranded-leader', '--acks', '1', '--duration', '1'],
  )
  const { code, stdout, stderr } = await running.outcome()
  expect(stderr).toContain('kill node')
  expect(code).toBe(1)
  const verdict = JSON.parse(stdout) as Verdict
  expect(verdict).toMatchObject({ kept: false, doubts: [] })
  expect(verdict.lost).toBeGreaterThan(0)
  // The very records: acknowledged by whoever wrote them, and in no poll after all was over.
  for (const { name, values, operations } of verdict.evidence) {
    expect(['lost-write', 'unseen']).toContain(name)
    expect(operations.some(({ what }) => what.includes('(acks=1): acknowledged'))).toBe(true)
    expect(operations.some(({ what }) => what.startsWith('kill'))).toBe(true)
    expect(operations.some(({ what }) => what.includes(`reads ${values[0]} at`))).toBe(false)
  }
  expect(judgeFile(history)).toMatchObject({ lost: verdict.lost })
  expect(survivors()).toEqual([])
  measured(`chaos run --acks 1: ${verdict.lost} of ${verdict.records.acknowledged} records lost`)
})
