import { expect, test } from 'vitest'
import { collectGarbage } from '../src/start-up-memory.ts'

test('what nobody holds is gone after a collection, and the process has no gc function', async () => {
  const garbage = (() => new WeakRef(new Uint8Array(1024)))()
  await collectGarbage()
  expect(garbage.deref()).toBeUndefined()
  expect(globalThis.gc).toBeUndefined()
})
