export interface Feature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  readonly finalizedVersion: number
}

/**
 * Features by which clients choose their behaviour (KIP-584), with the levels this broker keeps. metadata.version 30 is
 * 4.3-IV0, the release whose request versions are served; kraft.version 1 is voters in the log, which can change (KIP-853).
 * Levels that would promise what is not there (transaction.version, share.version, streams.version, …) are not listed: clients take an absent feature as level 0.
 */
export const supportedFeatures: readonly Feature[] = [
  { name: 'metadata.version', minVersion: 7, maxVersion: 30, finalizedVersion: 30 },
  { name: 'kraft.version', minVersion: 0, maxVersion: 1, finalizedVersion: 1 },
]
