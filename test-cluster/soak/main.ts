/** `pnpm soak`: the nightly tier. See options.ts for what it takes, plan.ts for what it does. */
import { resolve } from 'node:path'
import { parseOptions, usage, UsageError } from './options.ts'
import type { SoakOptions } from './options.ts'
import { plan } from './plan.ts'
import { soak } from './soak.ts'

async function main(options: SoakOptions): Promise<number> {
  const { seed, durationMs } = options
  const interrupt = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => interrupt.abort())
  }
  const until = Number.isFinite(durationMs) ? `for ${durationMs / 1000} s` : 'until Ctrl-C'
  console.log(`soak: seed ${seed}, ${until}`)
  const finding = await soak({
    ...{ turns: plan(options), durationMs, signal: interrupt.signal, say: console.log },
    directory: resolve(options.directory),
  })
  if (finding !== null) console.log(finding)
  return finding === null ? 0 : 1
}

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  const isHelp = error.message === usage
  ;(isHelp ? console.log : console.error)(error.message)
  process.exitCode = isHelp ? 0 : 2
}
