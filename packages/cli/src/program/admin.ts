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
  program
    .command('quorum')
    .description('the metadata quorum')
    .command('status')
    .description('leader, epoch, high watermark, voters and observers with their lag')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('../commands/quorum.ts')).status(options))
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
