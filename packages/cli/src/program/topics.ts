import type { Command } from 'commander'
import { bootstrapOption, collect, examples, jsonOption, wholeNumber } from './options.ts'

export function addTopics(program: Command): void {
  const topics = program
    .command('topics')
    .description('create, list, describe, change and delete topics')
  addCreate(topics)
  addQueries(topics)
  addChanges(topics)
}

function addCreate(topics: Command): void {
  topics
    .command('create')
    .argument('<name...>')
    .option(
      '--partitions <count>',
      "how many partitions (the cluster's default without it)",
      wholeNumber('--partitions', 1),
    )
    .option(
      '--replication-factor <count>',
      "copies of each partition (the cluster's default without it)",
      wholeNumber('--replication-factor', 1),
    )
    .option(
      '--replica-assignment <1:2,2:3>',
      'brokers of each partition, in order, the preferred leader first',
    )
    .option('--config <key=value>', 'a setting of the topic (repeatable)', collect, [])
    .option('--if-not-exists', 'no error when it is there')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran topics create orders --partitions 6 --replication-factor 3',
        'trimaran topics create log --config retention.ms=3600000',
      ),
    )
    .action(async (names: string[], options) =>
      (await import('../commands/topics.ts')).create(names, options),
    )
}

function addQueries(topics: Command): void {
  topics
    .command('list')
    .option('--exclude-internal', 'leave out topics such as __consumer_offsets')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('../commands/topics.ts')).list(options))
  topics
    .command('describe')
    .argument('[name...]')
    .option('--unavailable-partitions', 'only partitions without a leader')
    .option('--under-replicated-partitions', 'only partitions with a replica out of the ISR')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran topics describe orders',
        'trimaran topics describe --under-replicated-partitions',
      ),
    )
    .action(async (names: string[], options) =>
      (await import('../commands/topics.ts')).describe(names, options),
    )
}

function addChanges(topics: Command): void {
  topics
    .command('alter')
    .argument('<name>')
    .requiredOption(
      '--partitions <count>',
      'the new total; it can only grow',
      wholeNumber('--partitions', 1),
    )
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async (name: string, options) =>
      (await import('../commands/topics.ts')).alter(name, options),
    )
  topics
    .command('delete')
    .argument('<name...>')
    .option('--if-exists', 'no error when it is not there')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async (names: string[], options) =>
      (await import('../commands/topics.ts')).remove(names, options),
    )
}
