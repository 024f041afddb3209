import { ClusterError } from '@trimaran/common'
import type { Disk, DiskFile } from '@trimaran/common'

/**
 * A node's disk. Two things end its use: the node's end (what still runs of it fails, and its open files are given back)
 * and a write that failed, after which nobody knows what is stored: one log directory is all a broker has, so the node
 * must stop and let others lead (design decision 14). Reads may fail without that: a file may just not be there.
 */
export class GuardedDisk implements Disk {
  readonly #disk: Disk
  readonly #onFailure: (error: ClusterError) => void
  readonly #open = new Set<DiskFile>()
  #halted = false

  constructor(disk: Disk, onFailure: (error: ClusterError) => void) {
    this.#disk = disk
    this.#onFailure = onFailure
  }

  halt(): void {
    this.#halted = true
    for (const file of this.#open) {
      try {
        file.close()
      } catch {
        // It is given back, or the disk is beyond that.
      }
    }
    this.#open.clear()
  }

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    const file = this.#live.open(path, options)
    this.#open.add(file)
    return new GuardedFile(file, {
      check: () => this.#check(),
      write: action => this.#write(action),
      failed: error => this.#failed(error),
      closed: () => this.#open.delete(file),
    })
  }

  exists(path: string): boolean {
    return this.#live.exists(path)
  }

  list(directory: string): readonly string[] {
    return this.#live.list(directory)
  }

  makeDirectory(directory: string): void {
    this.#write(() => this.#disk.makeDirectory(directory))
  }

  rename(from: string, to: string): void {
    this.#write(() => this.#disk.rename(from, to))
  }

  removeFile(path: string): void {
    this.#live.removeFile(path)
  }

  async removeDirectory(directory: string): Promise<void> {
    await this.#live.removeDirectory(directory)
  }

  readFile(path: string): Uint8Array {
    return this.#live.readFile(path)
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    this.#write(() => this.#disk.writeFileAtomic(path, content))
  }

  syncDirectory(directory: string): void {
    this.#write(() => this.#disk.syncDirectory(directory))
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    try {
      await this.#live.syncDirectoryLater(directory)
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  get #live(): Disk {
    this.#check()
    return this.#disk
  }

  #write<T>(action: () => T): T {
    this.#check()
    try {
      return action()
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  #failed(error: unknown): void {
    const isFailure = error instanceof ClusterError && writeFailures.has(error.code)
    if (isFailure && !this.#halted) this.#onFailure(error)
  }

  #check(): void {
    if (this.#halted) throw new ClusterError('STOPPING', 'the node was killed')
  }
}

const writeFailures: ReadonlySet<string> = new Set(['DISK_FULL', 'DISK_FAILED'])

class GuardedFile implements DiskFile {
  readonly #file: DiskFile
  readonly #guards: FileGuards

  constructor(file: DiskFile, guards: FileGuards) {
    this.#file = file
    this.#guards = guards
  }

  get path(): string {
    return this.#file.path
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes
  }

  append(parts: readonly Uint8Array[]): void {
    this.#guards.check()
    try {
      this.#file.append(parts)
    } catch (error) {
      this.#guards.failed(error)
      throw error
    }
  }

  read(position: number, lengthBytes: number): Uint8Array {
    this.#guards.check()
    return this.#file.read(position, lengthBytes)
  }

  async readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    this.#guards.check()
    const bytes = await this.#file.readLater(position, lengthBytes)
    this.#guards.check()
    return bytes
  }

  truncate(sizeBytes: number): void {
    this.#guards.write(() => this.#file.truncate(sizeBytes))
  }

  async sync(): Promise<void> {
    this.#guards.check()
    try {
      await this.#file.sync()
    } catch (error) {
      this.#guards.failed(error)
      throw error
    }
    // Durable, but the node that waited for it is no more.
    this.#guards.check()
  }

  syncNow(): void {
    this.#guards.write(() => this.#file.syncNow())
  }

  close(): void {
    this.#guards.closed()
    this.#file.close()
  }
}

interface FileGuards {
  readonly check: () => void
  readonly write: (action: () => void) => void
  readonly failed: (error: unknown) => void
  readonly closed: () => void
}
