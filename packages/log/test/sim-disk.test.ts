import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { diskSuite, SimDisk } from '../src/testing/index.ts'

const make = (seed = 1): SimDisk => new SimDisk({ random: new Prng(seed) })
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

for (const check of diskSuite(make)) {
  test(`the simulated disk: ${check.name}`, async () => {
    await expect(check.run()).resolves.toBeUndefined()
  })
}

test('what was not synced is lost with the power, and kept when only the process dies', async () => {
  for (const mode of ['process', 'lose-all'] as const) {
    const disk = make()
    const file = disk.open('a', { create: true })
    file.append([bytes(1)])
    await file.sync()
    disk.syncDirectory('.')
    file.append([bytes(2)])
    disk.crash(mode)
    expect(disk.readFile('a')).toEqual(mode === 'process' ? bytes(1, 2) : bytes(1))
  }
})

test('a file whose name was not synced is lost with the power, synced or not', () => {
  const disk = make()
  const file = disk.open('a', { create: true })
  file.append([bytes(1)])
  file.syncNow()
  disk.crash('lose-all')
  expect(disk.exists('a')).toBe(false)
})

test('a rename that was not synced is undone', () => {
  const disk = make()
  disk.writeFileAtomic('a', bytes(1))
  disk.rename('a', 'b')
  disk.crash('lose-all')
  expect(disk.list('.')).toEqual(['a'])
})

test('an atomic write survives anything', () => {
  const disk = make()
  disk.writeFileAtomic('a', bytes(1))
  disk.writeFileAtomic('a', bytes(2, 3))
  disk.crash('lose-all')
  expect(disk.readFile('a')).toEqual(bytes(2, 3))
})

test('writes survive as a prefix, out of order or torn, as the mode says', () => {
  const seen = { prefix: new Set<string>(), subset: new Set<string>(), torn: new Set<string>() }
  for (const mode of ['prefix', 'subset', 'torn'] as const) {
    for (let seed = 0; seed < 60; seed++) {
      const disk = make(seed)
      const file = disk.open('a', { create: true })
      disk.syncDirectory('.')
      file.append([bytes(1, 1)])
      file.append([bytes(2, 2)])
      disk.crash(mode)
      seen[mode].add(disk.readFile('a').join(''))
    }
  }
  expect([...seen.prefix].sort()).toEqual(['', '11', '1122'])
  expect([...seen.subset].sort()).toEqual(['', '0022', '11', '1122'])
  expect(seen.torn).toContain('112')
  expect(seen.torn).toContain('1100')
})

test('a full disk takes what fits and says so', () => {
  const disk = make()
  disk.capacityBytes = 3
  const file = disk.open('a', { create: true })
  expect(() => file.append([bytes(1, 2, 3, 4, 5)])).toThrow(
    expect.objectContaining({ code: 'DISK_FULL' }),
  )
  expect(disk.readFile('a')).toEqual(bytes(1, 2, 3))
})

test('a sync that failed once succeeds the next time, and the bytes are gone all the same', async () => {
  const disk = make()
  const file = disk.open('a', { create: true })
  disk.syncDirectory('.')
  file.append([bytes(1)])
  let failures = 1
  disk.fault = operation => (operation === 'sync' && failures-- > 0 ? 'DISK_FAILED' : null)
  await expect(file.sync()).rejects.toMatchObject({ code: 'DISK_FAILED' })
  await file.sync()
  disk.crash('lose-all')
  expect(disk.readFile('a')).toEqual(bytes())
})

test('a sync covers what was written before it began, no more', async () => {
  const completions: (() => void)[] = []
  const disk = new SimDisk({
    random: new Prng(1),
    afterSync: complete => completions.push(complete),
  })
  const file = disk.open('a', { create: true })
  disk.syncDirectory('.')
  file.append([bytes(1)])
  const synced = file.sync()
  file.append([bytes(2)])
  completions.shift()?.()
  await synced
  disk.crash('lose-all')
  expect(disk.readFile('a')).toEqual(bytes(1))
})

test('handles die with their process', () => {
  const disk = make()
  const file = disk.open('a', { create: true })
  disk.crash('process')
  expect(() => file.append([bytes(1)])).toThrow('the process is gone')
})

test.each([
  ['is gone with the power', false, []],
  ['unless the cache was written back', true, [1]],
] as const)('what a failed sync was about %s', async (_name, isWrittenBack, left) => {
  const disk = make()
  const file = disk.open('a', { create: true })
  disk.syncDirectory('.')
  file.append([bytes(1)])
  disk.fault = operation => (operation === 'sync' ? 'DISK_FAILED' : null)
  await expect(file.sync()).rejects.toThrow('simulated')
  disk.fault = () => null
  disk.crash('process')
  if (isWrittenBack) disk.writeBack()
  await disk.open('a').sync()
  disk.crash('lose-all')
  expect([...disk.readFile('a')]).toEqual(left)
})
