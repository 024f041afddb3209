import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** Full collections while a gigabyte of buffers of 64 KiB goes by, 2 MiB of which are in use at any time. */
async function fullCollections(prepare: string): Promise<number> {
  const script = `
    import { constants, PerformanceObserver } from 'node:perf_hooks'
    import { setImmediate as turn } from 'node:timers/promises'
    import { countBuffersAsHeap } from ${JSON.stringify(new URL('../src/collector.ts', import.meta.url))}
    ${prepare}
    let count = 0
    new PerformanceObserver(list => {
      for (const { detail } of list.getEntries())
        if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count++
    }).observe({ entryTypes: ['gc'] })
    const used = []
    for (let at = 0; at < 16_384; at++) {
      used[at % 32] = Buffer.allocUnsafe(65_536)
      if (at % 64 === 0) await turn()
    }
    await turn()
    await turn()
    console.log(count)`
  const args = ['--input-type=module', '--eval', script]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  expect(stderr).toBe('')
  return Number(stdout)
}

test('buffers that pass by do not make V8 collect its whole heap over and over', async () => {
  const [tuned, untuned] = [
    await fullCollections('countBuffersAsHeap()'),
    await fullCollections(''),
  ]
  expect(untuned).toBeGreaterThan(5)
  expect(tuned).toBeLessThan(untuned / 2)
})
