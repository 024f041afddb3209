import { Command, CommanderError } from 'commander'
import { CliError, exitCodes, red } from './output.ts'
import { addAdmin } from './program/admin.ts'
import { addChaos } from './program/chaos.ts'
import { addCluster } from './program/cluster.ts'
import { addConsume, addProduce } from './program/data.ts'
import { addGroups } from './program/groups.ts'
import { addPerf } from './program/perf.ts'
import { addReassign } from './program/reassign.ts'
import { addStart } from './program/start.ts'
import { addTopics } from './program/topics.ts'

/**
 * The whole interface. Each command's code is loaded when it runs: listing topics must not pay for gRPC.
 */
export function buildProgram(): Command {
  const program = new Command('trimaran')
    .description(
      'A Kafka-compatible, Raft-replicated cluster, and the tools for it (and for any Kafka cluster).',
    )
    .version('0.1.0')
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()
  for (const add of [
    addStart,
    addCluster,
    addTopics,
    addProduce,
    addConsume,
    addPerf,
    addChaos,
    addGroups,
    addAdmin,
    addReassign,
  ])
    add(program)
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
