import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const script = join(import.meta.dirname, 'support/idle-replicas.ts')
/** 1,200 B, measured to a few percent, and a quarter. */
const bytesMax = 1_500

/** As RSS, which counts code and garbage, too, it is measured by `scripts/bench --only idle`. */
test(
  'an idle replica takes little of the heap, with its part of the metadata',
  { timeout: 120_000 },
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script])
    expect(Number(stdout)).toBeGreaterThan(300)
    expect(Number(stdout)).toBeLessThan(bytesMax)
  },
)
