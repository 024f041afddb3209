import { Option, type Command } from 'commander'
import {
  bootstrapOption,
  collect,
  directoryOption,
  examples,
  jsonOption,
  wholeNumber,
} from './options.ts'

export function addPerf(program: Command): void {
  const perf = program
    .command('perf')
    .description('load a cluster (this one or any Kafka cluster) and measure it')
  addPerfProduce(perf)
  addPerfConsume(perf)
  addPerfEndToEnd(perf)
}

const profileOption = (): Option =>
  new Option(
    '--profile <directory>',
    'leave CPU profiles of the nodes there (clusters of `trimaran cluster up`)',
  )
const workersOption = (): Option =>
  new Option('--workers <count>', 'threads that carry the load')
    .argParser(wholeNumber('--workers', 1))
    .default(1)

const propertyOption = (): Option =>
  new Option(
    '--producer-property <key=value>',
    'acks, batch.size, linger.ms, compression.type, enable.idempotence, … (repeatable)',
  )
    .argParser(collect)
    .default([])

function addPerfProduce(perf: Command): void {
  perf
    .command('produce')
    .description('produce records and tell rate and latency, as kafka-producer-perf-test does')
    .argument('<topic>')
    .option('-n, --num-records <count>', 'stop after so many', wholeNumber('--num-records', 1))
    .option(
      '-t, --throughput <records/s>',
      'by a schedule, latency counting from when a record was due; -1: as fast as it goes',
      Number,
      -1,
    )
    .option(
      '-s, --record-size <bytes>',
      'random letters (default: 1024)',
      wholeNumber('--record-size', 1),
    )
    .option('--payload-file <file>', 'a value per line, taken in turn')
    .addOption(propertyOption())
    .option(
      '--producers <count>',
      'each with its own connections and producer id',
      wholeNumber('--producers', 1),
      1,
    )
    .addOption(workersOption())
    .option('--duration <seconds>', 'stop after so long', wholeNumber('--duration', 1))
    .option(
      '--warm-up <seconds>',
      'not counted in the closing line',
      wholeNumber('--warm-up', 0),
      0,
    )
    .addOption(profileOption())
    .addOption(directoryOption())
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran perf produce orders --num-records 1000000 --record-size 1024',
        'trimaran perf produce orders --duration 30 --throughput 1000 --producer-property linger.ms=5',
        'trimaran perf produce orders --duration 10 --producer-property compression.type=lz4 --profile /tmp/profiles',
      ),
    )
    .action(async (topic: string, options) =>
      (await import('../commands/perf.ts')).perfProduce(topic, options),
    )
}

function addPerfConsume(perf: Command): void {
  perf
    .command('consume')
    .description('read records and tell the rate, as kafka-consumer-perf-test does')
    .argument('<topic...>')
    .option('-n, --messages <count>', 'stop after so many', wholeNumber('--messages', 1))
    .option('-g, --group <id>', 'as a group; alone and by assignment without it')
    .option('--members <count>', 'of the group', wholeNumber('--members', 1), 1)
    .addOption(workersOption())
    .option('--duration <seconds>', 'stop after so long', wholeNumber('--duration', 1))
    .option(
      '--from-beginning',
      'start at the oldest record; without --messages and --duration, to the end of every partition',
    )
    .addOption(profileOption())
    .addOption(directoryOption())
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran perf consume orders --from-beginning',
        'trimaran perf consume orders --group billing --members 3 --messages 1000000 --from-beginning',
      ),
    )
    .action(async (topics: string[], options) =>
      (await import('../commands/perf.ts')).perfConsume(topics, options),
    )
}

function addPerfEndToEnd(perf: Command): void {
  perf
    .command('e2e')
    .description('produce by a schedule, read it back, and tell both latencies')
    .argument('<topic>')
    .option(
      '-t, --throughput <records/s>',
      'how many are due each second',
      wholeNumber('--throughput', 1),
      100,
    )
    .option(
      '-n, --num-records <count>',
      'stop after so many (default: 10 seconds of them)',
      wholeNumber('--num-records', 1),
    )
    .option(
      '-s, --record-size <bytes>',
      'size of the values',
      wholeNumber('--record-size', 16),
      100,
    )
    .addOption(propertyOption())
    .option('--duration <seconds>', 'stop after so long', wholeNumber('--duration', 1))
    .option('--warm-up <seconds>', 'not counted', wholeNumber('--warm-up', 0), 0)
    .addOption(profileOption())
    .addOption(directoryOption())
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran perf e2e orders',
        'trimaran perf e2e orders --throughput 10000 --num-records 100000 --record-size 1024 --warm-up 5',
      ),
    )
    .action(async (topic: string, options) =>
      (await import('../commands/perf.ts')).perfEndToEnd(topic, options),
    )
}
