import { assert, ClusterError, concatBytes, type Disk, equalBytes } from '@trimaran/common'

export interface DiskCheck {
  /** A sentence, to be a test's name. */
  readonly name: string
  readonly run: () => Promise<void>
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** What every Disk does, simulated or real. `make` gives an empty one each time. No test framework is needed here. */
export function diskSuite(make: () => Disk): DiskCheck[] {
  return Object.entries(checks).map(([name, check]) => ({ name, run: async () => check(make()) }))
}

const checks: Record<string, (disk: Disk) => void | Promise<void>> = {
  'what is appended is read back in order'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1, 2), bytes(3)])
    file.append([bytes(4)])
    expectBytes(file.read(0, 10), bytes(1, 2, 3, 4))
    expectBytes(file.read(1, 2), bytes(2, 3))
    assert(file.read(4, 1).length === 0, 'a read at the end is empty')
    assert(file.sizeBytes === 4, 'the size is what was appended')
    file.close()
  },
  'many parts in one append arrive complete'(disk) {
    const file = disk.open('a', { create: true })
    const parts = Array.from({ length: 3000 }, (_, number) => bytes(number & 0xff))
    file.append(parts)
    expectBytes(file.read(0, 3000), concatBytes(parts))
    file.close()
  },
  'an append of nothing changes nothing'(disk) {
    const file = disk.open('a', { create: true })
    file.append([])
    file.append([bytes()])
    assert(file.sizeBytes === 0, 'the file is empty')
    file.close()
  },
  'a read result belongs to the caller'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1, 2)])
    file.read(0, 2).fill(9)
    expectBytes(file.read(0, 2), bytes(1, 2))
    file.close()
  },
  'a read off the loop gives what a read gives, even of a file that is closed meanwhile'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1, 2, 3)])
    const all = file.readLater(0, 10)
    const some = file.readLater(1, 1)
    const none = file.readLater(3, 4)
    file.close()
    return Promise.all([all, some, none]).then(([whole, part, end]) => {
      expectBytes(whole, bytes(1, 2, 3))
      expectBytes(part, bytes(2))
      assert(end.length === 0, 'a read at the end is empty')
    })
  },
  'a truncated file goes on at its new end'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1, 2, 3)])
    file.truncate(1)
    file.append([bytes(7)])
    expectBytes(file.read(0, 9), bytes(1, 7))
    file.close()
  },
  'opening again finds what was there, and does not clear it'(disk) {
    const first = disk.open('a', { create: true })
    first.append([bytes(1)])
    first.close()
    const second = disk.open('a', { create: true })
    assert(second.sizeBytes === 1, 'the byte is there')
    second.append([bytes(2)])
    second.close()
    expectBytes(disk.readFile('a'), bytes(1, 2))
  },
  'a file that is not there is not opened without create'(disk) {
    expectFailure(() => disk.open('a'))
    expectFailure(() => disk.readFile('a'))
    assert(!disk.exists('a'), 'trying did not create it')
  },
  'syncs resolve, and the file stays usable'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1)])
    file.syncNow()
    file.append([bytes(2)])
    return file.sync().then(() => {
      expectBytes(file.read(0, 9), bytes(1, 2))
      file.close()
    })
  },
  'directories are made with their parents, twice without harm, and listed in order'(disk) {
    disk.makeDirectory('x/y')
    disk.makeDirectory('x/y')
    disk.open('x/b', { create: true }).close()
    disk.open('x/a', { create: true }).close()
    assert(disk.list('x').join() === 'a,b,y', 'names are sorted')
    assert(disk.list('nowhere').length === 0, 'what is not there lists as empty')
    assert(disk.exists('x/y') && disk.exists('x/a') && !disk.exists('x/z'), 'exists tells')
    disk.syncDirectory('x')
  },
  'a rename moves files and directories and replaces a file'(disk) {
    disk.makeDirectory('x')
    const file = disk.open('x/a', { create: true })
    file.append([bytes(1)])
    disk.open('x/b', { create: true }).close()
    disk.rename('x/a', 'x/b')
    assert(!disk.exists('x/a'), 'the old name is free')
    file.append([bytes(2)])
    file.close()
    disk.rename('x', 'z')
    expectBytes(disk.readFile('z/b'), bytes(1, 2))
    expectFailure(() => disk.rename('nowhere', 'else'))
  },
  'a removed file is gone, while who has it open reads on'(disk) {
    const file = disk.open('a', { create: true })
    file.append([bytes(1)])
    disk.removeFile('a')
    assert(!disk.exists('a'), 'the name is gone')
    expectBytes(file.read(0, 1), bytes(1))
    file.close()
    expectFailure(() => disk.removeFile('a'))
  },
  'a directory is removed with all that is in it'(disk) {
    disk.makeDirectory('x/y')
    disk.open('x/y/a', { create: true }).close()
    return disk.removeDirectory('x').then(async () => {
      assert(!disk.exists('x'), 'it is gone')
      await disk.removeDirectory('x')
    })
  },
  'an atomic write replaces the whole file and leaves nothing beside it'(disk) {
    disk.makeDirectory('x')
    disk.writeFileAtomic('x/a', bytes(1, 2, 3))
    disk.writeFileAtomic('x/a', bytes(4))
    expectBytes(disk.readFile('x/a'), bytes(4))
    assert(disk.list('x').join() === 'a', 'no temporary file is left')
  },
}

function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert(equalBytes(actual, expected), `read ${actual.join()}, expected ${expected.join()}`)
}

function expectFailure(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    assert(
      error instanceof ClusterError && error.code === 'DISK_FAILED',
      'a failure is a ClusterError DISK_FAILED',
    )
    return
  }
  assert(false, 'an operation on what is not there fails')
}
