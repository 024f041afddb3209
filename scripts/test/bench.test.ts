import { expect, test } from 'vitest'
import { parseOptions, usage, UsageError } from '../bench/arguments.ts'
import { median, quantile, ratioVerdict, verdict, type Figure } from '../bench/figures.ts'
import { replaceBlock } from '../bench/readme.ts'
import { allHold, jsonReport, markdownReport, textReport, type Results } from '../bench/report.ts'

const figure = (samples: readonly number[], must: Figure['must'] = []): Figure => ({
  name: 'kill → ack',
  unit: 'ms',
  samples,
  must,
})

const results = (...figures: readonly Figure[]): Results => ({
  conditions: {
    date: '2026-01-02',
    commit: 'abc1234',
    cpu: 'a processor',
    cores: 2,
    memoryGib: 8,
    system: 'linux 6 x64',
    node: 'v24.0.0',
    loadBefore: 0.5,
  },
  outcomes: [{ name: 'failover', figures, settings: 'as it is.' }],
  failures: [],
})

test('the median of an even number of samples lies between the middle two', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([9, 1, 5])).toBe(5)
})

test('a quantile is a sample that was taken', () => {
  const samples = Array.from({ length: 100 }, (_, at) => at + 1)
  expect(quantile(samples, 0.99)).toBe(99)
  expect(quantile(samples, 0.5)).toBe(50)
  expect(quantile([7], 0.99)).toBe(7)
})

test('a figure holds only if every promise about it does', () => {
  const must = [
    { of: 'median', below: 500 },
    { of: 'max', below: 1000 },
  ] as const
  expect(verdict(figure([100, 200, 999], must))).toBe(true)
  expect(verdict(figure([100, 200, 1000], must))).toBe(false)
  expect(verdict(figure([600, 700, 800], must))).toBe(false)
  expect(verdict(figure([30, 31], [{ of: 'median', atLeast: 30 }]))).toBe(true)
  expect(verdict(figure([29, 29.9], [{ of: 'median', atLeast: 30 }]))).toBe(false)
})

test('a broken promise and a measurement that failed both fail the bench; a figure without promise never does', () => {
  const kept = results(figure([1]))
  expect(allHold(kept)).toBe(true)
  expect(allHold(results(figure([2], [{ of: 'median', below: 1 }])))).toBe(false)
  expect(allHold({ ...kept, failures: [{ name: 'memory', error: 'no /proc' }] })).toBe(false)
})

test('a second cluster stands beside ours with the ratio of the medians, and nowhere if there is none', () => {
  const both = results({ ...figure([30, 20, 40]), beside: [60, 40, 90] }, figure([5]))
  const text = textReport(both)
  expect(text).toMatch(/figure .*beside +range +ratio +must\n/)
  expect(text).toMatch(/30 ms +20 ms – 40 ms .*60 ms +40 ms – 90 ms +0\.50\n/)
  expect(markdownReport(both)).toContain('| 60 ms | 40 ms – 90 ms | 0.50 |')
  expect(JSON.stringify(jsonReport(both))).toContain('"ratio":0.5')
  expect(textReport(results(figure([5])))).not.toContain('beside')
})

test('a promise about the ratio is judged where there is something beside, and fails the bench', () => {
  const ours = { ...figure([30]), ratioMust: { below: 0.5 } }
  expect(ratioVerdict(ours)).toBeNull()
  expect(allHold(results(ours))).toBe(true)
  expect(ratioVerdict({ ...ours, beside: [61] })).toBe(true)
  const slow = { ...ours, beside: [60] }
  expect(ratioVerdict(slow)).toBe(false)
  expect(verdict(slow)).toBeNull()
  expect(allHold(results(slow))).toBe(false)
  expect(ratioVerdict({ ...figure([12]), ratioMust: { atLeast: 1.2 }, beside: [10] })).toBe(true)
  expect(ratioVerdict({ ...figure([11]), ratioMust: { atLeast: 1.2 }, beside: [10] })).toBe(false)
})

test('what must be of the ratio stands beside it, with its verdict, in every report', () => {
  const kept = {
    ...figure([2], [{ of: 'median', below: 1 }]),
    beside: [40],
    ratioMust: { below: 0.06 },
  }
  const missed = { ...figure([11]), beside: [10], ratioMust: { atLeast: 1.2 } }
  const taken = results(kept, missed)
  const text = textReport(taken)
  expect(text).toMatch(/< 1\.0 ms +✗ +40 ms +0\.050 +< 0\.06 +✓\n/)
  expect(text).toMatch(/10 ms +1\.10 +≥ 1\.2 +✗\n/)
  expect(markdownReport(taken)).toContain('| < 1.0 ms | ✗ | 40 ms |  | 0.050 | < 0.06 | ✓ |')
  expect(markdownReport(taken)).toContain(
    '| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: | --- | --- |',
  )
  expect(jsonReport(taken)).toMatchObject({
    measurements: [
      {
        figures: [
          { ratio: 0.05, ratioMust: { below: 0.06 }, holds: false, ratioHolds: true },
          { ratioMust: { atLeast: 1.2 }, holds: null, ratioHolds: false },
        ],
      },
    ],
  })
})

