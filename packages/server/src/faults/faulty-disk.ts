import { dirname, isAbsolute, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterError, Disk, DiskFile, Random } from '@trimaran/common'
import { diskError } from '../ports/disk-errors.ts'
import { UnsyncedWrites } from './unsynced-writes.ts'
import type { FileState } from './unsynced-writes.ts'

/** What is wrong with a device at the moment; all of a node's files and its quorum log are on it. */
export class DiskTrouble {
  /** The longest that an fsync, a read or a stalled write takes more than it does by itself. 0: none does. */
  slowMaxMs = 0
  isFull = false
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Off the loop. */
  async delay(): Promise<void> {
    if (this.slowMaxMs > 0) await sleep(this.#drawMs())
  }

  /** On the loop, as a system call that waits for the device. */
  stall(): void {
    const waitMs = this.#drawMs()
    if (waitMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs)
  }

  /** A write into the page cache waits only where the kernel has too much to write back. */
  stallSometimes(): void {
    if (this.slowMaxMs > 0 && this.#random.between(1, stallOneIn) === 1) this.stall()
  }

  /** Throws where there is no room. */
  requireRoom(doing: string, path: string): void {
    if (this.isFull) throw noRoom(doing, path)
  }

  #drawMs(): number {
    return this.slowMaxMs === 0 ? 0 : this.#random.between(this.slowMaxMs >> 2, this.slowMaxMs)
  }
}

const stallOneIn = 100

export const noRoom = (doing: string, path: string): ClusterError =>
  diskError(doing, path, { code: 'ENOSPC', message: 'no space left on device, on command' })

/** The disk of a node under test: slow or full on command, and it knows what a power cut would take. */
export class FaultyDisk implements Disk {
  readonly unsynced = new UnsyncedWrites()
  readonly #disk: Disk
  readonly #root: string
  readonly #trouble: DiskTrouble

  constructor(disk: Disk, root: string, trouble: DiskTrouble) {
    this.#disk = disk
    this.#root = root
    this.#trouble = trouble
  }

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    const isNew = options?.create === true && !this.#disk.exists(path)
    if (isNew) this.#trouble.requireRoom('open', path)
    const file = this.#disk.open(path, options)
    const full = this.#full(path)
    return new FaultyFile(file, this.#trouble, this.unsynced.opened(full, isNew, file.sizeBytes))
  }

  exists(path: string): boolean {
    return this.#disk.exists(path)
  }

  list(directory: string): readonly string[] {
    return this.#disk.list(directory)
  }

  makeDirectory(directory: string): void {
    if (this.#disk.exists(directory)) return
    this.#trouble.requireRoom('make directory', directory)
    const made: string[] = []
    for (let at = this.#full(directory); !this.#disk.exists(at); at = dirname(at)) made.push(at)
    this.#disk.makeDirectory(directory)
    for (const path of made.toReversed()) this.unsynced.madeDirectory(path)
  }

  rename(from: string, to: string): void {
    const replaces = this.#disk.exists(to)
    this.#disk.rename(from, to)
    this.unsynced.renamed(this.#full(from), this.#full(to), replaces)
  }

  removeFile(path: string): void {
    this.#disk.removeFile(path)
    this.unsynced.removed(this.#full(path))
  }

  async removeDirectory(directory: string): Promise<void> {
    await this.#disk.removeDirectory(directory)
    this.unsynced.removed(this.#full(directory))
  }

  readFile(path: string): Uint8Array {
    return this.#disk.readFile(path)
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    this.#trouble.requireRoom('write', path)
    this.#trouble.stall()
    const names = this.unsynced.namesIn(dirname(this.#full(path)))
    this.#disk.writeFileAtomic(path, content)
    this.unsynced.directorySynced(names)
  }

  syncDirectory(directory: string): void {
    this.#trouble.stall()
    const names = this.unsynced.namesIn(this.#full(directory))
    this.#disk.syncDirectory(directory)
    this.unsynced.directorySynced(names)
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    const names = this.unsynced.namesIn(this.#full(directory))
    await this.#disk.syncDirectoryLater(directory)
    await this.#trouble.delay()
    this.unsynced.directorySynced(names)
  }

  #full(path: string): string {
    return isAbsolute(path) ? join(path) : join(this.#root, path)
  }
}

class FaultyFile implements DiskFile {
  readonly path: string
  readonly #file: DiskFile
  readonly #trouble: DiskTrouble
  readonly #state: FileState

  constructor(file: DiskFile, trouble: DiskTrouble, state: FileState) {
    this.path = file.path
    this.#file = file
    this.#trouble = trouble
    this.#state = state
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes
  }

  /** A full disk takes a part first, as the last free block does. */
  append(parts: readonly Uint8Array[]): void {
    if (this.#trouble.isFull) {
      const [first] = parts
      if (first !== undefined) this.#file.append([first.subarray(0, first.length >> 1)])
      throw noRoom('append to', this.path)
    }
    this.#trouble.stallSometimes()
    this.#file.append(parts)
  }

  read(position: number, lengthBytes: number): Uint8Array {
    return this.#file.read(position, lengthBytes)
  }

  async readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    const bytes = await this.#file.readLater(position, lengthBytes)
    await this.#trouble.delay()
    return bytes
  }

  truncate(sizeBytes: number): void {
    this.#file.truncate(sizeBytes)
    this.#state.truncated(sizeBytes)
  }

  async sync(): Promise<void> {
    const synced = this.#state.syncing(this.#file.sizeBytes)
    await this.#file.sync()
    await this.#trouble.delay()
    synced()
  }

  syncNow(): void {
    this.#trouble.stall()
    this.#file.syncNow()
    this.#state.syncing(this.#file.sizeBytes)()
  }

  close(): void {
    this.#file.close()
  }
}
