import { createRequire } from 'node:module'
import { Option, type Command } from 'commander'
import { collect, examples, jsonOption, wholeNumber } from './options.ts'

export function addChaos(program: Command): void {
  const chaos = program
    .command('chaos')
    .description('torture a cluster, and tell whether it kept its promises')
  addRun(chaos)
  addCheck(chaos)
}

/** Loaded only for the help: other commands do without the scenarios. */
function scenarioList(): string {
  const { scenarios } = createRequire(import.meta.url)(
    '../chaos/scenarios/index.ts',
  ) as typeof import('../chaos/scenarios/index.ts')
  return scenarios.map(({ name, words }) => `  ${name.padEnd(21)} ${words}`).join('\n')
}
const verdictCodes = 'Exit code: 0 every promise was kept, 1 one was broken or nothing can be said'

const runExamples = [
  'trimaran chaos run --scenario leader-kill',
  'trimaran chaos run --scenario mix --duration 600 --seed 7',
  'trimaran chaos run --scenario rolling-restart --dir .trimaran/cluster',
  'trimaran chaos run --scenario partition -b localhost:9092 --hooks deploy/chaos-hooks.sh',
  "trimaran chaos run --scenario leader-kill -b localhost:9092 --kill-command 'docker kill broker-{}' --heal-command 'docker start broker-{}'",
  'trimaran chaos run --scenario stranded-leader --acks 1 --duration 10   # this one must lose',
  'trimaran chaos run --scenario unclean-election --duration 10           # this one too',
  'trimaran chaos run --scenario blackout --override log.flush.interval.messages=9223372036854775807   # and this',
]

function addRun(chaos: Command): void {
  const run = chaos
    .command('run')
    .description('load a cluster, strike it again and again, then tell what was lost')
    .requiredOption('-s, --scenario <name>', 'one of the list below, or a file of your own')
    .option('--duration <seconds>', 'how long it is struck', wholeNumber('--duration', 1), 60)
    .option(
      '--rate <records/s>',
      'of all producers together, by a schedule',
      wholeNumber('--rate', 1),
      1000,
    )
    .option(
      '--seed <number>',
      'whom it strikes, when and for how long (default: drawn)',
      wholeNumber('--seed', 0),
    )
    .addOption(
      new Option('--acks <acks>', 'with 1 records may be lost, and the verdict says which')
        .choices(['all', '1'])
        .default('all'),
    )
    .option('--partitions <count>', 'of the topic', wholeNumber('--partitions', 1), 6)
    .option(
      '--producers <count>',
      'each writes to every partition',
      wholeNumber('--producers', 1),
      2,
    )
    .option('--consumers <count>', 'each reads along', wholeNumber('--consumers', 0), 1)
  addClusterOptions(run)
  run
    .option('--history <file>', 'where the history goes (default: chaos-<scenario>-<seed>.jsonl)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      () =>
        `\nScenarios:\n${scenarioList()}\n${examples(
          ...runExamples,
        )}\n${verdictCodes}, 2 wrong usage.\n`,
    )
    .action(async options => (await import('../commands/chaos-run.ts')).runVerb(options))
}

/** Which cluster, and how it is struck. */
function addClusterOptions(run: Command): void {
  run
    .option('--nodes <count>', 'of the temporary cluster', wholeNumber('--nodes', 1), 3)
    .option(
      '-p, --port <port>',
      'of the temporary cluster, counted as `cluster up` does',
      wholeNumber('--port', 1),
      29_092,
    )
    .option(
      '--override <key=value>',
      'a setting of its nodes; may be given several times',
      collect,
      [],
    )
    .option('--dir <directory>', 'strike this cluster of `cluster up` instead')
    .option(
      '-b, --bootstrap-server <host:port,…>',
      'strike this Kafka cluster instead, by commands of yours',
    )
    .option(
      '--hooks <file>',
      'a program of yours: "can" prints the faults it knows, "<fault> <node>" and "<remedy> <node>" do it (see deploy/chaos-hooks.sh)',
    )
    .option(
      '--kill-command <command>',
      'instead of --hooks: takes a node away; {} is its id (leader-kill, controller-kill, all-kill)',
    )
    .option('--heal-command <command>', 'brings it back')
}

function addCheck(chaos: Command): void {
  chaos
    .command('check')
    .description('judge a history of what clients did and were told (JSON Lines)')
    .argument('<file>', 'as `chaos run` writes it, or any other client')
    .option(
      '--count-acks-1',
      'records that only a leader acknowledged (acks=1) count as lost, too; nobody promises those, so they are left out without it, and `chaos run --acks 1` counts them',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${examples(
        'trimaran chaos check history.jsonl',
        'trimaran chaos check chaos-stranded-leader-7.jsonl --count-acks-1',
        'trimaran chaos check history.jsonl --json | jq .lost',
      )}\n${verdictCodes}, 2 it is no history.\n`,
    )
    .action(async (file: string, options) =>
      (await import('../commands/chaos-check.ts')).check(file, options),
    )
}
