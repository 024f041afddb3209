import { ClusterError, type ClusterErrorCode, type Disk, type DiskFile } from '@trimaran/common'
import type { Random } from '@trimaran/common'
import { SimDirectory, SimInode } from './sim-inode.ts'

/**
 * How a machine stops:
 * - `process`: only the process dies; the page cache survives.
 * - `lose-all`: nothing survives that was not synced.
 * - `prefix`: of each file, unsynced writes up to some point survive.
 * - `subset`: any of them survive, as when pages are written back out of order.
 * - `torn`: as `prefix`, and the next write is cut in its middle, perhaps with zeros behind.
 * Names survive as an ordered prefix of what was done to them, as a journaling file system has it.
 */
export type CrashMode = 'process' | 'lose-all' | 'prefix' | 'subset' | 'torn'
export const crashModes: readonly CrashMode[] = ['process', 'lose-all', 'prefix', 'subset', 'torn']

export type DiskOperation =
  | 'open'
  | 'append'
  | 'read'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'writeFileAtomic'
  | 'syncDirectory'

export interface SimDiskOptions {
  readonly random: Random
  /** Runs the end of a sync; by default at once, in a microtask. A simulator delays it. */
  readonly afterSync?: (complete: () => void) => void
}

interface NameOperation {
  readonly directories: readonly SimDirectory[]
  readonly apply: () => void
}

/** A disk in memory that forgets like a real one. Everything is decided by its random source. */
export class SimDisk implements Disk {
  readonly #random: Random
  readonly #afterSync: (complete: () => void) => void
  #root = new SimDirectory()
  /** Done to names and not durable yet, in order. */
  #nameOperations: NameOperation[] = []
  /** Bytes of all files together. A write that does not fit is cut short and fails with DISK_FULL. */
  capacityBytes: number = Infinity
  /** Asked before every operation: a code makes it fail, an exception passes through as the end of the process. */
  fault: (operation: DiskOperation, path: string) => ClusterErrorCode | null = () => null
  /** Handles of an earlier life are dead. */
  #life = 0

  constructor(options: SimDiskOptions) {
    this.#random = options.random
    this.#afterSync = options.afterSync ?? (complete => void Promise.resolve().then(complete))
  }

  get life(): number {
    return this.#life
  }

  open(path: string, options: { readonly create?: boolean } = {}): DiskFile {
    this.check('open', path)
    const found = this.#find(path)
    if (found instanceof SimInode) return new SimFile(this, path, found)
    if (found !== undefined) throw failed('open', path, 'is a directory')
    if (options.create !== true) throw failed('open', path, 'not there')
    const inode = new SimInode()
    this.#put(path, inode)
    return new SimFile(this, path, inode)
  }

  exists(path: string): boolean {
    return this.#find(path) !== undefined
  }

  list(directory: string): readonly string[] {
    const found = this.#find(directory)
    return found instanceof SimDirectory ? [...found.entries.keys()].sort() : []
  }

  makeDirectory(directory: string): void {
    this.check('makeDirectory', directory)
    let at = this.#root
    for (const name of partsOf(directory)) {
      let next = at.entries.get(name)
      if (next === undefined) {
        next = new SimDirectory()
        this.#link(at, name, next)
      }
      if (next instanceof SimInode) throw failed('makeDirectory', directory, 'a file is in the way')
      at = next
    }
  }

  rename(from: string, to: string): void {
    this.check('rename', from)
    const source = this.#parent(from)
    const target = this.#parent(to)
    const node = source.entries.get(nameOf(from))
    if (node === undefined) throw failed('rename', from, 'not there')
    const change = (side: 'entries' | 'durable'): void => {
      source[side].delete(nameOf(from))
      target[side].set(nameOf(to), node)
    }
    change('entries')
    this.#nameOperations.push({ directories: [source, target], apply: () => change('durable') })
  }

  removeFile(path: string): void {
    this.check('remove', path)
    const parent = this.#parent(path)
    if (!(parent.entries.get(nameOf(path)) instanceof SimInode)) {
      throw failed('remove', path, 'no file')
    }
    this.#unlink(parent, nameOf(path))
  }

