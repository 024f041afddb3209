import { parseTable } from './config-def.ts'

/** Every topic key of Kafka 4.3.1. The fourth column: broker keys that give the default; hours and minutes are scaled. */
export const topicConfigs = parseTable(
  `
cleanup.policy | list | delete | log.cleanup.policy | [delete,compact] | What happens to old segments: delete them by age or size, compact them to the last value of each key, or both.
compression.gzip.level | int | -1 | compression.gzip.level | -1..9 | Level when the broker compresses with gzip; -1 is the codec's own choice.
compression.lz4.level | int | 9 | compression.lz4.level | 1..17 | Level when the broker compresses with lz4.
compression.type | string | producer | compression.type | {uncompressed,zstd,lz4,snappy,gzip,producer} | Codec of stored batches; "producer" keeps what the producer chose.
compression.zstd.level | int | 3 | compression.zstd.level | -131072..22 | Level when the broker compresses with zstd.
delete.retention.ms | long | 86400000 | log.cleaner.delete.retention.ms | >=0 | How long a compacted topic keeps tombstones, so that slow readers see the deletion.
file.delete.delay.ms | long | 60000 | log.segment.delete.delay.ms | >=0 | Time between marking a file as deleted and removing it.
flush.messages | long | 9223372036854775807 | log.flush.interval.messages | >=1 | Records between two fsyncs of the log; 1 makes every acknowledged record survive a power loss.
flush.ms | long | 9223372036854775807 | log.flush.interval.ms log.flush.scheduler.interval.ms | >=0 | Longest time a record waits for an fsync.
follower.replication.throttled.replicas | list |  |  |  | Replicas, as partition:broker, whose followers are throttled; * is all.
index.interval.bytes | int | 4096 | log.index.interval.bytes | >=0 | Bytes of log between two entries of the offset index.
leader.replication.throttled.replicas | list |  |  |  | Replicas, as partition:broker, whose leaders are throttled; * is all.
local.retention.bytes | long | -2 | log.local.retention.bytes | >=-2 | Bytes kept on local disk with tiered storage; -2 is retention.bytes.
local.retention.ms | long | -2 | log.local.retention.ms | >=-2 | Time kept on local disk with tiered storage; -2 is retention.ms.
max.compaction.lag.ms | long | 9223372036854775807 | log.cleaner.max.compaction.lag.ms | >=1 | Longest time a record of a compacted topic stays uncompacted.
max.message.bytes | int | 1048588 | message.max.bytes | >=0 | Largest batch, as compressed by the producer.
message.timestamp.after.max.ms | long | 3600000 | log.message.timestamp.after.max.ms | >=0 | How far a record's timestamp may be ahead of the broker's clock.
message.timestamp.before.max.ms | long | 9223372036854775807 | log.message.timestamp.before.max.ms | >=0 | How far a record's timestamp may be behind the broker's clock.
message.timestamp.type | string | CreateTime | log.message.timestamp.type | {CreateTime,LogAppendTime} | Whose clock gives timestamps: the producer's or the broker's.
min.cleanable.dirty.ratio | double | 0.5 | log.cleaner.min.cleanable.ratio | 0..1 | Share of not yet compacted bytes from which the log is worth compacting.
min.compaction.lag.ms | long | 0 | log.cleaner.min.compaction.lag.ms | >=0 | Shortest time a record stays uncompacted.
min.insync.replicas | int | 1 | min.insync.replicas | >=1 | In-sync replicas that a write with acks=all needs.
preallocate | boolean | false | log.preallocate |  | Whether a new segment gets its full size on disk at once.
remote.log.copy.disable | boolean | false |  |  | Stops copying segments to remote storage.
remote.log.delete.on.disable | boolean | false |  |  | Deletes remote segments when remote storage is disabled.
remote.storage.enable | boolean | false |  |  | Tiered storage for the topic.
retention.bytes | long | -1 | log.retention.bytes | >=-1 | Bytes per partition from which old segments are deleted; -1 is no limit.
retention.ms | long | 604800000 | log.retention.ms log.retention.minutes log.retention.hours | >=-1 | Age from which segments are deleted; -1 is no limit.
segment.bytes | int | 1073741824 | log.segment.bytes | >=1048576 | Size at which a segment is closed and the next one begun.
segment.index.bytes | int | 10485760 | log.index.size.max.bytes | >=4 | Largest offset index; a full one closes its segment.
segment.jitter.ms | long | 0 | log.roll.jitter.ms log.roll.jitter.hours | >=0 | Random time subtracted from segment.ms, so that partitions do not roll together.
segment.ms | long | 604800000 | log.roll.ms log.roll.hours | >=1 | Age at which a segment is closed even if it is not full.
unclean.leader.election.enable | boolean | false | unclean.leader.election.enable |  | Whether a replica that is not in sync may lead when no other can, losing records.
`,
  'topic',
)

