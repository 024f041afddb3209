import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { BenchContext, Measurement } from './measurement.ts'

const usualRounds = 20

/** What a test suite pays per cluster, measured in a process that has nothing to do with this one's state. */
export const startInProcess: Measurement = {
  name: 'in-process',
  title: '`startCluster({ nodes: 3 })` in a warm process → first record acknowledged by all',
  async measure(context) {
    const [firstMs = Number.NaN, ...warm] = await roundsInChild(
      context,
      context.rounds(usualRounds),
    )
    return {
      figures: [
        {
          name: '`startCluster({ nodes: 3 })`, warm process → first acked record',
          unit: 'ms',
          samples: warm,
          must: [{ of: 'median', below: 700 }],
        },
        {
          name: 'the first cluster of a process, `import` included',
          unit: 'ms',
          samples: [firstMs],
          must: [],
        },
      ],
      settings:
        'in memory, real sockets; each round starts a cluster, makes a topic (RF 3, min.insync.replicas 2), gets one record acknowledged with acks=all and stops.',
    }
  },
}

/** Milliseconds of the first cluster of the process, then of as many more. */
async function roundsInChild(context: BenchContext, rounds: number): Promise<number[]> {
  const script = join(import.meta.dirname, 'start-in-process-child.ts')
  const child = spawn(process.execPath, [script, String(rounds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.onEnd(async () => {
    child.kill('SIGKILL')
  })
  const ended = new Promise<number | null>((settle, fail) => {
    child.once('exit', settle)
    child.once('error', fail)
  })
  const samples: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    samples.push(Number(line))
    context.progress(`${samples.length - 1}/${rounds}: ${Math.round(Number(line))} ms`)
  }
  const code = await ended
  if (code !== 0) throw new Error(`the process that starts clusters ended with ${String(code)}`)
  return samples
}
