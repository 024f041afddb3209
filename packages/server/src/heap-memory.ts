import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Random } from '@trimaran/common'

/**
 * Of what is live after a collection. For a heap of 20 MB V8 itself adds 16 MB, its minimum. Three loaded nodes take, by
 * MB produced and at their peak: with 120 %, 24 ms of CPU and 470 MB; with 250 %, 13.9 ms and 516 MB; with 400 %, 12.1 ms
 * and 585 MB.
 */
const HEAP_GROWTH_PERCENT = 250

/**
 * A node's heap is small and its traffic passes by in buffers outside of it, which only a collection gives back. Two of V8's
 * rules make that expensive. It begins to mark as soon as the room left to the heap is no more than its young generation,
 * 16 MB: for a heap of 20 MB that is at once, so it marks all the time. And it marks whenever 64 MB of buffers have come
 * since the last time, which at full load is ten times a second, since few objects point to many buffers and the young
 * generation is seldom full. So the heap gets more room, and the young generation does not grow past the megabyte it begins
 * with: it is then collected often, cheaply, and the dead buffers go with it; by one thread, since to wake helpers for a
 * megabyte takes longer than it does. A third of a loaded node's CPU is saved. (V8 can count buffers as heap, which lets it
 * collect sooner: at full load that takes a tenth more CPU, and the peak of its memory stays where it is.)
 * From the next collection on, and only in a process that is a node and nothing else.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`)
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--no-parallel-scavenge')
}

/**
 * Loading and the first election are over at the first look; clients that come earlier meet a pause like any other
 * collection's. Nodes of a cluster become quiet together: each has a period of its own, up to `LOOK_SPREAD_MS` longer, so
 * that they do not pause together.
 */
const LOOK_EVERY_MS = 2_000
const LOOK_SPREAD_MS = 1_000
/** Of a processor. A node with 10,000 idle partitions takes half of it, one that serves a hundred requests a second twice as much. */
const QUIET_SHARE = 0.03
/** What a collection must promise: at least as much as an idle node's own garbage of some minutes. */
const GROWN_BYTES_MIN = 6 * 1024 * 1024
/** Everything that can go goes at once: several collections in a row, 2 ms per MB in use. */
const THOROUGH_BYTES_MAX = 32 * 1024 * 1024
/** A single collection, after which V8 gives pages back by and by. A node that uses more is left to V8 altogether. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024

/**
 * Loading, a thousand new topics or an hour of traffic leave garbage and empty pages behind, and V8 keeps them for a heap
 * that is about to grow. That of an idle node is not: collected when it has become quiet, it takes 15 to 30 MB less. One
 * that has not grown since is left alone.
 */
export function releaseMemoryWhenQuiet(random: Random): void {
  const periodMs = LOOK_EVERY_MS + random.between(0, LOOK_SPREAD_MS)
  let keptBytes = 0
  let cpu: NodeJS.CpuUsage | null = null
  const timer = setInterval(() => {
    const spent = cpu === null ? null : process.cpuUsage(cpu)
    cpu = process.cpuUsage()
    const isQuiet = spent === null || (spent.user + spent.system) / 1_000 <= periodMs * QUIET_SHARE
    const heap = getHeapStatistics()
    // V8 may have given memory back by itself.
    keptBytes = Math.min(keptBytes, heap.total_physical_size)
    if (!isQuiet || heap.used_heap_size > HEAP_BYTES_MAX) return
    if (heap.total_physical_size - keptBytes < GROWN_BYTES_MIN) return
    const isThorough = heap.used_heap_size <= THOROUGH_BYTES_MAX
    void collectGarbage(isThorough ? 'last-resort' : 'regular').then(() => {
      keptBytes = getHeapStatistics().total_physical_size
    })
  }, periodMs)
  timer.unref()
}

/** Everything that can go goes; `last-resort`: and its pages go back to the system. Resolves when it is done. */
export async function collectGarbage(flavor: 'last-resort' | 'regular'): Promise<void> {
  // Node has no function for it; with the flag, V8 gives one to contexts that are made from now on.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as NodeJS.GCFunction
  setFlagsFromString('--no-expose-gc')
  await collect({ type: 'major', flavor, execution: 'async' })
}
