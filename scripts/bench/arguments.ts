import { parseArgs } from 'node:util'
import type { Address } from './client.ts'

export interface BenchOptions {
  readonly only: readonly string[]
  /** Null: as many as each measurement takes by itself. */
  readonly rounds: number | null
  /** Brokers of a running cluster that is measured in the same run; null: none. */
  readonly beside: readonly Address[] | null
  readonly json: boolean
  readonly readme: boolean
  readonly help: boolean
}

/** Wrong usage, in words for the terminal. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function parseOptions(args: readonly string[], names: readonly string[]): BenchOptions {
  const { values } = parse(args)
  const only = (values.only ?? []).flatMap(list => list.split(',')).filter(name => name !== '')
  const unknown = only.find(name => !names.includes(name))
  if (unknown !== undefined) {
    throw new UsageError(`There is no measurement "${unknown}"; there are ${names.join(', ')}.`)
  }
  const rounds = values.rounds === undefined ? null : Number(values.rounds)
  if (rounds !== null && (!Number.isInteger(rounds) || rounds < 1)) {
    throw new UsageError(`--rounds must be a whole number of at least 1, not "${values.rounds}".`)
  }
  if (values.readme === true && only.length > 0)
    throw new UsageError('--readme takes a whole run, without --only.')
  return {
    only,
    rounds,
    beside: values.beside === undefined ? null : values.beside.split(',').map(addressOf),
    json: values.json ?? false,
    readme: values.readme ?? false,
    help: values.help ?? false,
  }
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

  node scripts/bench/main.ts [--only NAME,…] [--rounds N] [--beside HOST:PORT,…] [--json] [--readme]

  --only NAME,…    some of the measurements instead of all
  --rounds N       instead of each measurement's own number of rounds
  --beside HOST:PORT,…
                   another Kafka cluster that runs already: throughput is measured on both, round by round in turns, with
                   the same load, and printed with the ratio of the medians
  --json           one JSON document instead of the table, with every sample
  --readme         also rewrite the figures in README.md (a whole run of about ten minutes)

Measurements:
${measurements.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}

Examples:
  $ npm run bench
  $ npm run bench -- --only failover --rounds 5
  $ npm run bench -- --only throughput --beside localhost:19092,localhost:19093,localhost:19094
  $ node scripts/bench/main.ts --only start,in-process --json | jq .measurements

Ports 25000–27999 and a directory in the system's temporary folder are used and given back.
Ends with 1 if a figure is not what it must be, with 2 if it was called wrongly.
`
}
