import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { collectGarbage } from '../src/heap-memory.ts'

test('what nobody holds is gone after a collection, and the process has no gc function', async () => {
  const garbage = (() => new WeakRef(new Uint8Array(1024)))()
  await collectGarbage('last-resort')
  expect(garbage.deref()).toBeUndefined()
  expect(globalThis.gc).toBeUndefined()
})

/** Prints what its heap takes before it becomes quiet, and as soon as that is half of it. */
const quietProcess = `
  import { getHeapStatistics } from 'node:v8'
  import { releaseMemoryWhenQuiet } from '${new URL('../src/heap-memory.ts', import.meta.url).href}'
  import { systemRandom } from '${new URL('../src/ports/random.ts', import.meta.url).href}'
  releaseMemoryWhenQuiet(systemRandom())
  const takes = () => getHeapStatistics().total_physical_size
  // After the first look, which is for what loading left.
  setTimeout(() => {
    let garbage = Array.from({ length: 300_000 }, (_, at) => ({ at, twice: [at, at] }))
    const before = takes()
    garbage = null
    const timer = setInterval(() => {
      if (takes() > before / 2) return
      console.log(before, takes())
      clearInterval(timer)
    }, 100)
  }, 3_500)
`

test(
  'a process that has become quiet gives back what it does not need',
  { timeout: 30_000 },
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', quietProcess],
      { timeout: 25_000 },
    )
    const [before = 0, after = 0] = stdout.trim().split(' ').map(Number)
    expect(before).toBeGreaterThan(20_000_000)
    expect(after).toBeLessThan(before / 2)
  },
)
