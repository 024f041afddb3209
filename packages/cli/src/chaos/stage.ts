import { zeroUuid } from '@trimaran/common'
import { apis } from '@trimaran/protocol'
import { withClient } from '../client/cluster-client.ts'
import { signal } from '../local-cluster/processes.ts'
import { parseOverrides } from '../local-cluster/overrides.ts'
import { processState, readPid, requireState, type LocalCluster } from '../local-cluster/state.ts'
import { CliError, count, dim, exitCodes } from '../output.ts'
import { OwnCluster } from './own-cluster.ts'
import type { LinkNetwork } from './network/link-network.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { HookVictim, commandsOfFile, type Hooks } from './torture/hook-victim.ts'
import { LocalVictim, ofNetwork, ofSwitches } from './torture/local-victim.ts'
import type { Victim } from './torture/victim.ts'

export interface StageOptions {
  readonly nodes: number
  readonly port: number
  readonly override: readonly string[]
  readonly dir?: string
  readonly bootstrapServer?: string
  readonly hooks?: string
  readonly killCommand?: string
  readonly healCommand?: string
}

/** The cluster that is tortured. */
export interface Stage {
  readonly bootstrapServers: string
  readonly victim: (topic: string) => Promise<Victim>
  /** The topic of a run that found nothing goes; that of another one is evidence. */
  readonly leave: (kept: boolean, topic: string) => Promise<readonly string[]>
}

type Say = (line: string) => void
const usage = (text: string): CliError => new CliError(text, exitCodes.usage)

export function stageOf(
  options: StageOptions,
  scenario: Scenario,
  say: Say,
): Promise<Stage> | Stage {
  const { dir, bootstrapServer, hooks, killCommand, healCommand, override } = options
  if (bootstrapServer === undefined && (hooks ?? killCommand ?? healCommand) !== undefined) {
    throw usage(
      '--hooks, --kill-command and --heal-command are for the cluster of a --bootstrap-server.',
    )
  }
  if (dir !== undefined && bootstrapServer !== undefined) {
    throw usage('--dir and --bootstrap-server are two clusters; give one.')
  }
  if (override.length > 0 && (dir ?? bootstrapServer) !== undefined) {
    throw usage('--override is for the nodes of a temporary cluster; --dir and -b have theirs.')
  }
  if (dir !== undefined) return localStage(dir, null)
  if (bootstrapServer === undefined) return ownStage(options, scenario, say)
  return hookStage(bootstrapServer, options)
}

function hookStage(
  bootstrapServers: string,
  { hooks, killCommand, healCommand }: StageOptions,
): Stage {
  if ((killCommand === undefined) !== (healCommand === undefined)) {
    throw usage('--kill-command and --heal-command are given together.')
  }
  if (hooks === undefined && killCommand === undefined) {
    throw usage(
      'A cluster behind --bootstrap-server needs --hooks, or --kill-command and --heal-command, as in "docker kill broker-{}".',
    )
  }
  let victim: HookVictim | null = null
  return {
    bootstrapServers,
    victim: async topic => {
      const ofFile: Hooks['commands'] = hooks === undefined ? {} : await commandsOfFile(hooks)
      const ofOptions: Hooks['commands'] =
        killCommand === undefined || healCommand === undefined
          ? {}
          : { kill: killCommand, start: healCommand }
      return (victim = await HookVictim.open(
        { bootstrapServers, commands: { ...ofFile, ...ofOptions } },
        topic,
      ))
    },
    leave: async (kept, topic) => {
      await victim?.close()
      return leaveTopic(bootstrapServers, kept, topic)
    },
  }
}

const addresses = (state: LocalCluster): string =>
  state.nodes.map(node => `127.0.0.1:${node.port}`).join(',')

async function ownStage(options: StageOptions, scenario: Scenario, say: Say): Promise<Stage> {
  const faults = [...scenario.needs, ...(scenario.wants ?? [])]
  const cluster = await OwnCluster.up({
    ...{ nodes: options.nodes, port: options.port },
    hasProxies: faults.some(fault => ofNetwork.includes(fault)),
    settings: new Map([
      ...(faults.some(fault => ofSwitches.includes(fault))
        ? ([['test.faults', 'true']] as const)
        : []),
      ...Object.entries(scenario.settings ?? {}),
      ...parseOverrides(options.override),
    ]),
  })
  const { directory, state } = cluster
  const { bootstrapServers, victim } = localStage(directory, cluster.network, state)
  say(dim(`${count(options.nodes, 'node')} up at ${bootstrapServers}, data in ${directory}`))
  return {
    ...{ bootstrapServers, victim },
    leave: async kept => {
      await cluster.down(!kept)
      return kept ? [] : [dim(`The nodes' data and logs are in ${directory}.`)]
    },
  }
}

function localStage(
  directory: string,
  network: LinkNetwork | null,
  state = requireState(directory),
): Stage {
  // Whoever ends us at once, by a second Ctrl-C, leaves no node hanging.
  process.once('exit', () => resumeAll(directory, state))
  const bootstrapServers =
    network === null
      ? addresses(state)
      : state.nodes.map(({ id }) => network.clientAddress(id)).join(',')
  return {
    bootstrapServers,
    victim: async topic => new LocalVictim({ directory, state, topic, network }),
    leave: (kept, topic) => leaveTopic(bootstrapServers, kept, topic),
  }
}

function resumeAll(directory: string, { nodes }: LocalCluster): void {
  for (const { id } of nodes) {
    const pid = processState(directory, id) === 'paused' ? readPid(directory, id) : null
    if (pid !== null) signal(pid, 'SIGCONT')
  }
}

async function leaveTopic(
  bootstrapServer: string,
  kept: boolean,
  name: string,
): Promise<readonly string[]> {
  if (!kept) return [dim(`What was written is in the topic ${name}, if the run came to make it.`)]
  await withClient({ bootstrapServer }, client =>
    client.request(apis.deleteTopics, {
      topics: [{ name, topicId: zeroUuid }],
      topicNames: [name],
      timeoutMs: 30_000,
    }),
  )
  return []
}
