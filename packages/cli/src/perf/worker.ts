import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { Assignment } from './serve.ts'

// Before the first TypeScript module: with a warm cache the thread need not load the compiler at all.
enableCompileCache()
const { serve } = await import('./serve.ts')
if (parentPort !== null) await serve(parentPort, workerData as Assignment)
