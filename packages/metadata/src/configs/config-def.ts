export type ConfigType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'double'
  | 'string'
  | 'list'
  | 'password'
  | 'short'
  | 'class'

export type ConfigValue = boolean | number | string | readonly string[] | null

/** Where a value may be changed while the broker runs. A `clusterWide` one may also be set per broker. */
export type Dynamic = 'readOnly' | 'perBroker' | 'clusterWide'

export interface ConfigDef {
  readonly name: string
  readonly type: ConfigType
  /** As it is written in a properties file; null: none. */
  readonly defaultValue: string | null
  readonly doc: string
  /** What is wrong with a value of the right type; null: nothing. */
  readonly validator: ((value: ConfigValue) => string | null) | null
  /** What a valid value looks like, for eyes: `>=1`, `[a, b]`; empty: anything. */
  readonly validText: string
  readonly dynamic: Dynamic
  /** Of a topic key: the broker keys that give its default, the first that is set winning. */
  readonly brokerSynonyms: readonly string[]
  readonly sensitive: boolean
}

const types: ReadonlySet<string> = new Set<ConfigType>([
  'boolean',
  'int',
  'long',
  'double',
  'string',
  'list',
  'password',
  'short',
  'class',
])
const dynamicOf: Readonly<Record<string, Dynamic>> = {
  R: 'readOnly',
  B: 'perBroker',
  C: 'clusterWide',
}

/**
 * Reads a table of definitions. One row is one line, its columns separated by ` | `:
 *
 *     name | type | default | R(ead only), per B(roker) or C(luster wide) | valid values | doc
 *
 * `null` is no default. Valid values are `>=1`, `0..100`, `{a,b}` (one of), `[a,b]` (a list of some), `x>=1` (either the
 * word or the range), or nothing. For a topic key the fourth column holds the broker's synonyms instead.
 */
export function parseTable(text: string, kind: 'broker' | 'topic'): ReadonlyMap<string, ConfigDef> {
  const table = new Map<string, ConfigDef>()
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const def = parseRow(line, kind)
    if (table.has(def.name)) throw new Error(`config ${def.name} is defined twice`)
    table.set(def.name, def)
  }
  return table
}

function parseRow(line: string, kind: 'broker' | 'topic'): ConfigDef {
  const columns = line.split('|').map(column => column.trim())
  const [name = '', type = '', defaultText = '', fourth = '', validText = '', doc = ''] = columns
  const dynamic = kind === 'topic' ? 'clusterWide' : dynamicOf[fourth]
  if (columns.length !== 6 || !types.has(type) || dynamic === undefined) {
    throw new Error(`not a row of the config table: ${line}`)
  }
  return {
    name,
    type: type as ConfigType,
    defaultValue: defaultText === 'null' ? null : defaultText,
    doc,
    validator: validText === '' ? null : parseValidator(validText),
    validText,
    dynamic,
    brokerSynonyms: kind === 'topic' ? fourth.split(' ').filter(synonym => synonym !== '') : [],
    sensitive: type === 'password',
  }
}

function parseValidator(text: string): (value: ConfigValue) => string | null {
  const range = /^(?:>=(?<min>[-\d.]+)|(?<low>[-\d.]+)\.\.(?<high>[\d.]+))$/.exec(text)?.groups
  if (range !== undefined) {
    const min = Number(range['min'] ?? range['low'])
    const max = range['high'] === undefined ? Infinity : Number(range['high'])
    return value => {
      if (typeof value !== 'number') return null
      if (value < min) return `Value must be at least ${min}`
      return value > max ? `Value must be no more than ${max}` : null
    }
  }
  const words = text.slice(1, -1).split(',')
  if (text.startsWith('{')) {
    return value =>
      value === null || words.includes(String(value))
        ? null
        : `String must be one of: ${words.join(', ')}`
  }
  if (!text.startsWith('[')) throw new Error(`not a validator of the config table: ${text}`)
  return value => {
    const unknown = Array.isArray(value) ? value.find(word => !words.includes(word)) : undefined
    return unknown === undefined ? null : `Value "${unknown}" must be one of: ${words.join(', ')}`
  }
}

export type Parsed =
  | { readonly ok: true; readonly value: ConfigValue }
  | { readonly ok: false; readonly error: string }

const intMax = 2_147_483_647
const limits: Readonly<Record<string, readonly [bigint, bigint]>> = {
  short: [-32_768n, 32_767n],
  int: [BigInt(-intMax) - 1n, BigInt(intMax)],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
}

const invalid = (def: ConfigDef, text: string, why: string): Parsed => ({
  ok: false,
  error: `Invalid value ${def.sensitive ? '[hidden]' : text} for configuration ${def.name}: ${why}`,
})

/**
 * A value as written, in the type of its definition. A long is a number: exact up to 2^53, beyond that as close as a
 * double gets, which is enough for what means "for ever". Error texts are those of Kafka's ConfigDef.
 */
export function parseConfigValue(def: ConfigDef, text: string): Parsed {
  const trimmed = text.trim()
  const parsed = parseType(def, trimmed)
  if (!parsed.ok) return parsed
  const why = def.validator?.(parsed.value) ?? null
  return why === null ? parsed : invalid(def, trimmed, why)
}

function parseType(def: ConfigDef, text: string): Parsed {
  switch (def.type) {
    case 'boolean': {
      const word = text.toLowerCase()
      if (word === 'true' || word === 'false') return { ok: true, value: word === 'true' }
      return invalid(def, text, 'Expected value to be either true or false')
    }
    case 'short':
    case 'int':
    case 'long': {
      const [min, max] = limits[def.type] as readonly [bigint, bigint]
      if (!/^[-+]?\d{1,20}$/.test(text))
        return invalid(def, text, `Not a number of type ${def.type.toUpperCase()}`)
      const whole = BigInt(text.replace('+', ''))
      if (whole < min || whole > max)
        return invalid(def, text, `Not a number of type ${def.type.toUpperCase()}`)
      return { ok: true, value: Number(whole) }
    }
    case 'double': {
      const value = Number(text)
      if (text === '' || Number.isNaN(value))
        return invalid(def, text, 'Not a number of type DOUBLE')
      return { ok: true, value }
    }
    case 'list': {
      if (text === '') return { ok: true, value: [] }
      const items = text.split(',').map(item => item.trim())
      if (items.includes('')) return invalid(def, text, 'Configuration values must not be empty.')
      return { ok: true, value: items }
    }
    case 'string':
    case 'password':
    case 'class':
      return { ok: true, value: text }
  }
}
