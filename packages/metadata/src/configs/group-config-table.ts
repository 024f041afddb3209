import { parseTable } from './config-def.ts'

/** The broker keys of Kafka 4.3.1 for groups, share groups and tiered storage. */
export const groupAndRemoteConfigs = parseTable(
  `
group.consumer.assignment.interval.ms | int | 1000 | C | >=0 | Shortest time between two assignments computed for a group.
group.consumer.assignors | list | uniform,range | R |  | Server-side assignors, the first being the default.
group.consumer.heartbeat.interval.ms | int | 5000 | R | >=1 | Heartbeat interval given to members.
group.consumer.max.assignment.interval.ms | int | 15000 | R | >=0 | Upper bound of a group's own assignment interval.
group.consumer.max.heartbeat.interval.ms | int | 15000 | R | >=1 | Upper bound of a group's own heartbeat interval.
group.consumer.max.session.timeout.ms | int | 60000 | R | >=1 | Upper bound of a group's own session timeout.
group.consumer.max.size | int | 2147483647 | R | >=1 | Members of a consumer group.
group.consumer.migration.policy | string | bidirectional | R | {bidirectional,upgrade,downgrade,disabled} | In which direction groups change between the classic and the consumer protocol.
group.consumer.min.assignment.interval.ms | int | 0 | R | >=0 | Lower bound of a group's own assignment interval.
group.consumer.min.heartbeat.interval.ms | int | 5000 | R | >=1 | Lower bound of a group's own heartbeat interval.
group.consumer.min.session.timeout.ms | int | 45000 | R | >=1 | Lower bound of a group's own session timeout.
group.consumer.session.timeout.ms | int | 45000 | R | >=1 | Silence after which a member of a consumer group is out.
group.coordinator.append.linger.ms | int | -1 | R | >=-1 | How long the group coordinator collects records before it writes them; -1 adapts to the load.
group.coordinator.background.threads | int | 2 | R | >=1 | Background threads of the coordinator; accepted for compatibility.
group.coordinator.cached.buffer.max.bytes | int | 1048588 | C | >=524288 | Largest write buffer that the coordinator keeps.
group.coordinator.rebalance.protocols | list | classic,consumer,streams | R | [classic,consumer,share,streams] | Group protocols that are served.
group.coordinator.threads | int | 4 | R | >=1 | Threads of the coordinator; accepted for compatibility.
group.initial.rebalance.delay.ms | int | 3000 | R |  | How long the first rebalance of an empty group waits for more members.
group.max.session.timeout.ms | int | 1800000 | R |  | Longest session timeout a classic member may ask for.
group.max.size | int | 2147483647 | R | >=1 | Members of a classic group.
group.min.session.timeout.ms | int | 6000 | R |  | Shortest session timeout a classic member may ask for.
group.share.assignment.interval.ms | int | 1000 | C | >=0 | Shortest time between two assignments computed for a share group.
group.share.assignors | list | simple | R |  | Assignors of share groups.
group.share.delivery.count.limit | int | 5 | R | 2..10 | Delivery attempts of a record in a share group.
group.share.heartbeat.interval.ms | int | 5000 | R | >=1 | Heartbeat interval given to members of a share group.
group.share.max.assignment.interval.ms | int | 15000 | R | >=0 | Upper bound of a share group's own assignment interval.
group.share.max.delivery.count.limit | int | 10 | R | 2..25 | Upper bound of a share group's own delivery limit.
group.share.max.heartbeat.interval.ms | int | 15000 | R | >=1 | Upper bound of a share group's own heartbeat interval.
group.share.max.partition.max.record.locks | int | 4000 | R | >=100 | Upper bound of a share group's own number of locks.
group.share.max.record.lock.duration.ms | int | 60000 | R | 30000..3600000 | Upper bound of a share group's own lock duration.
group.share.max.session.timeout.ms | int | 60000 | R | >=1 | Upper bound of a share group's own session timeout.
group.share.max.share.sessions | int | 2000 | R | >=1 | Share sessions of a broker.
group.share.max.size | int | 200 | R | 1..1000 | Members of a share group.
group.share.min.assignment.interval.ms | int | 0 | R | >=0 | Lower bound of a share group's own assignment interval.
group.share.min.delivery.count.limit | int | 2 | R | 2..5 | Lower bound of a share group's own delivery limit.
group.share.min.heartbeat.interval.ms | int | 5000 | R | >=1 | Lower bound of a share group's own heartbeat interval.
group.share.min.partition.max.record.locks | int | 100 | R | >=100 | Lower bound of a share group's own number of locks.
group.share.min.record.lock.duration.ms | int | 15000 | R | 1000..30000 | Lower bound of a share group's own lock duration.
group.share.min.session.timeout.ms | int | 45000 | R | >=1 | Lower bound of a share group's own session timeout.
group.share.partition.max.record.locks | int | 2000 | R | >=100 | Records of a partition that a share group locks at a time.
group.share.record.lock.duration.ms | int | 30000 | R | 1000..3600000 | How long a record is locked for one consumer.
group.share.session.timeout.ms | int | 45000 | R | >=1 | Silence after which a member of a share group is out.
group.streams.assignment.interval.ms | int | 1000 | C | >=0 | Shortest time between two assignments computed for a streams group.
group.streams.heartbeat.interval.ms | int | 5000 | R | >=1 | Heartbeat interval given to members of a streams group.
group.streams.initial.rebalance.delay.ms | int | 3000 | R | >=0 | How long the first assignment of an empty streams group waits for more members.
group.streams.max.assignment.interval.ms | int | 15000 | R | >=0 | Upper bound of a streams group's own assignment interval.
group.streams.max.heartbeat.interval.ms | int | 15000 | R | >=1 | Upper bound of a streams group's own heartbeat interval.
group.streams.max.session.timeout.ms | int | 60000 | R | >=1 | Upper bound of a streams group's own session timeout.
group.streams.max.size | int | 2147483647 | R | >=1 | Members of a streams group.
group.streams.max.standby.replicas | int | 2 | R | >=0 | Upper bound of a streams group's own standby copies.
group.streams.min.assignment.interval.ms | int | 0 | R | >=0 | Lower bound of a streams group's own assignment interval.
group.streams.min.heartbeat.interval.ms | int | 5000 | R | >=1 | Lower bound of a streams group's own heartbeat interval.
group.streams.min.session.timeout.ms | int | 45000 | R | >=1 | Lower bound of a streams group's own session timeout.
group.streams.num.standby.replicas | int | 0 | R | >=0 | Standby copies of each stateful task.
group.streams.session.timeout.ms | int | 45000 | R | >=1 | Silence after which a member of a streams group is out.
remote.fetch.max.wait.ms | int | 500 | C | >=1 | Longest wait for data from remote storage.
remote.list.offsets.request.timeout.ms | long | 30000 | C | >=1 | Longest wait for offsets from remote storage.
remote.log.index.file.cache.total.size.bytes | long | 1073741824 | C | >=1 | Disk space for copies of remote indexes.
remote.log.manager.copier.thread.pool.size | int | 10 | C | >=1 | Threads that copy segments to remote storage.
remote.log.manager.copy.max.bytes.per.second | long | 9223372036854775807 | C | >=1 | Bytes copied to remote storage per second.
remote.log.manager.copy.quota.window.num | int | 11 | R | >=1 | Samples kept for that quota.
remote.log.manager.copy.quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
remote.log.manager.expiration.thread.pool.size | int | 10 | C | >=1 | Threads that delete old remote segments.
remote.log.manager.fetch.max.bytes.per.second | long | 9223372036854775807 | C | >=1 | Bytes fetched from remote storage per second.
remote.log.manager.fetch.quota.window.num | int | 11 | R | >=1 | Samples kept for that quota.
remote.log.manager.fetch.quota.window.size.seconds | int | 1 | R | >=1 | Length of one such sample.
remote.log.manager.follower.thread.pool.size | int | 2 | C | >=1 | Threads that follow remote logs.
remote.log.manager.task.interval.ms | long | 30000 | R | >=1 | Time between two looks for segments to be copied.
remote.log.manager.thread.pool.size | int | 2 | R | >=1 | Threads of remote storage in general.
remote.log.metadata.custom.metadata.max.bytes | int | 128 | R | >=0 | Largest metadata of a remote segment.
remote.log.metadata.manager.class.name | string | org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager | R |  | Java class that keeps the metadata of remote segments.
remote.log.metadata.manager.class.path | string | null | R |  | Where that class is.
remote.log.metadata.manager.impl.prefix | string | rlmm.config. | R |  | Prefix of that class's own keys.
remote.log.metadata.manager.listener.name | string | null | R |  | Listener that class connects to.
remote.log.reader.max.pending.tasks | int | 100 | R | >=1 | Reads from remote storage that wait at a time.
remote.log.reader.threads | int | 10 | C | >=1 | Reads from remote storage at a time.
remote.log.storage.manager.class.name | string | null | R |  | Java class that is the remote storage.
remote.log.storage.manager.class.path | string | null | R |  | Where that class is.
remote.log.storage.manager.impl.prefix | string | rsm.config. | R |  | Prefix of that class's own keys.
remote.log.storage.system.enable | boolean | false | R |  | Tiered storage; not supported.
share.coordinator.append.linger.ms | int | -1 | R | >=-1 | How long the share coordinator collects records before it writes them; -1 adapts to the load.
share.coordinator.cached.buffer.max.bytes | int | 1048588 | C | >=524288 | Largest write buffer that the share coordinator keeps.
share.coordinator.load.buffer.size | int | 5242880 | R | >=1 | Bytes read at a time when a share coordinator loads its state.
share.coordinator.snapshot.update.records.per.snapshot | int | 500 | R | >=0 | Updates of a share partition's state between two snapshots of it.
share.coordinator.state.topic.compression.codec | int | 0 | R |  | Codec of the share state topic's batches.
share.coordinator.state.topic.min.isr | short | 2 | R | >=1 | In-sync replicas required by the share state topic.
share.coordinator.state.topic.num.partitions | int | 50 | R | >=1 | Partitions of the share state topic.
share.coordinator.state.topic.replication.factor | short | 3 | R | >=1 | Replicas of the share state topic.
share.coordinator.state.topic.segment.bytes | int | 104857600 | R | >=1 | Segment size of the share state topic.
share.coordinator.threads | int | 1 | R | >=1 | Threads of the share coordinator; accepted for compatibility.
share.coordinator.write.timeout.ms | int | 5000 | R | >=1 | How long the share coordinator's writes wait for their replicas.
share.fetch.purgatory.purge.interval.requests | int | 1000 | R |  | Finished share fetches after which the waiting list is cleaned.
`,
  'broker',
)
