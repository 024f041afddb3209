/**
 * ApiVersions v0–4: which keys and versions this broker serves. It is the table itself, so what is advertised works.
 *
 * - A version that is not served is answered in v0 with UNSUPPORTED_VERSION and the table (KIP-511, in dispatch.ts).
 * - v3+ carries the client's software name and version, kept on the connection; malformed → INVALID_REQUEST (KIP-511).
 * - Produce is advertised from 0 though 0–2 are refused: old librdkafka reads "compression allowed" from it (KAFKA-18659).
 * - v0–3 leave out features whose lowest version is 0 (KAFKA-17011).
 *
 * Not done: features have one level each, so there is nothing for UpdateFeatures to change.
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { supportedFeatures } from '../features.ts'
import { handler, type Handler, type VersionRange } from './handler.ts'

const softwarePattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
/** Longer ones are no names; KIP-511 sets no bound. */
const maxSoftwareLength = 256

const isSoftwareText = (text: string): boolean =>
  text.length <= maxSoftwareLength && softwarePattern.test(text)

export interface AdvertisedApi {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

/** Keys whose lowest advertised version is below the lowest served one, with the reason in the head comment. */
const advertisedFromZero: ReadonlySet<number> = new Set([apis.produce.key])

export function advertised(
  handlers: Iterable<{ readonly api: { readonly key: number }; readonly versions: VersionRange }>,
): AdvertisedApi[] {
  return [...handlers]
    .map(({ api, versions }) => ({
      apiKey: api.key,
      minVersion: advertisedFromZero.has(api.key) ? 0 : versions.min,
      maxVersion: versions.max,
    }))
    .sort((a, b) => a.apiKey - b.apiKey)
}

/** `table` is asked late: this handler is in it. */
export const apiVersions = (table: () => readonly AdvertisedApi[]): Handler =>
  handler(apis.apiVersions, { min: 0, max: 4 }, (request, context) => {
    const { apiVersion } = context.header
    if (apiVersion >= 3) {
      const { clientSoftwareName: name, clientSoftwareVersion: version } = request
      if (!isSoftwareText(name) || !isSoftwareText(version)) {
        return { errorCode: errorCodes.INVALID_REQUEST, apiKeys: [], throttleTimeMs: 0 }
      }
      context.connection.clientSoftware = { name, version }
    }
    const features = supportedFeatures.filter(feature => apiVersion >= 4 || feature.minVersion > 0)
    return {
      errorCode: errorCodes.NONE,
      apiKeys: [...table()],
      throttleTimeMs: 0,
      supportedFeatures: features.map(({ name, minVersion, maxVersion }) => ({
        name,
        minVersion,
        maxVersion,
      })),
      finalizedFeaturesEpoch: context.image().endOffset,
      finalizedFeatures: supportedFeatures.map(({ name, finalizedVersion }) => ({
        name,
        maxVersionLevel: finalizedVersion,
        minVersionLevel: finalizedVersion,
      })),
    }
  })
