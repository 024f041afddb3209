import type { LeaderEpoch, Offset } from '@trimaran/common'

/**
 * What clients ask of a group's coordinator, in the words of the newest request versions. What older versions lack has
 * become a value here; what depends on the version is a named flag.
 */

export interface GroupProtocol {
  readonly name: string
  /** Opaque to the coordinator, but for the topics of the `consumer` type. */
  readonly metadata: Uint8Array
}

export interface JoinGroupRequest {
  readonly groupId: string
  /** Empty: the client has none yet. */
  readonly memberId: string
  /** Static membership (KIP-345). */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  /** −1 (v0): the session timeout. */
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  /** In the order of the member's preference. */
  readonly protocols: readonly GroupProtocol[]
  readonly reason: string | null
  /** v4 and later (KIP-394): a client without an id gets one with MEMBER_ID_REQUIRED and joins again. */
  readonly requireKnownMemberId: boolean
  /** v9 and later (KIP-814): a static leader that came back leads on without computing an assignment. */
  readonly supportsSkippingAssignment: boolean
}
export interface JoinGroupResponse {
  readonly errorCode: number
  /** −1 with an error. */
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** Everyone, for the leader alone. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Uint8Array
  }[]
}

export interface SyncGroupRequest {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** Null before v5: not checked. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  /** From the leader; taken from nobody else. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}
export interface SyncGroupResponse {
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface HeartbeatRequest {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface LeaveGroupRequest {
  readonly groupId: string
  readonly members: readonly {
    /** Empty: an administrator removes a static member by its instance id. */
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly reason: string | null
  }[]
}
export interface LeaveGroupResponse {
  readonly errorCode: number
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly errorCode: number
  }[]
}

export interface CommitOffsetsRequest {
  readonly groupId: string
  /** −1 together with an empty member id: a consumer that uses no group management, or an administrator. */
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** v2 to v4; −1: the broker's retention. */
  readonly retentionTimeMs: number
  /** v9 and later: GROUP_ID_NOT_FOUND where older ones get ILLEGAL_GENERATION. */
  readonly knowsGroupIdNotFound: boolean
  /** Of topics that exist: the caller has checked. */
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partition: number
      readonly offset: Offset
      readonly leaderEpoch: LeaderEpoch
      readonly metadata: string | null
    }[]
  }[]
}
export interface TopicErrors {
  readonly name: string
  readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
}
export interface CommitOffsetsResponse {
  readonly topics: readonly TopicErrors[]
}

export interface FetchOffsetsRequest {
  readonly groupId: string
  /** Null: every offset that the group has. */
  readonly topics:
    | readonly { readonly name: string; readonly partitions: readonly number[] }[]
    | null
  /** Answer UNSTABLE_OFFSET_COMMIT where a transaction has yet to decide (KIP-447). */
  readonly requireStable: boolean
}
export interface FetchOffsetsResponse {
  readonly errorCode: number
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partition: number
      /** −1: none. */
      readonly offset: Offset
      readonly leaderEpoch: LeaderEpoch
      readonly metadata: string
      readonly errorCode: number
    }[]
  }[]
}

export interface DescribeGroupResponse {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly groupId: string
  readonly groupState: string
  readonly protocolType: string
  /** The protocol that was selected, once the group is stable. */
  readonly protocolData: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly memberMetadata: Uint8Array
    readonly memberAssignment: Uint8Array
  }[]
}

export interface ListGroupsRequest {
  /** Empty: all. Compared without regard to case. */
  readonly statesFilter: readonly string[]
  readonly typesFilter: readonly string[]
}
export interface ListGroupsResponse {
  readonly errorCode: number
  readonly groups: readonly {
    readonly groupId: string
    readonly protocolType: string
    readonly groupState: string
    readonly groupType: string
  }[]
}

export interface DeleteOffsetsRequest {
  readonly groupId: string
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[]
}
export interface DeleteOffsetsResponse {
  readonly errorCode: number
  readonly topics: readonly TopicErrors[]
}
