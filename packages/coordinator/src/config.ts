/** The values of the broker's configuration that groups live by. Kafka's key is named with each. */
export interface GroupConfig {
  /** offsets.topic.num.partitions: as the topic was created, since the owner of a group depends on it. */
  readonly offsetsPartitionCount: () => number
  /** group.min.session.timeout.ms (6000) */
  readonly minSessionTimeoutMs: number
  /** group.max.session.timeout.ms (1800000) */
  readonly maxSessionTimeoutMs: number
  /** group.max.size (2147483647) */
  readonly maxSize: number
  /** group.initial.rebalance.delay.ms (3000) */
  readonly initialRebalanceDelayMs: number
  /** offset.metadata.max.bytes (4096) */
  readonly offsetMetadataMaxBytes: number
  /** offsets.retention.minutes (10080), in milliseconds */
  readonly offsetsRetentionMs: number
  /** offsets.retention.check.interval.ms (600000) */
  readonly offsetsRetentionCheckIntervalMs: number
  /** offsets.commit.timeout.ms (5000): how long an answer may wait for the log. */
  readonly offsetsCommitTimeoutMs: number
  /** offsets.load.buffer.size (5242880): bytes replayed in one go. */
  readonly offsetsLoadBufferBytes: number
}

/**
 * How long a member that has no id yet may be parked in a JoinGroup. It cannot send heartbeats, so this is how a client
 * that went away is noticed; five minutes as with Kafka.
 */
export const newMemberJoinTimeoutMs = 5 * 60_000

/**
 * Members that were given an id (KIP-394) and did not use it yet. Each costs about 200 bytes until its session timeout
 * (at most 30 minutes), so one group cannot be made to hold more than 2 MB of them. Not fewer: all members of a large group
 * may start in the same second, and being turned away is fatal to them.
 */
export const maxPendingMembers = 10_000

/** Clients offer one protocol per assignor; five is much. 64 × a name and a slice is below 10 kB per member. */
export const maxProtocolsPerMember = 64

/** All protocols of one member; more would not fit into the record of its group (max.message.bytes is 1 MiB). */
export const maxMemberMetadataBytes = 1 << 20

/**
 * Strings are stored with a 16-bit length: 32,767 bytes, of which a UTF-16 unit takes at most three, less the 37 of the
 * generated part of a member id. Compact strings of newer requests may be longer than what can be stored.
 */
export const maxStoredStringLength = 10_900

/** `group.instance.id` has the form of a topic name. */
export const maxInstanceIdLength = 249

/**
 * Offset commits of one partition that the log has not decided on. About 1 kB each, so 10 MB while replicas are missing;
 * with replication taking 5 ms it is two million commits a second.
 */
export const maxPendingCommits = 10_000
