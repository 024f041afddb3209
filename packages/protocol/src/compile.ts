/**
 * Turns a schema into codecs: straight-line JavaScript for exactly one version, no version tests and no dispatch per
 * field, one object literal per struct. It is compiled when a version is first met. No input ever reaches the source:
 * all names come from our own schema files, and are checked all the same.
 */
import { assert, emptyBytes } from '@trimaran/common'
import type { Reader } from './reader.ts'
import {
  type Api,
  type Decoded,
  type Encodable,
  type Field,
  type Message,
  type Scalar,
  type Struct,
  inVersions,
} from './schema.ts'
import { Writer } from './writer.ts'

export interface Codec<S extends Struct = Struct> {
  /** @throws ProtocolError, and nothing else, whatever the bytes are */
  decode(reader: Reader): Decoded<S>
  encode(writer: Writer, value: Encodable<S>): void
}

export interface ApiCodecs<Q extends Struct, R extends Struct> {
  request(version: number): Codec<Q>
  response(version: number): Codec<R>
}

const NAME = /^[a-z][A-Za-z0-9]*$/

const fixedBytes: Readonly<Record<Scalar, number>> = {
  boolean: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  saturatedInt64: 8,
  float64: 8,
  uuid: 16,
  string: 2,
  bytes: 4,
  records: 4,
}

const variableLength: ReadonlySet<Scalar> = new Set(['string', 'bytes', 'records'])

/** Source text under construction, for one version. */
interface Context {
  readonly version: number
  readonly flexible: boolean
  readonly lines: string[]
  names: number
}

const onWire = (context: Context, field: Field): boolean =>
  field.facts.since === undefined || inVersions(field.facts.since, context.version)

const mayBeNull = (context: Context, field: Field): boolean =>
  field.facts.nullable !== undefined && inVersions(field.facts.nullable, context.version)

function untaggedFields(context: Context, fields: Struct): [string, Field][] {
  return Object.entries(fields).filter(
    ([, field]) => field.facts.tag === undefined && onWire(context, field),
  )
}

/** In order of their tags, as the wire wants them. */
function taggedFields(context: Context, fields: Struct): [string, Field][] {
  return Object.entries(fields)
    .filter(([, field]) => field.facts.tag !== undefined && onWire(context, field))
    .toSorted(([, a], [, b]) => a.facts.tag! - b.facts.tag!)
}

/** Name of the Reader's and Writer's method: `int32`, `compactNullableString`, … */
function scalarMethod(context: Context, field: Field, wire: Scalar): string {
  if (!variableLength.has(wire)) return wire
  const words = [context.flexible ? 'Compact' : '', mayBeNull(context, field) ? 'Nullable' : '']
  const joined = `${words.join('')}${wire === 'string' ? 'String' : 'Bytes'}`
  return joined.charAt(0).toLowerCase() + joined.slice(1)
}

function lengthMethod(context: Context, nullable: boolean): string {
  if (context.flexible) return nullable ? 'compactNullableArrayLength' : 'compactArrayLength'
  return nullable ? 'nullableArrayLength' : 'arrayLength'
}

/** Least bytes a value takes on the wire: bounds how many elements an array can honestly claim. */
function leastBytes(context: Context, field: Field): number {
  const { wire } = field
  if (typeof wire === 'string')
    return context.flexible && variableLength.has(wire) ? 1 : fixedBytes[wire]
  if ('array' in wire) return context.flexible ? 1 : 4
  if (mayBeNull(context, field)) return 1
  let sum = context.flexible ? 1 : 0
  for (const [, member] of untaggedFields(context, wire.struct)) sum += leastBytes(context, member)
  return sum
}

function fallbackSource(field: Field): string {
  const { wire, facts } = field
  if (facts.fallback === null) return 'null'
  if (wire === 'bytes') return 'emptyBytes'
  if (typeof wire === 'string') return JSON.stringify(facts.fallback)
  if ('array' in wire) return '[]'
  const members = Object.entries(wire.struct).map(
    ([name, member]) => `${name}: ${fallbackSource(member)}`,
  )
  return `{ ${members.join(', ')} }`
}

// Decoding ------------------------------------------------------------------------------------------------------------

