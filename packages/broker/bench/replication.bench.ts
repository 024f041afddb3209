import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { must, Prng, type BrokerEpoch, type BrokerId, type TopicId } from '@trimaran/common'
import type { Contest, Lab, Measure } from '@trimaran/common/testing/measure'
import { defaultLogConfig, LogDirectory } from '@trimaran/log'
import { unwritten } from '@trimaran/log/testing'
import { crc32c, encodeBatch, errorCodes, readBatchHeader } from '@trimaran/protocol'
import { ReplicaManager, type AppendPartition, type ReplicaConfig } from '../src/index.ts'
import { ControllerStandIn } from '../test/replication-controller.ts'

const topicId: TopicId = 'ordersAAAAAAAAAAAAAAAA'
const brokerIds = [1, 2, 3]
const mib = 1024 * 1024
const neverMs = 1_000_000_000

const config: ReplicaConfig = {
  topic: () => ({
    log: { ...defaultLogConfig, fileDeleteDelayMs: 0 },
    minInsyncReplicas: 2,
  }),
  replicaLagTimeMaxMs: 30_000,
  replicaFetchWaitMaxMs: 500,
  replicaFetchMinBytes: 1,
  replicaFetchMaxBytes: mib,
  replicaFetchResponseMaxBytes: 10 * mib,
  replicaFetchBackoffMs: 1_000,
  highWatermarkCheckpointIntervalMs: neverMs,
  recoveryPointCheckpointIntervalMs: neverMs,
  retentionCheckIntervalMs: neverMs,
  cleanerBackoffMs: null,
}

