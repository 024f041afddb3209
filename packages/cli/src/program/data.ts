import { Command, Option } from 'commander'
import { bootstrapOption, examples, jsonOption, wholeNumber } from './options.ts'

export function addProduce(program: Command): void {
  program
    .command('produce')
    .description('one record per line of standard input')
    .argument('<topic>')
    .option('-k, --key-separator <text>', 'what stands between key and value')
    .option('-p, --partition <number>', 'all to this partition', wholeNumber('--partition', 0))
    .addOption(
      new Option('--acks <acks>', 'who must have it before it counts')
        .choices(['0', '1', 'all'])
        .default('all'),
    )
    .addOption(
      new Option('--compression <codec>')
        .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
        .default('none'),
    )
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'echo hello | trimaran produce orders',
        'trimaran produce orders --key-separator : < pairs.txt',
      ),
    )
    .action(async (topic: string, options) =>
      (await import('../commands/produce.ts')).produce(topic, options),
    )
}

export function addConsume(program: Command): void {
  program
    .command('consume')
    .description('print records as they come, until Ctrl-C or --max-messages')
    .argument('<topic...>')
    .option(
      '--from-beginning',
      'start at the oldest record (with a group: only where it has committed nothing)',
    )
    .option('-g, --group <id>', 'as a member of a consumer group, committing what was printed')
    .option('-p, --partition <number>', 'one partition alone', wholeNumber('--partition', 0))
    .option('--offset <number>', 'start there (with --partition)', wholeNumber('--offset', 0))
    .option('-n, --max-messages <count>', 'stop after so many', wholeNumber('--max-messages', 1))
    .option('-e, --exit-at-end', 'stop at the end of every partition')
    .option(
      '--timeout-ms <ms>',
      'stop when nothing came for so long',
      wholeNumber('--timeout-ms', 1),
    )
    .option(
      '-f, --format <format>',
      'value, key-value, json, or text with %t %p %o %T %k %v \\n \\t',
      'value',
    )
    .addOption(
      new Option('--isolation <level>')
        .choices(['read_uncommitted', 'read_committed'])
        .default('read_uncommitted'),
    )
    .addOption(bootstrapOption())
    .addHelpText(
      'after',
      examples(
        'trimaran consume orders --from-beginning',
        'trimaran consume orders --group billing',
        "trimaran consume orders --partition 2 --offset 1000 -n 10 --format '%p %o %v\\n'",
      ),
    )
    .action(async (names: string[], options) =>
      (await import('../commands/consume.ts')).consume(names, options),
    )
}
