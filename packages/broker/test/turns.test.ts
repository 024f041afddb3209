import { SimClock } from '@trimaran/log/testing'
import { expect, test } from 'vitest'
import { PartitionEvents, partitionEventsPerTurn } from '../src/replication/partition-events.ts'
import { Turns } from '../src/replication/turns.ts'

/** Time stands still, and a turn runs what was put off before it began. */
class TurnClock {
  #wakes: (() => void)[] = []
  monotonicMs = (): number => 0
  wallMs = (): number => 0
  wakeAt(_deadlineMs: number, wake: () => void): () => void {
    this.#wakes.push(wake)
    return () => {
      this.#wakes = this.#wakes.filter(other => other !== wake)
    }
  }
  turn(): void {
    for (const wake of this.#wakes.splice(0)) wake()
  }
}

function open(stepsPerTurn: number) {
  const clock = new TurnClock()
  const done: string[] = []
  let turnCount = 0
  const turns = new Turns({ clock, stepsPerTurn, turnEnded: () => turnCount++ })
  const steps = function* (name: string, count: number): Generator<void> {
    for (let at = 0; at < count; at++) yield void done.push(`${name}${at}`)
  }
  return { clock, done, turns, steps, turnCount: () => turnCount }
}

test('what is small is done at once', () => {
  const { done, turns, steps } = open(3)
  turns.run(steps('a', 2))
  expect(done).toEqual(['a0', 'a1'])
  expect(turns.isIdle).toBe(true)
})

test('one turn takes no more steps than it may, and everything is done in its order', () => {
  const { clock, done, turns, steps, turnCount } = open(3)
  turns.run(steps('a', 5))
  turns.run(steps('b', 2))
  expect(done).toEqual(['a0', 'a1', 'a2'])
  clock.turn()
  expect(done).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'b0'])
  clock.turn()
  clock.turn()
  expect(done.slice(6)).toEqual(['b1'])
  expect(turns.isIdle).toBe(true)
  expect(turnCount()).toBeGreaterThanOrEqual(3)
  clock.turn()
  turns.run(steps('c', 3))
  expect(done.slice(7)).toEqual(['c0', 'c1', 'c2'])
})

test('work that a step brings waits for the work it is part of', () => {
  const { done, turns, steps } = open(10)
  const outer = function* (): Generator<void> {
    yield turns.run(steps('inner', 2))
    yield void done.push('outer')
  }
  turns.run(outer())
  expect(done).toEqual(['outer', 'inner0', 'inner1'])
})

test('what is stopped takes no step any more', () => {
  const { clock, done, turns, steps } = open(1)
  turns.run(steps('a', 5))
  turns.stop()
  clock.turn()
  turns.run(steps('b', 1))
  expect(done).toEqual(['a0'])
})

test('what happens to thousands of partitions at once is told of the first, and of the others as a number', () => {
  const clock = new SimClock()
  const lines: unknown[] = []
  const events = new PartitionEvents(clock, (_level, phrase, fields) =>
    lines.push([phrase, fields]),
  )
  for (let partition = 0; partition < 5000; partition++) {
    events.tell('partition leader', () => ({ partition }))
  }
  expect(lines).toHaveLength(partitionEventsPerTurn)
  clock.advance(0)
  expect(lines.slice(partitionEventsPerTurn)).toEqual([
    ['and others', { event: 'partition leader', count: 5000 - partitionEventsPerTurn }],
  ])
  events.tell('partition leader', () => ({ partition: 7 }))
  expect(lines.at(-1)).toEqual(['partition leader', { partition: 7 }])
})
