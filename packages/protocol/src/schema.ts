/**
 * The language of message schemas. A schema is data: one value stands for all versions of a message, codecs for single
 * versions are compiled from it (compile.ts), and TypeScript infers the value's type.
 *
 * As in Kafka, a field that is not on the wire in some version has its fallback there: decoding yields it, encoding
 * leaves the field out. Encoders may therefore omit what is `since` or `tagged`. Null in a version that knows no null
 * is written as the empty value.
 */
import { type Uuid, emptyBytes, zeroUuid } from '@trimaran/common'

/** `3` is that version, `3+` it and all later ones, `3-5` both ends included. */
export type VersionSpec = `${number}` | `${number}+` | `${number}-${number}`

export type Scalar =
  | 'boolean'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'saturatedInt64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'

export type Wire = Scalar | { readonly array: Field } | { readonly struct: Struct }

export interface Facts {
  /** Versions that have the field; all if absent. */
  readonly since?: VersionSpec
  /** Versions in which it may be null. */
  readonly nullable?: VersionSpec
  /** Number among the tagged fields of its struct (KIP-482). */
  readonly tag?: number
  /** Its value where it is absent; absent itself for arrays and structs, which are then empty. */
  readonly fallback?: unknown
}

/** `In` is what decoding yields, `Out` what encoding takes, `Omittable` whether an encoder may leave it out. */
export interface Field<In = unknown, Out = unknown, Omittable extends boolean = boolean> {
  readonly wire: Wire
  readonly facts: Facts
  readonly __in?: In
  readonly __out?: Out
  readonly __omittable?: Omittable
}

export interface Struct {
  readonly [name: string]: Field
}

type OmittableKeys<S extends Struct> = {
  [K in keyof S]: S[K] extends Field<unknown, unknown, true> ? K : never
}[keyof S]

/** What a decoder yields: every field is there. */
export type Decoded<S extends Struct> = {
  -readonly [K in keyof S]: S[K] extends Field<infer In> ? In : never
}

/** What an encoder takes: what not every version carries may be left out. */
export type Encodable<S extends Struct> = {
  readonly [K in Exclude<keyof S, OmittableKeys<S>>]: S[K] extends Field<unknown, infer Out>
    ? Out
    : never
} & {
  readonly [K in OmittableKeys<S>]?: S[K] extends Field<unknown, infer Out>
    ? Out | undefined
    : never
}

const scalar = <T>(wire: Scalar, fallback: T): Field<T, T, false> => ({ wire, facts: { fallback } })

export const boolean = scalar<boolean>('boolean', false)
export const int8 = scalar<number>('int8', 0)
export const int16 = scalar<number>('int16', 0)
export const uint16 = scalar<number>('uint16', 0)
export const int32 = scalar<number>('int32', 0)
export const uint32 = scalar<number>('uint32', 0)
/** A number within ±2^53; anything else on the wire is a ProtocolError. */
export const int64 = scalar<number>('int64', 0)
/** An int64 whose values beyond ±2^53 are drawn to the end of that range. */
export const saturatedInt64 = scalar<number>('saturatedInt64', 0)
export const float64 = scalar<number>('float64', 0)
/** 22 characters of base64url. */
export const uuid: Field<Uuid, string, false> = { wire: 'uuid', facts: { fallback: zeroUuid } }
export const string = scalar<string>('string', '')
/** Decoded as a view on the input. */
export const bytes = scalar<Uint8Array>('bytes', emptyBytes)
/** Record batches: decoded as a view on the input, encoded by reference. */
export const records: Field<Uint8Array | null, Uint8Array | null, false> = {
  wire: 'records',
  facts: { nullable: '0+', fallback: null },
}

export const array = <In, Out, O extends boolean>(
  of: Field<In, Out, O>,
): Field<In[], readonly Out[], false> => ({ wire: { array: of }, facts: {} })

export const struct = <const S extends Struct>(
  fields: S,
): Field<Decoded<S>, Encodable<S>, false> => ({
  wire: { struct: fields },
  facts: {},
})

