import { ownEnvironment, run, runOk } from './run.ts'
import type { Outcome } from './run.ts'

/** Path of a script that runs Apache Kafka's own tools: `SCRIPT tool kafka-topics ARGS…`. */
const script = process.env['TRIMARAN_APACHE_KAFKA'] ?? ''
export const apacheIsThere = script !== ''
if (!apacheIsThere) {
  process.stdout.write(
    "skipped: Apache Kafka's own tools; TRIMARAN_APACHE_KAFKA names a script that runs them as SCRIPT tool NAME ARGS\n",
  )
}

/** Tools live a second each: the quick compiler is the right one. */
const environment = (): NodeJS.ProcessEnv => ownEnvironment({ KAFKA_TOOL_TIER: '1' })

/** Fails unless the tool ends well. Some say their errors and end with 0 all the same: see `stderr`. */
export const apache = (
  name: string,
  args: readonly string[],
  input?: string | Buffer,
): Promise<Outcome> =>
  runOk(script, ['tool', name, ...args], {
    env: environment(),
    timeoutMs: 120_000,
    ...(input === undefined ? {} : { input }),
  })

/** The outcome of a tool that may fail, or that is stopped by its own clock. */
export const apacheOutcome = (name: string, args: readonly string[]): Promise<Outcome> =>
  run(script, ['tool', name, ...args], { env: environment(), timeoutMs: 120_000 })

/** Lines of a table as its fields; separated by spaces or tabs. */
export const rows = (stdout: string): string[][] =>
  stdout
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields[0] !== '')
