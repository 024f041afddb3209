import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Whatever nobody holds is gone when it resolves, and every WeakRef to it empty. */
export async function collectGarbage(): Promise<void> {
  // What a WeakRef was made for, or gave, lives until the end of the turn.
  await setImmediate()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  setFlagsFromString('--no-expose-gc')
  collect()
}
