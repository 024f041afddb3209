import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ClusterError } from '@trimaran/common'
import type { Entry, QuorumStore, QuorumWrite } from '@trimaran/raft'
import { quorumStoreSuite } from '@trimaran/raft/testing'
import { LevelQuorumStore } from '../src/ports/level-quorum-store.ts'
import { MemoryQuorumStore } from '../src/ports/memory-quorum-store.ts'

const scratch = fs.mkdtempSync(join(tmpdir(), 'trimaran-quorum-'))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let directories = 0
const newDirectory = (): string => join(scratch, `store-${directories++}`)

const open = (directory: string): Promise<LevelQuorumStore> =>
  LevelQuorumStore.open({
    directory,
    onFailure: error => {
      throw error
    },
  })

describe('the store in level', () => {
  const suite = quorumStoreSuite(async () => {
    const directory = newDirectory()
    let store: LevelQuorumStore | undefined
    return {
      async open() {
        store = await open(directory)
        return { store, durable: store.durable }
      },
      async halt() {
        await store?.abandon()
      },
    }
  })
  test.each(suite)('$name', async each => {
    await expect(each.run()).resolves.toBeUndefined()
  })
})

describe('the store in memory', () => {
  const suite = quorumStoreSuite(() => {
    const store = new MemoryQuorumStore()
    return Promise.resolve({
      open: () => Promise.resolve(store.open()),
      halt: () => Promise.resolve(),
    })
  })
  test.each(suite)('$name', async each => {
    await expect(each.run()).resolves.toBeUndefined()
  })

  test('a killed node writes no more once its successor has opened the store', async () => {
    const medium = new MemoryQuorumStore()
    const before = medium.open()
    const after = medium.open()
    before.store.write(append(0, 'late'), () => expect.unreachable())
    await Promise.resolve()
    expect(medium.open().durable.entries).toEqual([])
    expect(after.durable.entries).toEqual([])
  })
})

const entry = (text: string): Entry => ({ epoch: 1, kind: 'data', payload: Buffer.from(text) })
const append = (baseOffset: number, ...texts: string[]): QuorumWrite => ({
  append: { baseOffset, entries: texts.map(entry) },
})
const write = (store: QuorumStore, what: QuorumWrite): Promise<void> =>
  new Promise(done => store.write(what, done))

/** Three hundred writes, each durable before the next, and a vote in the middle. */
async function filled(): Promise<string> {
  const directory = newDirectory()
  const store = await open(directory)
  for (let offset = 0; offset < 300; offset++) {
    await write(store, append(offset, `entry ${offset} ${'.'.repeat(200)}`))
    if (offset === 150) await write(store, { vote: { epoch: 1, votedFor: 2, led: false } })
  }
  await store.close()
  return directory
}

async function failure(directory: string): Promise<ClusterError> {
  try {
    const store = await open(directory)
    await store.close()
  } catch (error) {
    return error as ClusterError
  }
  return expect.unreachable('it opened as if nothing had happened')
}

const levelFiles = (directory: string, ending: string): string[] =>
  fs
    .readdirSync(join(directory, 'level'))
    .filter(name => name.endsWith(ending))
    .map(name => join(directory, 'level', name))

function flipBit(path: string, at: number): void {
  const bytes = fs.readFileSync(path)
  bytes[at] = (bytes[at] as number) ^ 0x10
  fs.writeFileSync(path, bytes)
}

test('a bit that flips anywhere in the write-ahead log is never a shorter log', async () => {
  const directory = await filled()
  const [log] = levelFiles(directory, '.log')
  const pristine = newDirectory()
  fs.cpSync(directory, pristine, { recursive: true })
  const size = fs.statSync(log as string).size
  expect(size).toBeGreaterThan(60_000)
  for (const part of [0.02, 0.25, 0.5, 0.75, 0.9999]) {
    fs.rmSync(directory, { recursive: true })
    fs.cpSync(pristine, directory, { recursive: true })
    flipBit(log as string, Math.floor((size - 1) * part))
    const error = await failure(directory)
    expect(error.code, `at ${part}: ${error.message}`).toBe('CORRUPT')
    expect(error.message).toContain('start it empty while a majority')
  }
})

test('a bit that flips in a sorted table is found', async () => {
  const directory = await filled()
  // Opening moves what is in the write-ahead log into a table.
  await (await open(directory)).close()
  const [table] = levelFiles(directory, '.ldb')
  flipBit(table as string, Math.floor(fs.statSync(table as string).size / 3))
  expect((await failure(directory)).code).toBe('CORRUPT')
})