  async removeDirectory(directory: string): Promise<void> {
    this.check('remove', directory)
    if (!(this.#find(directory) instanceof SimDirectory)) return
    this.#unlink(this.#parent(directory), nameOf(directory))
  }

  readFile(path: string): Uint8Array {
    this.check('read', path)
    return this.#file(path).cache.slice()
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    this.check('writeFileAtomic', path)
    if (content.length > this.#roomBytes()) throw full(path)
    const inode = new SimInode()
    inode.replace(content)
    const parent = this.#parent(path)
    this.#link(parent, nameOf(path), inode)
    this.#settle(parent)
  }

  syncDirectory(directory: string): void {
    this.check('syncDirectory', directory)
    const found = this.#find(directory)
    if (!(found instanceof SimDirectory)) throw failed('syncDirectory', directory, 'no directory')
    this.#settle(found)
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    const found = this.#find(directory)
    if (!(found instanceof SimDirectory)) throw failed('syncDirectory', directory, 'no directory')
    const life = this.#life
    const covered = new Set(this.#nameOperations)
    await new Promise<void>(resolve => this.#afterSync(resolve))
    if (this.#life !== life) return new Promise(() => undefined)
    this.check('syncDirectory', directory)
    this.#settle(found, covered)
    return undefined
  }

  /** The machine stops; what `mode` lets survive is what the next life finds. */
  crash(mode: CrashMode): void {
    this.#life++
    if (mode === 'process') return
    const { length } = this.#nameOperations
    const kept = mode === 'lose-all' ? 0 : this.#random.between(0, length)
    for (const operation of this.#nameOperations.slice(0, kept)) operation.apply()
    this.#nameOperations = []
    this.#root.crash(mode, this.#random, new Set())
  }

  /** Another disk, with nothing on it. */
  wipe(): void {
    this.#life++
    this.#root = new SimDirectory()
    this.#nameOperations = []
  }

  /** Everything is as it was when the copy was made. */
  restore(copy: SimDisk): void {
    this.#life++
    this.#root = copy.#root.clone()
    this.#nameOperations = []
  }

  /** What is visible is durable, also what an fsync that failed left in the page cache alone. Of a disk that nobody uses. */
  writeBack(): void {
    this.#root = this.#root.clone()
    this.#nameOperations = []
  }

  /** What a test does to a file behind everybody's back; cache and platter alike. */
  damage(path: string, change: (content: Uint8Array) => Uint8Array): void {
    const inode = this.#file(path)
    inode.replace(change(inode.cache.slice()))
  }

  flip(path: string, bit: number): void {
    this.damage(path, content => {
      content[bit >>> 3] = (content[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      return content
    })
  }

  content(path: string): Uint8Array {
    return this.#file(path).cache.slice()
  }

  /** An independent copy of everything that is visible now, as if it had always been durable. */
  clone(random: Random = this.#random): SimDisk {
    const copy = new SimDisk({ random, afterSync: this.#afterSync })
    copy.#root = this.#root.clone()
    return copy
  }

  /** @internal */
  check(operation: DiskOperation, path: string): void {
    const code = this.fault(operation, path)
    if (code !== null) throw new ClusterError(code, `${operation} ${path}: simulated`)
  }

  /** @internal */
  append(inode: SimInode, path: string, data: Uint8Array): void {
    const roomBytes = this.#roomBytes()
    inode.write(data.length > roomBytes ? data.slice(0, roomBytes) : data)
    if (data.length > roomBytes) throw full(path)
  }

  /** @internal Once: the kernel marks pages clean whose write failed, and the next sync succeeds. */
  failSync(inode: SimInode, path: string): void {
    try {
      this.check('sync', path)
    } catch (error) {
      inode.forgetPending()
      throw error
    }
  }

  /** @internal */
  afterSync(complete: () => void): void {
    this.#afterSync(complete)
  }

  #roomBytes(): number {
    return this.capacityBytes === Infinity ? Infinity : this.capacityBytes - this.#root.sizeBytes
  }

  #settle(directory: SimDirectory, covered?: ReadonlySet<NameOperation>): void {
    const left: NameOperation[] = []
    for (const operation of this.#nameOperations) {
      const isCovered = covered === undefined || covered.has(operation)
      if (isCovered && operation.directories.includes(directory)) operation.apply()
      else left.push(operation)
    }
    this.#nameOperations = left
  }

  #put(path: string, node: SimInode): void {
    this.#link(this.#parent(path), nameOf(path), node)
  }

  #link(parent: SimDirectory, name: string, node: SimDirectory | SimInode): void {
    parent.entries.set(name, node)
    this.#nameOperations.push({
      directories: [parent],
      apply: () => parent.durable.set(name, node),
    })
  }

  #unlink(parent: SimDirectory, name: string): void {
    parent.entries.delete(name)
    this.#nameOperations.push({ directories: [parent], apply: () => parent.durable.delete(name) })
  }

  #find(path: string): SimDirectory | SimInode | undefined {
    const parts = partsOf(path)
    return this.#walk(parts, parts.length)
  }

  #walk(parts: readonly string[], depth: number): SimDirectory | SimInode | undefined {
    let at: SimDirectory | SimInode | undefined = this.#root
    for (let step = 0; step < depth; step++) {
      if (!(at instanceof SimDirectory)) return undefined
      at = at.entries.get(parts[step] as string)
    }
    return at
  }

  #file(path: string): SimInode {
    const found = this.#find(path)
    if (!(found instanceof SimInode)) throw failed('read', path, 'no file')
    return found
  }

  #parent(path: string): SimDirectory {
    const found = this.#walk(partsOf(path), partsOf(path).length - 1)
    if (!(found instanceof SimDirectory)) throw failed('open', path, 'no such directory')
    return found
  }
}

