import kafkajs from 'kafkajs'
import type { Kafka } from 'kafkajs'

// It says at each start that its default partitioner has changed.
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1'

/** As a user configures it for a cluster whose brokers may die: more retries, short pauses. */
export const kafkaJs = (brokers: readonly string[]): Kafka =>
  new kafkajs.Kafka({
    clientId: 'trimaran-tests',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 1000,
    retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 30 },
  })