test('a write-ahead log that is cut at the end has lost what was promised', async () => {
  const directory = await filled()
  const [log] = levelFiles(directory, '.log')
  fs.truncateSync(log as string, fs.statSync(log as string).size - 200)
  const error = await failure(directory)
  expect(error.code).toBe('CORRUPT')
  expect(error.message).toContain('was durable')
})

test('a database that vanished beside its marker is not an empty log', async () => {
  const directory = await filled()
  fs.rmSync(join(directory, 'level'), { recursive: true })
  expect((await failure(directory)).code).toBe('CORRUPT')
})

test('a database without its marker is not believed', async () => {
  const directory = await filled()
  fs.rmSync(join(directory, 'last-durable'))
  expect((await failure(directory)).message).toContain('last-durable is missing')
})

test('a missing CURRENT or manifest is an error or the whole log, never a shorter one', async () => {
  for (const name of ['CURRENT', 'MANIFEST']) {
    const directory = await filled()
    const found = fs.readdirSync(join(directory, 'level')).find(file => file.startsWith(name))
    fs.rmSync(join(directory, 'level', found as string))
    const outcome = await open(directory).then(
      async store => {
        const { entries, vote } = store.durable
        await store.close()
        return `${entries.length} entries, vote ${vote.votedFor}`
      },
      (error: unknown) => (error as ClusterError).code,
    )
    expect(['CORRUPT', 'DISK_FAILED', '300 entries, vote 2']).toContain(outcome)
  }
})

test('a marker with one torn slot still counts by the other', async () => {
  const directory = await filled()
  const marker = join(directory, 'last-durable')
  for (const slot of [0, 512]) {
    const bytes = fs.readFileSync(marker)
    const torn = Buffer.from(bytes)
    torn.fill(0, slot, slot + 12)
    fs.writeFileSync(marker, torn)
    const store = await open(directory)
    expect(store.durable.entries).toHaveLength(300)
    await store.close()
  }
  fs.writeFileSync(marker, Buffer.alloc(524))
  expect((await failure(directory)).code).toBe('CORRUPT')
})

test('a directory in use by another process is refused', async () => {
  const directory = newDirectory()
  const store = await open(directory)
  expect((await failure(directory)).code).toBe('WRONG_DIRECTORY')
  await store.close()
})

test('writes that queue up behind one share the next, and complete in order', async () => {
  const directory = newDirectory()
  const store = await open(directory)
  const completed: number[] = []
  await Promise.all(
    Array.from({ length: 500 }, (_, offset) =>
      write(store, append(offset, String(offset))).then(() => completed.push(offset)),
    ),
  )
  expect(completed).toEqual(Array.from({ length: 500 }, (_, offset) => offset))
  await store.close()
  const again = await open(directory)
  expect(again.durable.entries.map(({ payload }) => Buffer.from(payload).toString())).toEqual(
    completed.map(String),
  )
  await again.close()
})

test('a snapshot of several chunks comes back whole, and a damaged one is found', async () => {
  const directory = newDirectory()
  const store = await open(directory)
  await write(store, append(0, 'a', 'b', 'c'))
  const state = Buffer.alloc(3_000_000, 'state')
  const snapshot = { id: { endOffset: 2, epoch: 1 }, voters: Buffer.from('voters'), state }
  await write(store, { snapshot })
  await store.close()
  const again = await open(directory)
  expect(Buffer.compare(again.durable.snapshot?.state as Uint8Array, state)).toBe(0)
  expect(again.durable.logStartOffset).toBe(2)
  await again.close()
  const [table] = levelFiles(directory, '.ldb')
  flipBit(table as string, Math.floor(fs.statSync(table as string).size / 2))
  expect((await failure(directory)).code).toBe('CORRUPT')
})

test('an abandoned store tells nobody any more that something is durable', async () => {
  const directory = newDirectory()
  const store = await open(directory)
  let told = 0
  for (let offset = 0; offset < 10; offset++) store.write(append(offset, 'x'), () => told++)
  await store.abandon()
  store.write(append(10, 'late'), () => told++)
  expect(told).toBe(0)
  const again = await open(directory)
  expect(again.durable.entries.length).toBeLessThanOrEqual(10)
  await again.close()
})
