import { readFileSync } from 'node:fs'

/** A piece of a source file that occurs there once, and what is there instead. */
export interface Edit {
  /** Below `packages/`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A rule of the product broken in its source as it is loaded: the product itself knows nothing of it. */
export interface Mutation {
  /** Of reliability.md §6; null: a rule that no row names. */
  readonly row: string | null
  /** What is done wrong. */
  readonly rule: string
  readonly edits: readonly Edit[]
}

export const packagesUrl = new URL('../../../packages/', import.meta.url)

export function mutated(source: string, { file, find, replace }: Edit): string {
  const at = source.indexOf(find)
  if (at < 0) throw new Error(`packages/${file} has no longer: ${find}`)
  if (source.includes(find, at + 1)) throw new Error(`packages/${file} has more than once: ${find}`)
  return source.slice(0, at) + replace + source.slice(at + find.length)
}

/** Throws where an edit does not fit the sources any more. */
export function checkFits({ edits }: Mutation): void {
  const sources = new Map<string, string>()
  for (const edit of edits) {
    const { file } = edit
    const source = sources.get(file) ?? readFileSync(new URL(file, packagesUrl), 'utf8')
    sources.set(file, mutated(source, edit))
  }
}
