import { assert, type Disk, type DiskFile } from '@trimaran/common'

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

/** One file, opened when it is used. Invariant: `sizeBytes` is what the broker wrote, never asked of the disk again. */
export class PooledFile {
  readonly #pool: FilePool
  /** Not made yet: its name is free, and making it is left to the first who uses it. */
  #birth: (() => void) | null = null
  #path: string
  #sizeBytes: number
  #closeWhenIdle = false
  /** Of the disk: syncs, and reads off the loop. */
  callsUnderWay = 0
  /** How often it was truncated: what was loaded before is perhaps something else now. */
  #cuts = 0
  /** Loaded off the loop, for the next read of just these bytes. */
  #loaded: { readonly position: number; readonly bytes: Uint8Array } | null = null

  private constructor(pool: FilePool, path: string, sizeBytes: number) {
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

  static unborn(pool: FilePool, disk: Disk, path: string, makeDirectory: () => void): PooledFile {
    const file = new PooledFile(pool, path, 0)
    file.#birth = () => {
      makeDirectory()
      const handle = disk.open(path, { create: true })
      pool.adopt(file, handle)
    }
    return file
  }

  get isUnborn(): boolean {
    return this.#birth !== null
  }

  get path(): string {
    return this.#path
  }

  get #handle(): DiskFile {
    if (this.#birth !== null) {
      this.#birth()
      this.#birth = null
    }
    return this.#pool.handle(this)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(parts: readonly Uint8Array[], sizeBytes: number): void {
    this.#handle.append(parts)
    this.#sizeBytes += sizeBytes
  }

  read(position: number, lengthBytes: number): Uint8Array {
    const loaded = this.#loaded
    if (loaded !== null) {
      const from = position - loaded.position
      if (from >= 0 && from + lengthBytes <= loaded.bytes.length)
        return loaded.bytes.subarray(from, from + lengthBytes)
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
    if (this.callsUnderWay > 0) this.#closeWhenIdle = true
    else this.#pool.close(this)
  }
}
