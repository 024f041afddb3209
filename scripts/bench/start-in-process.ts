import { linesOfChild } from './child-lines.ts'
import type { Measurement } from './measurement.ts'

const usualRounds = 20

/** Of one cluster, in milliseconds. */
export interface ClusterTimes {
  readonly startMs: number
  readonly stopMs: number
}

/** What a test suite pays per cluster. */
export const startInProcess: Measurement = {
  name: 'in-process',
  title: '`startCluster({ nodes: 3 })` → first record acknowledged by all, and its stop',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const all: ClusterTimes[] = []
    const args = [String(rounds)]
    for await (const times of linesOfChild<ClusterTimes>(
      context,
      'start-in-process-child.ts',
      args,
    )) {
      context.progress(
        `${all.length}/${rounds}: ${Math.round(times.startMs)} ms, stop ${times.stopMs.toFixed(1)} ms`,
      )
      all.push(times)
    }
    const [first, ...warm] = all
    if (first === undefined) throw new Error('no cluster was started')
    return {
      figures: [
        {
          name: '`startCluster({ nodes: 3 })`, warm process → first acked record',
          unit: 'ms',
          samples: warm.map(({ startMs }) => startMs),
          must: [{ of: 'median', below: 500 }],
        },
        {
          name: 'the first cluster of a process, `import` included',
          unit: 'ms',
          samples: [first.startMs],
          must: [{ of: 'median', below: 1000 }],
        },
        {
          name: 'stop of such a cluster',
          unit: 'ms',
          samples: warm.map(({ stopMs }) => stopMs),
          must: [{ of: 'max', below: 200 }],
        },
      ],
      settings:
        'in memory, real sockets; each round starts a cluster, makes a topic (RF 3, min.insync.replicas 2), gets one record acknowledged with acks=all and stops. The process uses Node’s compile cache, as a second run of a test suite does.',
    }
  },
}
