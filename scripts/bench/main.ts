/** Measures what the README promises, on a cluster of its own, from outside; see --help. */
import { mkdtempSync, realpathSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseOptions, usage, UsageError, type BenchOptions } from './arguments.ts'
import { BesideCluster } from './beside.ts'
import { clients } from './clients.ts'
import type { ClusterFacts } from './cluster.ts'
import { compression } from './compression.ts'
import { readConditions } from './conditions.ts'
import { endurance } from './endurance.ts'
import { failover } from './failover.ts'
import { hostile } from './hostile.ts'
import { fsync } from './fsync.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { memory } from './memory.ts'
import { mixed } from './mixed.ts'
import { rewriteReadme } from './readme.ts'
import {
  allHold,
  jsonReport,
  markdownReport,
  textReport,
  type Failure,
  type Outcome,
  type Results,
} from './report.ts'
import { WarmCluster } from './running.ts'
import { silentPartition } from './silent-partition.ts'
import { simulator } from './simulator.ts'
import { startInProcess } from './start-in-process.ts'
import { startProcesses } from './start-processes.ts'
import { throughput } from './throughput.ts'
import { topics } from './topics.ts'
import { trickle } from './trickle.ts'

const measurements: readonly Measurement[] = [
  startProcesses,
  startInProcess,
  memory,
  idle,
  failover,
  silentPartition,
  topics,
  trickle,
  simulator,
  hostile,
  throughput,
  compression,
  mixed,
  latency,
  fsync,
  clients,
  endurance,
]

interface Beside {
  readonly cluster: BesideCluster
  readonly facts: ClusterFacts
}

const root = join(import.meta.dirname, '..', '..')

const say = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Everything that was started or made, newest first; a second call finds nothing left. */
function cleanUp(tasks: (() => Promise<void>)[]): Promise<unknown> {
  return Promise.allSettled(
    tasks
      .splice(0)
      .toReversed()
      .map(clean => clean()),
  )
}

/** Null: there is none. What goes wrong with it here is for the user to put right before anything is measured. */
async function openBeside(options: BenchOptions): Promise<Beside | null> {
  if (options.beside === null) return null
  const cluster = new BesideCluster(options.beside, options.besideControl)
  say('— beside: what it is')
  try {
    return { cluster, facts: await cluster.describe() }
  } catch (error) {
    await cluster.stop().catch(() => null)
    throw new UsageError((error as Error).message, { cause: error })
  }
}

async function measureAll(options: BenchOptions): Promise<Results> {
  const ours = readConditions(root)
  const beside = await openBeside(options)
  const besideCluster = beside?.cluster ?? null
  const conditions = beside === null ? ours : { ...ours, beside: beside.facts }
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'trimaran-bench-')))
  const ownCluster = new WarmCluster(root, directory)
  const stopBoth = async (): Promise<void> => {
    await ownCluster.stop()
    await besideCluster?.stop()
  }
  const tasks: (() => Promise<void>)[] = []
  const removeDirectory = (): Promise<void> =>
    rm(directory, { recursive: true, force: true, maxRetries: 5 })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('Stopping what was started…')
      void cleanUp(tasks)
        .then(stopBoth)
        .then(removeDirectory)
        .finally(() => process.exit(130))
    })
  }
  const outcomes: Outcome[] = []
  const failures: Failure[] = []
  const chosen = measurements.filter(({ name, isOnDemand = false }) =>
    options.only.length === 0 ? !isOnDemand : options.only.includes(name),
  )
  for (const measurement of chosen) {
    const { name, title } = measurement
    say(`— ${name}: ${title}`)
    const context: BenchContext = {
      root,
      directory,
      beside: options.beside,
      besideCluster,
      ownCluster,
      perfTest: options.perfTest,
      rounds: usual => options.rounds.of.get(name) ?? options.rounds.ofAll ?? usual,
      progress: text => say(`    ${text}`),
      onEnd: clean => tasks.push(clean),
    }
    try {
      if (measurement.areRunning === true) await besideCluster?.ensureWarm()
      else await stopBoth()
      outcomes.push({ name, ...(await measurement.measure(context)) })
    } catch (error) {
      failures.push({ name, error: (error as Error).message })
      say(`    not measured: ${(error as Error).message}`)
    } finally {
      await cleanUp(tasks)
    }
  }
  await stopBoth().catch((error: unknown) => say(`    ${(error as Error).message}`))
  await removeDirectory()
  return { conditions, outcomes, failures }
}

async function main(): Promise<number> {
  const options = parseOptions(
    process.argv.slice(2),
    measurements.map(({ name }) => name),
  )
  if (options.help) {
    process.stdout.write(usage(measurements))
    return 0
  }
  const results = await measureAll(options)
  process.stdout.write(
    options.json ? `${JSON.stringify(jsonReport(results), null, 2)}\n` : `\n${textReport(results)}`,
  )
  if (options.readme) {
    const problem =
      results.failures.length > 0
        ? 'Not everything was measured; README.md stays as it is.'
        : rewriteReadme(join(root, 'README.md'), markdownReport(results))
    say(problem ?? 'README.md has the new figures.')
    if (problem !== null) return 1
  }
  return allHold(results) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  say(`error: ${error.message}\n(add --help for what is possible)`)
  process.exitCode = 2
}
