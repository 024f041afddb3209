import { megabytesPerSecond, partitionCount, produceTo, withTopic } from './load.ts'
import type { Measurement } from './measurement.ts'
import { withRunning } from './running.ts'

const usualRounds = 3
/** With three brokers, 33 connections. */
const producers = 11
const valueBytes = 1024
const batchBytes = 16 * 1024
const warmUpMs = 2_000
const durationMs = 5_000

/** The other named durability: no acknowledgement before an fsync on every replica, in groups. */
export const fsync: Measurement = {
  name: 'fsync',
  title: 'throughput with an fsync before every acknowledgement, of that without',
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const shares = await withRunning(context, async ([ours]) => {
      const addresses = ours?.addresses ?? []
      const rate = async (topic: string, configs: Record<string, string>): Promise<number> => {
        const load = { recordSizeBytes: valueBytes, batchBytes, producers, warmUpMs, durationMs }
        const produce = () => produceTo(addresses, topic, load)
        return megabytesPerSecond(await withTopic(addresses, topic, produce, configs))
      }
      const taken: number[] = []
      for (let at = 1; at <= rounds; at++) {
        const without = await rate(`fsync-off-${at}-${process.pid}`, {})
        const withFsync = await rate(`fsync-on-${at}-${process.pid}`, { 'flush.messages': '1' })
        taken.push(withFsync / without)
        context.progress(
          `${at}/${rounds}: ${withFsync.toFixed(0)} MB/s with, ${without.toFixed(0)} MB/s without`,
        )
      }
      return taken
    })
    return {
      figures: [
        {
          name: 'throughput with fsync before the ack (flush.messages=1), of that without',
          unit: 'times',
          samples: shares,
          must: [{ of: 'median', atLeast: 0.5 }],
        },
      ],
      settings: `1 KiB records in batches of ${batchBytes / 1024} KiB, ${partitionCount} partitions, ${producers} producers with a connection to each broker, ${durationMs / 1000} s after ${warmUpMs / 1000} s, in turns.`,
    }
  },
}