class SimFile implements DiskFile {
  readonly path: string
  readonly #disk: SimDisk
  readonly #inode: SimInode
  readonly #life: number
  #isOpen = true

  constructor(disk: SimDisk, path: string, inode: SimInode) {
    this.#disk = disk
    this.path = path
    this.#inode = inode
    this.#life = disk.life
  }

  get sizeBytes(): number {
    return this.#inode.sizeBytes
  }

  append(parts: readonly Uint8Array[]): void {
    this.#use('append')
    for (const part of parts) this.#disk.append(this.#inode, this.path, part)
  }

  read(position: number, lengthBytes: number): Uint8Array {
    this.#use('read')
    return this.#inode.read(position, lengthBytes)
  }

  async readLater(position: number, lengthBytes: number): Promise<Uint8Array> {
    this.#alive()
    const bytes = this.#inode.read(position, lengthBytes)
    await new Promise<void>(resolve => this.#disk.afterSync(resolve))
    if (this.#disk.life !== this.#life) return new Promise(() => undefined)
    this.#disk.check('read', this.path)
    return bytes
  }

  truncate(sizeBytes: number): void {
    this.#use('truncate')
    this.#inode.truncate(sizeBytes)
  }

  async sync(): Promise<void> {
    this.#alive()
    const pendingCount = this.#inode.startSync()
    await new Promise<void>(resolve => this.#disk.afterSync(resolve))
    // A process that died meanwhile never hears of it.
    if (this.#disk.life !== this.#life) return new Promise(() => undefined)
    this.#disk.failSync(this.#inode, this.path)
    this.#inode.finishSync(pendingCount)
    return undefined
  }

  syncNow(): void {
    this.#alive()
    this.#disk.failSync(this.#inode, this.path)
    this.#inode.finishSync(this.#inode.startSync())
  }

  close(): void {
    this.#isOpen = false
  }

  #use(operation: DiskOperation): void {
    this.#alive()
    this.#disk.check(operation, this.path)
  }

  #alive(): void {
    if (this.#disk.life !== this.#life) throw new Error(`${this.path}: the process is gone`)
    if (!this.#isOpen) throw new Error(`${this.path}: used after close`)
  }
}

/** Simulated nodes ask for the same few paths again and again. */
const knownParts = new Map<string, readonly string[]>()
const knownPartsMax = 10_000

function partsOf(path: string): readonly string[] {
  let parts = knownParts.get(path)
  if (parts === undefined) {
    if (knownParts.size >= knownPartsMax) knownParts.clear()
    parts = path.split('/').filter(part => part !== '' && part !== '.')
    knownParts.set(path, parts)
  }
  return parts
}

function nameOf(path: string): string {
  return partsOf(path).at(-1) ?? ''
}

function failed(operation: string, path: string, why: string): ClusterError {
  return new ClusterError('DISK_FAILED', `${operation} ${path}: ${why}`)
}

function full(path: string): ClusterError {
  return new ClusterError('DISK_FULL', `${path}: no space left`)
}
