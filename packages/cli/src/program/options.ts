import { Option } from 'commander'
import { CliError, exitCodes } from '../output.ts'
import { defaultDirectory } from '../local-cluster/state.ts'

/** Options that mean the same wherever they stand. */
const defaultBootstrap = 'localhost:9092'

export const wholeNumber =
  (name: string, min: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < min) {
      throw new CliError(
        `${name} must be a whole number of at least ${min}, not "${text}".`,
        exitCodes.usage,
      )
    }
    return value
  }
export const collect = (value: string, previous: readonly string[]): readonly string[] => [
  ...previous,
  value,
]

export const bootstrapOption = (): Option =>
  new Option('-b, --bootstrap-server <host:port,…>', 'brokers to ask first')
    .env('TRIMARAN_BOOTSTRAP_SERVER')
    .default(defaultBootstrap)
export const jsonOption = (): Option => new Option('--json', 'print one JSON document')
export const directoryOption = (): Option =>
  new Option('--dir <directory>', 'where the cluster lives')
    .env('TRIMARAN_CLUSTER_DIR')
    .default(defaultDirectory)

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map(line => `  $ ${line}`).join('\n')}\n`
