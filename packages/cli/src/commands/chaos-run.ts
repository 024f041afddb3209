import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { apis, errorCodes } from '@trimaran/protocol'
import { HistoryFile, readHistory } from '../chaos/history-file.ts'
import { judge, type Verdict } from '../chaos/history/index.ts'
import { verdictLines } from '../chaos/report.ts'
import { runChaos } from '../chaos/run.ts'
import { scenarios } from '../chaos/scenarios/index.ts'
import type { Scenario } from '../chaos/scenarios/scenario.ts'
import { stageOf, type Stage, type StageOptions } from '../chaos/stage.ts'
import { outcomeText, withClient } from '../client/cluster-client.ts'
import { CliError, bold, count, dim, exitCodes, printJson, printLine } from '../output.ts'

export interface ChaosRunOptions extends StageOptions {
  readonly scenario: string
  readonly duration: number
  readonly rate: number
  readonly seed?: number
  readonly acks: 'all' | '1'
  readonly partitions: number
  readonly producers: number
  readonly consumers: number
  readonly history?: string
  readonly json?: boolean
}

/**
 * A history is judged in memory, and each record is in it once as sent and once for each who reads it: 250 bytes each time
 * (750 MB for a million records, sent, followed and read once more), so that this many are 1.5 GB.
 */
const mentionsMax = 6_000_000

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
    stage = await stageOf(options, scenario, say)
    say(`${bold(scenario.name)}: ${scenario.words} ${dim(`(seed ${seed}, ${options.duration} s)`)}`)
    const verdict = await perform(options, { scenario, seed, topic, stage, path, interrupt, say })
    kept = verdict.kept
    if (options.json === true)
      printJson({ scenario: scenario.name, seed, topic, ...verdict, history: path })
    else
      for (const line of [
        '',
        ...verdictLines(verdict, path, { countLeaderAcks: options.acks === '1' }),
      ])
        printLine(line)
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
  const victim = await stage.victim(topic)
  const missing = scenario.needs.filter(need => !victim.can.has(need))
  if (missing.length > 0) {
    throw new CliError(
      `${scenario.name} needs a cluster that can be given ${missing.join(' and ')}, and this one can be given ${[...victim.can].join(', ') || 'nothing'}. A temporary cluster (neither --dir nor -b) can be given everything.`,
      exitCodes.usage,
    )
  }
  const { topicConfigs } = scenario
  await createTopic(bootstrapServers, {
    ...{ name: topic, partitions, nodes: victim.nodes.length },
    ...(topicConfigs === undefined ? {} : { topicConfigs }),
  })
  await victim.healed()
  const file = new HistoryFile(path)
  file.note({ scenario: scenario.name, seed, topic, acks, rate })
  let doubts: readonly string[] = []
  try {
    doubts = await runChaos({
      ...{ scenario, victim, seed, durationMs: duration * 1000, signal: interrupt.signal, say },
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

interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** Of the cluster. */
  readonly nodes: number
  readonly topicConfigs?: Readonly<Record<string, string>>
}

async function createTopic(
  bootstrapServer: string,
  { name, partitions, nodes, topicConfigs }: NewTopic,
): Promise<void> {
  const configs = { 'min.insync.replicas': nodes >= 3 ? '2' : '1', ...topicConfigs }
  await withClient({ bootstrapServer }, async client => {
    const answer = await client.request(apis.createTopics, {
      topics: [
        {
          ...{ name, numPartitions: partitions, replicationFactor: Math.min(3, nodes) },
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
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
