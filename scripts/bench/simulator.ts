import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Measurement } from './measurement.ts'

const usualRounds = 3
const seedsPerRound = 200
/** A report is some kilobytes; a failing seed adds 200 lines of trace. */
const outputBytesMax = 16 * 1024 * 1024

/** How much cluster time a core simulates: it bounds how many histories a night of simulation sees. */
export const simulator: Measurement = {
  name: 'simulator',
  title:
    'three nodes under load and faults in the simulator: simulated time per real time and core',
  async measure(context) {
    const main = join(context.root, 'test-cluster/sim/main.ts')
    if (!existsSync(main)) throw new Error('test-cluster/sim/main.ts is not there')
    const rounds = context.rounds(usualRounds)
    const samples: number[] = []
    for (let at = 1; at <= rounds; at++) {
      const speed = await simulate(main, 1 + (at - 1) * seedsPerRound)
      samples.push(speed)
      context.progress(`${at}/${rounds}: ${speed.toFixed(1)} simulated s per s`)
    }
    return {
      figures: [
        {
          name: 'simulator: 3 nodes, load and faults, per core',
          unit: 'simulated s per s',
          samples,
          must: [{ of: 'median', atLeast: 60 }],
        },
      ],
      settings: `${seedsPerRound} seeds a round, every checker on, one thread.`,
    }
  },
}

/** Part of what the simulator prints with --json: simulated seconds per real second and core. */
interface SimulatorReport {
  readonly speedPerCore?: unknown
}

async function simulate(main: string, firstSeed: number): Promise<number> {
  const seeds = ['--from', String(firstSeed), '--seeds', String(seedsPerRound), '--workers', '1']
  const args = [main, '--json', ...seeds]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    maxBuffer: outputBytesMax,
  })
  const { speedPerCore: speed } = JSON.parse(stdout) as SimulatorReport
  if (typeof speed !== 'number')
    throw new Error('the report of the simulator has no `speedPerCore`')
  return speed
}
