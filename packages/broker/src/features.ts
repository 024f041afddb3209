export interface Feature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  readonly finalizedVersion: number
}

/**
 * Features by which clients choose their behaviour (KIP-584), with the levels this broker keeps. metadata.version 30 is
 * 4.3-IV0, the release whose request versions are served; kraft.version 1 is voters in the log, which can change (KIP-853):
 * they are there from entry 0 on, so there is no level 0 to go back to, where Apache's own brokers have one.
 * Levels that would promise what is not there (transaction.version, share.version, streams.version, …) are not listed: clients take an absent feature as level 0.
 */
export const supportedFeatures: readonly Feature[] = [
  { name: 'metadata.version', minVersion: 7, maxVersion: 30, finalizedVersion: 30 },
  { name: 'kraft.version', minVersion: 1, maxVersion: 1, finalizedVersion: 1 },
]
