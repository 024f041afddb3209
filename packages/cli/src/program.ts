import { Command, CommanderError, Option } from 'commander'
import { CliError, exitCodes, red } from './output.ts'
import { defaultDirectory } from './local-cluster/state.ts'

/**
 * Each command's code is loaded when it runs: listing topics must not pay for gRPC. Options are declared here, so that
 * `--help` is the whole interface on one screen per command.
 */
export const defaultBootstrap = 'localhost:9092'

const wholeNumber =
  (name: string, min: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < min) {
      throw new CliError(
        `${name} must be a whole number of at least ${min}, not "${text}".`,
        exitCodes.usage,
      )
    }
    return value
  }
const collect = (value: string, previous: readonly string[]): readonly string[] => [
  ...previous,
  value,
]

const bootstrapOption = (): Option =>
  new Option('-b, --bootstrap-server <host:port,…>', 'brokers to ask first')
    .env('TRIMARAN_BOOTSTRAP_SERVER')
    .default(defaultBootstrap)
const jsonOption = (): Option => new Option('--json', 'print one JSON document')
const directoryOption = (): Option =>
  new Option('--dir <directory>', 'where the cluster lives')
    .env('TRIMARAN_CLUSTER_DIR')
    .default(defaultDirectory)

const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map(line => `  $ ${line}`).join('\n')}\n`

function addStart(program: Command): void {
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
    .action(async options => (await import('./commands/start.ts')).start(options))
}

function addCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .description('a local cluster: one process per node, on this machine')
  cluster
    .command('up')
    .description('start the nodes and say how to connect; Ctrl-C stops them cleanly')
    .option(
      '-n, --nodes <count>',
      'how many nodes (a cluster that is there keeps its own)',
      wholeNumber('--nodes', 1),
      3,
    )
    .option(
      '-p, --port <port>',
      'node i listens on port + i − 1, for nodes on + 1000, for HTTP on + 2000',
      wholeNumber('--port', 1),
      9092,
    )
    .addOption(directoryOption())
    .option('-d, --detach', 'leave the nodes running and return')
    .option('-o, --override <key=value>', 'a setting for every node (repeatable)', collect, [])
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran cluster up',
        'trimaran cluster up --nodes 5 --port 19092 --dir /tmp/five --detach',
      ),
    )
    .action(async options => (await import('./commands/cluster.ts')).up(options))
  cluster
    .command('status')
    .description('nodes, controller, partitions with leader, ISR, HW and LEO, and what is offline')
    .addOption(directoryOption())
    .option('-w, --watch [seconds]', 'draw it again every second, or every so many')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'trimaran cluster status',
        'trimaran cluster status --watch',
        'trimaran cluster status --json | jq .controller',
      ),
    )
    .action(async options => (await import('./commands/cluster-status.ts')).status(options))
  const each: readonly (readonly [string, string])[] = [
    ['kill', 'SIGKILL: the node dies without a word'],
    ['pause', 'SIGSTOP: the node hangs with its connections open'],
    ['resume', 'SIGCONT: the paused node goes on'],
    ['restart', 'start the node again on its data (stops it cleanly first if it runs)'],
    ['stop', 'SIGTERM: controlled shutdown of one node'],
  ]
  for (const [name, description] of each) {
    cluster
      .command(name)
      .description(description)
      .argument('<id>', 'node id', wholeNumber('the node id', 0))
      .addOption(directoryOption())
      .addOption(jsonOption())
      .addHelpText('after', examples(`trimaran cluster ${name} 1`))
      .action(async (id: number, options) =>
        (await import('./commands/cluster.ts')).one(name, id, options),
      )
  }
  cluster
    .command('down')
    .description('stop every node cleanly; the data stays')
    .addOption(directoryOption())
    .option('--wipe', 'remove the data as well')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('trimaran cluster down', 'trimaran cluster down --dir /tmp/five --wipe'),
    )
    .action(async options => (await import('./commands/cluster.ts')).down(options))
}

function addTopics(program: Command): void {
  const topics = program
    .command('topics')
    .description('create, list, describe, change and delete topics')
  topics
    .command('create')
    .argument('<name…>')
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
      (await import('./commands/topics.ts')).create(names, options),
    )
  topics
    .command('list')
    .option('--exclude-internal', 'leave out topics such as __consumer_offsets')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('./commands/topics.ts')).list(options))
  topics
    .command('describe')
    .argument('[name…]')
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
      (await import('./commands/topics.ts')).describe(names, options),
    )
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
      (await import('./commands/topics.ts')).alter(name, options),
    )
  topics
    .command('delete')
    .argument('<name…>')
    .option('--if-exists', 'no error when it is not there')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async (names: string[], options) =>
      (await import('./commands/topics.ts')).remove(names, options),
    )
}

function addData(program: Command): void {
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
      (await import('./commands/produce.ts')).produce(topic, options),
    )
  program
    .command('consume')
    .description('print records as they come, until Ctrl-C or --max-messages')
    .argument('<topic…>')
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
      (await import('./commands/consume.ts')).consume(names, options),
    )
}

function addGroups(program: Command): void {
  const groups = program.command('groups').description('consumer groups: members, offsets, lag')
  groups
    .command('list')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('./commands/groups.ts')).list(options))
  groups
    .command('describe')
    .argument('<group>')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .addHelpText('after', examples('trimaran groups describe billing'))
    .action(async (group: string, options) =>
      (await import('./commands/groups.ts')).describe(group, options),
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
      (await import('./commands/groups.ts')).reset(group, options),
    )
  groups
    .command('delete')
    .argument('<group…>')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async (names: string[], options) =>
      (await import('./commands/groups.ts')).remove(names, options),
    )
}

function addAdmin(program: Command): void {
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
      (await import('./commands/configs.ts')).describe(kind, name, options),
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
      (await import('./commands/configs.ts')).alter(kind, name, options),
    )
  program
    .command('quorum')
    .description('the metadata quorum')
    .command('status')
    .description('leader, epoch, high watermark, voters and observers with their lag')
    .addOption(bootstrapOption())
    .addOption(jsonOption())
    .action(async options => (await import('./commands/quorum.ts')).status(options))
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
    .action(async options => (await import('./commands/elect.ts')).elect(options))
}

export function buildProgram(): Command {
  const program = new Command('trimaran')
    .description(
      'A Kafka-compatible, Raft-replicated cluster, and the tools for it (and for any Kafka cluster).',
    )
    .version('0.1.0')
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()
  for (const add of [addStart, addCluster, addTopics, addData, addGroups, addAdmin]) add(program)
  const inherit = (command: Command): void => {
    command.exitOverride()
    command.commands.forEach(inherit)
  }
  inherit(program)
  return program
}

/** Runs one command line; the result is the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync([...argv])
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${red('error:')} ${message}\n`)
    if (!(error instanceof CliError) && process.env['TRIMARAN_DEBUG'] !== undefined) {
      process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
    }
    return error instanceof CliError ? error.exitCode : exitCodes.failed
  }
}
