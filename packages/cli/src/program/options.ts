import { Option } from 'commander'
import { CliError, exitCodes } from '../output.ts'
import { defaultDirectory, readPid, readState } from '../local-cluster/state.ts'

/** Options that mean the same wherever they stand. */
const kafkaDefault = 'localhost:9092'
const clusterVariable = 'TRIMARAN_CLUSTER_DIR'

/**
 * All nodes of the local cluster, so that it does not matter which of them is down. If none runs, or there is none, where Kafka
 * is by default.
 */
export function bootstrapOf(directory: string): string {
  try {
    const nodes = readState(directory)?.nodes ?? []
    const isUp = nodes.some(({ id }) => readPid(directory, id) !== null)
    return isUp ? nodes.map(({ port }) => `127.0.0.1:${port}`).join(',') : kafkaDefault
  } catch {
    // The `cluster` verbs say what is wrong with the file; these do without it.
    return kafkaDefault
  }
}

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
  new Option(
    '-b, --bootstrap-server <host:port,…>',
    'brokers to ask first; the local cluster unless said otherwise',
  )
    .env('TRIMARAN_BOOTSTRAP_SERVER')
    .default(bootstrapOf(process.env[clusterVariable] ?? defaultDirectory))
export const jsonOption = (): Option => new Option('--json', 'print one JSON document')
export const directoryOption = (): Option =>
  new Option('--dir <directory>', 'where the cluster lives')
    .env(clusterVariable)
    .default(defaultDirectory)

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map(line => `  $ ${line}`).join('\n')}\n`
