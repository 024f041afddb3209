import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { untilFirstAck } from './client.ts'
import type { Cluster } from './cluster.ts'
import type { Measurement } from './measurement.ts'
import { fillCompileCache, ProcessCluster } from './process-cluster.ts'
import { inTurns, pairOf } from './turns.ts'

const usualRounds = 10
const besideRounds = 3

/** From the command line to the first acknowledged record, everything in between included. */
export const startProcesses: Measurement = {
  name: 'start',
  title: 'three processes: `cluster up` → first record acknowledged by all',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const cache = mkdtempSync(join(context.directory, 'compile-cache-'))
    const environment = { ...process.env, NODE_COMPILE_CACHE: cache }
    const firstMs = await untilAcked(new ProcessCluster(context, environment))
    context.progress(`without a compile cache ${Math.round(firstMs)} ms`)
    await fillCompileCache(context)
    const options = { rounds, besideRounds, needsControl: true, needsProcesses: false }
    const turns = await inTurns(context, options, async (cluster, at) => {
      const tookMs = await untilAcked(cluster)
      context.progress(`${at}/${rounds}${cluster.label}: ${Math.round(tookMs)} ms`)
      return tookMs
    })
    return {
      figures: [
        {
          name: 'three processes: launch → first acked record',
          unit: 'ms',
          ...pairOf(turns, tookMs => tookMs),
          must: [{ of: 'median', below: 1200 }],
          ratioMust: { below: 0.1 },
        },
        {
          name: 'the very first launch: sources not compiled yet',
          unit: 'ms',
          samples: [firstMs],
          must: [],
        },
      ],
      settings: `from the launch of \`trimaran cluster up\` on empty directories to the first record with acks=all (RF 3, min.insync.replicas 2) in a topic made on the way; everything fsynced as in production.${turns.beside.length > 0 ? ' Beside: from the start of the first node, so that formatting its storage does not count (if its processes are hidden, from the command).' : ''}${turns.note}`,
    }
  },
}

async function untilAcked(cluster: Cluster): Promise<number> {
  const launchedMs = performance.now()
  const ready = cluster.launch()
  const { addresses } = cluster
  // A command that fails must not leave the client waiting.
  await Promise.race([untilFirstAck(addresses), ready.then(() => untilFirstAck(addresses))])
  const sinceLaunchMs = performance.now() - launchedMs
  const tookMs = (await cluster.ageMs()) ?? sinceLaunchMs
  await ready
  await cluster.stop()
  return tookMs
}
