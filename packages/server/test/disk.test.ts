import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ClusterError } from '@trimaran/common'
import type { Disk } from '@trimaran/common'
import { diskSuite } from '@trimaran/log/testing'
import { GuardedDisk } from '../src/guarded-disk.ts'
import { MemoryDisk } from '../src/ports/memory-disk.ts'
import { NodeDisk } from '../src/ports/node-disk.ts'

const scratch = fs.mkdtempSync(join(tmpdir(), 'trimaran-disk-'))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let roots = 0
function newRoot(): string {
  const root = join(scratch, `disk-${roots++}`)
  fs.mkdirSync(root)
  return root
}

const kinds: readonly (readonly [name: string, make: () => Disk])[] = [
  ['the file system', () => new NodeDisk(newRoot())],
  ['the disk in memory', () => new MemoryDisk()],
  ['a guarded disk', () => new GuardedDisk(new MemoryDisk(), () => {})],
]
describe.each(kinds)('%s', (_name, make) => {
  test.each(diskSuite(make))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})

test('a disk that was taken away from a killed node fails what the node still tries', async () => {
  const medium = new MemoryDisk()
  const disk = new GuardedDisk(medium, () => {})
  const file = disk.open('log', { create: true })
  file.append([Buffer.from('before')])
  disk.halt()
  expect(() => file.append([Buffer.from('after')])).toThrow(ClusterError)
  expect(() => disk.open('other', { create: true })).toThrow(ClusterError)
  await expect(file.sync()).rejects.toThrow(ClusterError)
  expect(Buffer.from(medium.readFile('log')).toString()).toBe('before')
})

test('a write that fails is told of, a file that is not there is not', () => {
  const failures: string[] = []
  const disk = new GuardedDisk(new NodeDisk(newRoot()), error => failures.push(error.code))
  expect(() => disk.readFile('not-there')).toThrow(ClusterError)
  expect(() => disk.open('not-there')).toThrow(ClusterError)
  expect(failures).toEqual([])
  const full = disk.open('/dev/full')
  expect(() => full.append([Buffer.from('x')])).toThrow(ClusterError)
  expect(failures).toEqual(['DISK_FULL'])
  full.close()
})

test('a file system without room says DISK_FULL, one that fails otherwise DISK_FAILED (F15)', () => {
  const disk = new NodeDisk(newRoot())
  const codeOf = (action: () => void): string => {
    try {
      action()
    } catch (error) {
      return (error as ClusterError).code
    }
    return 'none'
  }
  // Linux's device that is always full.
  const full = disk.open('/dev/full')
  expect(codeOf(() => full.append([Buffer.from('x')]))).toBe('DISK_FULL')
  full.close()
  expect(codeOf(() => disk.open('not-there'))).toBe('DISK_FAILED')
  expect(codeOf(() => disk.readFile('not-there'))).toBe('DISK_FAILED')
})

test('closing during an fsync waits for it: its descriptor is not given to another file', async () => {
  const disk = new NodeDisk(newRoot())
  const file = disk.open('log', { create: true })
  file.append([Buffer.alloc(100_000)])
  const synced = [file.sync(), file.sync()]
  file.close()
  await expect(Promise.all(synced)).resolves.toHaveLength(2)
})
