import { assert, ClusterError, type Disk, type DiskFile } from '@trimaran/common'
import type { Births } from './births.ts'

/**
 * Open files of one data directory, the least recently used closed when there are too many. 10,000 idle partitions then
 * hold no descriptors at all; what is hot stays open.
 */
export class FilePool {
  readonly #disk: Disk
  readonly #openCountMax: number
  /** In order of use; Map keeps insertion order, so re-inserting moves a file to the young end. */
  readonly #open = new Map<PooledFile, DiskFile>()
  #newest: PooledFile | null = null

  constructor(disk: Disk, openCountMax: number) {
    assert(openCountMax >= 1, 'a file pool holds at least one open file')
    this.#disk = disk
    this.#openCountMax = openCountMax
  }

  get openCount(): number {
    return this.#open.size
  }

  handle(file: PooledFile): DiskFile {
    let handle = this.#open.get(file)
    if (handle !== undefined) {
      if (this.#newest !== file) {
        this.#open.delete(file)
        this.#open.set(file, handle)
        this.#newest = file
      }
      return handle
    }
    handle = this.#disk.open(file.path)
    this.#open.set(file, handle)
    this.#newest = file
    if (this.#open.size > this.#openCountMax) this.#closeOldest()
    return handle
  }

  adopt(file: PooledFile, handle: DiskFile): void {
    this.#open.set(file, handle)
    this.#newest = file
    if (this.#open.size > this.#openCountMax) this.#closeOldest()
  }

  close(file: PooledFile): void {
    const handle = this.#open.get(file)
    if (handle === undefined) return
    this.#open.delete(file)
    if (this.#newest === file) this.#newest = null
    handle.close()
  }

  #closeOldest(): void {
    for (const [file, handle] of this.#open) {
      // A file that the disk works on must stay open until it answered.
      if (file.callsUnderWay > 0 || file === this.#newest) continue
      this.#open.delete(file)
      handle.close()
      return
    }
  }
}

/** A file that is not made yet; its name is free. */
export interface UnbornFile {
  readonly path: string
  readonly births: Births
  make(): DiskFile
  /** See LogContext. */
  fail(error: unknown): ClusterError
}

/** What was appended to it, in memory alone. */
interface Unwritten {
  readonly parts: Uint8Array[]
  readonly written: PromiseWithResolvers<void>
}

/** One file, opened when it is used. Invariant: `sizeBytes` is what the broker wrote, never asked of the disk again. */
export class PooledFile {
  readonly #pool: FilePool
  /** Made by the first who uses it; if that is an append, perhaps a little later. */
  #unborn: UnbornFile | null = null
  #unwritten: Unwritten | null = null
  /** Null: not made yet. */
  #path: string | null
  #sizeBytes: number
  #closeWhenIdle = false
  /** Of the disk: syncs, and reads off the loop. */
  callsUnderWay = 0
  /** How often it was truncated: what was loaded before is perhaps something else now. */
  #cuts = 0
  /** Loaded off the loop, for the next read of just these bytes. */
  #loaded: { readonly position: number; readonly bytes: Uint8Array } | null = null

  private constructor(pool: FilePool, path: string | null, sizeBytes: number) {
    this.#pool = pool
    this.#path = path
    this.#sizeBytes = sizeBytes
  }

  static openExisting(pool: FilePool, disk: Disk, path: string): PooledFile {
    const handle = disk.open(path)
    const file = new PooledFile(pool, path, handle.sizeBytes)
    // Opened to learn its size; a cold file costs no descriptor.
    handle.close()
    return file
  }

  static create(pool: FilePool, disk: Disk, path: string): PooledFile {
    const handle = disk.open(path, { create: true })
    if (handle.sizeBytes > 0) handle.truncate(0)
    const file = new PooledFile(pool, path, 0)
    pool.adopt(file, handle)
    return file
  }

  static unborn(pool: FilePool, unborn: UnbornFile): PooledFile {
    const file = new PooledFile(pool, null, 0)
    file.#unborn = unborn
    return file
  }

  /** Resolves when what was appended is in the file, or the file is closed; null: nothing is in memory alone. */
  get unwritten(): Promise<void> | null {
    return this.#unwritten?.written.promise ?? null
  }

  /** With all that was appended to it. */
  ensureMade(): void {
    if (this.#unborn !== null) void this.#handle
  }

  get isUnborn(): boolean {
    return this.#unborn !== null
  }

  get path(): string {
    return this.#path ?? this.#unborn?.path ?? ''
  }

  get #handle(): DiskFile {
    if (this.#unborn !== null) {
      const unborn = this.#unborn
      unborn.births.now(() => this.#bear(unborn))
    }
    return this.#pool.handle(this)
  }

  #bear(unborn: UnbornFile): void {
    const unwritten = this.#unwritten
    unborn.births.forget(this, this.#sizeBytes)
    try {
      const handle = unborn.make()
      this.#path = unborn.path
      this.#pool.adopt(this, handle)
      if (unwritten !== null) handle.append(unwritten.parts)
      this.#unborn = null
      this.#unwritten = null
      unwritten?.written.resolve()
    } catch (error) {
      // No append comes after it: the directory has failed.
      const failure = unborn.fail(error)
      unwritten?.written.reject(failure)
      throw failure
    }
  }

  /** False: the file is to be made now. */
  #waits(unborn: UnbornFile, parts: readonly Uint8Array[], sizeBytes: number): boolean {
    const { births } = unborn
    if (!births.mustWait(sizeBytes)) return false
    this.#unwritten ??= newUnwritten()
    // Copies: the buffers that they came in hold whole requests.
    for (const part of parts) this.#unwritten.parts.push(new Uint8Array(part))
    this.#sizeBytes += sizeBytes
    births.wait(this, sizeBytes, () => this.#bearLater(unborn))
    return true
  }

  /** Nobody is there to be told of a failure but who waits for `unwritten`. */
  #bearLater(unborn: UnbornFile): void {
    try {
      this.#bear(unborn)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(parts: readonly Uint8Array[], sizeBytes: number): void {
    if (this.#unborn !== null && this.#waits(this.#unborn, parts, sizeBytes)) return
    this.#handle.append(parts)
    this.#sizeBytes += sizeBytes
  }

  read(position: number, lengthBytes: number): Uint8Array {
    const loaded = this.#loaded
    if (loaded !== null) {
      const from = position - loaded.position
      if (from >= 0 && from + lengthBytes <= loaded.bytes.length) {
        // Whoever reads owns the bytes; nobody reads the same ones a second time.
        this.#loaded = null
        return loaded.bytes.subarray(from, from + lengthBytes)
      }
    }
    return this.#handle.read(position, lengthBytes)
  }

  /** What `read` is about to be asked for, so that it need not wait for the device. Held until `unload`. */
  async load(position: number, lengthBytes: number): Promise<void> {
    const cuts = this.#cuts
    const bytes = await this.#underWay(handle => handle.readLater(position, lengthBytes))
    if (this.#cuts === cuts) this.#loaded = { position, bytes }
  }

  unload(): void {
    this.#loaded = null
  }

  /** Durable when it returns: what is appended after a cut must never meet what was cut off. */
  truncate(sizeBytes: number): void {
    const handle = this.#handle
    handle.truncate(sizeBytes)
    handle.syncNow()
    this.#sizeBytes = sizeBytes
    this.#cuts++
    this.#loaded = null
  }

  sync(): Promise<void> {
    return this.#underWay(handle => handle.sync())
  }

  async #underWay<T>(call: (handle: DiskFile) => Promise<T>): Promise<T> {
    const handle = this.#handle
    this.callsUnderWay++
    try {
      return await call(handle)
    } finally {
      this.callsUnderWay--
      if (this.callsUnderWay === 0 && this.#closeWhenIdle) this.#pool.close(this)
    }
  }

  syncNow(): void {
    this.#handle.syncNow()
  }

  renamed(path: string): void {
    this.#path = path
  }

  close(): void {
    if (this.#unborn !== null) {
      this.#unborn.births.forget(this, this.#sizeBytes)
      this.#unwritten?.written.resolve()
    }
    if (this.callsUnderWay > 0) this.#closeWhenIdle = true
    else this.#pool.close(this)
  }
}

function newUnwritten(): Unwritten {
  const written = Promise.withResolvers<void>()
  // Whoever appended may have gone.
  written.promise.catch(() => undefined)
  return { parts: [], written }
}
