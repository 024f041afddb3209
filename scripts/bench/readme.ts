import { readFileSync, renameSync, writeFileSync } from 'node:fs'

const start = '<!-- bench:start -->'
const end = '<!-- bench:end -->'

/** The text with what stands between the markers replaced; null if it has no such place. */
export function replaceBlock(text: string, block: string): string | null {
  const from = text.indexOf(start)
  const to = text.indexOf(end, from + start.length)
  if (from < 0 || to < 0) return null
  return `${text.slice(0, from + start.length)}\n\n${block.trim()}\n\n${text.slice(to)}`
}

/** Rewrites the file whole or not at all. Returns what went wrong; null: nothing. */
export function rewriteReadme(path: string, block: string): string | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return `${path} cannot be read; the figures are not written down.`
  }
  const replaced = replaceBlock(text, block)
  if (replaced === null)
    return `${path} has no ${start} … ${end}; the figures are not written down.`
  writeFileSync(`${path}.tmp`, replaced)
  renameSync(`${path}.tmp`, path)
  return null
}
