import { ClusterError, concatBytes, emptyBytes, type Disk, type DiskFile } from '@trimaran/common'

/** Files in memory that never fail. Crashes and errors of disks are tested with the log. */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, MemoryFile>()
  readonly #directories = new Set<string>([''])

  open(path: string, options: { readonly create?: boolean } = {}): DiskFile {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    if (options.create !== true) throw new ClusterError('DISK_FAILED', `${path} is not there`)
    const file = new MemoryFile(path)
    this.#files.set(path, file)
    return file
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path)
  }

  list(directory: string): readonly string[] {
    const prefix = directory === '' ? '' : `${directory}/`
    const names = new Set<string>()
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path.startsWith(prefix) && path !== directory) {
        names.add(path.slice(prefix.length).split('/')[0] ?? '')
      }
    }
    return [...names].filter(name => name !== '').toSorted()
  }

  makeDirectory(directory: string): void {
    const parts = directory.split('/')
    for (let end = 1; end <= parts.length; end++)
      this.#directories.add(parts.slice(0, end).join('/'))
  }

  rename(from: string, to: string): void {
    for (const [path, file] of this.#files) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.#files.delete(path)
      file.path = to + path.slice(from.length)
      this.#files.set(file.path, file)
    }
    if (this.#directories.delete(from)) this.makeDirectory(to)
  }

  removeFile(path: string): void {
    this.#files.delete(path)
  }

  async removeDirectory(directory: string): Promise<void> {
    await Promise.resolve()
    for (const path of this.#files.keys())
      if (path.startsWith(`${directory}/`)) this.#files.delete(path)
    this.#directories.delete(directory)
  }

  readFile(path: string): Uint8Array {
    const file = this.open(path)
    return file.read(0, file.sizeBytes)
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    const file = this.open(path, { create: true })
    file.truncate(0)
    file.append([content])
  }

  syncDirectory(): void {}

  syncDirectoryLater(): Promise<void> {
    return Promise.resolve()
  }
}

class MemoryFile implements DiskFile {
  path: string
  #content: Uint8Array = emptyBytes

  constructor(path: string) {
    this.path = path
  }

  get sizeBytes(): number {
    return this.#content.length
  }

  append(parts: readonly Uint8Array[]): void {
    this.#content = concatBytes([this.#content, ...parts]).slice()
  }

  read(position: number, lengthBytes: number): Uint8Array {
    return this.#content.slice(position, position + lengthBytes)
  }

  readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    return Promise.resolve(this.read(position, lengthBytes))
  }

  truncate(sizeBytes: number): void {
    this.#content = this.#content.slice(0, sizeBytes)
  }

  async sync(): Promise<void> {}

  syncNow(): void {}

  close(): void {}
}
