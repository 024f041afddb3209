import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import type { Level } from 'level'
import { assert, ClusterError } from '@trimaran/common'
import type { Offset } from '@trimaran/common'
import { crc32c } from '@trimaran/protocol'
import type { DurableState, Entry, QuorumStore, QuorumWrite, Snapshot } from '@trimaran/raft'
import { diskError } from './disk-errors.ts'
import { DurableMarker } from './durable-marker.ts'
import {
  corrupt,
  decodeEntry,
  decodeState,
  emptyStoredState,
  encodeEntry,
  encodeState,
} from './quorum-codec.ts'
import type { StoredSnapshotId, StoredState } from './quorum-codec.ts'

/** Keys: `e` + 16 digits (entries), `p` + generation and chunk (snapshot pieces), `state`. */
const stateKey = 'state'
const entryKey = (offset: Offset): string => `e${String(offset).padStart(16, '0')}`
const chunkKey = (generation: number, chunk: number): string =>
  `p${String(generation).padStart(12, '0')}/${String(chunk).padStart(6, '0')}`

/** LevelDB copies values into its log in 32 KiB blocks and keeps them in memory until flushed: no value above this. */
const SNAPSHOT_CHUNK_BYTES = 1024 * 1024
/** Values per call of the iterator; one call is one hop to the thread pool. */
const READ_AHEAD = 1000

type Database = Level<string, Buffer>
type Operation = { type: 'put'; key: string; value: Buffer } | { type: 'del'; key: string }

export interface LevelQuorumStoreOptions {
  readonly directory: string
  /** A write or fsync failed: the node must stop, since what is on the disk is not known any more. */
  readonly onFailure: (error: ClusterError) => void
}

/**
 * The quorum's log, vote and snapshot in `level`: one atomic `batch(…, { sync: true })` per durable write (writes that
 * queue up behind one share the next). Opening reads everything once and believes nothing: see quorum-codec.ts.
 */
export class LevelQuorumStore implements QuorumStore {
  readonly durable: DurableState
  readonly #db: Database
  readonly #marker: DurableMarker
  readonly #onFailure: (error: ClusterError) => void
  #state: StoredState
  /** Checksums of the entries from the log start, for cutting the chain back. */
  readonly #crcs: number[]
  #queue: { readonly operations: readonly Operation[]; readonly done: () => void }[] = []
  #writing: Promise<void> | null = null
  #dead = false

  static async open({ directory, onFailure }: LevelQuorumStoreOptions): Promise<LevelQuorumStore> {
    const { Level } = await import('level')
    const markerPath = join(directory, 'last-durable')
    mkdirSync(directory, { recursive: true })
    const marked = DurableMarker.read(markerPath)
    const db: Database = new Level(join(directory, 'level'), { valueEncoding: 'buffer' })
    await openDatabase(db)
    try {
      const loaded = await load(db)
      verifyMarker(loaded.state, marked, markerPath)
      const marker = new DurableMarker(markerPath, loaded.state.sequence)
      return new LevelQuorumStore(db, marker, loaded, onFailure)
    } catch (error) {
      await db.close()
      throw error instanceof ClusterError ? error : corrupt(`reading ${directory}`, error)
    }
  }

  private constructor(
    db: Database,
    marker: DurableMarker,
    loaded: Loaded,
    onFailure: (error: ClusterError) => void,
  ) {
    this.#db = db
    this.#marker = marker
    this.#onFailure = onFailure
    this.#state = loaded.state
    this.#crcs = loaded.crcs
    this.durable = {
      vote: loaded.state.vote,
      snapshot: loaded.snapshot,
      logStartOffset: loaded.state.logStartOffset,
      entries: loaded.entries,
    }
  }

