import { Prng } from '@trimaran/common'
import { defaultLogConfig, LogDirectory } from '@trimaran/log'
import { SimClock, SimDisk } from '@trimaran/log/testing'
import { encodeBatch } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { Flusher } from '../src/replication/flusher.ts'
import { Partition } from '../src/replication/partition.ts'

const topicId = 'topicAAAAAAAAAAAAAAAAA'

function open() {
  const syncs: (() => void)[] = []
  const disk = new SimDisk({
    random: new Prng(1),
    afterSync: complete => void syncs.push(complete),
  })
  const config = { ...defaultLogConfig, flushMessages: 1 }
  const directory = LogDirectory.open({
    disk,
    directory: 'logs',
    clock: new SimClock(),
    logEvent: () => {},
    configFor: () => config,
  })
  const log = directory.create({ topicId, topicName: 'orders', partition: 0, config })
  const image = {
    partition: 0,
    replicas: [1],
    isr: [1],
    addingReplicas: [],
    removingReplicas: [],
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    recovering: false,
  }
  const partition = new Partition({
    owner: { settleProduce: () => {} },
    log,
    image,
    config: { log: config, minInsyncReplicas: 1 },
    highWatermark: 0,
  })
  const append = (): void => {
    log.appendAsLeader(encodeBatch({ records: [{ value: new Uint8Array(9), timestampMs: 1 }] }), 0)
  }
  return { directory, log, partition, syncs, append }
}

/** A new log's names come first: its directory, its identity, the directory of all logs. */
async function syncNames(syncs: (() => void)[]): Promise<void> {
  expect(syncs).toHaveLength(3)
  for (const complete of syncs.splice(0)) complete()
  await new Promise(resolve => setImmediate(resolve))
}

test('what is appended during a flush shares the next one', async () => {
  const { log, partition, syncs, append } = open()
  let flushes = 0
  const flusher = new Flusher({ durable: () => flushes++, failed: () => {} })
  append()
  flusher.request(partition)
  append()
  flusher.request(partition)
  await syncNames(syncs)
  syncs.shift()?.()
  await new Promise(resolve => setImmediate(resolve))
  expect(log.recoveryPoint).toBe(1)
  syncs.shift()?.()
  await new Promise(resolve => setImmediate(resolve))
  expect(log.recoveryPoint).toBe(2)
  expect(flushes).toBe(2)
})

test('a log that is deleted while it is flushed is not flushed again, ever', async () => {
  const { directory, partition, syncs, append } = open()
  let flushes = 0
  const flusher = new Flusher({ durable: () => flushes++, failed: () => {} })
  append()
  flusher.request(partition)
  directory.delete(topicId, 0)
  await syncNames(syncs)
  syncs.shift()?.()
  // Without an end to the flushes the event loop never gets here: promise jobs go before everything else.
  await new Promise(resolve => setImmediate(resolve))
  expect(flushes).toBe(0)
  expect(partition.isFlushing).toBe(false)
})
