import type { Producer as KafkaJsProducer } from 'kafkajs'
import { ClusterClient, Producer } from 'trimaran/client'
import type { History } from 'trimaran/history'
import { kafkaJs } from '../support/kafkajs.ts'
import { platformaticProducer } from '../support/platformatic.ts'
import { Numbers, noteSend, settle } from './numbers.ts'

export interface WriterOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly history: History
  readonly numbers: Numbers
}

/** A client that writes to every partition, one send after the other in each, until it is stopped. */
export interface Writer {
  readonly name: string
  stop(): Promise<void>
}

const valuesPerSend = 5

type SendOne = (partition: number, values: readonly number[]) => Promise<number>

/** `send` resolves with the base offset, and rejects if the outcome is not known. */
async function writeUntilStopped(
  name: string,
  { topic, partitions, history, numbers }: WriterOptions,
  send: SendOne,
  isStopped: () => boolean,
): Promise<void> {
  const writeTo = async (partition: number): Promise<void> => {
    while (!isStopped()) {
      const values = numbers.take(valuesPerSend)
      const noted = noteSend(history, `${name} ${partition}`, `${topic}/${partition}`, values)
      await send(partition, values).then(
        baseOffset => settle(noted, 'acked', baseOffset),
        () => settle(noted, 'unknown'),
      )
    }
  }
  await Promise.all(Array.from({ length: partitions }, (_, partition) => writeTo(partition)))
}

function start(
  name: string,
  options: WriterOptions,
  send: SendOne,
  close: () => Promise<void>,
): Writer {
  let stopped = false
  const written = writeUntilStopped(name, options, send, () => stopped)
  return {
    name,
    stop: async () => {
      stopped = true
      await written
      await close()
    },
  }
}

/** The bundled client: idempotent, a producer per partition so that one waits for nobody else's answer. */
export async function bundledWriter(options: WriterOptions): Promise<Writer> {
  const client = new ClusterClient({ bootstrapServers: options.brokers.join(',') })
  const waiting = new Map<number, PromiseWithResolvers<number>>()
  const producers = new Map<number, Producer>()
  for (let partition = 0; partition < options.partitions; partition++) {
    const producer = new Producer(client, {
      topic: options.topic,
      acks: -1,
      deliveryTimeoutMs: 60_000,
      onDelivery: ({ baseOffset, error }) => {
        const asked = waiting.get(partition)
        if (error === null) asked?.resolve(baseOffset)
        else asked?.reject(new Error(error))
      },
    })
    await producer.open()
    producers.set(partition, producer)
  }
  const send: SendOne = async (partition, values) => {
    const producer = producers.get(partition)
    const answer = Promise.withResolvers<number>()
    answer.promise.catch(() => {})
    waiting.set(partition, answer)
    for (const value of values) {
      await producer?.send({ key: null, value: Buffer.from(String(value)) }, partition)
    }
    await producer?.flush()
    return answer.promise
  }
  return start('bundled', options, send, () => client.close())
}

export async function kafkaJsWriter(options: WriterOptions): Promise<Writer> {
  const producer: KafkaJsProducer = kafkaJs(options.brokers).producer({
    idempotent: true,
    maxInFlightRequests: options.partitions,
  })
  await producer.connect()
  // One partition per send: kafkajs 2.2.4 forgets a partition that moves to a broker which has answered for others.
  const send: SendOne = async (partition, values) => {
    const messages = values.map(value => ({ value: String(value), partition }))
    const [answer] = await producer.send({ topic: options.topic, acks: -1, messages })
    if (answer?.errorCode !== 0) throw new Error('nothing was said of the partition')
    return Number(answer.baseOffset)
  }
  return start('kafkajs', options, send, () => producer.disconnect())
}

export async function platformaticWriter(options: WriterOptions): Promise<Writer> {
  const producer = platformaticProducer(options.brokers)
  const { topic } = options
  const send: SendOne = async (partition, values) => {
    const messages = values.map(value => ({ topic, value: String(value), partition }))
    const { offsets } = await producer.send({ messages })
    const offset = offsets?.find(answer => answer.partition === partition)?.offset
    if (offset === undefined) throw new Error('nothing was said of the partition')
    return Number(offset)
  }
  return start('platformatic', options, send, () => producer.close())
}