  write(write: QuorumWrite, done: () => void): void {
    if (this.#dead) return
    this.#queue.push({ operations: this.#plan(write), done })
    this.#writing ??= this.#drain()
  }

  /** Everything written before is durable and told to the caller when it resolves. */
  async close(): Promise<void> {
    while (this.#writing !== null) await this.#writing
    this.#dead = true
    await this.#marker.close()
    await this.#db.close()
  }

  /** As a killed process leaves it: what is queued is dropped, nobody is told anything any more. */
  async abandon(): Promise<void> {
    this.#dead = true
    this.#queue = []
    await this.#writing
    await this.#marker.close()
    await this.#db.close()
  }

  /** The write as database operations; the state after it is taken as given for the next one, since order is kept. */
  #plan({ vote, truncateTo, append, snapshot }: QuorumWrite): Operation[] {
    const operations: Operation[] = []
    if (vote !== undefined) this.#state = { ...this.#state, vote }
    if (truncateTo !== undefined) this.#truncate(truncateTo, operations)
    if (append !== undefined) {
      let { endOffset, endCrc } = this.#state
      assert(append.baseOffset === endOffset, `append at ${append.baseOffset}, end is ${endOffset}`)
      for (const entry of append.entries) {
        const { bytes, crc } = encodeEntry({ offset: endOffset, previousCrc: endCrc, entry })
        operations.push({ type: 'put', key: entryKey(endOffset), value: bytes })
        this.#crcs.push(crc)
        endOffset++
        endCrc = crc
      }
      this.#state = { ...this.#state, endOffset, endCrc }
    }
    if (snapshot !== undefined) this.#replaceSnapshot(snapshot, operations)
    this.#state = { ...this.#state, sequence: this.#state.sequence + 1 }
    operations.push({ type: 'put', key: stateKey, value: encodeState(this.#state) })
    return operations
  }

  #truncate(to: Offset, operations: Operation[]): void {
    const { logStartOffset, endOffset, startCrc } = this.#state
    const end = Math.max(to, logStartOffset)
    for (let offset = end; offset < endOffset; offset++) {
      operations.push({ type: 'del', key: entryKey(offset) })
    }
    this.#crcs.length = Math.min(this.#crcs.length, end - logStartOffset)
    this.#state = {
      ...this.#state,
      endOffset: Math.min(end, endOffset),
      endCrc: this.#crcs.at(-1) ?? startCrc,
    }
  }

  #replaceSnapshot(snapshot: Snapshot, operations: Operation[]): void {
    const { logStartOffset, endOffset } = this.#state
    const { endOffset: newStart } = snapshot.id
    assert(newStart >= logStartOffset, `snapshot ends at ${newStart}, before the log start`)
    for (let offset = logStartOffset; offset < Math.min(newStart, endOffset); offset++) {
      operations.push({ type: 'del', key: entryKey(offset) })
    }
    const removed = this.#crcs.splice(0, newStart - logStartOffset)
    const gap = newStart > endOffset
    const startCrc =
      newStart === logStartOffset ? this.#state.startCrc : gap ? 0 : (removed.at(-1) ?? 0)
    this.#state = {
      ...this.#state,
      logStartOffset: newStart,
      startCrc,
      endOffset: Math.max(endOffset, newStart),
      endCrc: this.#crcs.at(-1) ?? startCrc,
      snapshot: planSnapshot(snapshot, this.#state.snapshot, operations),
    }
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue
        this.#queue = []
        const { sequence } = this.#state
        await this.#db.batch(operationsOf(batch), { sync: true })
        // A killed node hears nothing: its answer must not leave it.
        if (this.#dead) return
        for (const { done } of batch) done()
        this.#marker.advance(sequence).catch((error: unknown) => this.#fail(error))
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#writing = null
    }
  }

  #fail(error: unknown): void {
    if (this.#dead) return
    this.#dead = true
    this.#queue = []
    this.#onFailure(
      error instanceof ClusterError ? error : diskError('write the quorum log to', 'level', error),
    )
  }
}

function operationsOf(
  batch: readonly { readonly operations: readonly Operation[] }[],
): Operation[] {
  const first = batch[0]
  return batch.length === 1 && first !== undefined
    ? [...first.operations]
    : batch.flatMap(({ operations }) => operations)
}

