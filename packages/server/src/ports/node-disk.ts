import * as fs from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { assert, passOn } from '@trimaran/common'
import type { Disk, DiskFile } from '@trimaran/common'
import { diskError } from './disk-errors.ts'

/** Linux takes no more parts than this in one writev (IOV_MAX). */
const MAX_PARTS_PER_WRITE = 1024
/** Below this a read comes from Node's pool; above, a buffer of its own, so that keeping it pins nothing else. */
const POOLED_READ_BYTES = 1024

/** The file system under `root`. */
export class NodeDisk implements Disk {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    const full = this.#resolve(path)
    return attempt('open', full, () => {
      const flags = fs.constants.O_RDWR | (options?.create === true ? fs.constants.O_CREAT : 0)
      const fd = fs.openSync(full, flags, 0o644)
      return new NodeDiskFile(path, full, fd, fs.fstatSync(fd).size)
    })
  }

  exists(path: string): boolean {
    return fs.existsSync(this.#resolve(path))
  }

  list(directory: string): readonly string[] {
    const full = this.#resolve(directory)
    try {
      return fs.readdirSync(full).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw diskError('list', full, error)
    }
  }

  makeDirectory(directory: string): void {
    const full = this.#resolve(directory)
    attempt('make directory', full, () => fs.mkdirSync(full, { recursive: true }))
  }

  rename(from: string, to: string): void {
    const full = this.#resolve(from)
    attempt('rename', full, () => fs.renameSync(full, this.#resolve(to)))
  }

  removeFile(path: string): void {
    const full = this.#resolve(path)
    attempt('remove', full, () => fs.unlinkSync(full))
  }

  async removeDirectory(directory: string): Promise<void> {
    const full = this.#resolve(directory)
    try {
      await fs.promises.rm(full, { recursive: true, force: true })
    } catch (error) {
      throw diskError('remove directory', full, error)
    }
  }

  readFile(path: string): Uint8Array {
    const full = this.#resolve(path)
    return attempt('read', full, () => fs.readFileSync(full))
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    const full = this.#resolve(path)
    attempt('write', full, () => {
      const temporary = `${full}.tmp`
      const fd = fs.openSync(temporary, 'w', 0o644)
      try {
        writeAll(fd, [content], 0)
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
      fs.renameSync(temporary, full)
      syncDirectoryAt(dirname(full))
    })
  }

  syncDirectory(directory: string): void {
    const full = this.#resolve(directory)
    attempt('sync directory', full, () => syncDirectoryAt(full))
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    const full = this.#resolve(directory)
    try {
      const handle = await fs.promises.open(full, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      throw diskError('sync directory', full, error)
    }
  }

  #resolve(path: string): string {
    return isAbsolute(path) ? path : join(this.#root, path)
  }
}

class NodeDiskFile implements DiskFile {
  readonly path: string
  readonly #full: string
  readonly #fd: number
  #sizeBytes: number
  /** An fsync or a read under way holds the descriptor: closing it now could give its number to another file. */
  #busy = 0
  #closed = false

  constructor(path: string, full: string, fd: number, sizeBytes: number) {
    this.path = path
    this.#full = full
    this.#fd = fd
    this.#sizeBytes = sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(parts: readonly Uint8Array[]): void {
    this.#open()
    try {
      this.#sizeBytes += writeAll(this.#fd, parts, this.#sizeBytes)
    } catch (error) {
      // What did get written stays as a torn tail; the size must tell of it.
      this.#sizeBytes = sizeOr(this.#fd, this.#sizeBytes)
      throw diskError('append to', this.#full, error)
    }
  }

  read(position: number, lengthBytes: number): Uint8Array {
    this.#open()
    const wanted = Math.max(0, Math.min(lengthBytes, this.#sizeBytes - position))
    const into =
      wanted < POOLED_READ_BYTES ? Buffer.allocUnsafe(wanted) : Buffer.allocUnsafeSlow(wanted)
    return attempt('read', this.#full, () => {
      let got = 0
      while (got < wanted) {
        const count = fs.readSync(this.#fd, into, got, wanted - got, position + got)
        if (count === 0) break
        got += count
      }
      return passOn(got === wanted ? into : into.subarray(0, got))
    })
  }

  readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    this.#open()
    const wanted = Math.max(0, Math.min(lengthBytes, this.#sizeBytes - position))
    const into = Buffer.allocUnsafeSlow(wanted)
    this.#busy++
    return new Promise((resolve, reject) => {
      const readOn = (got: number): void => {
        fs.read(this.#fd, into, got, wanted - got, position + got, (error, count) => {
          if (error === null && count > 0 && got + count < wanted) {
            readOn(got + count)
            return
          }
          this.#idle()
          if (error === null) resolve(passOn(into.subarray(0, got + count)))
          else reject(diskError('read', this.#full, error))
        })
      }
      readOn(0)
    })
  }

  truncate(sizeBytes: number): void {
    this.#open()
    attempt('truncate', this.#full, () => fs.ftruncateSync(this.#fd, sizeBytes))
    this.#sizeBytes = sizeBytes
  }

  sync(): Promise<void> {
    this.#open()
    this.#busy++
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, error => {
        this.#idle()
        if (error === null) resolve()
        else reject(diskError('sync', this.#full, error))
      })
    })
  }

  syncNow(): void {
    this.#open()
    attempt('sync', this.#full, () => fs.fdatasyncSync(this.#fd))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#busy === 0) attempt('close', this.#full, () => fs.closeSync(this.#fd))
  }

  #idle(): void {
    this.#busy--
    if (this.#closed && this.#busy === 0) fs.closeSync(this.#fd)
  }

  #open(): void {
    assert(!this.#closed, `${this.path} is used after it was closed`)
  }
}

/** Loops over short writes: one call may take less than it was given. Returns the bytes written. */
function writeAll(fd: number, parts: readonly Uint8Array[], position: number): number {
  let pending = parts
  let written = 0
  while (pending.length > 0) {
    const some =
      pending.length > MAX_PARTS_PER_WRITE ? pending.slice(0, MAX_PARTS_PER_WRITE) : pending
    let count =
      some.length === 1
        ? fs.writeSync(
            fd,
            some[0] as Uint8Array,
            0,
            (some[0] as Uint8Array).length,
            position + written,
          )
        : fs.writevSync(fd, some, position + written)
    written += count
    let done = 0
    while (done < pending.length && count >= (pending[done] as Uint8Array).length) {
      count -= (pending[done] as Uint8Array).length
      done++
    }
    pending = done === 0 ? pending : pending.slice(done)
    if (count > 0) {
      pending = [(pending[0] as Uint8Array).subarray(count), ...pending.slice(1)]
    }
  }
  return written
}

function sizeOr(fd: number, otherwise: number): number {
  try {
    return fs.fstatSync(fd).size
  } catch {
    return otherwise
  }
}

function syncDirectoryAt(full: string): void {
  const fd = fs.openSync(full, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function attempt<T>(doing: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw diskError(doing, path, error)
  }
}
