/** A JVM compiles what runs often: before that its speed says nothing. Both clusters get the same. */
import type { Address } from './client.ts'
import { dropTopic } from './client.ts'
import { consumeFor, makeTopic, produceFor } from './load.ts'
import { createTopics, topicsOf, untilAllLed } from './many-topics.ts'

const produceMs = 10_000
const consumeMs = 5_000
/** A full load of the largest records, then one of small ones. */
const valueSizes = [1024, 100] as const
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

/** What topics take. They stay: a removed one keeps a Kafka broker busy a minute later, when it deletes the files. */
export async function warmUpMetadata(addresses: readonly Address[]): Promise<readonly string[]> {
  const names = topicsOf(`warm-up-${process.pid}`, metadataTopics)
  for (const name of names) await createTopics(addresses, [name], metadataPartitions)
  await untilAllLed(addresses, names)
  return names
}
