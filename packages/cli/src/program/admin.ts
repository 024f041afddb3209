import { Command, Option } from 'commander'
import { bootstrapOption, collect, examples, jsonOption, wholeNumber } from './options.ts'

export function addAdmin(program: Command): void {
  const configs = program.command('configs').description('settings of topics and brokers')
  configs
    .command('describe')
    .argument('<topic|broker>')
    .argument('<name>', 'topic name or broker id')
    .option('--all', 'defaults too, not only what was set')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran configs describe topic orders',
        'trimaran configs describe broker 1 --all',
      ),
    )
    .action(async (kind: string, name: string, options) =>
      (await import('../commands/configs.ts')).describe(kind, name, options),
    )
  configs
    .command('alter')
    .argument('<topic|broker>')
    .argument('<name>', 'topic name, broker id, or "default" for all brokers')
    .option('--set <key=value>', 'set a value (repeatable)', collect, [])
    .option('--delete <key>', 'back to the default (repeatable)', collect, [])
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran configs alter topic orders --set retention.ms=86400000 --delete max.message.bytes',
      ),
    )
    .action(async (kind: string, name: string, options) =>
      (await import('../commands/configs.ts')).alter(kind, name, options),
    )
  addQuorum(program)
  program
    .command('elect')
    .description(
      'elect leaders: preferred ones again, or any replica where none of the ISR is alive (may lose records)',
    )
    .addOption(new Option('--type <type>').choices(['preferred', 'unclean']).default('preferred'))
    .option('--topic <topic>', 'all its partitions; every topic without it')
    .option('--partition <number>', 'one partition of --topic', wholeNumber('--partition', 0))
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('trimaran elect', 'trimaran elect --type unclean --topic orders --partition 3'),
    )
    .action(async options => (await import('../commands/elect.ts')).elect(options))
}

function addQuorum(program: Command): void {
  const quorum = program
    .command('quorum')
    .description('the metadata quorum: who leads, who votes, and who shall')
  quorum
    .command('status')
    .description('leader, epoch, high watermark, voters and observers with their lag')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText('after', examples('trimaran quorum status', 'trimaran quorum status --json'))
    .action(async options => (await import('../commands/quorum.ts')).status(options))
  quorum
    .command('add')
    .description('make a node that runs and has caught up a voter')
    .requiredOption('--id <number>', 'node id', wholeNumber('--id', 0))
    .option('--directory-id <uuid>', "of the node's metadata log; the one it runs with, without it")
    .option(
      '--controller <host:port>',
      'where the other voters reach it; by default what it told them',
    )
    .option(
      '--timeout <ms>',
      'how long to wait for it to catch up, and for the change',
      wholeNumber('--timeout', 1),
      30_000,
    )
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran start -c node-4.properties   # with controller.quorum.bootstrap.servers=host1:9093,host2:9093',
        'trimaran quorum add --id 4',
      ),
    )
    .action(async options => (await import('../commands/quorum-voters.ts')).add(options))
  quorum
    .command('remove')
    .description(
      'take a voter out for good, alive or not; it goes on as an observer until it is added again',
    )
    .requiredOption('--id <number>', 'node id', wholeNumber('--id', 0))
    .option('--directory-id <uuid>', 'as quorum status shows it; the one written down, without it')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('trimaran quorum remove --id 3', 'trimaran quorum remove --id 3 --json'),
    )
    .action(async options => (await import('../commands/quorum-voters.ts')).remove(options))
}
