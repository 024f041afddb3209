import { ClusterError } from '@trimaran/common'
import type { Offset } from '@trimaran/common'
import { Delta } from './delta.ts'
import { emptyImage } from './image.ts'
import type { BrokerImage, Image, ReplicaDeletionImage, TopicImage } from './image-types.ts'
import { PersistentMap } from './persistent-map.ts'
import { decodeRecords, encodeRecords } from './record-codec.ts'
import type { MetadataRecord, ReplicaDeletionRecord } from './records.ts'
import { deletionKey } from './replica-states.ts'

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function* brokerRecords(broker: BrokerImage): Iterable<MetadataRecord> {
  const { id, epoch, fenced, inControlledShutdown, ...rest } = broker
  yield { kind: 'registerBroker', brokerId: id, brokerEpoch: epoch, ...rest }
  if (fenced && !inControlledShutdown) return
  yield { kind: 'brokerChange', brokerId: id, brokerEpoch: epoch, fenced, inControlledShutdown }
}

function* topicRecords(topic: TopicImage): Iterable<MetadataRecord> {
  yield { kind: 'topic', topicId: topic.id, name: topic.name }
  for (const partition of topic.partitions) {
    yield { kind: 'partition', topicId: topic.id, ...partition }
  }
}

function* configRecords(
  key: string,
  overrides: ReadonlyMap<string, string>,
): Iterable<MetadataRecord> {
  const colon = key.indexOf(':')
  const resourceType = key.slice(0, colon) === 'topic' ? 'topic' : 'broker'
  const resourceName = key.slice(colon + 1)
  for (const [name, value] of [...overrides].toSorted(([a], [b]) => byText(a, b))) {
    yield { kind: 'config', resourceType, resourceName, key: name, value }
  }
}

/** The records that make the image from nothing, in an order that depends on the image alone. */
export function* snapshotRecords(image: Image): Iterable<MetadataRecord> {
  const brokers = [...image.brokers.values()].toSorted((a, b) => a.id - b.id)
  for (const broker of brokers) yield* brokerRecords(broker)
  const topics = [...image.topicsById.values()].toSorted((a, b) => byText(a.id, b.id))
  for (const topic of topics) yield* topicRecords(topic)
  const configs = [...image.configs].toSorted(([a], [b]) => byText(a, b))
  for (const [key, overrides] of configs) yield* configRecords(key, overrides)
  if (image.nextProducerId > 0) {
    yield { kind: 'producerIds', brokerId: -1, nextProducerId: image.nextProducerId }
  }
  const deletions = [...image.deletions].toSorted(([a], [b]) => byText(a, b))
  for (const [, deletion] of deletions) yield { kind: 'replicaDeletion', ...deletion }
}

/** Equal images give equal bytes. */
export const encodeSnapshot = (image: Image): Uint8Array =>
  encodeRecords([...snapshotRecords(image)])

/** Throws ClusterError CORRUPT, or AssertionError if the records do not fit together. */
export function decodeSnapshot(bytes: Uint8Array, endOffset: Offset): Image {
  const delta = new Delta(emptyImage)
  const deletions: [string, ReplicaDeletionImage][] = []
  for (const record of decodeRecords(bytes)) {
    // Their topics are gone, so there is no transition to replay: the state is all there is.
    if (record.kind === 'replicaDeletion') deletions.push(deletionEntry(record))
    else delta.replay(record)
  }
  return Object.freeze({ ...delta.apply(endOffset), deletions: PersistentMap.from(deletions) })
}

function deletionEntry(record: ReplicaDeletionRecord): [string, ReplicaDeletionImage] {
  const { kind: _kind, state, ...rest } = record
  if (state === 'nonExistent') throw new ClusterError('CORRUPT', 'a snapshot holds what exists')
  return [deletionKey(rest.topicId, rest.brokerId), { ...rest, state }]
}
