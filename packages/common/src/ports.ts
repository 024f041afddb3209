/**
 * Every door to the outside. Production and simulator implement the same interfaces and run the same conformance
 * suites; nothing else in a pure package can be nondeterministic.
 */

export interface Clock {
  /** Milliseconds since an arbitrary start, fractions allowed; never goes back. Deadlines and leases use it. */
  monotonicMs(): number
  /** Whole Unix milliseconds. Only timestamps and retention use it. */
  wallMs(): number
  /** Calls `wake` once, at or after the monotonic `deadlineMs`; the result cancels it. */
  wakeAt(deadlineMs: number, wake: () => void): () => void
}

export interface Random {
  /** A whole number, both ends included. */
  between(min: number, max: number): number
  bytes(count: number): Uint8Array
}

/**
 * Files, synchronous on purpose: a write into the page cache costs a tenth of a thread-pool hop, and nothing can
 * interleave. What waits for the device (`readLater`, `sync`, `syncDirectoryLater`, `removeDirectory`) is asynchronous.
 * Paths use `/`; relative ones are under the disk's root. Failures are ClusterError DISK_FULL or DISK_FAILED.
 */
export interface Disk {
  open(path: string, options?: { readonly create?: boolean }): DiskFile
  exists(path: string): boolean
  /** Names in a directory, sorted; empty if there is none. */
  list(directory: string): readonly string[]
  /** With its parents; no error if it is there. */
  makeDirectory(directory: string): void
  rename(from: string, to: string): void
  removeFile(path: string): void
  removeDirectory(directory: string): Promise<void>
  readFile(path: string): Uint8Array
  /** Whole or not at all, and durable when it returns: temporary file, fsync, rename, fsync of the directory. */
  writeFileAtomic(path: string, content: Uint8Array): void
  /** Makes creations, renames and removals in it durable. */
  syncDirectory(directory: string): void
  /** The same, off the loop: what was done to its names before the call is durable when it resolves. */
  syncDirectoryLater(directory: string): Promise<void>
}

export interface DiskFile {
  readonly path: string
  readonly sizeBytes: number
  /** All parts at the end of the file, or an error and possibly a torn tail. */
  append(parts: readonly Uint8Array[]): void
  /** Up to `lengthBytes` from `position`, fewer at the end of the file; the caller owns the result. */
  read(position: number, lengthBytes: number): Uint8Array
  /** The same, off the loop: for bytes that are perhaps only on the device. */
  readLater(position: number, lengthBytes: number): Promise<Uint8Array>
  truncate(sizeBytes: number): void
  /** Everything appended before the call is durable when it resolves. */
  sync(): Promise<void>
  /** The same, now. For shutdown and small checkpoints. */
  syncNow(): void
  close(): void
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
/** Constant lower-case phrase, variables as flat camelCase fields. */
export type LogEvent = (
  level: LogLevel,
  phrase: string,
  fields?: Readonly<Record<string, unknown>>,
) => void
