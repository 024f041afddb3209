import type { LeaderEpoch, Offset } from '@trimaran/common'
import type { GroupMetadata, GroupRecord } from './records.ts'

export interface CommittedOffset {
  readonly offset: Offset
  /** −1: not known. */
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
  readonly commitTimestampMs: number
  /** −1: by the broker's retention. Only commits of v2 to v4 may carry one. */
  readonly expireTimestampMs: number
}

export interface StoredGroup {
  readonly metadata: GroupMetadata | null
  /** Topic → partition → offset; no empty maps. */
  readonly offsets: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>
}

interface MutableGroup extends StoredGroup {
  metadata: GroupMetadata | null
  readonly offsets: Map<string, Map<number, CommittedOffset>>
}

const nothing: StoredGroup = Object.freeze({ metadata: null, offsets: new Map() })

/**
 * What one partition of `__consumer_offsets` says: the fold of its committed records, in their order, and nothing else.
 * A tombstone for what is not there is a no-op, since compaction may have taken the record that it ends.
 */
export class StoredGroups {
  readonly #groups = new Map<string, MutableGroup>()

  get size(): number {
    return this.#groups.size
  }

  groupIds(): Iterable<string> {
    return this.#groups.keys()
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  get(groupId: string): StoredGroup {
    return this.#groups.get(groupId) ?? nothing
  }

  /** The one place where stored state changes. */
  replay(record: GroupRecord): void {
    if (record.value === null && !this.#groups.has(record.groupId)) return
    let group = this.#groups.get(record.groupId)
    if (group === undefined) {
      group = { metadata: null, offsets: new Map() }
      this.#groups.set(record.groupId, group)
    }
    switch (record.kind) {
      case 'group':
        group.metadata = record.value
        break
      case 'offset':
        replayOffset(group, record.topic, record.partition, record.value)
        break
      default:
        record satisfies never
    }
    if (group.metadata === null && group.offsets.size === 0) this.#groups.delete(record.groupId)
  }
}

function replayOffset(
  group: MutableGroup,
  topic: string,
  partition: number,
  value: CommittedOffset | null,
): void {
  const offsets = group.offsets.get(topic)
  if (value !== null) {
    if (offsets === undefined) group.offsets.set(topic, new Map([[partition, value]]))
    else offsets.set(partition, value)
  } else if (offsets !== undefined) {
    offsets.delete(partition)
    if (offsets.size === 0) group.offsets.delete(topic)
  }
}
