/**
 * Kafka's error codes: what a response says went wrong. Outcomes of the protocol are these values, never exceptions.
 * `retriable` is what Kafka's own clients do: the same request may succeed later, perhaps after a metadata refresh.
 */

interface ErrorEntry {
  readonly code: number
  readonly retriable: boolean
  /** One sentence for people, used where a response carries a message. */
  readonly text: string
}

const final = <const C extends number>(code: C, text: string) =>
  ({ code, retriable: false, text }) as const
const again = <const C extends number>(code: C, text: string) =>
  ({ code, retriable: true, text }) as const

const table = {
  UNKNOWN_SERVER_ERROR: final(-1, 'The server failed in a way that the protocol has no code for.'),
  NONE: final(0, 'No error.'),
  OFFSET_OUT_OF_RANGE: final(1, 'The offset is not within the range that this replica holds.'),
  CORRUPT_MESSAGE: again(
    2,
    'The record batch has a wrong checksum, a wrong size or a wrong shape.',
  ),
  UNKNOWN_TOPIC_OR_PARTITION: again(3, 'This server does not host the topic or the partition.'),
  INVALID_FETCH_SIZE: final(4, 'The fetch size is invalid.'),
  LEADER_NOT_AVAILABLE: again(5, 'The partition has no leader at the moment.'),
  NOT_LEADER_OR_FOLLOWER: again(
    6,
    'This broker is not the leader, or not a replica, of the partition.',
  ),
  REQUEST_TIMED_OUT: again(
    7,
    'The time allowed for the request has passed; its outcome may be unknown.',
  ),
  BROKER_NOT_AVAILABLE: final(8, 'The broker is not available.'),
  REPLICA_NOT_AVAILABLE: again(9, 'The replica is not available on this broker.'),
  MESSAGE_TOO_LARGE: final(10, 'The record batch is larger than the topic allows.'),
  STALE_CONTROLLER_EPOCH: final(11, 'The controller has moved on to a newer epoch.'),
  OFFSET_METADATA_TOO_LARGE: final(12, 'The metadata of the committed offset is too long.'),
  NETWORK_EXCEPTION: again(13, 'The connection broke before an answer came.'),
  COORDINATOR_LOAD_IN_PROGRESS: again(14, 'The coordinator is still loading its state.'),
  COORDINATOR_NOT_AVAILABLE: again(15, 'There is no coordinator at the moment.'),
  NOT_COORDINATOR: again(16, 'This broker is not the coordinator asked for.'),
  INVALID_TOPIC_EXCEPTION: final(17, 'The operation is not allowed on a topic of this name.'),
  RECORD_LIST_TOO_LARGE: final(18, 'The records do not fit into one segment.'),
  NOT_ENOUGH_REPLICAS: again(19, 'Fewer replicas are in sync than the topic requires.'),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: again(
    20,
    'The records are written, but to fewer in-sync replicas than required.',
  ),
  INVALID_REQUIRED_ACKS: final(21, 'acks must be -1, 0 or 1.'),
  ILLEGAL_GENERATION: final(22, 'The generation of the group is another one.'),
  INCONSISTENT_GROUP_PROTOCOL: final(
    23,
    'The member shares no protocol with the rest of its group.',
  ),
  INVALID_GROUP_ID: final(24, 'The group id is not valid.'),
  UNKNOWN_MEMBER_ID: final(25, 'The coordinator does not know this member.'),
  INVALID_SESSION_TIMEOUT: final(26, 'The session timeout is outside of what the broker allows.'),
  REBALANCE_IN_PROGRESS: final(27, 'The group is rebalancing: join it again.'),
  INVALID_COMMIT_OFFSET_SIZE: final(28, 'The data of the offset commit is too large.'),
  TOPIC_AUTHORIZATION_FAILED: final(29, 'The principal may not do this with the topic.'),
  GROUP_AUTHORIZATION_FAILED: final(30, 'The principal may not do this with the group.'),
  CLUSTER_AUTHORIZATION_FAILED: final(31, 'The principal may not do this with the cluster.'),
  INVALID_TIMESTAMP: final(32, 'A record timestamp is outside of what the topic allows.'),
  UNSUPPORTED_SASL_MECHANISM: final(33, 'The broker does not offer this SASL mechanism.'),
  ILLEGAL_SASL_STATE: final(34, 'The request does not fit the state of authentication.'),
  UNSUPPORTED_VERSION: final(35, 'This version of the api is not supported.'),
  TOPIC_ALREADY_EXISTS: final(36, 'A topic of this name exists.'),
  INVALID_PARTITIONS: final(37, 'The number of partitions is not valid.'),
  INVALID_REPLICATION_FACTOR: final(
    38,
    'The replication factor is below one or above the number of usable brokers.',
  ),
  INVALID_REPLICA_ASSIGNMENT: final(39, 'The replica assignment is not valid.'),
  INVALID_CONFIG: final(40, 'The configuration is not valid.'),
  NOT_CONTROLLER: again(41, 'This node is not the controller.'),
  INVALID_REQUEST: final(42, 'The request does not make sense as a whole.'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: final(43, 'The message format does not support this.'),
  POLICY_VIOLATION: final(44, 'The request violates a policy of the cluster.'),
  OUT_OF_ORDER_SEQUENCE_NUMBER: final(45, 'The producer skipped or repeated sequence numbers.'),
  DUPLICATE_SEQUENCE_NUMBER: final(
    46,
    'The producer sent a sequence number that is already written.',
  ),
  INVALID_PRODUCER_EPOCH: final(47, 'The producer has an old epoch.'),
  INVALID_TXN_STATE: final(48, 'The transaction is in a state that does not allow this.'),
  INVALID_PRODUCER_ID_MAPPING: final(
    49,
    'The producer id is not the one of this transactional id.',
  ),
  INVALID_TRANSACTION_TIMEOUT: final(
    50,
    'The transaction timeout is above what the broker allows.',
  ),
  CONCURRENT_TRANSACTIONS: again(
    51,
    'The previous transaction of this producer is still being completed.',
  ),
  TRANSACTION_COORDINATOR_FENCED: final(
    52,
    'The coordinator that sent the marker has been replaced.',
  ),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: final(
    53,
    'The principal may not use this transactional id.',
  ),
  SECURITY_DISABLED: final(54, 'Security is not enabled on this broker.'),
  OPERATION_NOT_ATTEMPTED: final(
    55,
    'Another part of the request failed, so this one was not tried.',
  ),
  KAFKA_STORAGE_ERROR: again(56, 'The disk that holds the partition failed.'),
  LOG_DIR_NOT_FOUND: final(57, 'The broker has no such log directory.'),
  SASL_AUTHENTICATION_FAILED: final(58, 'Authentication failed.'),
  UNKNOWN_PRODUCER_ID: final(59, 'The broker has no state for this producer any more.'),
  REASSIGNMENT_IN_PROGRESS: final(60, 'A reassignment of the partition is in progress.'),
  DELEGATION_TOKEN_AUTH_DISABLED: final(61, 'Delegation tokens are not enabled.'),
  DELEGATION_TOKEN_NOT_FOUND: final(62, 'There is no such delegation token.'),
  DELEGATION_TOKEN_OWNER_MISMATCH: final(
    63,
    'The principal neither owns nor may renew the delegation token.',
  ),
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: final(
    64,
    'Delegation tokens may not be handled over this connection.',
  ),
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: final(
    65,
    'The principal may not do this with the delegation token.',
  ),
  DELEGATION_TOKEN_EXPIRED: final(66, 'The delegation token has expired.'),
  INVALID_PRINCIPAL_TYPE: final(67, 'The type of the principal is not supported.'),
  NON_EMPTY_GROUP: final(68, 'The group has members.'),
  GROUP_ID_NOT_FOUND: final(69, 'There is no such group.'),
  FETCH_SESSION_ID_NOT_FOUND: again(70, 'There is no such fetch session.'),
  INVALID_FETCH_SESSION_EPOCH: again(71, 'The epoch of the fetch session is another one.'),
  LISTENER_NOT_FOUND: again(
    72,
    'The leader has no listener of the kind that this request came over.',
  ),
  TOPIC_DELETION_DISABLED: final(73, 'Deletion of topics is disabled.'),
  FENCED_LEADER_EPOCH: again(74, 'The leader epoch in the request is older than the one here.'),
  UNKNOWN_LEADER_EPOCH: again(75, 'The leader epoch in the request is newer than the one here.'),
  UNSUPPORTED_COMPRESSION_TYPE: final(76, 'The compression is not supported in this version.'),
  STALE_BROKER_EPOCH: final(77, 'The broker epoch belongs to an earlier incarnation.'),
  OFFSET_NOT_AVAILABLE: again(
    78,
    'The leader has not yet raised its high watermark since it was elected.',
  ),
  MEMBER_ID_REQUIRED: final(79, 'Join again with the member id in this response.'),
  PREFERRED_LEADER_NOT_AVAILABLE: again(80, 'The preferred leader is not available.'),
  GROUP_MAX_SIZE_REACHED: final(81, 'The group has as many members as it may have.'),
  FENCED_INSTANCE_ID: final(82, 'Another member has taken this group instance id.'),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: again(83, 'No replica that may lead is available.'),
  ELECTION_NOT_NEEDED: again(84, 'The partition has the leader it should have.'),
  NO_REASSIGNMENT_IN_PROGRESS: final(85, 'The partition is not being reassigned.'),
  GROUP_SUBSCRIBED_TO_TOPIC: final(86, 'The group is subscribed to the topic.'),
  INVALID_RECORD: final(87, 'A record of the batch is not valid; the batch was refused.'),
  UNSTABLE_OFFSET_COMMIT: again(
    88,
    'Offsets of a transaction that is not complete are in the way.',
  ),
  THROTTLING_QUOTA_EXCEEDED: again(89, 'The quota is used up: try again after the throttle time.'),
  PRODUCER_FENCED: final(90, 'A newer producer has the same transactional id.'),
  RESOURCE_NOT_FOUND: final(91, 'There is no such resource.'),
  DUPLICATE_RESOURCE: final(92, 'The request names a resource twice.'),
  UNACCEPTABLE_CREDENTIAL: final(93, 'The credential does not meet the requirements.'),
  INCONSISTENT_VOTER_SET: final(94, 'One side of the request is not in the set of voters.'),
  INVALID_UPDATE_VERSION: final(95, 'The version given for the update is not valid.'),
  FEATURE_UPDATE_FAILED: final(96, 'The finalized features could not be changed.'),
  PRINCIPAL_DESERIALIZATION_FAILURE: final(
    97,
    'The principal in a forwarded request could not be read.',
  ),
  SNAPSHOT_NOT_FOUND: final(98, 'There is no such snapshot.'),
  POSITION_OUT_OF_RANGE: final(99, 'The position is not within the snapshot.'),
  UNKNOWN_TOPIC_ID: again(100, 'This server does not host a topic with this id.'),
  DUPLICATE_BROKER_REGISTRATION: final(101, 'The broker id is in use.'),
  BROKER_ID_NOT_REGISTERED: final(102, 'No broker is registered under this id.'),
  INCONSISTENT_TOPIC_ID: again(103, 'The topic id does not match the one in the log.'),
  INCONSISTENT_CLUSTER_ID: final(104, 'The cluster id is the one of another cluster.'),
  TRANSACTIONAL_ID_NOT_FOUND: final(105, 'There is no such transactional id.'),
  FETCH_SESSION_TOPIC_ID_ERROR: again(106, 'The fetch session mixes topic names and topic ids.'),
  INELIGIBLE_REPLICA: final(107, 'A replica is not eligible to join the in-sync set.'),
  NEW_LEADER_ELECTED: final(108, 'The partition change led to another leader.'),
  OFFSET_MOVED_TO_TIERED_STORAGE: final(109, 'The offset is in tiered storage only.'),
  FENCED_MEMBER_EPOCH: final(110, 'The member epoch is fenced: rejoin the group.'),
  UNRELEASED_INSTANCE_ID: final(111, 'Another member still holds this group instance id.'),
  UNSUPPORTED_ASSIGNOR: final(112, 'The group cannot use this assignor.'),
  STALE_MEMBER_EPOCH: final(113, 'The member epoch is old: heartbeat first, then try again.'),
  MISMATCHED_ENDPOINT_TYPE: final(114, 'The request went to the wrong kind of endpoint.'),
  UNSUPPORTED_ENDPOINT_TYPE: final(115, 'This kind of endpoint is not supported.'),
  UNKNOWN_CONTROLLER_ID: final(116, 'There is no controller with this id.'),
  UNKNOWN_SUBSCRIPTION_ID: final(117, 'The telemetry subscription is not the current one.'),
  TELEMETRY_TOO_LARGE: final(118, 'The telemetry is larger than the broker accepts.'),
  INVALID_REGISTRATION: final(119, 'The registration of the controller is not valid.'),
  TRANSACTION_ABORTABLE: final(120, 'The transaction met an error: abort it and start anew.'),
  INVALID_RECORD_STATE: final(
    121,
    'The record is not in a state that allows this acknowledgement.',
  ),
  SHARE_SESSION_NOT_FOUND: again(122, 'There is no such share session.'),
  INVALID_SHARE_SESSION_EPOCH: again(123, 'The epoch of the share session is another one.'),
  FENCED_STATE_EPOCH: final(124, 'The share state has a newer epoch.'),
  INVALID_VOTER_KEY: final(125, 'The voter key is not the one of this replica.'),
  DUPLICATE_VOTER: final(126, 'The voter is in the set of voters.'),
  VOTER_NOT_FOUND: final(127, 'The voter is not in the set of voters.'),
  INVALID_REGULAR_EXPRESSION: final(128, 'The regular expression is not valid.'),
  REBOOTSTRAP_REQUIRED: final(129, 'The client must start again from its bootstrap servers.'),
  STREAMS_INVALID_TOPOLOGY: final(130, 'The topology is not valid.'),
  STREAMS_INVALID_TOPOLOGY_EPOCH: final(131, 'The topology epoch is not valid.'),
  STREAMS_TOPOLOGY_FENCED: final(132, 'The topology epoch is old.'),
  SHARE_SESSION_LIMIT_REACHED: again(133, 'There are as many share sessions as there may be.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorName = keyof typeof table
/** An int16 of the table below, as a response carries it. */
export type ErrorCode = number & { readonly __flavour?: 'ErrorCode' }

/** Name to code, for `errorCodes.NOT_LEADER_OR_FOLLOWER`. */
export const errorCodes = Object.fromEntries(
  Object.entries(table).map(([name, entry]) => [name, entry.code]),
) as { readonly [Name in ErrorName]: (typeof table)[Name]['code'] }

export interface ErrorInfo {
  readonly name: string
  readonly code: ErrorCode
  readonly retriable: boolean
  readonly text: string
}

const byCode = new Map<number, ErrorInfo>(
  Object.entries(table).map(([name, entry]) => [entry.code, { name, ...entry }]),
)

/** What a code means. A code from a newer Kafka is reported as such, not retriable. */
export function errorInfo(code: ErrorCode): ErrorInfo {
  return (
    byCode.get(code) ?? {
      name: `UNKNOWN_ERROR_${code}`,
      code,
      retriable: false,
      text: `Error code ${code} is not known here.`,
    }
  )
}

/** The bytes are not what the protocol says they must be. The only thing that decoding throws. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** Compressed bytes would become more than the reader allows. */
export class OutputTooLargeError extends ProtocolError {
  constructor(maxBytes: number) {
    super(`the decompressed records are more than ${maxBytes} bytes`)
  }
}
