import { enableCompileCache } from 'node:module'

// First thing: the second start of any command reads compiled code instead of sources.
enableCompileCache()

// Whoever reads may have seen enough, as in `| head -1`: the command ends as by a signal, in order and without a stack.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.stdout.on('error', () => {})
  process.kill(process.pid, 'SIGTERM')
})
const { run } = await import('./program.ts')
process.exitCode = await run(process.argv)
