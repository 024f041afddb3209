/** The same load by clients that are not ours: what a generator of our own may flatter, they do not. */
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Address } from './client.ts'
import type { Figure } from './figures.ts'
import { bootstrapOf, withTopic } from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import {
  besideNote,
  figureOf,
  inRunningTurns,
  withRunning,
  type RunningCluster,
} from './running.ts'

const usualRounds = 2
const recordBytes = 1024
const recordCount = 250_000
const megabytes = (recordBytes * recordCount) / 1e6
const outputBytesMax = 16 * 1024 * 1024

/** A client's way to write so many records to a topic. Resolves with MB per second of values. */
interface Client {
  readonly name: string
  produce(brokers: readonly Address[], topic: string): Promise<number>
}

export const clients: Measurement = {
  name: 'clients',
  title: `a second opinion: ${recordCount.toLocaleString('en-US')} records of 1 KiB by kcat (librdkafka) and by Apache's own producer`,
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const present = await clientsOf(context)
    if (present.length === 0)
      throw new Error('neither kcat is on the PATH nor --perf-test is given')
    const figures = await withRunning(context, async running => {
      const all: Figure[] = []
      for (const client of present) all.push(await measureClient(context, running, rounds, client))
      return all
    })
    return {
      figures,
      settings: `acks=all, idempotent, linger 5 ms, batches of 64 KiB; the whole run of the client counts, its start included where it does not say its own rate.${besideNote(context)}`,
    }
  },
}

async function measureClient(
  context: BenchContext,
  running: readonly RunningCluster[],
  rounds: number,
  client: Client,
): Promise<Figure> {
  const turns = await inRunningTurns(running, rounds, async ({ addresses, label }, at) => {
    const topic = `clients-${at}-${process.pid}-${client.name.replaceAll(/\W/g, '')}`
    const rate = await withTopic(addresses, topic, () => client.produce(addresses, topic))
    context.progress(`${client.name} ${at}/${rounds}${label}: ${rate.toFixed(0)} MB/s`)
    return rate
  })
  const name = `produce, 1 KiB, by ${client.name}`
  return figureOf(turns, { name, unit: 'MB/s', ratioMust: { atLeast: 1 } }, rate => rate)
}

async function clientsOf(context: BenchContext): Promise<readonly Client[]> {
  const isKcatHere = await promisify(execFile)('kcat', ['-V']).then(
    () => true,
    () => false,
  )
  return [
    ...(isKcatHere ? [kcat(writeLines(context))] : []),
    ...(context.perfTest === null ? [] : [perfTest(context.perfTest)]),
  ]
}

/** Lines that do not compress and are no two the same. */
function writeLines({ directory }: BenchContext): string {
  const path = join(directory, 'lines.txt')
  const file = openSync(path, 'w')
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(48 * 1024))).toString('base64')
  for (let line = 0; line < recordCount; line++) {
    const from = (line * 31) % (noise.length - recordBytes)
    writeSync(file, `${noise.slice(from, from + recordBytes)}\n`)
  }
  closeSync(file)
  return path
}

const kcat = (path: string): Client => ({
  name: 'kcat',
  async produce(brokers, topic) {
    const settings = ['acks=all', 'enable.idempotence=true', 'linger.ms=5', 'batch.size=65536']
    const startMs = performance.now()
    await promisify(execFile)('kcat', [
      ...['-P', '-q', '-b', bootstrapOf(brokers), '-t', topic, '-l', path],
      ...settings.flatMap(setting => ['-X', setting]),
    ])
    return (megabytes * 1000) / (performance.now() - startMs)
  },
})

/** kafka-producer-perf-test, whose last line has the rate. */
const perfTest = (command: string): Client => ({
  name: "Apache's producer (perf-test)",
  async produce(brokers, topic) {
    const options = `--topic ${topic} --num-records ${recordCount} --record-size ${recordBytes} --throughput -1`
    const properties = `bootstrap.servers=${bootstrapOf(brokers)} acks=all enable.idempotence=true linger.ms=5 batch.size=65536`
    const said = await shell(`${command} ${options} --producer-props ${properties}`)
    const rate = [...said.matchAll(/([\d.,]+) records\/sec/g)].at(-1)?.[1]
    if (rate === undefined) throw new Error(`${command} said no rate: ${said.slice(-500)}`)
    return (Number(rate.replaceAll(',', '')) * recordBytes) / 1e6
  },
})

function shell(command: string): Promise<string> {
  return new Promise((settle, fail) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const hear = (text: Buffer): void => {
      said = (said + text.toString()).slice(-outputBytesMax)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', fail)
    child.once('exit', code => {
      if (code === 0) settle(said)
      else fail(new Error(`\`${command}\` ended with ${String(code)}: ${said.slice(-500).trim()}`))
    })
  })
}
