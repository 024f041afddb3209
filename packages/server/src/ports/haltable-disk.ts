import { ClusterError } from '@trimaran/common'
import type { Disk, DiskFile } from '@trimaran/common'

/**
 * A disk that a killed node cannot reach any more, although its process lives on: what still runs of the node fails, and
 * its open files are given back. For clusters within one process.
 */
export class HaltableDisk implements Disk {
  readonly #disk: Disk
  readonly #open = new Set<DiskFile>()
  #halted = false

  constructor(disk: Disk) {
    this.#disk = disk
  }

  halt(): void {
    this.#halted = true
    for (const file of this.#open) file.close()
    this.#open.clear()
  }

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    const file = this.#live.open(path, options)
    this.#open.add(file)
    return new HaltableFile(
      file,
      () => this.#check(),
      () => this.#open.delete(file),
    )
  }

  exists(path: string): boolean {
    return this.#live.exists(path)
  }

  list(directory: string): readonly string[] {
    return this.#live.list(directory)
  }

  makeDirectory(directory: string): void {
    this.#live.makeDirectory(directory)
  }

  rename(from: string, to: string): void {
    this.#live.rename(from, to)
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
    this.#live.writeFileAtomic(path, content)
  }

  syncDirectory(directory: string): void {
    this.#live.syncDirectory(directory)
  }

  get #live(): Disk {
    this.#check()
    return this.#disk
  }

  #check(): void {
    if (this.#halted) throw new ClusterError('STOPPING', 'the node was killed')
  }
}

class HaltableFile implements DiskFile {
  readonly #file: DiskFile
  readonly #check: () => void
  readonly #closed: () => void

  constructor(file: DiskFile, check: () => void, closed: () => void) {
    this.#file = file
    this.#check = check
    this.#closed = closed
  }

  get path(): string {
    return this.#file.path
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes
  }

  append(parts: readonly Uint8Array[]): void {
    this.#check()
    this.#file.append(parts)
  }

  read(position: number, lengthBytes: number): Uint8Array {
    this.#check()
    return this.#file.read(position, lengthBytes)
  }

  truncate(sizeBytes: number): void {
    this.#check()
    this.#file.truncate(sizeBytes)
  }

  async sync(): Promise<void> {
    this.#check()
    await this.#file.sync()
    this.#check()
  }

  syncNow(): void {
    this.#check()
    this.#file.syncNow()
  }

  close(): void {
    this.#closed()
    this.#file.close()
  }
}
