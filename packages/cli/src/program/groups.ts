import { Command, Option } from 'commander'
import { bootstrapOption, examples, jsonOption } from './options.ts'

export function addGroups(program: Command): void {
  const groups = program.command('groups').description('consumer groups: members, offsets, lag')
  groups
    .command('list')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('../commands/groups.ts')).list(options))
  groups
    .command('describe')
    .argument('<group>')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText('after', examples('trimaran groups describe billing'))
    .action(async (group: string, options) =>
      (await import('../commands/groups.ts')).describe(group, options),
    )
  groups
    .command('reset')
    .description('set the committed offsets of a group that has no members')
    .argument('<group>')
    .requiredOption('--topic <topic>', 'the topic whose offsets are set')
    .addOption(new Option('--to <position>', 'earliest, latest, or an offset').default('earliest'))
    .option('--execute', 'do it; without it only what would happen is shown')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('trimaran groups reset billing --topic orders --to earliest --execute'),
    )
    .action(async (group: string, options) =>
      (await import('../commands/groups.ts')).reset(group, options),
    )
  groups
    .command('delete')
    .argument('<group...>')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async (names: string[], options) =>
      (await import('../commands/groups.ts')).remove(names, options),
    )
}