/** Of a consumer, share or streams group (resource type GROUP); the fourth column as for topics. */
export const groupConfigs = parseTable(
  `
consumer.assignment.interval.ms | int | 1000 | group.consumer.assignment.interval.ms | >=0 | Shortest time between two assignments computed for a consumer group.
consumer.heartbeat.interval.ms | int | 5000 | group.consumer.heartbeat.interval.ms | >=1 | Heartbeat interval given to the members.
consumer.session.timeout.ms | int | 45000 | group.consumer.session.timeout.ms | >=1 | Silence after which a member is out.
share.assignment.interval.ms | int | 1000 | group.share.assignment.interval.ms | >=0 | Shortest time between two assignments computed for a share group.
share.auto.offset.reset | string | latest | share.auto.offset.reset |  | Where a share group begins: latest, earliest, or by_duration:<ISO 8601 duration>.
share.delivery.count.limit | int | 5 | group.share.delivery.count.limit | >=1 | Delivery attempts of a record.
share.heartbeat.interval.ms | int | 5000 | group.share.heartbeat.interval.ms | >=1 | Heartbeat interval given to the members.
share.isolation.level | string | read_uncommitted | share.isolation.level | {read_committed,read_uncommitted} | Whether records of open and aborted transactions are delivered.
share.partition.max.record.locks | int | 2000 | group.share.partition.max.record.locks | >=100 | Records of a partition that are locked at a time.
share.record.lock.duration.ms | int | 30000 | group.share.record.lock.duration.ms | >=1000 | How long a record is locked for one consumer.
share.renew.acknowledge.enable | boolean | true | share.renew.acknowledge.enable |  | Whether consumers may renew a lock.
share.session.timeout.ms | int | 45000 | group.share.session.timeout.ms | >=1 | Silence after which a member is out.
streams.assignment.interval.ms | int | 1000 | group.streams.assignment.interval.ms | >=0 | Shortest time between two assignments computed for a streams group.
streams.heartbeat.interval.ms | int | 5000 | group.streams.heartbeat.interval.ms | >=1 | Heartbeat interval given to the members.
streams.initial.rebalance.delay.ms | int | 3000 | group.streams.initial.rebalance.delay.ms | >=0 | How long the first assignment of an empty group waits for more members.
streams.num.standby.replicas | int | 0 | group.streams.num.standby.replicas | >=0 | Standby copies of each stateful task.
streams.session.timeout.ms | int | 45000 | group.streams.session.timeout.ms | >=1 | Silence after which a member is out.
`,
  'topic',
)

/** Of a client metrics subscription (resource type CLIENT_METRICS, KIP-714). */
export const clientMetricsConfigs = parseTable(
  `
interval.ms | int | 300000 |  | 100..3600000 | Time between two pushes of a client.
match | list |  |  |  | Which clients, as label=pattern.
metrics | list |  |  |  | Prefixes of the metrics that are pushed; * is all.
`,
  'topic',
)
