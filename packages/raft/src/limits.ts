/** Every bound and pace of the quorum that is not configuration. */

/** The bounds that a simulation narrows, so that it meets them. */
export interface Limits {
  readonly fetchResponseBytesMax: number
  readonly snapshotChunkBytesMax: number
  readonly replicasMax: number
  readonly committedBytesPerTurn: number
}

/**
 * Payload per fetch response, or one entry if that one is larger: at 100 MB/s between nodes a response occupies a link
 * for 10 ms, far below any timeout.
 */
export const fetchResponseBytesMax = 1024 * 1024

/** What an entry costs beside its payload, so that empty payloads are bounded too (32,768 entries a response). */
export const entryOverheadBytes = 32

/** Half the payload of a fetch response: a chunk never delays a vote on the same link for longer than entries do. */
export const snapshotChunkBytesMax = 512 * 1024

/** How long a replica that fetches a snapshot can keep the leader from making the next: 1 GiB at 10 MB/s, rounded up. */
export const snapshotHoldMaxMs = 120_000

/** A snapshot is held in memory whole: 1,000,000 partitions at about 500 bytes of state each, doubled. */
export const snapshotBytesMax = 1024 * 1024 * 1024

/** Four times the 1,000 brokers planned for; the longest silent observer makes room. About 200 bytes each. */
export const replicasMax = 4096

/**
 * Payload of committed entries that the listener gets in one turn of the event loop, or one entry if that one is larger:
 * some 600 records of the metadata, which take it about 10 ms.
 */
export const committedBytesPerTurn = 64 * 1024

export const defaultLimits: Limits = {
  fetchResponseBytesMax,
  snapshotChunkBytesMax,
  replicasMax,
  committedBytesPerTurn,
}

/** An observer silent for this long is forgotten, as in Kafka. */
export const observerSessionMs = 300_000

/** How long a fetch with nothing to say may wait, as in Kafka; never more than a quarter of the fetch timeout. */
export const parkedFetchMaxMs = 500

/** A leader that a majority has not fetched from for this many fetch timeouts resigns (KIP-595). */
export const checkQuorumFactor = 1.5

/** A voter that starts and knows no leader stands after a random time in this range. */
export const coldStartMs = { min: 30, max: 120 } as const

/** Followers that lose their leader's link together must not stand together. */
export const staggerMs = { min: 0, max: 30 } as const

/** After a lost round; the range doubles with each further loss, up to `electionBackoffMaxMs`. */
export const lostRoundBackoffMs = { min: 20, max: 80 } as const

/** One refusal does not lose a round, but it makes waiting a whole election timeout for silent voters pointless. */
export const refusedRoundMs = 100

/** Who has just granted a pre-vote lets the other finish its round first. */
export const deferenceMs = { min: 50, max: 100 } as const

/** Step between the preferred successors of a resigned leader: a whole election fits in it. */
export const successorStepMs = 50

/** An observer's first wait for an answer about who leads; doubles up to `electionBackoffMaxMs`. */
export const askLeaderMs = { min: 50, max: 100 } as const