function planSnapshot(
  { id, voters, state }: Snapshot,
  before: StoredSnapshotId | null,
  operations: Operation[],
): StoredSnapshotId {
  for (let chunk = 0; before !== null && chunk < before.chunkCount; chunk++) {
    operations.push({ type: 'del', key: chunkKey(before.generation, chunk) })
  }
  const generation = (before?.generation ?? 0) + 1
  const content = Buffer.concat([voters, state])
  let chunkCount = 0
  for (let at = 0; at < content.length; at += SNAPSHOT_CHUNK_BYTES) {
    const value = content.subarray(at, at + SNAPSHOT_CHUNK_BYTES)
    operations.push({ type: 'put', key: chunkKey(generation, chunkCount++), value })
  }
  return {
    id,
    generation,
    votersBytes: voters.length,
    stateBytes: state.length,
    chunkCount,
    crc: crc32c(content, 0, content.length),
  }
}

async function openDatabase(db: Database): Promise<void> {
  try {
    await db.open()
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause
    if (cause?.code === 'LEVEL_LOCKED') {
      throw new ClusterError('WRONG_DIRECTORY', `${db.location} is in use by another process`, {
        cause: error,
      })
    }
    if (cause?.code === 'LEVEL_CORRUPTION') throw corrupt(`opening ${db.location}`, error)
    throw diskError('open', db.location, cause ?? error)
  }
}

interface Loaded {
  readonly state: StoredState
  readonly entries: readonly Entry[]
  readonly crcs: number[]
  readonly snapshot: Snapshot | null
}

async function load(db: Database): Promise<Loaded> {
  const stored = await db.get(stateKey)
  const state = stored === undefined ? emptyStoredState : decodeState(stored)
  const { entries, crcs } = await loadEntries(db, state)
  return { state, entries, crcs, snapshot: await loadSnapshot(db, state.snapshot) }
}

async function loadEntries(
  db: Database,
  state: StoredState,
): Promise<{ entries: Entry[]; crcs: number[] }> {
  const entries: Entry[] = []
  const crcs: number[] = []
  let offset = state.logStartOffset
  let previousCrc = state.startCrc
  const iterator = db.iterator({ gte: 'e', lt: 'f' })
  try {
    for (;;) {
      const found = await iterator.nextv(READ_AHEAD)
      if (found.length === 0) break
      for (const [key, value] of found) {
        if (key !== entryKey(offset)) {
          throw corrupt(`entry ${offset} is missing (the next one is ${Number(key.slice(1))})`)
        }
        const { entry, crc } = decodeEntry(value, offset, previousCrc)
        entries.push(entry)
        crcs.push(crc)
        previousCrc = crc
        offset++
      }
    }
  } finally {
    await iterator.close()
  }
  if (offset !== state.endOffset || previousCrc !== state.endCrc) {
    throw corrupt(`the log ends at ${offset}, where it should end at ${state.endOffset}`)
  }
  return { entries, crcs }
}

async function loadSnapshot(
  db: Database,
  stored: StoredSnapshotId | null,
): Promise<Snapshot | null> {
  if (stored === null) return null
  const { id, generation, chunkCount, votersBytes, stateBytes, crc } = stored
  const keys = Array.from({ length: chunkCount }, (_, chunk) => chunkKey(generation, chunk))
  const chunks = await db.getMany(keys)
  const present = chunks.filter(chunk => chunk !== undefined)
  const content = Buffer.concat(present)
  if (content.length !== votersBytes + stateBytes || crc32c(content, 0, content.length) !== crc) {
    throw corrupt(`the snapshot at ${id.endOffset} is damaged`)
  }
  return { id, voters: content.subarray(0, votersBytes), state: content.subarray(votersBytes) }
}

function verifyMarker(state: StoredState, marked: number | null, path: string): void {
  if (marked === null && state.sequence > 0) throw corrupt(`${path} is missing`)
  if (marked !== null && marked > state.sequence) {
    throw corrupt(`the database ends at write ${state.sequence}, but write ${marked} was durable`)
  }
}
