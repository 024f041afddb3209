import {
  api,
  array,
  boolean,
  int16,
  int32,
  int64,
  since,
  string,
  struct,
  tagged,
} from '../schema.ts'

/**
 * ApiVersions: what this server speaks. It is answered before authentication, and in v0 if the
 * version asked for is unknown.
 *
 * v1 throttle · v3 flexible, client software, features (KIP-511, KIP-584) · v4 supported features
 * whose minimum is 0
 */
export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    /** Letters, digits, "-" and "."; INVALID_REQUEST otherwise. */
    clientSoftwareName: since('3+', string),
    clientSoftwareVersion: since('3+', string),
  },
  response: {
    /**
     * UNSUPPORTED_VERSION: in v0, with the versions of this very api · INVALID_REQUEST: see the
     * request.
     */
    errorCode: int16,
    apiKeys: array(
      struct({
        apiKey: int16,
        minVersion: int16,
        maxVersion: int16,
      }),
    ),
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /** Before v4 without those whose minimum is 0, which old clients cannot read. */
    supportedFeatures: tagged(
      0,
      '3+',
      array(
        struct({
          name: string,
          minVersion: int16,
          maxVersion: int16,
        }),
      ),
    ),
    /** Metadata offset of `finalizedFeatures`; clients ignore them at -1. */
    finalizedFeaturesEpoch: tagged(1, '3+', int64, -1),
    finalizedFeatures: tagged(
      2,
      '3+',
      array(
        struct({
          name: string,
          maxVersionLevel: int16,
          minVersionLevel: int16,
        }),
      ),
    ),
    /** Of another age; always false. */
    zkMigrationReady: tagged(3, '3+', boolean),
  },
})
