import { compressions, type Compression } from '@trimaran/protocol'
import { CliError, exitCodes } from '../output.ts'
import type { ProduceOptions } from '../perf/index.ts'

type Properties = Partial<
  Pick<
    ProduceOptions,
    | 'acks'
    | 'batchBytes'
    | 'lingerMs'
    | 'compression'
    | 'idempotence'
    | 'maxInFlight'
    | 'clientId'
    | 'bootstrapServers'
    | 'requestTimeoutMs'
    | 'deliveryTimeoutMs'
    | 'retryBackoffMs'
  >
>

const wrong = (key: string, value: string, allowed: string): CliError =>
  new CliError(`${key} must be ${allowed}, not "${value}".`, exitCodes.usage)

function whole(key: string, value: string): number {
  if (!/^\d+$/.test(value)) throw wrong(key, value, 'a whole number')
  return Number(value)
}

/** One of the names a property's value may have. */
function oneOf<T>(key: string, value: string, values: Readonly<Record<string, T>>): T {
  if (!Object.hasOwn(values, value)) throw wrong(key, value, Object.keys(values).join(' or '))
  return values[value] as T
}

const codecs = Object.fromEntries(compressions.map(codec => [codec, codec])) as Record<
  string,
  Compression
>

/** Kafka's names of what the load generator can be told. */
const properties: Readonly<Record<string, (key: string, value: string) => Properties>> = {
  acks: (key, value) => ({ acks: oneOf(key, value, { all: -1, '-1': -1, 0: 0, 1: 1 } as const) }),
  'batch.size': (key, value) => ({ batchBytes: whole(key, value) }),
  'linger.ms': (key, value) => ({ lingerMs: whole(key, value) }),
  'compression.type': (key, value) => ({ compression: oneOf(key, value, codecs) }),
  'enable.idempotence': (key, value) => ({
    idempotence: oneOf(key, value, { true: true, false: false }),
  }),
  'max.in.flight.requests.per.connection': (key, value) => ({ maxInFlight: whole(key, value) }),
  'client.id': (_key, value) => ({ clientId: value }),
  'bootstrap.servers': (_key, value) => ({ bootstrapServers: value }),
  'request.timeout.ms': (key, value) => ({ requestTimeoutMs: whole(key, value) }),
  'delivery.timeout.ms': (key, value) => ({ deliveryTimeoutMs: whole(key, value) }),
  'retry.backoff.ms': (key, value) => ({ retryBackoffMs: whole(key, value) }),
}

/** Each `key=value`. An unknown key is an error: a benchmark with a setting that does nothing misleads. */
export function producerProperties(lines: readonly string[]): Properties {
  return Object.assign(
    {},
    ...lines.map(line => {
      const at = line.indexOf('=')
      if (at < 1)
        throw new CliError(`"${line}" is no property; it is written key=value.`, exitCodes.usage)
      const key = line.slice(0, at)
      const read = Object.hasOwn(properties, key) ? properties[key] : undefined
      if (read === undefined) {
        throw new CliError(
          `The load generator has no producer property "${key}". Did you mean ${nearest(key)}? It knows ${Object.keys(properties).join(', ')}.`,
          exitCodes.usage,
        )
      }
      return read(key, line.slice(at + 1))
    }),
  ) as Properties
}

function nearest(key: string): string {
  const names = Object.keys(properties)
  return names.reduce((best, name) => (distance(key, name) < distance(key, best) ? name : best))
}

/** Letters to insert, remove or change (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    }
    row = next
  }
  return row[b.length] as number
}
