import { parseTable } from './config-def.ts'

/**
 * The broker keys of Kafka 4.3.1 for storage, replication, requests, transactions and the quorum. R: only a restart changes
 * it, here; Kafka takes listeners, connection limits and a few others while it runs. What a change would not reach is not
 * taken, rather than stored in vain.
 */
export const coreConfigs = parseTable(
  `
add.partitions.to.txn.retry.backoff.max.ms | int | 100 | R | >=0 | Longest wait before a partition is verified again for a transaction.
add.partitions.to.txn.retry.backoff.ms | int | 20 | R | >=1 | First wait before a partition is verified again for a transaction.
advertised.listeners | list | null | R |  | Addresses that clients are told; by default those of listeners.
alter.config.policy.class.name | class | null | R |  | Java class that judges config changes; not supported.
alter.log.dirs.replication.quota.window.num | int | 11 | R | >=1 | Samples kept for the quota of moves between log directories.
alter.log.dirs.replication.quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
authorizer.class.name | string |  | R |  | Java class that authorizes requests.
auto.create.topics.enable | boolean | true | R |  | Whether a Metadata request for an unknown topic creates it.
auto.leader.rebalance.enable | boolean | true | R |  | Whether leadership is given back to preferred replicas in the background.
background.threads | int | 10 | C | >=1 | Threads for background work; accepted for compatibility.
broker.heartbeat.interval.ms | int | 2000 | R |  | Time between two heartbeats of a broker to the controller.
broker.id | int | -1 | R |  | The older name of node.id.
broker.rack | string | null | R |  | Failure domain of the broker; replicas are spread over racks.
broker.session.timeout.ms | int | 9000 | R |  | Silence after which the controller fences a broker.
client.quota.callback.class | class | null | R |  | Java class that computes quotas; not supported.
compression.gzip.level | int | -1 | C | -1..9 | Level when the broker compresses with gzip.
compression.lz4.level | int | 9 | C | 1..17 | Level when the broker compresses with lz4.
compression.type | string | producer | C | {uncompressed,zstd,lz4,snappy,gzip,producer} | Codec of stored batches; "producer" keeps what the producer chose.
compression.zstd.level | int | 3 | C | -131072..22 | Level when the broker compresses with zstd.
config.providers | list |  | R |  | Providers that resolve variables in configuration values.
connection.failed.authentication.delay.ms | int | 100 | R | >=0 | How long a connection stays open after failed authentication.
connections.max.idle.ms | long | 600000 | R |  | Idle time after which a connection is closed.
connections.max.reauth.ms | long | 0 | R |  | Longest session of an authenticated connection; 0 is unlimited.
controlled.shutdown.enable | boolean | true | R |  | Whether a stopping broker hands its leaderships over first.
controller.listener.names | list | null | R |  | Listeners that controllers use.
controller.quorum.append.linger.ms | int | 25 | R | >=0 | How long the quorum's leader collects records before it writes them.
controller.quorum.auto.join.enable | boolean | false | R |  | Whether a controller adds itself to the voters.
controller.quorum.bootstrap.servers | list |  | R |  | Addresses where the quorum can be found.
controller.quorum.election.backoff.max.ms | int | 1000 | R | >=0 | Longest wait after a lost election.
controller.quorum.election.timeout.ms | int | 1000 | R | >=0 | How long a candidate waits for votes.
controller.quorum.fetch.max.bytes | int | 1048576 | R | >=1 | Bytes of metadata log in one fetch.
controller.quorum.fetch.snapshot.max.bytes | int | 1048576 | R | >=1 | Bytes of a metadata snapshot in one fetch.
controller.quorum.fetch.timeout.ms | int | 2000 | R | >=0 | Time without an answer of the leader after which a voter stands for election.
controller.quorum.request.timeout.ms | int | 2000 | R | >=0 | Longest wait for one answer within the quorum.
controller.quorum.retry.backoff.ms | int | 20 | R | >=0 | Wait before a request within the quorum is sent again.
controller.quorum.voters | list |  | R |  | The voters, as id@host:port.
controller.quota.window.num | int | 11 | R | >=1 | Samples kept for the quota of topic changes.
controller.quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
controller.socket.timeout.ms | int | 30000 | R |  | Longest wait on a connection to the controller.
cordoned.log.dirs | list |  | R |  | Log directories that get no new replicas.
create.topic.policy.class.name | class | null | R |  | Java class that judges new topics; not supported.
default.replication.factor | int | 1 | R |  | Replicas of a topic that is created without a number.
delete.records.purgatory.purge.interval.requests | int | 1 | R |  | Finished DeleteRecords requests after which the waiting list is cleaned.
delete.topic.enable | boolean | true | R |  | Whether topics can be deleted.
early.start.listeners | string | null | R |  | Listeners that open before authorization is ready.
fetch.max.bytes | int | 57671680 | R | >=1024 | Bytes in the answer of one fetch, unless its first batch is larger.
fetch.purgatory.purge.interval.requests | int | 1000 | R |  | Finished fetches after which the waiting list is cleaned.
follower.fetch.last.tiered.offset.enable | boolean | false | R |  | Whether a new follower starts at the last tiered offset.
initial.broker.registration.timeout.ms | int | 60000 | R |  | How long a starting broker tries to register.
inter.broker.listener.name | string | null | R |  | Listener that brokers use among themselves.
kafka.metrics.polling.interval.secs | int | 10 | R | >=1 | Interval of the Java metrics reporters.
kafka.metrics.reporters | list |  | R |  | Java metrics reporters.
leader.imbalance.check.interval.seconds | long | 300 | R | >=1 | Time between two checks whether preferred replicas lead.
listener.security.protocol.map | string | SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT | R |  | Security protocol of each listener, as NAME:PROTOCOL.
listeners | list | PLAINTEXT://:9092 | R |  | Addresses the broker listens on, as NAME://host:port.
log.cleaner.backoff.ms | long | 15000 | R | >=0 | Rest of the cleaner when nothing needs compaction.
log.cleaner.dedupe.buffer.size | long | 134217728 | C |  | Memory of the cleaner for the keys of one pass, all threads together.
log.cleaner.delete.retention.ms | long | 86400000 | C | >=0 | How long a compacted log keeps tombstones.
log.cleaner.enable | boolean | true | R |  | Whether compaction runs.
log.cleaner.io.buffer.load.factor | double | 0.9 | C |  | How full the cleaner's key table may get.
log.cleaner.io.buffer.size | int | 524288 | C | >=0 | Memory of the cleaner for reading and writing.
log.cleaner.io.max.bytes.per.second | double | 1.7976931348623157E308 | C |  | Bytes that the cleaner reads and writes per second.
log.cleaner.max.compaction.lag.ms | long | 9223372036854775807 | C | >=1 | Longest time a record of a compacted log stays uncompacted.
log.cleaner.min.cleanable.ratio | double | 0.5 | C | 0..1 | Share of not yet compacted bytes from which a log is worth compacting.
log.cleaner.min.compaction.lag.ms | long | 0 | C | >=0 | Shortest time a record stays uncompacted.
log.cleaner.threads | int | 1 | C | >=0 | Logs that are compacted at a time.
log.cleanup.policy | list | delete | C | [delete,compact] | What happens to old segments: delete, compact, or both.
log.dir | list | /tmp/kafka-logs | R |  | Where data is stored, if log.dirs is not set.
log.dir.failure.timeout.ms | long | 30000 | R | >=1 | How long a broker with a failed log directory tries to tell the controller before it stops.
log.dirs | list | null | R |  | Where data is stored.
log.flush.interval.messages | long | 9223372036854775807 | C | >=1 | Records between two fsyncs of a log.
log.flush.interval.ms | long | null | C |  | Longest time a record waits for an fsync.
log.flush.offset.checkpoint.interval.ms | int | 60000 | R | >=0 | Time between two writes of the recovery point.
log.flush.scheduler.interval.ms | long | 9223372036854775807 | R |  | Time between two looks for logs to be fsynced.
log.flush.start.offset.checkpoint.interval.ms | int | 60000 | R | >=0 | Time between two writes of the log start offsets.
log.index.interval.bytes | int | 4096 | C | >=0 | Bytes of log between two entries of the offset index.
log.index.size.max.bytes | int | 10485760 | C | >=4 | Largest offset index.
log.local.retention.bytes | long | -2 | C | >=-2 | Bytes kept on local disk with tiered storage; -2 is log.retention.bytes.
log.local.retention.ms | long | -2 | C | >=-2 | Time kept on local disk with tiered storage; -2 is log.retention.ms.
log.message.timestamp.after.max.ms | long | 3600000 | C | >=0 | How far a record's timestamp may be ahead of the broker's clock.
log.message.timestamp.before.max.ms | long | 9223372036854775807 | C | >=0 | How far a record's timestamp may be behind the broker's clock.
log.message.timestamp.type | string | CreateTime | C | {CreateTime,LogAppendTime} | Whose clock gives timestamps: the producer's or the broker's.
log.preallocate | boolean | false | C |  | Whether a new segment gets its full size on disk at once.
log.retention.bytes | long | -1 | C |  | Bytes per partition from which old segments are deleted; -1 is no limit.
log.retention.check.interval.ms | long | 300000 | R | >=1 | Time between two looks for segments to be deleted.
log.retention.hours | int | 168 | R |  | Age from which segments are deleted; after .ms and .minutes.
log.retention.minutes | int | null | R |  | Age from which segments are deleted; after .ms.
log.retention.ms | long | null | C |  | Age from which segments are deleted; -1 is no limit.
log.roll.hours | int | 168 | R | >=1 | Age at which a segment is closed; after log.roll.ms.
log.roll.jitter.hours | int | 0 | R | >=0 | Random time subtracted from the age; after log.roll.jitter.ms.
log.roll.jitter.ms | long | null | C |  | Random time subtracted from the age at which a segment is closed.
log.roll.ms | long | null | C |  | Age at which a segment is closed.
log.segment.bytes | int | 1073741824 | C | >=1048576 | Size at which a segment is closed.
log.segment.delete.delay.ms | long | 60000 | C | >=0 | Time between marking a file as deleted and removing it.
max.connection.creation.rate | int | 2147483647 | R | >=0 | New connections per second.
max.connections | int | 2147483647 | R | >=0 | Connections of the broker.
max.connections.per.ip | int | 2147483647 | R | >=0 | Connections from one address.
max.connections.per.ip.overrides | string |  | R |  | Exceptions for single addresses, as host:count.
max.incremental.fetch.session.cache.slots | int | 1000 | R | >=0 | Fetch sessions kept at a time.
max.request.partition.size.limit | int | 2000 | R | >=1 | Partitions in one answer of DescribeTopicPartitions.
message.max.bytes | int | 1048588 | C | >=0 | Largest batch, as compressed by the producer.
metadata.log.dir | string | null | R |  | Where the metadata log is; by default the first log directory.
metadata.log.max.record.bytes.between.snapshots | long | 20971520 | R | >=1 | Bytes of metadata log after which a snapshot is made.
metadata.log.max.snapshot.interval.ms | long | 3600000 | R | >=0 | Time after which a snapshot is made if there is anything new.
metadata.log.segment.bytes | int | 1073741824 | R | >=8388608 | Size of a metadata segment.
metadata.log.segment.ms | long | 604800000 | R |  | Age of a metadata segment.
metadata.max.idle.interval.ms | int | 500 | R | >=0 | Idle time after which the controller writes an empty record; 0 is never.
metadata.max.retention.bytes | long | 104857600 | R |  | Bytes of metadata log and snapshots that are kept.
metadata.max.retention.ms | long | 604800000 | R |  | Age of metadata log and snapshots that are kept.
metric.reporters | list | org.apache.kafka.common.metrics.JmxReporter | C |  | Java classes that report metrics.
metrics.num.samples | int | 2 | R | >=1 | Samples kept for a metric.
metrics.recording.level | string | INFO | R | {INFO,DEBUG,TRACE} | How fine metrics are.
metrics.sample.window.ms | long | 30000 | R | >=1 | Length of one sample.
min.insync.replicas | int | 1 | C | >=1 | In-sync replicas that a write with acks=all needs.
node.id | int | null | R | >=0 | Number of the node in the cluster.
num.io.threads | int | 8 | C | >=1 | Request threads; accepted for compatibility.
num.network.threads | int | 3 | C | >=1 | Network threads; accepted for compatibility.
num.partitions | int | 1 | R | >=1 | Partitions of a topic that is created without a number.
num.recovery.threads.per.data.dir | int | 2 | C | >=1 | Logs of a directory that are recovered at a time.
num.replica.alter.log.dirs.threads | int | null | R |  | Threads that move replicas between log directories.
num.replica.fetchers | int | 1 | C |  | Fetchers per leader broker.
offset.metadata.max.bytes | int | 4096 | R |  | Largest text beside a committed offset.
offsets.commit.timeout.ms | int | 5000 | R | >=1 | How long a commit of offsets waits for its replicas.
offsets.load.buffer.size | int | 5242880 | R | >=1 | Bytes read at a time when a coordinator loads its offsets.
offsets.retention.check.interval.ms | long | 600000 | R | >=1 | Time between two looks for expired offsets.
offsets.retention.minutes | int | 10080 | R | >=1 | How long offsets outlive their group.
offsets.topic.compression.codec | int | 0 | R |  | Codec of the offsets topic's batches: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
offsets.topic.num.partitions | int | 50 | R | >=1 | Partitions of the offsets topic.
offsets.topic.replication.factor | short | 3 | R | >=1 | Replicas of the offsets topic.
offsets.topic.segment.bytes | int | 104857600 | R | >=1 | Segment size of the offsets topic.
principal.builder.class | class | org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder | R |  | Java class that names the user of a connection.
process.roles | list | null | R | [broker,controller] | What the node is: broker, controller or both.
producer.id.expiration.ms | int | 86400000 | R | >=1 | Idle time after which a producer's sequence numbers are forgotten.
producer.purgatory.purge.interval.requests | int | 1000 | R |  | Finished produce requests after which the waiting list is cleaned.
queued.max.request.bytes | long | -1 | R |  | Bytes of requests that wait at a time; -1 is no limit.
queued.max.requests | int | 500 | R | >=1 | Requests that wait at a time.
quota.window.num | int | 11 | R | >=1 | Samples kept for client quotas.
quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
replica.fetch.backoff.ms | int | 1000 | R | >=0 | Rest of a fetcher after an error.
replica.fetch.max.bytes | int | 1048576 | R | >=0 | Bytes that a follower fetches per partition, unless the first batch is larger.
replica.fetch.min.bytes | int | 1 | R |  | Bytes that a follower's fetch waits for.
replica.fetch.response.max.bytes | int | 10485760 | R | >=0 | Bytes in the answer to a follower, unless its first batch is larger.
replica.fetch.wait.max.ms | int | 500 | R |  | Longest wait of a follower's fetch.
replica.high.watermark.checkpoint.interval.ms | long | 5000 | R |  | Time between two writes of the high watermarks.
replica.lag.time.max.ms | long | 30000 | R |  | How long a follower may be behind before it leaves the ISR.
replica.selector.class | string | null | R |  | Which replica a consumer is sent to.
replica.socket.receive.buffer.bytes | int | 65536 | R |  | Receive buffer of a fetcher's socket.
replica.socket.timeout.ms | int | 30000 | R |  | Longest wait on a fetcher's socket.
replication.quota.window.num | int | 11 | R | >=1 | Samples kept for replication quotas.
replication.quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
request.timeout.ms | int | 30000 | R |  | Longest wait for an answer.
socket.connection.setup.timeout.max.ms | long | 30000 | R |  | Longest wait for a connection after failures.
socket.connection.setup.timeout.ms | long | 10000 | R |  | First wait for a connection.
socket.listen.backlog.size | int | 50 | R | >=1 | Connections that wait to be accepted.
socket.receive.buffer.bytes | int | 102400 | R |  | Receive buffer of client sockets; -1 is the system's.
socket.request.max.bytes | int | 104857600 | R | >=1 | Largest request.
socket.send.buffer.bytes | int | 102400 | R |  | Send buffer of client sockets; -1 is the system's.
telemetry.max.bytes | int | 1048576 | R | >=1 | Largest push of client metrics.
transaction.abort.timed.out.transaction.cleanup.interval.ms | int | 10000 | R | >=1 | Time between two looks for timed out transactions.
transaction.max.timeout.ms | int | 900000 | R | >=1 | Longest timeout a producer may ask for.
transaction.partition.verification.enable | boolean | true | C |  | Whether a partition checks that it belongs to the transaction written to it.
transaction.remove.expired.transaction.cleanup.interval.ms | int | 3600000 | R | >=1 | Time between two looks for expired transactional ids.
transaction.state.log.load.buffer.size | int | 5242880 | R | >=1 | Bytes read at a time when a coordinator loads its transactions.
transaction.state.log.min.isr | int | 2 | R | >=1 | In-sync replicas required by the transaction topic.
transaction.state.log.num.partitions | int | 50 | R | >=1 | Partitions of the transaction topic.
transaction.state.log.replication.factor | short | 3 | R | >=1 | Replicas of the transaction topic.
transaction.state.log.segment.bytes | int | 104857600 | R | >=1 | Segment size of the transaction topic.
transaction.two.phase.commit.enable | boolean | false | R |  | Whether producers may prepare transactions for an outside coordinator.
transactional.id.expiration.ms | int | 604800000 | R | >=1 | Idle time after which a transactional id is forgotten.
unclean.leader.election.enable | boolean | false | C |  | Whether a replica that is not in sync may lead when no other can, losing records.
`,
  'broker',
)
