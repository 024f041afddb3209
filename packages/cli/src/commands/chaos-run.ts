import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { apis, errorCodes } from '@trimaran/protocol'
import { HistoryFile, readHistory } from '../chaos/history-file.ts'
import { judge, type Verdict } from '../chaos/history/index.ts'
import { OwnCluster } from '../chaos/own-cluster.ts'
import { verdictLines } from '../chaos/report.ts'
import { runChaos } from '../chaos/run.ts'
import { scenarios } from '../chaos/scenarios/index.ts'
import type { Scenario } from '../chaos/scenarios/scenario.ts'
import { HookTorture } from '../chaos/torture/hook-torture.ts'
import { LocalTorture } from '../chaos/torture/local-torture.ts'
import type { Torture } from '../chaos/torture/torture.ts'
import { outcomeText, withClient } from '../client/cluster-client.ts'
import { signal } from '../local-cluster/processes.ts'
import { processState, readPid, requireState, type LocalCluster } from '../local-cluster/state.ts'
import { CliError, bold, count, dim, exitCodes, printJson, printLine } from '../output.ts'

export interface ChaosRunOptions {
  readonly scenario: string
  readonly duration: number
  readonly rate: number
  readonly seed?: number
  readonly acks: 'all' | '1'
  readonly partitions: number
  readonly producers: number
  readonly consumers: number
  readonly nodes: number
  readonly port: number
  readonly dir?: string
  readonly bootstrapServer?: string
  readonly killCommand?: string
  readonly healCommand?: string
  readonly history?: string
  readonly json?: boolean
}

/**
 * A history is judged in memory, and each record is in it once as sent and once for each who reads it: 250 bytes each time
 * (750 MB for a million records, sent, followed and read once more), so that this many are 1.5 GB.
 */
const mentionsMax = 6_000_000

/** The cluster that is tortured. */
interface Stage {
  readonly bootstrapServers: string
  readonly torture: (topic: string) => Promise<Torture>
  /** The topic of a run that found nothing goes; that of another one is evidence. */
  readonly leave: (kept: boolean, topic: string) => Promise<readonly string[]>
}

export async function runVerb(options: ChaosRunOptions): Promise<void> {
  const mentions = options.rate * options.duration * (2 + options.consumers)
  if (mentions > mentionsMax) {
    throw new CliError(
      `${options.rate} records/s for ${options.duration} s, sent and read by ${count(options.consumers + 1, 'consumer')}, are more than can be judged; --rate times --duration may be ${Math.floor(mentionsMax / (2 + options.consumers))}.`,
      exitCodes.usage,
    )
  }
  const scenario = await scenarioOf(options.scenario)
  const seed = options.seed ?? Math.floor(Math.random() * 1_000_000)
  const say = (line: string): void =>
    options.json === true ? void process.stderr.write(`${line}\n`) : printLine(line)
  const path = options.history ?? `chaos-${scenario.name}-${seed}.jsonl`
  const interrupt = new AbortController()
  const release = onSignals(interrupt, say)
  const topic = `chaos-${scenario.name}-${seed}-${Date.now().toString(36)}`
  let kept = false
  let stage: Stage | null = null
  try {
    stage = await stageOf(options, say)
    say(`${bold(scenario.name)}: ${scenario.words} ${dim(`(seed ${seed}, ${options.duration} s)`)}`)
    const verdict = await perform(options, { scenario, seed, topic, stage, path, interrupt, say })
    kept = verdict.kept
    if (options.json === true)
      printJson({ scenario: scenario.name, seed, topic, ...verdict, history: path })
    else for (const line of ['', ...verdictLines(verdict, path)]) printLine(line)
    if (!kept) process.exitCode = exitCodes.failed
  } finally {
    for (const line of (await stage?.leave(kept, topic)) ?? []) say(line)
    release()
  }
}

interface Performance {
  readonly scenario: Scenario
  readonly seed: number
  readonly topic: string
  readonly stage: Stage
  /** Of the history. */
  readonly path: string
  readonly interrupt: AbortController
  readonly say: (line: string) => void
}

async function perform(
  { acks, duration, rate, partitions, producers, consumers }: ChaosRunOptions,
  { scenario, seed, topic, stage, path, interrupt, say }: Performance,
): Promise<Verdict> {
  const { bootstrapServers } = stage
  const torture = await stage.torture(topic)
  const missing = scenario.needs.filter(need => !torture.can.has(need))
  if (missing.length > 0) {
    throw new CliError(
      `${scenario.name} needs nodes that can be given ${missing.join(' and ')}; that is for processes of this machine (--dir, or a temporary cluster).`,
      exitCodes.usage,
    )
  }
  await createTopic(bootstrapServers, topic, partitions, torture.nodes.length)
  await torture.healed()
  const file = new HistoryFile(path)
  file.note({ scenario: scenario.name, seed, topic, acks, rate })
  let doubts: readonly string[] = []
  try {
    doubts = await runChaos({
      ...{ scenario, torture, seed, durationMs: duration * 1000, signal: interrupt.signal, say },
      ...{ bootstrapServers, topic, partitions, producers, consumers, file },
      acks: acks === '1' ? 1 : -1,
      recordsPerSecond: rate,
    })
  } finally {
    file.close()
  }
  // What was written is what is judged: `chaos check` comes to the same verdict.
  const verdict = judge(await readHistory(path), { countLeaderAcks: acks === '1' })
  return {
    ...verdict,
    kept: verdict.kept && doubts.length === 0,
    doubts: [...new Set([...doubts, ...verdict.doubts])],
  }
}