/** Emits what reads the value; returns the expression that is it. */
function decodeValue(context: Context, field: Field): string {
  const { wire } = field
  const id = context.names++
  const nullable = mayBeNull(context, field)
  if (typeof wire === 'string') {
    context.lines.push(`const v${id} = r.${scalarMethod(context, field, wire)}()`)
  } else if ('array' in wire) {
    const least = Math.max(1, leastBytes(context, wire.array))
    context.lines.push(
      `const n${id} = r.${lengthMethod(context, nullable)}(${least})`,
      `const v${id} = ${nullable ? `n${id} < 0 ? null : []` : '[]'}`,
      `for (let i${id} = 0; i${id} < n${id}; i${id}++) {`,
    )
    const element = decodeValue(context, wire.array)
    context.lines.push(`v${id}.push(${element})`, '}')
  } else if (nullable) {
    context.lines.push(`let v${id} = null`, 'if (r.int8() >= 0) {')
    const value = decodeStruct(context, wire.struct)
    context.lines.push(`v${id} = ${value}`, '}')
  } else {
    const value = decodeStruct(context, wire.struct)
    context.lines.push(`const v${id} = ${value}`)
  }
  return `v${id}`
}

function decodeStruct(context: Context, fields: Struct): string {
  const values = new Map<string, string>()
  for (const [name, field] of untaggedFields(context, fields))
    values.set(name, decodeValue(context, field))
  if (context.flexible) decodeTagged(context, taggedFields(context, fields), values)
  const members = Object.entries(fields).map(([name, field]) => {
    assert(NAME.test(name), `field name ${name}`)
    return `${name}: ${values.get(name) ?? fallbackSource(field)}`
  })
  return `{ ${members.join(', ')} }`
}

function decodeTagged(
  context: Context,
  fields: readonly [string, Field][],
  values: Map<string, string>,
): void {
  const { lines } = context
  if (fields.length === 0) {
    lines.push('r.skipTags()')
    return
  }
  const id = context.names++
  for (const [name, field] of fields) {
    values.set(name, `t${id}_${name}`)
    lines.push(`let t${id}_${name} = ${fallbackSource(field)}`)
  }
  lines.push(`for (let c${id} = r.uvarint(); c${id} > 0; c${id}--) {`, 'switch (r.uvarint()) {')
  for (const [name, field] of fields) {
    lines.push(`case ${field.facts.tag}: {`, `const e${id} = r.openTag()`)
    lines.push(`t${id}_${name} = ${decodeValue(context, field)}`)
    lines.push(`r.closeTag(e${id})`, 'break', '}')
  }
  lines.push('default:', 'r.closeTag(r.openTag())', '}', '}')
}

// Encoding ------------------------------------------------------------------------------------------------------------

/** Emits what writes `value`, a name or a member of one, to the writer named `w`. */
function encodeValue(context: Context, field: Field, value: string, w: string): void {
  const { wire, facts } = field
  const { lines } = context
  const nullable = mayBeNull(context, field)
  const id = context.names++
  // Null in a version that knows none is written as the empty value.
  const known = facts.nullable !== undefined && !nullable
  if (typeof wire === 'string') {
    const empty = wire === 'string' ? "''" : 'emptyBytes'
    lines.push(
      `${w}.${scalarMethod(context, field, wire)}(${known ? `${value} ?? ${empty}` : value})`,
    )
  } else if ('array' in wire) {
    const method = lengthMethod(context, false)
    lines.push(`const a${id} = ${known ? `${value} ?? []` : value}`)
    if (nullable) lines.push(`if (a${id} === null) ${w}.${method}(-1)`, 'else {')
    lines.push(`${w}.${method}(a${id}.length)`)
    lines.push(
      `for (let i${id} = 0; i${id} < a${id}.length; i${id}++) {`,
      `const x${id} = a${id}[i${id}]`,
    )
    encodeValue(context, wire.array, `x${id}`, w)
    lines.push('}')
    if (nullable) lines.push('}')
  } else {
    const plain = known ? `${value} ?? ${fallbackSource({ wire, facts: {} })}` : value
    lines.push(`const x${id} = ${plain}`)
    if (nullable) lines.push(`if (x${id} === null) ${w}.int8(-1)`, 'else {', `${w}.int8(1)`)
    encodeStruct(context, wire.struct, `x${id}`, w)
    if (nullable) lines.push('}')
  }
}

function encodeStruct(context: Context, fields: Struct, value: string, w: string): void {
  for (const [name, field] of untaggedFields(context, fields)) {
    assert(NAME.test(name), `field name ${name}`)
    const member = `${value}.${name}`
    if (field.facts.since === undefined) encodeValue(context, field, member, w)
    else encodeValue(context, field, orFallback(context, field, member), w)
  }
  if (context.flexible) encodeTagged(context, taggedFields(context, fields), value, w)
}

