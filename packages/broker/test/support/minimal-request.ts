import { inVersions, type Api, type Field, type Struct } from '@trimaran/protocol'

/**
 * The smallest request of a version: zeroes, empty texts and nulls. With `elements` 1 every array has one such element,
 * so that handlers meet items as well.
 */
export function minimalRequest(
  api: Api,
  version: number,
  elements: 0 | 1,
): Record<string, unknown> {
  return structOf(api.request, version, elements)
}

function structOf(fields: Struct, version: number, elements: 0 | 1): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const { since, tag } = field.facts
    if (tag !== undefined || (since !== undefined && !inVersions(since, version))) continue
    value[name] = valueOf(field, version, elements)
  }
  return value
}

function valueOf(field: Field, version: number, elements: 0 | 1): unknown {
  const { wire, facts } = field
  const mayBeNull = facts.nullable !== undefined && inVersions(facts.nullable, version)
  if (typeof wire === 'object' && 'array' in wire) {
    if (elements === 1) return [valueOf(wire.array, version, elements)]
    return mayBeNull ? null : []
  }
  if (mayBeNull) return null
  if (typeof wire === 'object') return structOf(wire.struct, version, elements)
  return wire === 'string' ? '' : facts.fallback
}
