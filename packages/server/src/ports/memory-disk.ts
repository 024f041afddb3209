import { assert, ClusterError } from '@trimaran/common'
import type { Disk, DiskFile } from '@trimaran/common'

/** A file grows by doubling blocks: small files stay small, large ones waste at most one block. */
const SMALLEST_BLOCK_BYTES = 512
const LARGEST_BLOCK_BYTES = 1024 * 1024

/** Files in memory, for clusters that live as long as a test. They outlast the node that wrote them, not the process. */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, MemoryContent>()
  readonly #directories = new Map<string, Set<string>>([['', new Set()]])

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    const name = normal(path)
    let content = this.#files.get(name)
    if (content === undefined) {
      if (options?.create !== true) throw missing('open', path)
      content = new MemoryContent()
      this.#put(name, content)
    }
    return new MemoryDiskFile(path, content)
  }

  exists(path: string): boolean {
    const name = normal(path)
    return this.#files.has(name) || this.#directories.has(name)
  }

  list(directory: string): readonly string[] {
    return [...(this.#directories.get(normal(directory)) ?? [])].sort()
  }

  makeDirectory(directory: string): void {
    const name = normal(directory)
    if (this.#directories.has(name)) return
    const [parent, last] = split(name)
    this.makeDirectory(parent)
    this.#directories.set(name, new Set())
    this.#directories.get(parent)?.add(last)
  }

  rename(from: string, to: string): void {
    const [source, target] = [normal(from), normal(to)]
    const content = this.#files.get(source)
    if (content !== undefined) {
      this.#drop(source)
      this.#put(target, content)
      return
    }
    const children = this.#directories.get(source)
    if (children === undefined) throw missing('rename', from)
    this.makeDirectory(target)
    for (const child of children) this.rename(`${source}/${child}`, `${target}/${child}`)
    this.#drop(source)
  }

  removeFile(path: string): void {
    const name = normal(path)
    if (!this.#files.has(name)) throw missing('remove', path)
    this.#drop(name)
  }

  removeDirectory(directory: string): Promise<void> {
    this.#removeTree(normal(directory))
    return Promise.resolve()
  }

  readFile(path: string): Uint8Array {
    const content = this.#files.get(normal(path))
    if (content === undefined) throw missing('read', path)
    return content.read(0, content.sizeBytes)
  }

  writeFileAtomic(path: string, bytes: Uint8Array): void {
    const content = new MemoryContent()
    content.append(bytes)
    this.#put(normal(path), content)
  }

  syncDirectory(_directory: string): void {}

  syncDirectoryLater(_directory: string): Promise<void> {
    return Promise.resolve()
  }

  #put(name: string, content: MemoryContent): void {
    const [parent, last] = split(name)
    const siblings = this.#directories.get(parent)
    if (siblings === undefined) throw missing('create in', parent)
    siblings.add(last)
    this.#files.set(name, content)
  }

  #drop(name: string): void {
    const [parent, last] = split(name)
    this.#directories.get(parent)?.delete(last)
    this.#files.delete(name)
    this.#directories.delete(name)
  }

  #removeTree(name: string): void {
    for (const child of this.#directories.get(name) ?? []) this.#removeTree(`${name}/${child}`)
    if (name !== '') this.#drop(name)
  }
}

/** Bytes that outlive every open handle: an unlinked file can still be read by who has it open, as on a real disk. */
class MemoryContent {
  readonly #blocks: { readonly start: number; readonly bytes: Uint8Array }[] = []
  sizeBytes = 0

  append(part: Uint8Array): void {
    let taken = 0
    while (taken < part.length) {
      const { block, at } = this.#room()
      const count = Math.min(block.length - at, part.length - taken)
      block.set(part.subarray(taken, taken + count), at)
      taken += count
      this.sizeBytes += count
    }
  }

  read(position: number, lengthBytes: number): Uint8Array {
    const wanted = Math.max(0, Math.min(lengthBytes, this.sizeBytes - position))
    const into = new Uint8Array(wanted)
    let got = 0
    let index = this.#blockAt(position)
    while (got < wanted) {
      const { start, bytes } = this.#blocks[index++] as { start: number; bytes: Uint8Array }
      const from = position + got - start
      const count = Math.min(bytes.length - from, wanted - got)
      into.set(bytes.subarray(from, from + count), got)
      got += count
    }
    return into
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes > this.sizeBytes) {
      this.append(new Uint8Array(sizeBytes - this.sizeBytes))
      return
    }
    while (this.#blocks.length > 0 && (this.#blocks.at(-1)?.start ?? 0) >= sizeBytes)
      this.#blocks.pop()
    this.sizeBytes = sizeBytes
  }

  #room(): { block: Uint8Array; at: number } {
    const last = this.#blocks.at(-1)
    if (last !== undefined && this.sizeBytes < last.start + last.bytes.length) {
      return { block: last.bytes, at: this.sizeBytes - last.start }
    }
    const size = Math.min(LARGEST_BLOCK_BYTES, Math.max(SMALLEST_BLOCK_BYTES, this.sizeBytes))
    const block = new Uint8Array(size)
    this.#blocks.push({ start: this.sizeBytes, bytes: block })
    return { block, at: 0 }
  }

  #blockAt(position: number): number {
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#blocks[middle]?.start ?? 0) <= position) low = middle
      else high = middle - 1
    }
    return low
  }
}

class MemoryDiskFile implements DiskFile {
  readonly path: string
  readonly #content: MemoryContent
  #closed = false

  constructor(path: string, content: MemoryContent) {
    this.path = path
    this.#content = content
  }

  get sizeBytes(): number {
    return this.#content.sizeBytes
  }

  append(parts: readonly Uint8Array[]): void {
    this.#open()
    for (const part of parts) this.#content.append(part)
  }

  read(position: number, lengthBytes: number): Uint8Array {
    this.#open()
    return this.#content.read(position, lengthBytes)
  }

  readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    return Promise.resolve(this.read(position, lengthBytes))
  }

  truncate(sizeBytes: number): void {
    this.#open()
    this.#content.truncate(sizeBytes)
  }

  sync(): Promise<void> {
    this.#open()
    return Promise.resolve()
  }

  syncNow(): void {
    this.#open()
  }

  close(): void {
    this.#closed = true
  }

  #open(): void {
    assert(!this.#closed, `${this.path} is used after it was closed`)
  }
}

const normal = (path: string): string =>
  path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')

function split(name: string): readonly [parent: string, last: string] {
  const at = name.lastIndexOf('/')
  return [name.slice(0, Math.max(0, at)), name.slice(at + 1)]
}

const missing = (doing: string, path: string): ClusterError =>
  new ClusterError('DISK_FAILED', `${doing} ${path}: ENOENT no such file or directory`)
