import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Usage } from './support/leaks.ts'

const starts = 100
/** A stopped cluster that something holds is 160 KB: less than one start in seven may leave its own behind. */
const growthBytesMax = 2 * 1024 * 1024

test(`${starts} clusters, failed and stopped in one process, leave nothing behind`, async () => {
  const script = join(import.meta.dirname, 'support', 'leaks.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    script,
    String(starts),
  ])
  const { before, after } = JSON.parse(stdout) as { before: Usage; after: Usage }
  // The way to this process is all that is open.
  expect(Object.keys(before.resources)).toEqual(['PipeWrap'])
  expect(after.resources).toEqual(before.resources)
  expect(after.heapBytes - before.heapBytes).toBeLessThan(growthBytesMax)
}, 180_000)