test('the conditions say what the cluster beside is, as far as it tells', () => {
  const taken = results(figure([1]))
  const beside = { clusterId: '4L6g', brokerCount: 3, metadataVersion: 30 }
  const both = { ...taken, conditions: { ...taken.conditions, beside } }
  const words = 'load before 0.5; beside: cluster 4L6g, 3 brokers, metadata.version 30'
  for (const report of [textReport(both), markdownReport(both)]) expect(report).toContain(words)
  expect(jsonReport(both)).toMatchObject({ conditions: { beside } })
  expect(textReport(taken)).not.toContain('beside')
  const without = { ...both.conditions, beside: { ...beside, metadataVersion: null } }
  expect(textReport({ ...taken, conditions: without })).toContain('cluster 4L6g, 3 brokers\n')
})

test('the brokers beside are host:port, and nothing else', () => {
  expect(parseOptions(['--beside', 'a:19092,[::1]:19093'], []).beside).toEqual([
    { host: 'a', port: 19_092 },
    { host: '[::1]', port: 19_093 },
  ])
  expect(parseOptions([], []).beside).toBeNull()
  for (const wrong of ['', 'a', 'a:', ':1', 'a:99999', 'a:1,'])
    expect(() => parseOptions(['--beside', wrong], [])).toThrow(UsageError)
})

test('a control command needs brokers to control, and is not empty', () => {
  const command = './apache-kafka {} --dir /tmp/k'
  const given = parseOptions(['--beside', 'a:1', '--beside-control', command], [])
  expect(given.besideControl).toBe(command)
  expect(parseOptions(['--beside', 'a:1'], []).besideControl).toBeNull()
  expect(() => parseOptions(['--beside-control', command], [])).toThrow(UsageError)
  expect(() => parseOptions(['--beside', 'a:1', '--beside-control', ' '], [])).toThrow(UsageError)
  expect(usage([{ name: 'start', title: 'a title' }])).toContain(
    `--beside-control './apache-kafka {}`,
  )
})

test('every report names conditions, median, spread and what was promised', () => {
  const taken = results(figure([80, 100, 300], [{ of: 'median', below: 90 }]))
  for (const report of [textReport(taken), markdownReport(taken)]) {
    for (const part of ['abc1234', '2 cores', '100 ms', '80 ms – 300 ms', '< 90 ms', '✗'])
      expect(report).toContain(part)
  }
  expect(jsonReport(taken)).toMatchObject({
    conditions: { commit: 'abc1234' },
    measurements: [{ figures: [{ median: 100, min: 80, max: 300, count: 3, holds: false }] }],
  })
})

test('only what stands between the markers of a README is replaced', () => {
  const text = 'a\n<!-- bench:start -->\nold\n<!-- bench:end -->\nb\n'
  const once = replaceBlock(text, 'new')
  expect(once).toBe('a\n<!-- bench:start -->\n\nnew\n\n<!-- bench:end -->\nb\n')
  expect(replaceBlock(once ?? '', 'new')).toBe(once)
  expect(replaceBlock('a\nb\n', 'new')).toBeNull()
  expect(replaceBlock('<!-- bench:end --><!-- bench:start -->', 'new')).toBeNull()
})

test('what is asked for in a wrong way is refused before anything starts', () => {
  const names = ['start', 'memory']
  expect(parseOptions(['--only', 'start,memory', '--rounds', '3'], names)).toMatchObject({
    only: ['start', 'memory'],
    rounds: { ofAll: 3, of: new Map() },
  })
  expect(parseOptions(['--rounds', '1,memory=3'], names).rounds).toEqual({
    ofAll: 1,
    of: new Map([['memory', 3]]),
  })
  expect(parseOptions([], names).rounds).toEqual({ ofAll: null, of: new Map() })
  for (const wrong of [
    ['--only', 'nothing'],
    ['--rounds', '0'],
    ['--rounds', ''],
    ['--rounds', '1,'],
    ['--rounds', 'x'],
    ['--rounds', 'memory=0'],
    ['--rounds', 'nothing=2'],
    ['--fast'],
    ['--readme', '--only', 'start'],
  ])
    expect(() => parseOptions(wrong, names)).toThrow(UsageError)
  expect(usage([{ name: 'start', title: 'a title' }])).toContain('a title')
})
