import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFileLimit, openSegmentFiles } from '../src/ports/open-file-limit.ts'

test.each([
  [null, 512],
  [1024, 512],
  [20_000, 2500],
  [1_048_576, 4096],
  [Infinity, 4096],
])('of a limit of %s files, segments take %s', (limit, files) => {
  expect(openSegmentFiles(limit)).toBe(files)
})

test('the limit is what the kernel says, or not known', () => {
  const directory = mkdtempSync(join(tmpdir(), 'trimaran-limits-'))
  try {
    const file = join(directory, 'limits')
    const limits = (soft: string): string =>
      `Limit   Soft Limit  Hard Limit  Units\nMax processes  96365  96365  processes\nMax open files   ${soft}   99999   files\n`
    writeFileSync(file, limits('4096'))
    expect(openFileLimit(file)).toBe(4096)
    writeFileSync(file, limits('unlimited'))
    expect(openFileLimit(file)).toBe(Infinity)
    writeFileSync(file, 'something else\n')
    expect(openFileLimit(file)).toBe(null)
    expect(openFileLimit(join(directory, 'missing'))).toBe(null)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
