import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Of what is live after a collection. For a heap of 20 MB V8 itself adds 16 MB, its minimum. */
const HEAP_GROWTH_PERCENT = 400

/**
 * A node's heap is small and its traffic passes by in buffers outside of it. V8 begins to mark as soon as the room left to
 * the heap is no more than its young generation, 16 MB: for a heap of 20 MB that is at once, so it marks all the time,
 * with a third of the node's CPU. With more room than that it marks when the heap or the buffers have grown. From the
 * next collection on, and only in a process that is a node and nothing else.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`)
}

/** Loading and the first election are over by then; clients that come earlier meet a pause like any other collection's. */
const QUIET_AFTER_MS = 2_000
/** Bounds the pause to some 30 ms. A node that has more by then recovered it, and has it in use. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024

/**
 * Loading leaves garbage and empty pages behind, and V8 keeps them for a heap that is about to grow. That of an idle node
 * is not: collected once, it takes about 15 MB less.
 */
export function releaseStartUpMemory(): void {
  const timer = setTimeout(() => {
    if (getHeapStatistics().used_heap_size <= HEAP_BYTES_MAX) void collectGarbage()
  }, QUIET_AFTER_MS)
  timer.unref()
}

/** Everything that can go goes, and its pages go back to the system. Resolves when it is done. */
export async function collectGarbage(): Promise<void> {
  // Node has no function for it; with the flag, V8 gives one to contexts that are made from now on.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  setFlagsFromString('--no-expose-gc')
  await collect({ type: 'major', flavor: 'last-resort', execution: 'async' })
}
