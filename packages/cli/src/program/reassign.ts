import type { Command } from 'commander'
import { bootstrapOption, examples, jsonOption, wholeNumber } from './options.ts'

export function addReassign(program: Command): void {
  program
    .command('reassign')
    .description(
      'move partitions to other brokers; files are those of kafka-reassign-partitions. Waits until they are there',
    )
    .argument('[topic...]')
    .option('--partition <number>', 'one partition of the topic', wholeNumber('--partition', 0))
    .option('--replicas <ids>', 'where it is to be, as in 2,3,1: the first one is to lead')
    .option(
      '-f, --file <file>',
      'many at once: {"version":1,"partitions":[{topic,partition,replicas}]}',
    )
    .option('--execute', 'move them (this is what it does unless told otherwise)')
    .option('--no-wait', 'begin and return')
    .option(
      '--disallow-replication-factor-change',
      'refuse what has more or fewer replicas than now',
    )
    .option(
      '--verify',
      'tell how far --file, or the partition, is; exit code 4 until all are there',
    )
    .option('--list', 'tell everything that is on the move')
    .option('--cancel', 'back to where it was: --file, topics, a partition, or all that moves')
    .option(
      '--generate',
      'print a file that spreads the topics evenly over --brokers; move nothing',
    )
    .option('--brokers <ids>', 'for --generate: brokers to use, as in 1,2,3')
    .option(
      '--replication-factor <number>',
      'for --generate: other than now',
      wholeNumber('--replication-factor', 1),
    )
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran reassign orders --partition 0 --replicas 2,3,1',
        'trimaran reassign orders --partition 0 --verify --replicas 2,3,1',
        'trimaran reassign --generate orders payments --brokers 2,3,4 > plan.json',
        'trimaran reassign --file plan.json --no-wait',
        'trimaran reassign --verify --file plan.json',
        'trimaran reassign --list',
        'trimaran reassign --cancel orders',
      ),
    )
    .action(async (topics: readonly string[], options) =>
      (await import('../commands/reassign.ts')).reassign(topics, options),
    )
}
