export * from './apis/index.ts'
export * from './big-endian.ts'
export * from './compile.ts'
export * from './errors.ts'
export * from './headers.ts'
export * from './reader.ts'
export * from './records/batch.ts'
export * from './records/crc32c.ts'
export * from './writer.ts'
export {
  type Api,
  type Decoded,
  type Encodable,
  type Field,
  type IncomingResponseOf,
  type Message,
  type OutgoingRequestOf,
  type RequestOf,
  type ResponseOf,
  type Struct,
  type VersionRange,
  type VersionSpec,
  inVersions,
  isFlexible,
  supports,
  versionRange,
} from './schema.ts'
/** The language of schemas, for other packages' own messages. */
export * as schema from './schema.ts'
