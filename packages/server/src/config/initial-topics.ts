import { badConfig } from './listeners.ts'

export interface InitialTopic {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  /** Empty: the default of the cluster. */
  readonly cleanupPolicy: string
}

/** `name:partitions:replicas[:policy]`, separated by commas or lines. Topics that exist already stay as they are. */
export function parseInitialTopics(text: string): readonly InitialTopic[] {
  return text
    .split(/[,\n]/)
    .map(item => item.trim())
    .filter(item => item !== '')
    .map(item => {
      const [name = '', partitions = '1', replicas = '1', cleanupPolicy = ''] = item
        .split(':')
        .map(part => part.trim())
      const [partitionCount, replicationFactor] = [Number(partitions), Number(replicas)]
      if (name === '' || !(partitionCount >= 1) || !(replicationFactor >= 1)) {
        throw badConfig(`KAFKA_CREATE_TOPICS: '${item}' is not name:partitions:replicas[:policy]`)
      }
      return { name, partitionCount, replicationFactor, cleanupPolicy }
    })
}
