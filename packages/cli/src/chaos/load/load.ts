import { ClusterClient } from '../../client/index.ts'
import type { HistoryFile } from '../history-file.ts'
import { LoadCounters } from './counters.ts'
import { writePartition } from './partition-writer.ts'
import { follow, readAll } from './reading.ts'

export interface LoadOptions {
  readonly bootstrapServers: string
  readonly topic: string
  readonly partitions: number
  readonly producers: number
  readonly consumers: number
  readonly acks: -1 | 1
  /** Of all producers together. */
  readonly recordsPerSecond: number
  readonly file: HistoryFile
}

const clientTimeouts = {
  /** Operations are tried again by who needs them. */
  retryTimeoutMs: 10_000,
  queryTimeoutMs: 1000,
  requestTimeoutMs: 2000,
}

/** Producers that write to every partition, and consumers that read along. */
export class Load {
  readonly counters: LoadCounters
  readonly #options: LoadOptions
  readonly #clients: ClusterClient[] = []
  #writing: Promise<unknown> = Promise.resolve()
  #reading: Promise<unknown> = Promise.resolve()
  #stopWriting = false
  #stopReading = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.counters = new LoadCounters(options.partitions)
  }

  start(): void {
    const { topic, partitions, producers, consumers, acks, recordsPerSecond, file } = this.#options
    const { counters } = this
    const writers = Array.from({ length: producers }, (_, producer) => {
      const client = this.#client(`chaos-producer-${producer + 1}`)
      return Array.from({ length: partitions }, (__, partition) =>
        writePartition({
          ...{ client, topic, partition, acks, file, counters },
          process: `producer-${producer + 1}`,
          recordsPerSecond: recordsPerSecond / producers / partitions,
          isStopped: () => this.#stopWriting,
        }),
      )
    })
    const readers = Array.from({ length: consumers }, (_, consumer) => {
      const process = `consumer-${consumer + 1}`
      const client = this.#client(`chaos-${process}`)
      return follow({ client, process, topic, partitions, file, counters }, () => this.#stopReading)
    })
    this.#writing = Promise.all(writers.flat())
    this.#reading = Promise.all(readers)
    // Told to whoever stops the load; nobody listens before.
    this.#writing.catch(() => {})
    this.#reading.catch(() => {})
  }

  /** What is under way is waited for; then everything is read once more. Tells the partitions that could not be read. */
  async finish(): Promise<readonly string[]> {
    const { topic, partitions, file } = this.#options
    this.#stopWriting = true
    await this.#writing
    const client = this.#client('chaos-final')
    const unread = await readAll({
      ...{ client, process: 'final', topic, partitions, file },
      counters: this.counters,
    })
    this.#stopReading = true
    await this.#reading
    return unread
  }

  async close(): Promise<void> {
    this.#stopWriting = true
    this.#stopReading = true
    for (const client of this.#clients) await client.close()
  }

  #client(clientId: string): ClusterClient {
    const { bootstrapServers } = this.#options
    const client = new ClusterClient({ bootstrapServers, clientId, ...clientTimeouts })
    this.#clients.push(client)
    return client
  }
}
