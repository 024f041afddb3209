import { CliError, exitCodes } from '../output.ts'

interface StartOptions {
  readonly config?: string
  readonly override: readonly string[]
}

/** Runs one node in this process until it is told to stop. */
export async function start(options: StartOptions): Promise<void> {
  const overrides: Record<string, string> = {}
  for (const setting of options.override) {
    const at = setting.indexOf('=')
    if (at <= 0)
      throw new CliError(`--override wants key=value, not "${setting}".`, exitCodes.usage)
    overrides[setting.slice(0, at)] = setting.slice(at + 1)
  }
  const { runNode } = await import('@trimaran/server/run-node')
  await runNode({ configFile: options.config ?? null, overrides, environment: process.env })
}
