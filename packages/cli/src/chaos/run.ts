import { setTimeout as sleep } from 'node:timers/promises'
import { Prng } from '@trimaran/common'
import { CliError } from '../output.ts'
import type { HistoryFile } from './history-file.ts'
import { Load, type LoadOptions } from './load/load.ts'
import { clock } from './report.ts'
import type { Scenario, Scene } from './scenarios/scenario.ts'
import { Torture } from './torture/torture.ts'
import { isFault, type Victim } from './torture/victim.ts'

export interface RunOptions extends Omit<LoadOptions, 'file'> {
  readonly scenario: Scenario
  readonly victim: Victim
  readonly seed: number
  readonly durationMs: number
  readonly file: HistoryFile
  /** Ends the torture early; what has happened by then is judged. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** The load alone, before the first fault and after the last. */
const calmMs = 1000
/** Between two blows. */
const restMinMs = 300
const restMaxMs = 1500
const liveEveryMs = 1000
/** A partition that has taken nothing for so long is said to wait. */
const silentMs = 500

/** Load, torture, healing, and everything read once more. Tells what went wrong besides; the history has the rest. */
export async function runChaos(options: RunOptions): Promise<readonly string[]> {
  const { file, say } = options
  let struck = false
  const torture = new Torture(options.victim, (what, node) => {
    struck = true
    file.fault(what, node, isFault(what))
    say(`${clock(file.now)}  ${what} node ${node}`)
  })
  const load = new Load(options)
  const stopLive = live(options, torture, load)
  const doubts: string[] = []
  try {
    load.start()
    doubts.push(...(await tortureUntilOver(options, torture)))
    if (!struck) doubts.push('no node was struck')
    say(`${clock(file.now)}  everything is read once more`)
    const unread = await load.finish()
    doubts.push(...unread.map(partition => `${partition} could not be read to its end`))
  } catch (error) {
    doubts.push((error as Error).message)
  } finally {
    stopLive()
    await load.close()
  }
  return doubts
}

/** Rounds until the time is over; then all nodes are back. */
async function tortureUntilOver(
  { scenario, seed, durationMs, partitions, signal }: RunOptions,
  torture: Torture,
): Promise<readonly string[]> {
  const doubts: string[] = []
  const doubt = (error: unknown): void => {
    const { name, message } = error as Error
    // An interrupted wait is what was asked for.
    if (name !== 'AbortError') doubts.push(message)
  }
  const random = new Prng(seed)
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal })
  try {
    await pause(calmMs)
    const deadlineMs = performance.now() + durationMs
    while (performance.now() < deadlineMs) {
      // A stream of its own, so that what one round draws does not change the next.
      await playRound(scenario, torture, random.fork(1), partitions, pause)
      await torture.healed()
      await pause(random.between(restMinMs, restMaxMs))
    }
  } catch (error) {
    doubt(error)
  }
  try {
    await torture.bringBack()
    await torture.healed()
    await pause(calmMs)
  } catch (error) {
    doubt(error)
  }
  return doubts
}

/** One blow, and everything that it has left down comes back. */
export async function playRound(
  scenario: Scenario,
  torture: Torture,
  random: Prng,
  partitions: number,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const scene: Scene = {
    torture,
    random,
    partitions,
    wait: (minMs, maxMs) => pause(random.between(minMs, maxMs)),
  }
  await scenario.round(scene)
  await torture.bringBack()
}

/** A line per second: rate, what waits, who is down, who leads. */
function live({ file, say }: RunOptions, torture: Torture, load: Load): () => void {
  let before = 0
  let beforeMs = performance.now()
  let busy = false
  const tell = async (): Promise<void> => {
    if (busy) return
    busy = true
    try {
      const { leaders, controller } = await torture.view()
      const { counters } = load
      const now = counters.acknowledgedCount
      const nowMs = performance.now()
      const rate = ((now - before) * 1000) / (nowMs - beforeMs)
      before = now
      beforeMs = nowMs
      const silent = counters.silent(silentMs)
      const struck = [...torture.troubles].map(
        ([node, troubles]) => `${[...troubles].join('+')} ${node}`,
      )
      const parts = [
        `${rate.toFixed(0)} records/s`,
        `errors ${counters.errors}`,
        `controller ${controller < 0 ? '-' : controller}`,
        `leaders ${leaders.length === 0 ? '-' : leaders.map(each => (each < 0 ? '-' : each)).join(' ')}`,
        ...(silent > 0 ? [`waiting ${silent} of ${leaders.length} partitions`] : []),
        ...(struck.length > 0 ? [`struck: ${struck.join(', ')}`] : []),
      ]
      say(`${clock(file.now)}  ${parts.join(' · ')}`)
    } catch (error) {
      // Nobody answers just now; the next line tells more.
      if (!(error instanceof CliError)) throw error
    } finally {
      busy = false
    }
  }
  const timer = setInterval(() => void tell(), liveEveryMs)
  return () => clearInterval(timer)
}
