import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorCodes, errorInfo } from '@trimaran/protocol'
import { untilConnected, untilGiven } from '../client.ts'
import { deleteTopics } from '../many-topics.ts'
import type { Start } from './abuse.ts'

export const partitionCount = 10_000
/** A controller takes 10,000 records for one request, the topic's own among them. */
const partitionsAtFirst = 9_000
/** Everybody who uses the topic asks for it: an answer is a megabyte. */
const askEveryMs = 250
const requestTimeoutMs = 30_000
const gonePauseMs = 200

/** A topic with ten thousand partitions: made, described four times a second by a client, removed at the end. */
export const manyPartitions: Start = async ({ addresses, topic }) => {
  const admin = await untilConnected(addresses)
  let answers = 0
  let partitions = 0
  const stop = new AbortController()
  const refuse = (what: string, errorCode: number): void => {
    if (errorCode !== errorCodes.NONE) throw new Error(`${what}: ${errorInfo(errorCode).name}`)
  }
  const make = async (): Promise<void> => {
    const config = { replicationFactor: 3, assignments: [], configs: [] }
    const made = await admin.request(apis.createTopics, {
      topics: [{ name: topic, numPartitions: partitionsAtFirst, ...config }],
      timeoutMs: requestTimeoutMs,
      validateOnly: false,
    })
    refuse('createTopics', made.topics[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR)
    const grown = await admin.request(apis.createPartitions, {
      topics: [{ name: topic, count: partitionCount, assignments: null }],
      timeoutMs: requestTimeoutMs,
      validateOnly: false,
    })
    refuse('createPartitions', grown.results[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR)
  }
  const ask = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { topics } = await admin.request(apis.metadata, {
        topics: [{ name: topic }],
        allowAutoTopicCreation: false,
      })
      answers++
      partitions = topics[0]?.partitions.length ?? 0
      await sleep(askEveryMs, null, { signal: stop.signal }).catch(() => null)
    }
  }
  const made = make()
  const asking = made.then(ask)
  asking.catch(() => null)
  return {
    tell: () => ({ answers, partitions }),
    async stop() {
      stop.abort()
      await asking
      // An answer that comes late is asked for again, and then there is no such topic.
      await deleteTopics(addresses, [topic]).catch(() => null)
      await untilGiven(
        `topic ${topic} is not gone`,
        async () => {
          const { topics } = await admin.request(apis.metadata, {
            topics: [{ name: topic }],
            allowAutoTopicCreation: false,
          })
          return topics[0]?.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION ? true : null
        },
        gonePauseMs,
      )
      admin.close()
    },
  }
}
