import { createInterface } from 'node:readline'
import type { Compression } from '@trimaran/protocol'
import { withClient } from '../client/cluster-client.ts'
import { Producer, type Delivery } from '../client/producer.ts'
import { CliError, count, dim, exitCodes, printJson } from '../output.ts'

interface ProduceOptions {
  readonly bootstrapServer: string
  readonly keySeparator?: string
  readonly partition?: number
  readonly acks: '0' | '1' | 'all'
  readonly compression: Compression
  readonly json?: boolean
}

/** A pause in the input longer than this sends what has been read so far. */
const lingerMs = 5

/** One record per line of standard input. Exit code 4 if some lines were not acknowledged. */
export async function produce(topic: string, options: ProduceOptions): Promise<void> {
  await withClient(options, async client => {
    const totals = { acknowledged: 0, failed: 0, firstError: '' }
    const onDelivery = (delivery: Delivery): void => {
      if (delivery.error === null) totals.acknowledged += delivery.records.length
      else {
        totals.failed += delivery.records.length
        totals.firstError ||= `partition ${delivery.partition}: ${delivery.error}`
      }
    }
    const acks = options.acks === 'all' ? -1 : options.acks === '1' ? 1 : 0
    const producer = new Producer(client, {
      topic,
      acks,
      compression: options.compression,
      onDelivery,
    })
    await producer.open()
    const startedMs = performance.now()
    await sendLines(producer, options)
    await producer.flush()
    const seconds = (performance.now() - startedMs) / 1000
    if (options.json === true) printJson({ topic, ...totals, seconds })
    else if (process.stderr.isTTY === true || totals.failed > 0) {
      process.stderr.write(
        dim(
          `${count(totals.acknowledged, 'record')} ${acks === 0 ? 'sent' : 'acknowledged'} in ${seconds.toFixed(2)} s\n`,
        ),
      )
    }
    if (totals.failed > 0) {
      throw new CliError(
        `${count(totals.failed, 'record')} not acknowledged (${totals.firstError}).`,
        exitCodes.partly,
      )
    }
  })
}

async function sendLines(producer: Producer, options: ProduceOptions): Promise<void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })
  let linger: NodeJS.Timeout | null = null
  for await (const line of lines) {
    await producer.send(parseLine(line, options.keySeparator), options.partition)
    linger ??= setTimeout(() => {
      linger = null
      void producer.flush()
    }, lingerMs)
  }
  if (linger !== null) clearTimeout(linger)
}

function parseLine(
  line: string,
  separator: string | undefined,
): { key: Uint8Array | null; value: Uint8Array } {
  if (separator === undefined) return { key: null, value: Buffer.from(line) }
  const at = line.indexOf(separator)
  if (at < 0)
    throw new CliError(
      `The line ${JSON.stringify(line.slice(0, 80))} has no key separator ${JSON.stringify(separator)}.`,
    )
  return {
    key: Buffer.from(line.slice(0, at)),
    value: Buffer.from(line.slice(at + separator.length)),
  }
}
