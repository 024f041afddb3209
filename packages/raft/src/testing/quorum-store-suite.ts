import { assert } from '@trimaran/common'
import type { Entry } from '../messages.ts'
import type { DurableState, QuorumStore, QuorumWrite, Snapshot } from '../ports.ts'

/** One store under test, on a medium of its own. */
export interface QuorumStoreFixture {
  /** Opens, or opens again after `halt`. */
  open(): Promise<{ readonly store: QuorumStore; readonly durable: DurableState }>
  /** Ends it as a killed process does: no farewell, but what was durable stays. */
  halt(): Promise<void>
}

/**
 * What every QuorumStore must do, for any test runner: `run` rejects if the store does not. With vitest:
 * `test.each(quorumStoreSuite(make))('level: $name', each => expect(each.run()).resolves.toBeUndefined())`.
 */
export function quorumStoreSuite(
  make: () => Promise<QuorumStoreFixture>,
): readonly { readonly name: string; run(): Promise<void> }[] {
  return cases.map(({ name, writes, expected }) => ({
    name,
    async run() {
      const fixture = await make()
      const { store } = await fixture.open()
      await writeAll(store, writes)
      await fixture.halt()
      const { durable } = await fixture.open()
      await fixture.halt()
      const found = draw(durable)
      assert(found === expected, `expected ${expected}, found ${found}`)
    },
  }))
}

/** Resolves when all are durable; fails if the completions come in another order. */
function writeAll(store: QuorumStore, writes: readonly QuorumWrite[]): Promise<void> {
  if (writes.length === 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    let completed = 0
    writes.forEach((write, at) => {
      store.write(write, () => {
        if (completed !== at) reject(new Error(`write ${at} completed after ${completed} others`))
        completed++
        if (completed === writes.length) resolve()
      })
    })
  })
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, unit => unit.charCodeAt(0))
const text = (content: Uint8Array): string => String.fromCharCode(...content)
const entry = (epoch: number, payload: string, kind: Entry['kind'] = 'data'): Entry => ({
  epoch,
  kind,
  payload: bytes(payload),
})
const snapshot = (endOffset: number, epoch: number, state: string): Snapshot => ({
  id: { endOffset, epoch },
  voters: bytes('voters'),
  state: bytes(state),
})
const append = (baseOffset: number, ...entries: Entry[]): QuorumWrite => ({
  append: { baseOffset, entries },
})

function draw({ vote, snapshot: saved, logStartOffset, entries }: DurableState): string {
  const snapshotText =
    saved === null
      ? 'none'
      : `${saved.id.endOffset}@${saved.id.epoch} ${text(saved.voters)} ${text(saved.state)}`
  const log = entries.map(each => `${each.kind[0]}${each.epoch}:${text(each.payload)}`).join(' ')
  return (
    `vote ${vote.epoch} ${vote.votedFor} ${vote.led} | snapshot ${snapshotText} | ` +
    `log ${logStartOffset} [${log}]`
  )
}

const noVote = 'vote 0 null false'
const cases: readonly {
  readonly name: string
  readonly writes: readonly QuorumWrite[]
  readonly expected: string
}[] = [
  {
    name: 'an empty store has no vote, no snapshot and no entries',
    writes: [],
    expected: `${noVote} | snapshot none | log 0 []`,
  },
  {
    name: 'a vote survives, and the latest one counts',
    writes: [
      { vote: { epoch: 3, votedFor: 2, led: false } },
      { vote: { epoch: 4, votedFor: null, led: false } },
      { vote: { epoch: 4, votedFor: 1, led: true } },
    ],
    expected: 'vote 4 1 true | snapshot none | log 0 []',
  },
  {
    name: 'entries survive with their epoch, kind and payload, an empty one too',
    writes: [
      append(0, entry(0, 'set', 'voters')),
      append(1, entry(1, '', 'leaderChange'), entry(1, 'a'), entry(2, '')),
    ],
    expected: `${noVote} | snapshot none | log 0 [v0:set l1: d1:a d2:]`,
  },
  {
    name: 'a truncation removes the entries at and above it, before the append of the same write',
    writes: [
      append(0, entry(1, 'a'), entry(1, 'b'), entry(1, 'c')),
      { truncateTo: 1, append: { baseOffset: 1, entries: [entry(2, 'x')] } },
    ],
    expected: `${noVote} | snapshot none | log 0 [d1:a d2:x]`,
  },
  {
    name: 'a truncation at the end of the log removes nothing',
    writes: [append(0, entry(1, 'a')), { truncateTo: 1 }],
    expected: `${noVote} | snapshot none | log 0 [d1:a]`,
  },
  {
    name: 'a snapshot removes the entries below its end and keeps the others',
    writes: [
      append(0, entry(1, 'a'), entry(1, 'b'), entry(2, 'c')),
      { snapshot: snapshot(2, 1, 'ab') },
      append(3, entry(2, 'd')),
    ],
    expected: `${noVote} | snapshot 2@1 voters ab | log 2 [d2:c d2:d]`,
  },
  {
    name: 'a snapshot with a truncation to its end replaces the whole log',
    writes: [
      append(0, entry(1, 'a'), entry(1, 'b')),
      { truncateTo: 9, snapshot: snapshot(9, 4, 'nine') },
      append(9, entry(5, 'j')),
    ],
    expected: `${noVote} | snapshot 9@4 voters nine | log 9 [d5:j]`,
  },
  {
    name: 'a later snapshot replaces an earlier one, and an empty state is a state',
    writes: [
      append(0, entry(1, 'a'), entry(1, 'b')),
      { snapshot: snapshot(1, 1, 'a') },
      { snapshot: snapshot(2, 1, '') },
    ],
    expected: `${noVote} | snapshot 2@1 voters  | log 2 []`,
  },
  {
    name: 'vote, truncation and append of one write happen together',
    writes: [
      append(0, entry(1, 'a'), entry(1, 'b')),
      {
        vote: { epoch: 7, votedFor: 3, led: false },
        truncateTo: 1,
        append: { baseOffset: 1, entries: [entry(6, 'y')] },
      },
    ],
    expected: 'vote 7 3 false | snapshot none | log 0 [d1:a d6:y]',
  },
]
