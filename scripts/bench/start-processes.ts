import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { untilFirstAck } from './client.ts'
import type { Measurement } from './measurement.ts'
import { fillCompileCache, ProcessCluster } from './process-cluster.ts'

const usualRounds = 10

/** From the command line to the first acknowledged record, everything in between included. */
export const startProcesses: Measurement = {
  name: 'start',
  title: 'three processes: `cluster up` → first record acknowledged by all',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const warm: number[] = []
    const round = async (environment?: NodeJS.ProcessEnv): Promise<number> => {
      const cluster = new ProcessCluster(context)
      const launchedMs = performance.now()
      const ready = cluster.launch(environment)
      const addresses = cluster.nodeIds.map(nodeId => cluster.address(nodeId))
      // A command that fails must not leave the client waiting.
      await Promise.race([untilFirstAck(addresses), ready.then(() => untilFirstAck(addresses))])
      const tookMs = performance.now() - launchedMs
      await ready
      await cluster.stop()
      return tookMs
    }
    const cache = mkdtempSync(join(context.directory, 'compile-cache-'))
    const firstMs = await round({ ...process.env, NODE_COMPILE_CACHE: cache })
    context.progress(`without a compile cache ${Math.round(firstMs)} ms`)
    await fillCompileCache(context)
    for (let at = 1; at <= rounds; at++) {
      const tookMs = await round()
      warm.push(tookMs)
      context.progress(`${at}/${rounds}: ${Math.round(tookMs)} ms`)
    }
    return {
      figures: [
        {
          name: 'three processes: launch → first acked record',
          unit: 'ms',
          samples: warm,
          must: [{ of: 'median', below: 1200 }],
        },
        {
          name: 'the very first launch: sources not compiled yet',
          unit: 'ms',
          samples: [firstMs],
          must: [],
        },
      ],
      settings:
        'from the launch of `trimaran cluster up` on empty directories to the first record with acks=all (RF 3, min.insync.replicas 2) in a topic made on the way; everything fsynced as in production.',
    }
  },
}
