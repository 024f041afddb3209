import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { HistoryFile, readHistory } from '../src/chaos/history-file.ts'
import { History, HistoryReader, faultCosts, judge, median } from '../src/chaos/history/index.ts'
import { verdictLines } from '../src/chaos/report.ts'
import { run } from '../src/program.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-history-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

function historyOf(lines: readonly object[]): History {
  const history = new History()
  const reader = new HistoryReader(history)
  for (const line of lines) reader.take(JSON.stringify(line))
  return history
}

const partition = 'orders/0'
const at = { process: 'producer', partition }
const send = (op: number, values: number[], time: number, acks = -1): object => ({
  ...{ f: 'send', type: 'invoke', op, time, values, acks, idempotent: true },
  ...at,
})
const ok = (op: number, offset: number, time: number): object => ({
  ...{ f: 'send', type: 'ok', op, time, offset },
})
const poll = (time: number, ...records: [number, number][]): object => ({
  ...{ f: 'poll', time, invoked: time, process: 'reader', partition, records },
})
const readToEnd = { f: 'read-to-end', partition }
const kill = (node: number, time: number): object => ({
  ...{ f: 'fault', time, what: 'kill', node, harms: true },
})

/** The example of the format's description. */
const lossy = [send(1, [1, 2], 10.5), kill(2, 12), ok(1, 0, 14.1), poll(16, [0, 1]), readToEnd]
const all = { countLeaderAcks: false }

test('a verdict counts what was acknowledged, and shows what was lost with the fault in between', () => {
  const verdict = judge(historyOf(lossy), all)
  expect(verdict).toMatchObject({
    kept: false,
    records: { acknowledged: 2, unknown: 0, refused: 0, read: 1 },
    lost: 1,
    duplicated: 0,
    reordered: 0,
    anomalies: { unseen: 1 },
  })
  expect(verdictLines(verdict, 'orders.jsonl', all).join('\n')).toMatchInlineSnapshot(`
    "A promise was broken.

      acknowledged  2 records
      lost          1
      duplicated    0
      reordered     0
      no progress   0.00 s median, 0.00 s at most, of one partition in each of 1 fault (orders/0, after kill node 2)
      stalest read  0.00 s behind (reader, orders/0)
      history       orders.jsonl

    P1 unseen: 2 of producer in orders/0, acked at 1
        0.011 s  producer  sends 1 to 2 (acks=all): acknowledged at offset 0 to 1 after 3.6 ms
        0.012 s  fault  kill node 2
        0.016 s  reader  reads 1 at 0"
  `)
})

test('the same with the record read keeps every promise', () => {
  const history = historyOf([...lossy.slice(0, 3), poll(16, [0, 1], [1, 2]), readToEnd])
  expect(judge(history, all)).toMatchObject({ kept: true, lost: 0, doubts: [] })
})

test('acks=1 may lose, and the loss is told to who asks for it', () => {
  const history = historyOf([send(1, [1], 1, 1), ok(1, 0, 2), readToEnd])
  const uncounted = judge(history, all)
  expect(uncounted).toMatchObject({ kept: true, lost: 0, records: { leaderOnly: 1 } })
  const hint = '1 record acknowledged by a leader alone not looked at; --count-acks-1 counts those'
  expect(verdictLines(uncounted, 'x', all).join('\n')).toContain(hint)
  const counting = { countLeaderAcks: true }
  const counted = judge(history, counting)
  expect(counted).toMatchObject({ kept: false, lost: 1 })
  expect(verdictLines(counted, 'x', counting).join('\n')).not.toContain('--count-acks-1')
})

test('silences are told by kind of fault, where there are several', () => {
  const fault = (at: number, what: string): object => ({
    ...{ f: 'fault', time: at, what, node: 1, harms: true },
  })
  const history = historyOf([
    ...[fault(0, 'kill'), send(1, [1], 1), ok(1, 0, 1000)],
    ...[fault(2000, 'unplug'), send(2, [2], 2001), ok(2, 1, 5000)],
    ...[poll(6000, [0, 1], [1, 2]), readToEnd],
  ])
  const text = verdictLines(judge(history, all), 'x', all).join('\n')
  expect(text).toMatch(/kill +1.00 s median, 1.00 s at most, in 1\n +unplug +4.00 s median/)
})

test('a history that shows nothing is no proof', () => {
  expect(judge(historyOf([]), all)).toMatchObject({
    kept: false,
    doubts: ['nothing was acknowledged'],
  })
  expect(judge(historyOf([send(1, [1], 1), ok(1, 0, 2)]), all)).toMatchObject({
    kept: false,
    doubts: ['orders/0 was not read to its end'],
  })
  expect(judge(historyOf([send(1, [1], 1, 0), ok(1, 0, 2), readToEnd]), all)).toMatchObject({
    kept: false,
    doubts: ['nothing was acknowledged'],
  })
})

test('anomalies are counted by name, and three of each are shown', () => {
  const repeated = Array.from({ length: 5 }, (_, value) => [value, value + 5])
  const history = historyOf([
    send(1, [0, 1, 2, 3, 4], 1),
    poll(5, ...repeated.map(([offset = 0], value): [number, number] => [offset, value])),
    poll(6, ...repeated.map(([, offset = 0], value): [number, number] => [offset, value])),
  ])
  const verdict = judge(history, all)
  expect(verdict.duplicated).toBe(5)
  expect(verdict.evidence).toHaveLength(3)
})

