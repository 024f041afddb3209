import type { Command } from 'commander'
import { collect, directoryOption, examples, jsonOption, wholeNumber } from './options.ts'

export function addCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .description('a local cluster: one process per node, on this machine')
  addUp(cluster)
  addAdd(cluster)
  addStatus(cluster)
  addSingleNode(cluster)
  addDown(cluster)
}

function addUp(cluster: Command): void {
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
    .action(async options => (await import('../commands/cluster.ts')).up(options))
}

function addAdd(cluster: Command): void {
  cluster
    .command('add')
    .description(
      'start a node more; it holds replicas, and votes in the quorum once it is added there',
    )
    .addOption(directoryOption())
    .option('-o, --override <key=value>', 'a setting for this node (repeatable)', collect, [])
    .addOption(jsonOption())
    .addHelpText('after', examples('trimaran cluster add', 'trimaran quorum add --id 4'))
    .action(async options => (await import('../commands/cluster.ts')).add(options))
}

function addStatus(cluster: Command): void {
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
    .action(async options => (await import('../commands/cluster-status.ts')).status(options))
}

function addSingleNode(cluster: Command): void {
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
        (await import('../commands/cluster.ts')).one(name, id, options),
      )
  }
}

function addDown(cluster: Command): void {
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
    .action(async options => (await import('../commands/cluster.ts')).down(options))
}
