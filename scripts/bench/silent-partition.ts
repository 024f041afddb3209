import { linesOfChild } from './child-lines.ts'
import type { Measurement } from './measurement.ts'

const usualRounds = 3

/** Of one round. */
export interface SilentRound {
  readonly cutOff: number
  readonly tookMs: number
}

/** Nothing tells the others that a node is gone, only that it is not heard: time-outs bound what the failure costs. */
export const silentPartition: Measurement = {
  name: 'silent-partition',
  title: 'leader and active controller cut off without a word → next acked record',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const samples: number[] = []
    const args = [String(rounds)]
    for await (const { cutOff, tookMs } of linesOfChild<SilentRound>(
      context,
      'silent-partition-child.ts',
      args,
    )) {
      samples.push(tookMs)
      context.progress(`${samples.length}/${rounds}: node ${cutOff}, ${Math.round(tookMs)} ms`)
    }
    return {
      figures: [
        {
          name: 'leader and active controller cut off silently → next acked record',
          unit: 'ms',
          samples,
          must: [{ of: 'max', below: 13_000 }],
        },
      ],
      settings:
        'a cluster in a process of its own (RF 3, min.insync.replicas 2), its links cut so that nothing arrives and no connection breaks; the time runs from the cut to the first record that another leader acknowledges. Kafka’s default time-outs bound it: 2 s without the quorum’s leader (controller.quorum.fetch.timeout.ms, and up to as much for the election), then 9 s without the broker (broker.session.timeout.ms), which a new controller begins to count anew.',
    }
  },
}
