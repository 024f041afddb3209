import { CliError, exitCodes } from '../output.ts'

/** Of the form key=value, as the command line has them. */
export function parseOverrides(settings: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    settings.map(setting => {
      const at = setting.indexOf('=')
      if (at <= 0)
        throw new CliError(`--override wants key=value, not "${setting}".`, exitCodes.usage)
      return [setting.slice(0, at), setting.slice(at + 1)]
    }),
  )
}
