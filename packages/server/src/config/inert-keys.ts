/**
 * Keys of Kafka that are taken, kept and shown, and change nothing here: a start says so (`checkKeys`). Whole keys, or
 * beginnings that end in a dot. What a key promises and nobody keeps is a warning; what tunes a machinery that does not
 * exist here is only information.
 */
const promised: readonly string[] = [
  // Transactions.
  'add.partitions.to.txn.',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms',
  'transaction.max.timeout.ms',
  'transaction.partition.verification.enable',
  'transaction.two.phase.commit.enable',
  'transactional.id.expiration.ms',
  // Security; a listener that needs it is refused.
  'connection.failed.authentication.delay.ms',
  'connections.max.reauth.ms',
  'delegation.token.',
  'early.start.listeners',
  'principal.builder.class',
  'sasl.',
  'security.providers',
  'ssl.',
  // Tiered storage, several log directories.
  'cordoned.log.dirs',
  'follower.fetch.last.tiered.offset.enable',
  'log.local.retention.bytes',
  'log.local.retention.ms',
  'remote.',
  // The newer group protocols.
  'group.consumer.',
  'group.coordinator.rebalance.protocols',
  'group.share.',
  'group.streams.',
  // Quotas and limits.
  'alter.log.dirs.replication.quota.',
  'controller.quota.',
  'log.cleaner.io.max.bytes.per.second',
  'max.connection.creation.rate',
  'quota.',
  'replication.quota.',
  // Single ones.
  'compression.lz4.level',
  'config.providers',
  'controlled.shutdown.enable',
  'controller.quorum.auto.join.enable',
  'log.cleaner.max.compaction.lag.ms',
  'log.preallocate',
  'offsets.topic.compression.codec',
  'replica.selector.class',
]

const tuning: readonly string[] = [
  'background.threads',
  'controller.quorum.append.linger.ms',
  'controller.quorum.fetch.max.bytes',
  'controller.quorum.fetch.snapshot.max.bytes',
  'controller.quorum.request.timeout.ms',
  'controller.quorum.retry.backoff.ms',
  'controller.socket.timeout.ms',
  'delete.records.purgatory.purge.interval.requests',
  'fetch.purgatory.purge.interval.requests',
  'group.coordinator.append.linger.ms',
  'group.coordinator.background.threads',
  'group.coordinator.cached.buffer.max.bytes',
  'group.coordinator.threads',
  'initial.broker.registration.timeout.ms',
  'kafka.metrics.',
  'log.cleaner.dedupe.buffer.size',
  'log.cleaner.io.buffer.load.factor',
  'log.cleaner.io.buffer.size',
  'log.cleaner.threads',
  'log.dir.failure.timeout.ms',
  'log.flush.start.offset.checkpoint.interval.ms',
  'max.incremental.fetch.session.cache.slots',
  'metadata.log.max.snapshot.interval.ms',
  'metadata.log.segment.bytes',
  'metadata.log.segment.ms',
  'metadata.max.',
  'metric.reporters',
  'metrics.',
  'num.io.threads',
  'num.network.threads',
  'num.recovery.threads.per.data.dir',
  'num.replica.alter.log.dirs.threads',
  'num.replica.fetchers',
  'producer.purgatory.purge.interval.requests',
  'queued.max.requests',
  'replica.socket.receive.buffer.bytes',
  'replica.socket.timeout.ms',
  'share.',
  'socket.connection.setup.timeout.max.ms',
  'socket.connection.setup.timeout.ms',
  'socket.listen.backlog.size',
  'socket.receive.buffer.bytes',
  'socket.send.buffer.bytes',
  'telemetry.max.bytes',
  'transaction.remove.expired.transaction.cleanup.interval.ms',
  'transaction.state.log.',
]

/** In every file of a cluster, and answered by the design: nodes speak gRPC with each other. */
const usual: readonly string[] = ['inter.broker.listener.name', 'security.inter.broker.protocol']

/** Null: it has an effect, or is no key of Kafka. */
export function inertKind(key: string): 'promised' | 'tuning' | 'usual' | null {
  const names = (entry: string): boolean =>
    entry.endsWith('.') ? key.startsWith(entry) : key === entry
  if (promised.some(names)) return 'promised'
  if (usual.includes(key)) return 'usual'
  return tuning.some(names) ? 'tuning' : null
}
