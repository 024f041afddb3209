/**
 * What each process of a local cluster runs: `start --config FILE` without the parser of the command line, which would
 * cost every node as much as its configuration does. A file of its own, since it is where a process begins.
 */
import { enableCompileCache, registerHooks } from 'node:module'

enableCompileCache()
// Our relative imports name the file itself, so that nothing needs to be looked up: 40 ms of CPU in each node. Parents are
// real paths already, which keeps every module's URL the one that it has without this.
registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('.') && specifier.endsWith('.ts')
      ? {
          url: new URL(specifier, context.parentURL).href,
          format: 'module-typescript',
          shortCircuit: true,
        }
      : next(specifier, context),
})
const { runNode } = await import('@trimaran/server/run-node')
await runNode({
  configFile: process.argv[2] ?? null,
  overrides: {},
  environment: process.env,
}).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