/** Null is allowed in `versions` and is the fallback. */
export const nullable = <In, Out, O extends boolean>(
  field: Field<In, Out, O>,
  versions: VersionSpec = '0+',
): Field<In | null, Out | null, O> => ({
  wire: field.wire,
  facts: { ...field.facts, nullable: versions, fallback: null },
})

/** A value other than that of its type for structs that are left out as a whole. */
export const withFallback = <In, Out>(
  field: Field<In, Out>,
  fallback: NoInfer<In>,
): Field<In, Out, false> => ({
  wire: field.wire,
  facts: { ...field.facts, fallback },
})

/** On the wire only in `versions`; elsewhere it has the fallback, by default that of its type. */
export const since = <In, Out>(
  versions: VersionSpec,
  field: Field<In, Out>,
  fallback?: NoInfer<In>,
): Field<In, Out, true> => ({
  wire: field.wire,
  facts: { ...field.facts, since: versions, ...(fallback === undefined ? {} : { fallback }) },
})

/** A tagged field (KIP-482): written only if it differs from the fallback. */
export const tagged = <In, Out>(
  tag: number,
  versions: VersionSpec,
  field: Field<In, Out>,
  fallback?: NoInfer<In>,
): Field<In, Out, true> => ({
  wire: field.wire,
  facts: { ...field.facts, since: versions, tag, ...(fallback === undefined ? {} : { fallback }) },
})

/** One api key: both directions, all versions. */
export interface Api<Q extends Struct = Struct, R extends Struct = Struct> {
  readonly key: number
  /** Kafka's name, e.g. `OffsetForLeaderEpoch`. */
  readonly name: string
  /** What can be decoded and encoded: what Kafka 4.3 accepts. */
  readonly versions: VersionSpec
  /** Versions with compact lengths and tagged fields, in body and headers. */
  readonly flexible: VersionSpec | 'none'
  readonly request: Q
  readonly response: R
}

export const api = <const Q extends Struct, const R extends Struct>(
  definition: Api<Q, R>,
): Api<Q, R> => definition

/** For servers: a request as it was decoded. */
export type RequestOf<A> = A extends Api<infer Q, Struct> ? Decoded<Q> : never
/** For servers: a response to encode. */
export type ResponseOf<A> = A extends Api<Struct, infer R> ? Encodable<R> : never
/** For clients: a request to encode. */
export type OutgoingRequestOf<A> = A extends Api<infer Q, Struct> ? Encodable<Q> : never
/** For clients: a response as it was decoded. */
export type IncomingResponseOf<A> = A extends Api<Struct, infer R> ? Decoded<R> : never

export interface VersionRange {
  readonly min: number
  /** Included; Infinity for an open end. */
  readonly max: number
}

/** There are a few dozen specs, all in this package's sources; each request asks for two of them. */
const parsedRanges = new Map<VersionSpec, VersionRange>()

export function versionRange(spec: VersionSpec): VersionRange {
  let range = parsedRanges.get(spec)
  if (range === undefined) {
    range = parseRange(spec)
    parsedRanges.set(spec, range)
  }
  return range
}

function parseRange(spec: VersionSpec): VersionRange {
  if (spec.endsWith('+')) return { min: Number(spec.slice(0, -1)), max: Infinity }
  const [min, max] = spec.split('-')
  return { min: Number(min), max: Number(max ?? min) }
}

export function inVersions(spec: VersionSpec | 'none', version: number): boolean {
  if (spec === 'none') return false
  const { min, max } = versionRange(spec)
  return version >= min && version <= max
}

export const isFlexible = (definition: Api, version: number): boolean =>
  inVersions(definition.flexible, version)

export const supports = (definition: Api, version: number): boolean =>
  inVersions(definition.versions, version)

/** A message that is no request or response: keys and values of internal topics, metadata records. */
export interface Message<S extends Struct = Struct> {
  readonly name: string
  readonly versions: VersionSpec
  readonly flexible: VersionSpec | 'none'
  readonly fields: S
}

export const message = <const S extends Struct>(definition: Message<S>): Message<S> => definition
