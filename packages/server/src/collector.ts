import { setFlagsFromString } from 'node:v8'

/** V8 of Node 24. Later ones count so by themselves, or do not know the flag and would say so on stderr. */
const V8_MAJOR = '13'

/**
 * Growth since the last full collection that makes V8 begin the next, in percent of what was in use then. Its own choice,
 * about 50, is for heaps of hundreds of megabytes; a node's is some 20. Never more than half of what is left to the limit.
 */
const HEAP_GROWTH_PERCENT = 200

/**
 * Records pass through a node in buffers outside of V8's heap, each alive for a moment. V8 begins a full collection after
 * every 64 MiB of them, however small the heap is that it must mark: under load several a second, which took half of the
 * node's processor time. With this it counts them as part of the heap, and collects when both together have grown by
 * their share. For processes that are a node and nothing else.
 */
export function countBuffersAsHeap(): void {
  if (process.versions.v8.split('.')[0] !== V8_MAJOR) return
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`)
}
