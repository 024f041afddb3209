import type { TopicId } from '@trimaran/common'
import type {
  BrokerImage,
  Image,
  ImageMap,
  PartitionImage,
  ReplicaDeletionImage,
  TopicImage,
} from './image-types.ts'
import { type MapEditor, type MapKey, PersistentMap } from './persistent-map.ts'

/** Before the first record. */
export const emptyImage: Image = Object.freeze({
  endOffset: 0,
  brokers: PersistentMap.empty<number, BrokerImage>(),
  topicsById: PersistentMap.empty<string, TopicImage>(),
  topicsByName: PersistentMap.empty<string, TopicImage>(),
  configs: PersistentMap.empty<string, ReadonlyMap<string, string>>(),
  nextProducerId: 0,
  deletions: PersistentMap.empty<string, ReplicaDeletionImage>(),
})

export const noConfigs: ReadonlyMap<string, string> = new Map()

/** The key of a resource's overrides in `Image.configs`. */
export const configKey = (resourceType: 'topic' | 'broker', resourceName: string): string =>
  `${resourceType}:${resourceName}`

export const partitionOf = (
  image: Image,
  topicId: TopicId,
  partition: number,
): PartitionImage | undefined => image.topicsById.get(topicId)?.partitions[partition]

/** An editor on a map of an image, which is a PersistentMap unless somebody built the image by hand. */
export const editorOf = <K extends MapKey, V>(map: ImageMap<K, V>): MapEditor<K, V> =>
  (map instanceof PersistentMap ? (map as PersistentMap<K, V>) : PersistentMap.from(map)).edit()
