import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { mkdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Turns one bit around. `at` counts from the end if negative. */
export function flipBit(path: string, at: number, bit = 0): void {
  const size = statSync(path).size
  const position = at < 0 ? size + at : at
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, position)
  byte[0] = (byte[0] as number) ^ (1 << bit)
  writeSync(fd, byte, 0, 1, position)
  closeSync(fd)
}

export function append(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'a')
  writeSync(fd, bytes)
  closeSync(fd)
}

/** Takes the last bytes away. */
export function cut(path: string, count: number): void {
  truncateSync(path, Math.max(0, statSync(path).size - count))
}

/** Files of a directory whose names end so, in order. */
export const filesOf = (directory: string, suffix: string): string[] =>
  readdirSync(directory)
    .filter(name => name.endsWith(suffix))
    .sort()
    .map(name => join(directory, name))

export const activeSegment = (dataDirectory: string, topic: string, partition: number): string =>
  filesOf(join(dataDirectory, `${topic}-${partition}`), '.log').at(-1) as string

/** A file system of that size; null where this process may not mount one. */
export function mountSmallDisk(directory: string, size: string): SmallDisk | null {
  mkdirSync(directory, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'trimaran', directory], {
      stdio: 'ignore',
    })
  } catch {
    return null
  }
  return new SmallDisk(directory)
}

export class SmallDisk {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** Until not a byte is left. */
  fill(): void {
    const fd = openSync(join(this.directory, 'filler'), 'a')
    const block = Buffer.alloc(64 * 1024)
    try {
      for (let length = block.length; length > 0;) {
        try {
          const written = writeSync(fd, block, 0, length)
          if (written < length) length = 1
        } catch {
          length = Math.floor(length / 2)
        }
      }
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  grow(size: string): void {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.directory])
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.directory])
  }
}
