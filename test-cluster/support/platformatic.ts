import {
  Admin,
  Consumer,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'

export type StringConsumer = Consumer<string, string, string, string>
export type StringProducer = Producer<string, string, string, string>

/** As a user configures it for a cluster whose brokers may die: more retries than three. */
const patience = { retries: 100, retryDelay: 100, connectTimeout: 1000 } as const

export const platformaticAdmin = (brokers: readonly string[]): Admin =>
  new Admin({ clientId: 'trimaran-tests', bootstrapBrokers: [...brokers], ...patience })

export const platformaticProducer = (brokers: readonly string[]): StringProducer =>
  new Producer({
    clientId: 'trimaran-tests',
    bootstrapBrokers: [...brokers],
    serializers: stringSerializers,
    idempotent: true,
    acks: -1,
    ...patience,
  })

export function platformaticConsumer(brokers: readonly string[], groupId: string): StringConsumer {
  const consumer: StringConsumer = new Consumer({
    clientId: 'trimaran-tests',
    bootstrapBrokers: [...brokers],
    groupId,
    deserializers: stringDeserializers,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    ...patience,
  })
  consumer.on('error', (error: Error) => {
    // A consumer that is closed while it rejoins says so when it is closed.
    if (!consumer.closed) throw error
  })
  return consumer
}