/** A leader and two followers with logs on the lab's disk, who hear each other at once. Broker 1 leads everything. */
class Trio {
  readonly #controller = new ControllerStandIn((delta, image) => {
    for (const manager of this.#managers.values()) manager.onMetadata(delta, image)
  })
  readonly #managers = new Map<BrokerId, ReplicaManager>()
  readonly #directories: LogDirectory[] = []
  readonly #epochs = new Map<BrokerId, BrokerEpoch>()

  constructor(lab: Lab, name: string, partitionCount: number) {
    for (const brokerId of brokerIds) this.#add(lab, name, brokerId)
    for (const brokerId of brokerIds) {
      const brokerEpoch = this.#controller.register(brokerId, true)
      this.#epochs.set(brokerId, brokerEpoch)
      this.#controller.unfence(brokerId, brokerEpoch)
    }
    this.#controller.createTopic(
      topicId,
      'orders',
      Array.from({ length: partitionCount }, () => brokerIds),
    )
  }

  #add(lab: Lab, name: string, brokerId: BrokerId): void {
    const { clock, disk } = lab
    const logEvent = (): void => {}
    const logs = LogDirectory.open({
      disk,
      directory: join(lab.directory, `${name}${brokerId}`),
      clock,
      logEvent,
      configFor: () => defaultLogConfig,
    })
    this.#directories.push(logs)
    const ask = (kind: string, request: unknown): Promise<unknown> =>
      Promise.resolve(
        kind === 'alterPartition'
          ? this.#controller.alterPartition(request as never)
          : { errorCode: 0, errorMessage: null },
      )
    const manager = new ReplicaManager({
      brokerId,
      clock,
      random: new Prng(brokerId),
      logs,
      controller: { request: (kind, request) => ask(kind, request) as never },
      peers: { fetch: (leader, request) => this.#manager(leader).replicaFetch(request) },
      config,
      logEvent,
      epochs: { brokerEpoch: () => this.#epochs.get(brokerId) ?? -1 },
    })
    this.#managers.set(brokerId, manager)
  }

  #manager(brokerId: BrokerId): ReplicaManager {
    return must(this.#managers.get(brokerId), `broker ${brokerId}`)
  }

  /** With acks=all, until both followers have it. */
  async append(partitions: readonly AppendPartition[]): Promise<void> {
    const results = await this.#manager(1).append({ acks: -1, timeoutMs: 60_000, partitions })
    for (const { errorCode } of results)
      if (errorCode !== errorCodes.NONE) throw new Error(`error ${errorCode}`)
  }

  /** Nothing is made durable: the files go with the lab. */
  async close(): Promise<void> {
    await Promise.all([...this.#managers.values()].map(manager => manager.shutdown()))
    for (const logs of this.#directories) for (const log of logs.logs()) log.abandon()
  }
}

function partOf(partition: number, recordCount: number, valueBytes: number): AppendPartition {
  const batch = encodeBatch({
    records: Array.from({ length: recordCount }, () => ({
      timestampMs: 1_700_000_000_000,
      value: new Uint8Array(valueBytes).fill(7),
    })),
  })
  return { topicId, partition, batch, header: readBatchHeader(batch, 0) }
}

/** Six partitions, `batches` batches under way in each. */
async function replicate(
  lab: Lab,
  of: { readonly recordCount: number; readonly valueBytes: number; readonly batches: number },
): Promise<Contest> {
  const partitions = Array.from({ length: 6 }, (_, partition) =>
    partOf(partition, of.recordCount, of.valueBytes),
  )
  const trio = new Trio(lab, 'trio', partitions.length)
  await trio.append(partitions)
  const sizeBytes = partitions[0]?.batch.length ?? 0
  const fds = brokerIds.map(id => openSync(join(lab.directory, `naive${id}`), 'w'))
  let position = 0
  return {
    stepBytes: sizeBytes * partitions.length * of.batches,
    stepsMax: Math.ceil((48 * mib) / (sizeBytes * partitions.length * of.batches)),
    ours: async () => {
      const answers: Promise<void>[] = []
      for (let at = 0; at < of.batches; at++)
        for (const part of partitions) answers.push(trio.append([part]))
      await Promise.all(answers)
    },
    naive: () => {
      for (let at = 0; at < of.batches; at++) {
        for (const { batch } of partitions) {
          for (const [index, fd] of fds.entries()) {
            if (index > 0) crc32c(batch)
            writeSync(fd, batch, 0, batch.length, position)
          }
          position += batch.length
        }
      }
    },
    reset: () => {
      position = 0
      for (const fd of fds) ftruncateSync(fd, 0)
    },
    close: async () => {
      for (const fd of fds) closeSync(fd)
      await trio.close()
    },
  }
}

/** As `replicate`, without files: what is left is copied once, for the leader's tail, and checked by two followers. */
async function replicateUnwritten(lab: Lab): Promise<Contest> {
  const partitions = Array.from({ length: 6 }, (_, partition) => partOf(partition, 580, 100))
  const trio = new Trio({ ...lab, disk: unwritten(lab.disk) }, 'trio', partitions.length)
  await trio.append(partitions)
  const sizeBytes = partitions[0]?.batch.length ?? 0
  return {
    stepBytes: sizeBytes * partitions.length,
    ours: () => Promise.all(partitions.map(part => trio.append([part]))),
    naive: () => {
      for (const { batch } of partitions) {
        Buffer.from(batch)
        crc32c(batch)
        crc32c(batch)
      }
    },
    close: () => trio.close(),
  }
}

const idleCount = 1000

/** One small append at a time, replicated: by followers that fetch nothing else, and by such that fetch 1,000 more. */
async function idle(lab: Lab): Promise<Contest> {
  const inMemory = { ...lab, disk: lab.memory }
  const alone = new Trio(inMemory, 'alone', 1)
  const among = new Trio(inMemory, 'among', idleCount + 1)
  const [aloneParts, amongParts] = [[partOf(0, 1, 100)], [partOf(0, 1, 100)]]
  await alone.append(aloneParts)
  await among.append(amongParts)
  return {
    stepBytes: 0,
    ours: () => among.append(amongParts),
    naive: () => alone.append(aloneParts),
    close: async () => {
      await alone.close()
      await among.close()
    },
  }
}

const bare = 'fs.writeSync into three files, crc32c for two'

export const measures: readonly Measure[] = [
  {
    name: 'replicate batches of 64 KiB',
    naive: bare,
    must: 0.15,
    prepare: lab => replicate(lab, { recordCount: 62, valueBytes: 1024, batches: 2 }),
  },
  {
    name: 'replicate batches of 64 KiB, without the writes',
    naive: 'a copy, crc32c for two',
    must: 0.2,
    prepare: replicateUnwritten,
  },
  {
    name: 'replicate batches of 1.6 KiB',
    naive: bare,
    must: 0.12,
    prepare: lab => replicate(lab, { recordCount: 14, valueBytes: 100, batches: 10 }),
  },
  {
    name: `replicate beside ${idleCount.toLocaleString('en')} idle partitions`,
    naive: 'the same without them',
    must: 0.55,
    prepare: idle,
  },
]
