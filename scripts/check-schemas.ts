/**
 * Compares our api table and internal records with a directory of Kafka's message definitions (JSON with comments):
 *
 *   node scripts/check-schemas.ts <directory>        or KAFKA_MESSAGES=<directory> node scripts/check-schemas.ts
 *
 * The directory may have subfolders, e.g. the `message` folders of a source tree. For every version that Kafka accepts
 * it compares presence and order of fields, types, nullability, tags and fallbacks. DIFFERS lines make it exit with 1;
 * MISSING lists apis of Kafka that we do not have, which is no error.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Api,
  type Field,
  type Struct,
  type VersionSpec,
  apiByKey,
  apis,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  groupMetadataValue,
  inVersions,
  offsetCommitValue,
  versionRange,
} from '@trimaran/protocol'

interface KafkaField {
  readonly name: string
  readonly type: string
  readonly versions: VersionSpec | 'none'
  readonly nullableVersions?: VersionSpec
  readonly tag?: number
  readonly taggedVersions?: VersionSpec
  readonly default?: string | number | boolean
  readonly fields?: readonly KafkaField[]
}

interface KafkaMessage {
  readonly apiKey?: number
  readonly type: string
  readonly name: string
  readonly validVersions: VersionSpec | 'none'
  readonly flexibleVersions: VersionSpec | 'none'
  readonly fields: readonly KafkaField[]
  readonly commonStructs?: readonly KafkaField[]
}

/** Ours may be stricter about the range of numbers, which the wire does not show. */
const sameWire = new Map([
  ['saturatedInt64', 'int64'],
  ['boolean', 'bool'],
])

const zeros: Readonly<Record<string, unknown>> = {
  bool: false,
  string: '',
  uuid: 'AAAAAAAAAAAAAAAAAAAAAA',
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  uint32: 0,
  int64: 0,
  float64: 0,
}

const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

function readMessages(directory: string): KafkaMessage[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return readMessages(path)
    if (!entry.name.endsWith('.json')) return []
    return [JSON.parse(readFileSync(path, 'utf8').replaceAll(/^\s*\/\/.*$/gm, '')) as KafkaMessage]
  })
}

/** Compares one struct at one version; collects what differs. */
class Comparison {
  readonly differences = new Set<string>()
  readonly #commons: ReadonlyMap<string, readonly KafkaField[]>

  constructor(message: KafkaMessage) {
    this.#commons = new Map(
      (message.commonStructs ?? []).map(common => [common.name, common.fields ?? []]),
    )
  }

  struct(path: string, version: number, ours: Struct, theirs: readonly KafkaField[]): void {
    const ourFields = Object.entries(ours).filter(([, field]) => present(field, version))
    const theirFields = theirs.filter(field => inVersions(field.versions, version))
    const ourNames = ourFields.map(([name]) => name)
    const theirNames = theirFields.map(field => camel(field.name))
    if (ourNames.join() !== theirNames.join()) {
      this.#differs(path, version, `fields ${ourNames.join(', ')}`, theirNames.join(', '))
      return
    }
    for (const [index, [name, field]] of ourFields.entries()) {
      this.#field(`${path}.${name}`, version, field, theirFields[index]!)
    }
    for (const field of theirs) {
      const name = camel(field.name)
      if (name in ours && !present(ours[name]!, version))
        this.#fallback(`${path}.${name}`, ours[name]!, field)
    }
  }

  #field(path: string, version: number, ours: Field, theirs: KafkaField): void {
    const nullable = (spec: VersionSpec | undefined) =>
      spec !== undefined && inVersions(spec, version)
    const ourTag = ours.facts.tag
    const theirTag = nullable(theirs.taggedVersions) ? theirs.tag : undefined
    if (ourTag !== theirTag) this.#differs(path, version, `tag ${ourTag}`, `tag ${theirTag}`)
    const ourNull = nullable(ours.facts.nullable)
    const theirNull = nullable(theirs.nullableVersions)
    if (ourNull !== theirNull) this.#differs(path, version, `nullable ${ourNull}`, `${theirNull}`)
    if (ourTag !== undefined) this.#fallback(path, ours, theirs)
    this.#type(path, version, ours, theirs.type, theirs.fields)
  }

  #type(
    path: string,
    version: number,
    ours: Field,
    type: string,
    fields?: readonly KafkaField[],
  ): void {
    const { wire } = ours
    if (typeof wire === 'string') {
      const name = sameWire.get(wire) ?? wire
      if (name !== type) this.#differs(path, version, name, type)
    } else if ('array' in wire) {
      if (type.startsWith('[]')) this.#type(path, version, wire.array, type.slice(2), fields)
      else this.#differs(path, version, 'an array', type)
    } else {
      const members = fields ?? this.#commons.get(type)
      if (members === undefined) this.#differs(path, version, 'a struct', type)
      else this.struct(path, version, wire.struct, members)
    }
  }

  /**
   * What a field is when it is not on the wire. Where Kafka has no default for a nullable field it means the empty
   * value; ours is null then, which says the same better, unless it decides what is written: in tagged fields.
   */
  #fallback(path: string, ours: Field, theirs: KafkaField): void {
    if (typeof ours.wire !== 'string') {
      if ('struct' in ours.wire && ours.facts.fallback !== null)
        this.#members(path, ours.wire.struct, theirs)
      return
    }
    const expected = defaultOf(theirs)
    const { fallback, tag } = ours.facts
    if (tag === undefined && fallback === null && theirs.nullableVersions !== undefined) return
    if (ours.wire === 'bytes' || ours.wire === 'records') return
    if (fallback !== expected)
      this.#differs(path, undefined, `fallback ${String(fallback)}`, String(expected))
  }

  /** A struct that is left out has the fallbacks of its members. */
  #members(path: string, ours: Struct, theirs: KafkaField): void {
    for (const member of theirs.fields ?? this.#commons.get(theirs.type) ?? []) {
      const field = ours[camel(member.name)]
      if (field !== undefined) this.#fallback(`${path}.${camel(member.name)}`, field, member)
    }
  }

  #differs(path: string, version: number | undefined, ours: string, theirs: string): void {
    const at = version === undefined ? path : `${path} v${version}`
    this.differences.add(`DIFFERS ${at}: ${ours}, Kafka has ${theirs}`)
  }
}