async function scenarioOf(name: string): Promise<Scenario> {
  const known = scenarios.find(scenario => scenario.name === name)
  if (known !== undefined) return known
  if (existsSync(name)) {
    const own = Object.values((await import(pathToFileURL(resolve(name)).href)) as object).find(
      isScenario,
    )
    if (own !== undefined) return own
    throw new CliError(`${name} exports no scenario.`, exitCodes.usage)
  }
  throw new CliError(
    `There is no scenario "${name}"; there are ${scenarios.map(scenario => scenario.name).join(', ')}, and files of your own.`,
    exitCodes.usage,
  )
}

const isScenario = (value: unknown): value is Scenario =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Scenario>).name === 'string' &&
  typeof (value as Partial<Scenario>).round === 'function' &&
  Array.isArray((value as Partial<Scenario>).needs)

/** The first signal ends the torture, the second everything. */
function onSignals(interrupt: AbortController, say: (line: string) => void): () => void {
  const stop = (): void => {
    if (interrupt.signal.aborted) process.exit(130)
    interrupt.abort()
    say('Interrupted: nodes are brought back, and what happened until now is judged.')
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, stop)
  return () => {
    for (const name of names) process.removeListener(name, stop)
  }
}

function stageOf(options: ChaosRunOptions, say: (line: string) => void): Promise<Stage> | Stage {
  const { dir, bootstrapServer, killCommand, healCommand } = options
  if (bootstrapServer === undefined && (killCommand ?? healCommand) !== undefined) {
    throw new CliError(
      '--kill-command and --heal-command are for the cluster of a --bootstrap-server.',
      exitCodes.usage,
    )
  }
  if (dir !== undefined && bootstrapServer !== undefined) {
    throw new CliError('--dir and --bootstrap-server are two clusters; give one.', exitCodes.usage)
  }
  if (dir !== undefined) return localStage(dir)
  if (bootstrapServer === undefined) return ownStage(options, say)
  if (killCommand === undefined || healCommand === undefined) {
    throw new CliError(
      'A cluster behind --bootstrap-server needs --kill-command and --heal-command, as in "docker kill broker-{}".',
      exitCodes.usage,
    )
  }
  let torture: HookTorture | null = null
  return {
    bootstrapServers: bootstrapServer,
    torture: async topic => {
      const hooks = { bootstrapServers: bootstrapServer, killCommand, healCommand }
      return (torture = await HookTorture.open(hooks, topic))
    },
    leave: async (kept, topic) => {
      await torture?.close()
      return leaveTopic(bootstrapServer, kept, topic)
    },
  }
}

const addresses = (state: LocalCluster): string =>
  state.nodes.map(node => `127.0.0.1:${node.port}`).join(',')

async function ownStage(options: ChaosRunOptions, say: (line: string) => void): Promise<Stage> {
  const cluster = await OwnCluster.up(options.nodes, options.port)
  const { directory, state } = cluster
  say(dim(`${count(options.nodes, 'node')} up at ${addresses(state)}, data in ${directory}`))
  return {
    ...localStage(directory, state),
    leave: async kept => {
      await cluster.down(!kept)
      return kept ? [] : [dim(`The nodes' data and logs are in ${directory}.`)]
    },
  }
}

function localStage(directory: string, state = requireState(directory)): Stage {
  // Whoever ends us at once, by a second Ctrl-C, leaves no node hanging.
  process.once('exit', () => resumeAll(directory, state))
  return {
    bootstrapServers: addresses(state),
    torture: async topic => new LocalTorture(directory, state, topic),
    leave: (kept, topic) => leaveTopic(addresses(state), kept, topic),
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
      topics: [{ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      topicNames: [name],
      timeoutMs: 30_000,
    }),
  )
  return []
}

async function createTopic(
  bootstrapServer: string,
  name: string,
  numPartitions: number,
  nodes: number,
): Promise<void> {
  await withClient({ bootstrapServer }, async client => {
    const answer = await client.request(apis.createTopics, {
      topics: [
        {
          ...{ name, numPartitions, replicationFactor: Math.min(3, nodes), assignments: [] },
          configs: [{ name: 'min.insync.replicas', value: nodes >= 3 ? '2' : '1' }],
        },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    })
    const made = answer.topics[0]
    if (made?.errorCode === errorCodes.NONE) return
    throw new CliError(
      `The topic ${name} could not be created: ${outcomeText(made?.errorCode ?? -1, made?.errorMessage)}`,
    )
  })
}
