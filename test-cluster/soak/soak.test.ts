import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scenarios } from 'trimaran/chaos'
import { afterAll, expect, test } from 'vitest'
import { run } from '../support/run.ts'
import { durationMsOf, parseOptions, UsageError } from './options.ts'
import { plan, type PlanOptions, type Turn } from './plan.ts'
import { soak } from './soak.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-soak-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const options: PlanOptions = {
  ...{ seed: 7, seedsPerTurn: 40, secondsPerTurn: 60, port: 29_192 },
  bug: null,
}
const planned = (count: number, seed = 7): Turn[] => {
  const turns = plan({ ...options, seed })
  return Array.from({ length: count }, () => turns.next().value)
}

test('every scenario has its turn, between seeds that are never the same', () => {
  const turns = planned(4 * scenarios.length)
  expect(planned(4 * scenarios.length)).toEqual(turns)
  expect(planned(4 * scenarios.length, 8)).not.toEqual(turns)
  const sims = turns.filter((_, at) => at % 2 === 0).map(({ args }) => Number(args.at(-1)))
  expect(new Set(sims).size).toBe(2 * scenarios.length)
  expect((sims[1] ?? 0) - (sims[0] ?? 0)).toBe(40)
  const names = turns.filter((_, at) => at % 2 === 1).map(({ args }) => args[4])
  expect(names.slice(0, scenarios.length)).toEqual(scenarios.map(({ name }) => name))
  expect(new Set(turns.map(({ name }) => name)).size).toBe(turns.length)
  expect(turns.filter(({ expects }) => expects === 'lost').length).toBe(2)
})

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['2h', 7_200_000],
])('--for %s', (text, ms) => {
  expect(durationMsOf(text)).toBe(ms)
})

test.each([['0h'], ['2'], ['h'], ['-1m'], ['1d'], ['']])('--for %s is no time', text => {
  expect(() => durationMsOf(text)).toThrow(UsageError)
})

test('what cannot be meant is wrong usage', () => {
  expect(() => parseOptions(['--port', 'x'])).toThrow(UsageError)
  expect(() => parseOptions(['--forever'])).toThrow(UsageError)
  expect(() => parseOptions(['--bug', 'none'])).toThrow(UsageError)
  expect(parseOptions([]).durationMs).toBe(Number.POSITIVE_INFINITY)
})

const turn = (name: string, code: string, expects: Turn['expects'] = 'kept'): Turn => ({
  ...{ name, args: ['-e', code], expects, limitMs: 60_000 },
})
async function soaked(turns: readonly Turn[], durationMs = 60_000) {
  const directory = mkdtempSync(join(scratch, 'run-'))
  const said: string[] = []
  const { signal } = new AbortController()
  const say = (line: string): void => void said.push(line)
  const finding = await soak({ turns, durationMs, directory, signal, say })
  return { finding, said, directory }
}

test('it goes on until the time is over, and leaves nothing of what was kept', async () => {
  const three = [turn('one', ''), turn('two', ''), turn('three', '')]
  const all = await soaked(three)
  expect(all.finding).toBe(null)
  expect(all.said.at(-1)).toContain('3 turns, nothing found')
  expect(readdirSync(all.directory)).toEqual([])
  expect((await soaked(three, 0)).said.at(-1)).toContain(' 1 turn, nothing found')
})

test('it stops at the first violation, says how to run it again, and keeps its evidence', async () => {
  const breaks =
    "require('fs').writeFileSync(process.env.TMPDIR + '/data', 'x'); console.log('why'); process.exit(129)"
  const { finding, directory } = await soaked([
    turn('good', ''),
    turn('bad', breaks),
    turn('next', ''),
  ])
  expect(finding).toContain('A promise was broken in bad (exit code 129)')
  expect(finding).toContain("node -e require('fs')")
  expect(readdirSync(directory)).toEqual(['bad'])
  expect(readFileSync(join(directory, 'bad/output.txt'), 'utf8')).toBe('why\n')
  expect(existsSync(join(directory, 'bad/data'))).toBe(true)
  expect((await soaked([turn('broken', 'process.exit(3)')])).finding).toContain(
    'Nothing can be said of',
  )
})

test('a chaos run that ends with 1 has broken a promise only if it says so', async () => {
  const doubts = "console.log('Nothing can be said: no node was struck.'); process.exit(1)"
  expect((await soaked([turn('doubts', doubts)])).finding).toContain(
    'Nothing can be said of doubts',
  )
  const breaks = "console.log('A promise was broken.'); process.exit(1)"
  expect((await soaked([turn('breaks', breaks)])).finding).toContain(
    'A promise was broken in breaks',
  )
})

test('a run that hangs is ended, and is a finding', async () => {
  const hangs = "process.on('SIGINT', () => process.exit(130)); setInterval(() => {}, 1000)"
  const { finding, directory } = await soaked([{ ...turn('stuck', hangs), limitMs: 1500 }])
  expect(finding).toContain('stuck hangs: it did not end within 1.5 s')
  expect(readdirSync(directory)).toEqual(['stuck'])
})

test('a run that must lose and does not is a finding', async () => {
  const loses = "console.log('  lost          3'); process.exit(1)"
  expect((await soaked([turn('loss', loses, 'lost')])).finding).toBe(null)
  const keeps = "console.log('  lost          0')"
  expect((await soaked([turn('none', keeps, 'lost')])).finding).toContain('no loss was found')
})

test('pnpm soak stops at a rule that the simulator breaks on purpose', async () => {
  const directory = join(scratch, 'bug')
  const args = ['--for', '1s', '--seed', '1', '--bug', 'doubleVote', '--dir', directory]
  const { code, stdout } = await run(process.execPath, [
    join(import.meta.dirname, 'main.ts'),
    ...args,
  ])
  expect(stdout).toContain('A promise was broken in sim-')
  expect(code).toBe(1)
  expect(readdirSync(directory)).toHaveLength(1)
})