test('a fault costs the longest that one partition took nothing, until the next fault', () => {
  const steady = (first: number, times: readonly number[], of = partition): object[] =>
    times.flatMap((time, index) => [
      { ...send(first + index, [first + index], time - 1), partition: of },
      ok(first + index, index, time),
    ])
  const history = historyOf([
    kill(1, 100),
    kill(2, 1000),
    ...steady(1, [50, 90, 400, 450, 990, 1010, 1100]),
    // The silence that begins just before a fault is this fault's, not that of the one before.
    ...steady(100, [50, 95, 105, 500, 999, 1650, 1660], 'orders/1'),
  ])
  expect(faultCosts(history).map(({ partition: of, silenceMs }) => [of, silenceMs])).toEqual([
    ['orders/0', 540],
    ['orders/1', 651],
  ])
})

test('a median of an even number lies in the middle of the two', () => {
  expect([median([]), median([3]), median([9, 1]), median([4, 9, 1])]).toEqual([0, 3, 5, 4])
})

test('faults of one moment are one blow: each has cost what all of them cost', () => {
  const history = historyOf([
    ...[send(1, [1], 1), ok(1, 0, 10), kill(1, 20), kill(2, 22), kill(3, 60)],
    ...[send(2, [2], 70), ok(2, 1, 2010), kill(1, 3000), poll(4000, [0, 1], [1, 2]), readToEnd],
  ])
  expect(faultCosts(history).map(({ silenceMs }) => silenceMs)).toEqual([2000, 2000, 2000, 0])
})

test('a partition that takes nothing more is silent to the end', () => {
  const history = historyOf([
    send(1, [1], 1),
    ok(1, 0, 2),
    kill(1, 10),
    send(2, [2], 11),
    { f: 'send', type: 'info', op: 2, time: 500 },
  ])
  expect(faultCosts(history)).toMatchObject([{ silenceMs: 498 }])
})

test.each([
  ['{"f":"send","type":"invoke","op":1}', '"process" must be a string'],
  ['{"f":"send","type":"ok","op":9,"time":1}', 'operation 9 ends and never began'],
  ['{"f":"poll","process":"a","partition":"b","time":1,"records":[[1]]}', '[offset, value]'],
  ['{"f":"jump"}', '"f" must name an operation'],
  ['[]', 'no JSON object'],
])('%s is refused', (line, why) => {
  expect(() => new HistoryReader(new History()).take(line)).toThrow(why)
})

test('every kind of line finds its place', () => {
  const group = { process: 'a', group: 'g', partition, generation: 1 }
  const history = historyOf([
    { f: 'delete', partition: 'orders/9' },
    { f: 'list-offset', ...at, time: 2, leaderEpoch: 1, offset: 3 },
    { f: 'assign', ...group, member: 'm', partitions: [partition], time: 1 },
    { f: 'commit', type: 'invoke', op: 1, ...group, offset: 5, time: 2 },
    { f: 'commit', type: 'ok', op: 1, time: 3 },
    { f: 'offset-fetch', ...group, offset: 4, invoked: 4, time: 5 },
    { f: 'note', anything: true },
  ])
  expect(history.deleted).toEqual(new Set(['orders/9']))
  expect(history.endOffsets).toMatchObject([{ leaderEpoch: 1, offset: 3, invokedAt: 2 }])
  expect(history.assignments).toMatchObject([{ memberId: 'm', partitions: [partition] }])
  expect(judge(history, all).anomalies).toEqual({ 'lost-commit': 1 })
})

test('what is written to a file is read from it, but for a last line that was cut off', async () => {
  const path = join(scratch, 'cut.jsonl')
  const file = new HistoryFile(path)
  const op = file.beginSend({ ...at, values: [1, 2], acks: -1, atMostOnce: true })
  file.fault('kill', 1, true)
  file.acknowledged(op, 7)
  const lost = file.beginSend({ ...at, values: [3], acks: -1, atMostOnce: true })
  file.unknown(lost, 'no answer')
  file.poll({ ...at, stream: 'x', invokedAt: 1, records: [{ offset: 7, value: 1 }] })
  file.readToEnd(partition, 'reader')
  file.close()
  writeFileSync(path, `${readFileSync(path, 'utf8')}{"f":"send","type":"inv`)
  const history = await readHistory(path)
  expect(history.sends).toMatchObject([
    { values: [1, 2], status: 'acked', baseOffset: 7, acks: -1, atMostOnce: true },
    { values: [3], status: 'unknown', baseOffset: -1 },
  ])
  expect(history.polls).toMatchObject([{ stream: 'x', records: [{ offset: 7, value: 1 }] }])
  expect(history.faults).toMatchObject([{ what: 'kill', node: 1, harms: true }])
  expect(history.finallyRead).toEqual(new Set([partition]))
  expect(history.finalStreams).toEqual(new Map([[partition, 'reader']]))
})

test('chaos check ends with 1 for a loss, with 0 without it, and with 2 for what is no history', async () => {
  const outcome = async (name: string, lines: readonly unknown[]): Promise<number> => {
    const path = join(scratch, name)
    writeFileSync(path, `${lines.map(line => JSON.stringify(line)).join('\n')}\n`)
    try {
      return await run(['node', 'trimaran', 'chaos', 'check', path, '--json'])
    } finally {
      process.exitCode = undefined
    }
  }
  expect(await outcome('lossy.jsonl', lossy)).toBe(1)
  expect(
    await outcome('fine.jsonl', [...lossy.slice(0, 3), poll(16, [0, 1], [1, 2]), readToEnd]),
  ).toBe(0)
  expect(await outcome('wrong.jsonl', [{ f: 'jump' }, readToEnd])).toBe(2)
  expect(await outcome('wrong-at-last.jsonl', [...lossy, { f: 'jump' }])).toBe(2)
})
