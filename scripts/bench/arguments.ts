import { parseArgs } from 'node:util'
import type { Address } from './client.ts'

export interface BenchOptions {
  readonly only: readonly string[]
  readonly rounds: Rounds
  /** Brokers of a running cluster that is measured in the same run; null: none. */
  readonly beside: readonly Address[] | null
  /** A shell command that starts, stops and kills the nodes of that cluster; null: it just runs. */
  readonly besideControl: string | null
  /** A shell command that is kafka-producer-perf-test; null: there is none. */
  readonly perfTest: string | null
  readonly json: boolean
  readonly readme: boolean
  readonly help: boolean
}

/** How often to measure, where it is not as often as each measurement does by itself. */
export interface Rounds {
  readonly ofAll: number | null
  /** By the name of a measurement, before `ofAll`. */
  readonly of: ReadonlyMap<string, number>
}

/** Wrong usage, in words for the terminal. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function parseOptions(args: readonly string[], names: readonly string[]): BenchOptions {
  const { values } = parse(args)
  const only = (values.only ?? []).flatMap(list => list.split(',')).filter(name => name !== '')
  for (const name of only) assertMeasured(name, names)
  if (values.readme === true && only.length > 0)
    throw new UsageError('--readme takes a whole run, without --only.')
  const besideControl = values['beside-control'] ?? null
  if (besideControl !== null && values.beside === undefined)
    throw new UsageError(
      '--beside-control needs --beside HOST:PORT,…: where its nodes listen once they are up.',
    )
  if (besideControl?.trim() === '')
    throw new UsageError('--beside-control takes a shell command, and it is empty.')
  return {
    only,
    rounds: roundsFrom(values.rounds, names),
    beside: values.beside === undefined ? null : values.beside.split(',').map(addressOf),
    besideControl,
    perfTest: values['perf-test'] ?? null,
    json: values.json ?? false,
    readme: values.readme ?? false,
    help: values.help ?? false,
  }
}

function assertMeasured(name: string, names: readonly string[]): void {
  if (names.includes(name)) return
  throw new UsageError(`There is no measurement "${name}"; there are ${names.join(', ')}.`)
}

/** Of `N,NAME=N,…`, each part at will. */
function roundsFrom(text: string | undefined, names: readonly string[]): Rounds {
  let ofAll: number | null = null
  const of = new Map<string, number>()
  for (const part of text?.split(',') ?? []) {
    const [, name, count] = /^(?:([^=]+)=)?(\d+)$/.exec(part.trim()) ?? []
    if (count === undefined || Number(count) < 1) {
      throw new UsageError(
        `--rounds takes N or NAME=N, whole numbers of at least 1, and "${part}" is neither.`,
      )
    }
    if (name === undefined) ofAll = Number(count)
    else {
      assertMeasured(name, names)
      of.set(name, Number(count))
    }
  }
  return { ofAll, of }
}

function addressOf(text: string): Address {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text.trim()) ?? []
  if (host === '' || Number(port) > 65_535)
    throw new UsageError(`--beside takes HOST:PORT,…, and "${text}" is not of that form.`)
  return { host, port: Number(port) }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        beside: { type: 'string' },
        'beside-control': { type: 'string' },
        'perf-test': { type: 'string' },
        json: { type: 'boolean' },
        readme: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

export function usage(
  measurements: readonly { readonly name: string; readonly title: string }[],
): string {
  const width = Math.max(...measurements.map(({ name }) => name.length))
  return `Measures Trimaran from outside, over its own raw Kafka connections, on a cluster that it starts itself.

  node scripts/bench/main.ts [--only NAME,…] [--rounds N,NAME=N,…] [--beside HOST:PORT,… [--beside-control COMMAND]]
                           [--perf-test COMMAND] [--json] [--readme]

  --only NAME,…    some of the measurements instead of all
  --rounds N,NAME=N,…
                   instead of each measurement's own number of rounds; N of all, NAME=N of one
  --beside HOST:PORT,…
                   another Kafka cluster, every one of its brokers: measured in turns with ours, with the same client and
                   load, and printed with the ratio of the medians. Its processes are found by their ports
  --beside-control COMMAND
                   how that cluster is started and stopped: a shell command in which {} is replaced by one of
                     up              starts all nodes and returns when they listen, on empty directories if there are none
                     down --wipe     stops all nodes and removes their data
                     kill N, start N SIGKILL to node N, start it again
                   (without {} they go to the end). With it start, memory and fail-over are measured on both, and one
                   cluster is down while the other is measured. It is left stopped and wiped; one that holds topics at
                   the beginning is refused. Without it the cluster has to run, and those figures are ours alone
  --perf-test COMMAND
                   how kafka-producer-perf-test is called here, for a second opinion on produce; kcat gives another if it
                   is installed
  --json           one JSON document instead of the table, with every sample
  --readme         also rewrite the figures in README.md (a whole run of about a quarter of an hour, with --beside 45 minutes)

Measurements:
${measurements.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}

Examples:
  $ npm run bench
  $ npm run bench -- --only failover --rounds 5
  $ npm run bench -- --rounds 1,hostile=3
  $ npm run bench -- --only throughput --beside localhost:19092,localhost:19093,localhost:19094
  $ npm run bench -- --beside localhost:19092,localhost:19093,localhost:19094 \\
      --beside-control './apache-kafka {} --dir /tmp/kafka --port 19092 --heap 1g'
  $ node scripts/bench/main.ts --only start,in-process --json | jq .measurements

Ports 25000–27999 and a directory in the system's temporary folder are used and given back.
Ends with 1 if a figure is not what it must be, with 2 if it was called wrongly.
`
}
