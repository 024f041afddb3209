import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import type { Random } from '@trimaran/common'

/** A file, whatever its name is by now. */
export class FileState {
  /** Covered by an fsync, or there when this process opened the file. */
  durableBytes: number
  /** What each fsync under way will have covered. */
  readonly #syncing = new Set<{ coversBytes: number }>()

  constructor(durableBytes: number) {
    this.durableBytes = durableBytes
  }

  /** An fsync begins, with this size; the result is for its end. */
  syncing(sizeBytes: number): () => void {
    const sync = { coversBytes: sizeBytes }
    this.#syncing.add(sync)
    return () => {
      this.#syncing.delete(sync)
      this.durableBytes = Math.max(this.durableBytes, sync.coversBytes)
    }
  }

  truncated(toBytes: number): void {
    this.durableBytes = Math.min(this.durableBytes, toBytes)
    for (const sync of this.#syncing) sync.coversBytes = Math.min(sync.coversBytes, toBytes)
  }
}

/** What was done to a name and is undone by a power cut, unless its directory was synced since. */
interface NameChange {
  readonly kind: 'made' | 'renamed'
  readonly path: string
  /** Of a renamed one. */
  readonly from: string
}

export interface Lost {
  readonly bytes: number
  readonly files: number
  readonly names: number
}

/** A file system zero-fills what it had allocated and not written; a block of it is enough to tell. */
const zeroTailBytesMax = 4096

/**
 * What no fsync of this process has covered yet, and how a power cut takes it away: of each file any part of its tail, also
 * as zeros; of the names, what the last sync of their directory came too late for, the newest first, as a journal loses them.
 * What is on the disk when the process starts counts as durable, and truncations and removals as having reached the device.
 * Paths are absolute. Holds one small object per file that was opened.
 */
export class UnsyncedWrites {
  readonly #files = new Map<string, FileState>()
  #names: NameChange[] = []

  opened(path: string, isNew: boolean, sizeBytes: number): FileState {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const state = new FileState(isNew ? 0 : sizeBytes)
    this.#files.set(path, state)
    if (isNew) this.#names.push({ kind: 'made', path, from: '' })
    return state
  }

  madeDirectory(path: string): void {
    this.#names.push({ kind: 'made', path, from: '' })
  }

  /** One that took the place of another file stays: either of the two would be right after a power cut, and none would not. */
  renamed(from: string, to: string, replaces: boolean): void {
    const moved = [...this.#files].filter(([path]) => isAt(path, from))
    for (const [path] of moved) this.#files.delete(path)
    for (const [path, state] of moved) this.#files.set(to + path.slice(from.length), state)
    this.#names = this.#names.map(change =>
      isAt(dirname(change.path), from)
        ? { ...change, path: to + change.path.slice(from.length) }
        : change,
    )
    if (!replaces) this.#names.push({ kind: 'renamed', path: to, from })
  }

  removed(path: string): void {
    for (const known of this.#files.keys()) if (isAt(known, path)) this.#files.delete(known)
    this.#names = this.#names.filter(change => !isAt(change.path, path))
  }

  /** What was done to the names of a directory before now; handed to `directorySynced` when the sync is over. */
  namesIn(directory: string): ReadonlySet<NameChange> {
    return new Set(this.#names.filter(({ path }) => dirname(path) === directory))
  }

  directorySynced(changes: ReadonlySet<NameChange>): void {
    this.#names = this.#names.filter(change => !changes.has(change))
  }

  /** At once: nothing of the process runs meanwhile, and nothing should afterwards. */
  cutPower(random: Random): Lost {
    let bytes = 0
    let files = 0
    for (const [path, { durableBytes }] of this.#files) {
      const lost = cutFile(path, durableBytes, random)
      bytes += lost
      files += lost > 0 ? 1 : 0
    }
    const kept = random.between(0, this.#names.length)
    const undone = this.#names.slice(kept).toReversed()
    for (const change of undone) undo(change)
    return { bytes, files, names: undone.length }
  }
}

const isAt = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(join(directory, '/'))

/** Half of the times all of it, else as much as the kernel happened to have written, whole or with zeros behind. */
function cutFile(path: string, durableBytes: number, random: Random): number {
  const sizeBytes = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (sizeBytes <= durableBytes) return 0
  const keeps = random.between(0, 1) === 1
  const keptBytes = keeps ? random.between(durableBytes, sizeBytes - 1) : durableBytes
  fs.truncateSync(path, keptBytes)
  if (keeps && random.between(0, 1) === 1) {
    const zeros = Math.min(zeroTailBytesMax, sizeBytes - keptBytes)
    fs.truncateSync(path, keptBytes + zeros)
  }
  return sizeBytes - keptBytes
}

function undo({ kind, path, from }: NameChange): void {
  if (kind === 'made') fs.rmSync(path, { recursive: true, force: true })
  else if (fs.existsSync(path) && !fs.existsSync(from)) fs.renameSync(path, from)
}
