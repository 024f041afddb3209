import type { Command } from 'commander'
import { examples, jsonOption } from './options.ts'

export function addChaos(program: Command): void {
  const chaos = program
    .command('chaos')
    .description('torture a cluster, and tell whether it kept its promises')
  addCheck(chaos)
}

function addCheck(chaos: Command): void {
  chaos
    .command('check')
    .description('judge a history of what clients did and were told (JSON Lines)')
    .argument('<file>', 'as `chaos run` writes it, or any other client')
    .option('--count-acks-1', 'what only a leader had acknowledged counts as lost, too')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${examples(
        'trimaran chaos check history.jsonl',
        'trimaran chaos check history.jsonl --json | jq .lost',
      )}\nExit code: 0 every promise was kept, 1 not, 2 the file is no history.\n`,
    )
    .action(async (file: string, options) =>
      (await import('../commands/chaos-check.ts')).check(file, options),
    )
}
