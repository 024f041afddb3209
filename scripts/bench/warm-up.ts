/** A JVM compiles what runs often: before that its speed says nothing. Both clusters get the same. */
import type { Address } from './client.ts'
import { consumeAll, produceTo, recordSizes, withTopic } from './load.ts'
import { createTopics, topicsOf, untilAllLed } from './many-topics.ts'

/** Of large records, then of small ones: after ten seconds at full load Apache Kafka is at a third of its speed. */
const produceMs = [60_000, 30_000] as const
const metadataTopics = 100
const metadataPartitions = 10

/** What produce and consume take. */
export async function warmUp(addresses: readonly Address[]): Promise<void> {
  for (const [at, { valueBytes, batchBytes }] of recordSizes.entries()) {
    const topic = `warm-up-${valueBytes}-${process.pid}`
    await withTopic(addresses, topic, async () => {
      await produceTo(addresses, topic, {
        recordSizeBytes: valueBytes,
        batchBytes,
        durationMs: produceMs[at] ?? 0,
      })
      await consumeAll(addresses, topic, null)
    })
  }
}

/** What topics take. They stay: a removed one keeps a Kafka broker busy a minute later, when it deletes the files. */
export async function warmUpMetadata(addresses: readonly Address[]): Promise<readonly string[]> {
  const names = topicsOf(`warm-up-${process.pid}`, metadataTopics)
  for (const name of names) await createTopics(addresses, [name], metadataPartitions)
  await untilAllLed(addresses, names)
  return names
}
