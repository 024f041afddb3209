import { ClusterClient } from '../client/cluster-client.ts'
import { GroupMember, partitionName } from '../client/group-member.ts'
import type { FetchPosition } from './fetch-format.ts'
import type { LoadConsumer } from './load-consumer.ts'

export interface GroupReaderOptions {
  readonly bootstrapServers: string
  readonly clientId: string
  readonly group: string
  readonly topics: readonly string[]
  readonly onJoined: (generationId: number, partitions: number) => void
  readonly onFatal: (error: Error) => void
  readonly positionOf: (
    topic: string,
    partition: number,
    committed: number | undefined,
  ) => FetchPosition
  readonly consumerOf: (positions: readonly FetchPosition[]) => LoadConsumer
}

/** How often a member looks whether the group wants it to join again. */
const rejoinCheckMs = 20

/** A member of a group: has its partitions assigned, reads them once the group has formed, commits when it lets go. */
export class GroupReader {
  readonly #options: GroupReaderOptions
  /** Of its own: a member waits on its connection while the group forms. */
  readonly #client: ClusterClient
  readonly #member: GroupMember
  #consumer: LoadConsumer | null = null
  #owned: readonly FetchPosition[] = []
  #isFormed = false
  #isClosed = false
  #check: NodeJS.Timeout | null = null
  #working: Promise<void> | null = null

  constructor(options: GroupReaderOptions) {
    const { bootstrapServers, clientId, group, topics } = options
    this.#options = options
    this.#client = new ClusterClient({ bootstrapServers, clientId })
    this.#member = new GroupMember(this.#client, group, topics)
  }

  /** Null: it does not read yet. */
  get positions(): readonly FetchPosition[] | null {
    return this.#consumer?.positions ?? null
  }

  start(): void {
    this.#look()
  }

  formed(): void {
    this.#isFormed = true
    this.#look()
  }

  checkTimeouts(nowMs: number): void {
    this.#consumer?.checkTimeouts(nowMs)
  }

  /** One step at a time: join again if the group wants it, read if it has formed. */
  #look(): void {
    if (this.#isClosed || this.#working !== null) return
    if (this.#check !== null) clearTimeout(this.#check)
    this.#working = this.#step()
      .catch((error: unknown) => {
        if (!this.#isClosed) this.#options.onFatal(error as Error)
      })
      .finally(() => {
        this.#working = null
        if (!this.#isClosed) this.#check = setTimeout(() => this.#look(), rejoinCheckMs)
      })
  }

  async #step(): Promise<void> {
    if (this.#member.needsRejoin) {
      await this.#letGo()
      const assigned = await this.#member.join()
      const committed = await this.#member.committed(assigned)
      this.#owned = assigned.map(({ topic, partition }) =>
        this.#options.positionOf(topic, partition, committed.get(partitionName(topic, partition))),
      )
      this.#options.onJoined(this.#member.generationId, assigned.length)
    }
    if (!this.#isFormed || this.#consumer !== null || this.#isClosed) return
    const consumer = this.#options.consumerOf(this.#owned)
    this.#consumer = consumer
    await consumer.open()
    consumer.start()
  }

  async #letGo(): Promise<void> {
    const consumer = this.#consumer
    if (consumer === null) return
    consumer.close()
    this.#consumer = null
    await this.#member.commit(
      consumer.positions.map(({ topic, partition, nextOffset }) => ({
        ...{ topic: topic.topic, partition },
        offset: nextOffset,
      })),
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#check !== null) clearTimeout(this.#check)
    await this.#working
    await this.#letGo()
    await this.#member.leave()
    await this.#client.close()
  }
}