const present = (field: Field, version: number): boolean =>
  field.facts.since === undefined || inVersions(field.facts.since, version)

function defaultOf(field: KafkaField): unknown {
  if (field.default === undefined || field.default === '') return zeros[field.type]
  const text = String(field.default)
  if (text === 'null') return null
  if (field.type === 'bool') return text === 'true'
  if (field.type === 'string' || field.type === 'uuid') return text
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(text)))
}

function compareMessage(
  ours: {
    readonly name: string
    readonly versions: VersionSpec
    readonly flexible: string
    readonly fields: Struct
  },
  theirs: KafkaMessage,
): string[] {
  const head: string[] = []
  if (ours.versions !== theirs.validVersions) {
    head.push(
      `DIFFERS ${theirs.name}: versions ${ours.versions}, Kafka has ${theirs.validVersions}`,
    )
  }
  if (ours.flexible !== theirs.flexibleVersions) {
    head.push(
      `DIFFERS ${theirs.name}: flexible ${ours.flexible}, Kafka has ${theirs.flexibleVersions}`,
    )
  }
  const comparison = new Comparison(theirs)
  const { min, max } = versionRange(ours.versions)
  for (let version = min; version <= max; version++) {
    comparison.struct(theirs.name, version, ours.fields, theirs.fields)
  }
  return [...head, ...comparison.differences]
}

const directory = process.argv[2] ?? process.env['KAFKA_MESSAGES']
if (directory === undefined) {
  console.error('usage: node scripts/check-schemas.ts <directory with message JSON>')
  process.exit(2)
}
const messages = readMessages(directory)
const lines: string[] = []
let compared = 0
for (const message of messages) {
  if (message.type !== 'request' && message.type !== 'response') continue
  if (message.validVersions === 'none' || message.apiKey === undefined) continue
  const ours: Api | undefined = apiByKey(message.apiKey)
  if (ours === undefined) {
    if (message.type === 'request')
      lines.push(`MISSING ${message.apiKey} ${message.name.replace(/Request$/, '')}`)
    continue
  }
  if (message.name.toLowerCase() !== `${ours.name}${message.type}`.toLowerCase()) {
    lines.push(`DIFFERS ${message.apiKey}: name ${ours.name}, Kafka has ${message.name}`)
  }
  lines.push(...compareMessage({ ...ours, fields: ours[message.type] }, message))
  compared++
}
for (const ours of [
  offsetCommitValue,
  groupMetadataValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
]) {
  const message = messages.find(candidate => candidate.name === ours.name)
  if (message === undefined) continue
  lines.push(...compareMessage(ours, message))
  compared++
}
const wanted = Object.keys(apis).length * 2
if (compared < wanted) lines.push(`DIFFERS: only ${compared} of our messages are in ${directory}`)
for (const line of lines.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })))
  console.log(line)
const differing = lines.filter(line => line.startsWith('DIFFERS')).length
console.log(`${compared} messages compared, ${differing} differences`)
process.exitCode = differing === 0 ? 0 : 1
