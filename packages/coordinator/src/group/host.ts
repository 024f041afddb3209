import type { LogEvent, Random } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { GroupConfig } from '../config.ts'
import type { Timer, Timers } from '../timers.ts'
import type { ClassicGroup } from './group.ts'
import type { GroupRecord } from './records.ts'

/** What a group needs of the shard that it lives in. */
export interface GroupHost {
  readonly config: GroupConfig
  readonly random: Random
  readonly timers: Timers
  readonly logEvent: LogEvent
  wallMs(): number
  /** A deadline of this group; it passes in the group's mailbox, unless it was armed again meanwhile. */
  timer(group: ClassicGroup, expired: () => void): Timer
  /**
   * Appends records that change the group itself. Until they are settled, nothing else happens in the group. They are
   * replayed before `settled(NONE)`; with any other code they are not and will not be in the log.
   */
  write(group: ClassicGroup, records: readonly GroupRecord[], outcome: WriteOutcome): void
  /** Runs once the write that this operation began, if any, is settled. */
  afterWrite(group: ClassicGroup, settled: (errorCode: number) => void): void
}

export interface WriteOutcome {
  readonly settled: (errorCode: number) => void
  /** The log does not decide in time: whoever waits must hear something. `settled` still follows. */
  readonly stalled?: (errorCode: number) => void
}

/** What members are told of a log that refused a record. */
export function coordinatorError(appendError: number): number {
  switch (appendError) {
    case errorCodes.UNKNOWN_TOPIC_OR_PARTITION:
    case errorCodes.NOT_ENOUGH_REPLICAS:
    case errorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case errorCodes.REQUEST_TIMED_OUT:
      return errorCodes.COORDINATOR_NOT_AVAILABLE
    case errorCodes.NOT_LEADER_OR_FOLLOWER:
    case errorCodes.KAFKA_STORAGE_ERROR:
      return errorCodes.NOT_COORDINATOR
    case errorCodes.MESSAGE_TOO_LARGE:
    case errorCodes.RECORD_LIST_TOO_LARGE:
      return errorCodes.UNKNOWN_SERVER_ERROR
    default:
      return appendError
  }
}
