/** A JVM compiles what runs often: before that its speed says nothing. Both clusters get the same. */
import type { Address } from './client.ts'
import { dropTopic } from './client.ts'
import { consumeFor, makeTopic, produceFor } from './load.ts'
import { createTopics, deleteTopics, topicsOf } from './many-topics.ts'

const produceMs = 10_000
const consumeMs = 5_000
/** A full load of the largest records, then one of small ones. */
const valueSizes = [1024, 100] as const
const metadataRounds = 3
const metadataTopics = 100
const metadataPartitions = 10

/** What produce and consume take. */
export async function warmUp(addresses: readonly Address[]): Promise<void> {
  for (const valueBytes of valueSizes) {
    const name = `warm-up-${valueBytes}-${process.pid}`
    const layout = await makeTopic(addresses, name)
    await produceFor(layout, valueBytes, 0, produceMs)
    await consumeFor(layout, valueBytes, consumeMs)
    await dropTopic(addresses, name)
  }
}

/** What topics take, from the request to the brokers that open and remove logs. */
export async function warmUpMetadata(addresses: readonly Address[]): Promise<void> {
  for (let round = 1; round <= metadataRounds; round++) {
    const names = topicsOf(`warm-up-${round}-${process.pid}`, metadataTopics)
    await createTopics(addresses, names, metadataPartitions)
    await deleteTopics(addresses, names)
  }
}