function orFallback(context: Context, field: Field, member: string): string {
  const id = context.names++
  context.lines.push(
    `const o${id} = ${member} === undefined ? ${fallbackSource(field)} : ${member}`,
  )
  return `o${id}`
}

function encodeTagged(
  context: Context,
  fields: readonly [string, Field][],
  value: string,
  w: string,
): void {
  const { lines } = context
  const present: { field: Field; member: string; flag: string }[] = []
  for (const [name, field] of fields) {
    const member = orFallback(context, field, `${value}.${name}`)
    const flag = `p${context.names++}`
    lines.push(`const ${flag} = ${differsSource(field, member)} ? 1 : 0`)
    present.push({ field, member, flag })
  }
  lines.push(`${w}.uvarint(${present.length === 0 ? '0' : present.map(p => p.flag).join(' + ')})`)
  for (const { field, member, flag } of present) {
    const inner = `w${context.names++}`
    lines.push(`if (${flag}) {`, `const ${inner} = new Writer()`)
    encodeValue(context, field, member, inner)
    lines.push(`${w}.taggedField(${field.facts.tag}, ${inner})`, '}')
  }
}

/** Condition under which a tagged field must be written: it is not its fallback. */
function differsSource(field: Field, value: string): string {
  const { wire, facts } = field
  if (facts.fallback === null) return `${value} !== null`
  const orNull = facts.nullable === undefined ? '' : `${value} === null || `
  if (wire === 'bytes' || (typeof wire !== 'string' && 'array' in wire))
    return `(${orNull}${value}.length !== 0)`
  if (typeof wire === 'string') return `${value} !== ${fallbackSource(field)}`
  const members = Object.entries(wire.struct).map(([name, member]) => {
    const part = `${value}.${name}`
    const omitted = member.facts.since === undefined ? '' : `${part} !== undefined && `
    return `(${omitted}${differsSource(member, part)})`
  })
  return `(${orNull}${members.join(' || ')})`
}

// Codecs --------------------------------------------------------------------------------------------------------------

/** The bodies of the two functions, for reviews and snapshots. */
export function codecSource(
  fields: Struct,
  version: number,
  flexible: boolean,
): { decode: string; encode: string } {
  const decoding: Context = { version, flexible, lines: [], names: 0 }
  const value = decodeStruct(decoding, fields)
  const encoding: Context = { version, flexible, lines: [], names: 0 }
  encodeStruct(encoding, fields, 'm', 'w')
  return {
    decode: [...decoding.lines, `return ${value}`].join('\n'),
    encode: encoding.lines.join('\n'),
  }
}

function compile<S extends Struct>(
  name: string,
  fields: S,
  version: number,
  flexible: boolean,
): Codec<S> {
  const source = codecSource(fields, version, flexible)
  const text = `'use strict'
return {
decode(r) {
${source.decode}
},
encode(w, m) {
${source.encode}
}
}
//# sourceURL=kafka/${name}.v${version}.js`
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is our own schemas (see the head of this file)
  return new Function('Writer', 'emptyBytes', text)(Writer, emptyBytes) as Codec<S>
}

/** Versions of one struct, compiled on first use. */
function lazily<S extends Struct>(definition: Message<S>): (version: number) => Codec<S> {
  const compiled: (Codec<S> | undefined)[] = []
  return version => {
    let codec = compiled[version]
    if (codec === undefined) {
      assert(
        inVersions(definition.versions, version),
        `there is no version ${version} of ${definition.name}`,
      )
      const flexible = inVersions(definition.flexible, version)
      codec = compile(definition.name, definition.fields, version, flexible)
      compiled[version] = codec
    }
    return codec
  }
}

const known = new WeakMap<object, unknown>()

/** Codecs of an api's versions; always the same object for the same api. */
export function codecsOf<Q extends Struct, R extends Struct>(
  definition: Api<Q, R>,
): ApiCodecs<Q, R> {
  let codecs = known.get(definition) as ApiCodecs<Q, R> | undefined
  if (codecs === undefined) {
    const { name, versions, flexible, request, response } = definition
    codecs = {
      request: lazily({ name: `${name}.request`, versions, flexible, fields: request }),
      response: lazily({ name: `${name}.response`, versions, flexible, fields: response }),
    }
    known.set(definition, codecs)
  }
  return codecs
}

/** Codec of one version of a message. */
export function codecOf<S extends Struct>(definition: Message<S>, version: number): Codec<S> {
  let codecs = known.get(definition) as ((version: number) => Codec<S>) | undefined
  if (codecs === undefined) {
    codecs = lazily(definition)
    known.set(definition, codecs)
  }
  return codecs(version)
}
