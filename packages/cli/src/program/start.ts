import type { Command } from 'commander'
import { collect, examples } from './options.ts'

export function addStart(program: Command): void {
  program
    .command('start')
    .description('run one node in this process, from a server.properties file and the environment')
    .option('-c, --config <file>', 'server.properties; without it a single combined node')
    .option(
      '-o, --override <key=value>',
      'a setting that wins over the file (repeatable)',
      collect,
      [],
    )
    .addHelpText(
      'after',
      examples(
        'trimaran start',
        'trimaran start --config config/server.properties',
        'KAFKA_NODE_ID=2 trimaran start -o log.dirs=/var/lib/trimaran',
      ),
    )
    .action(async options => (await import('../commands/start.ts')).start(options))
}
