import { enableCompileCache } from 'node:module'

// First thing: the second start of any command reads compiled code instead of sources.
enableCompileCache()
const { run } = await import('./program.ts')
process.exitCode = await run(process.argv)
