/**
 * Java's .properties syntax: `#` and `!` comments, `=`, `:` or blanks between key and value, `\` continues a line and
 * escapes, `\uXXXX`. Values are trimmed, as Kafka's ConfigDef does. A key that is given twice has its last value.
 */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const [key, value] = splitLine(line)
    if (key !== '') properties.set(unescape(key), unescape(value).trim())
  }
  return properties
}

function logicalLines(text: string): readonly string[] {
  const lines: string[] = []
  let continued: string | null = null
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const stripped = natural.trimStart()
    if (
      continued === null &&
      (stripped === '' || stripped.startsWith('#') || stripped.startsWith('!'))
    )
      continue
    const line: string = (continued ?? '') + stripped
    // An odd number of backslashes at the end: the last one continues the line, the pairs before it are escapes.
    const backslashes = /\\*$/.exec(line)?.[0].length ?? 0
    if (backslashes % 2 === 1) continued = line.slice(0, -1)
    else {
      lines.push(line)
      continued = null
    }
  }
  if (continued !== null && continued !== '') lines.push(continued)
  return lines
}

function splitLine(line: string): readonly [key: string, value: string] {
  let end = 0
  while (end < line.length && !/[=:\s]/.test(line.charAt(end)))
    end += line.charAt(end) === '\\' ? 2 : 1
  const rest = line.slice(end)
  return [line.slice(0, end), rest.replace(/^\s*[=:]?\s*/, '')]
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

const unescape = (text: string): string =>
  text.replaceAll(
    /\\(?:u(?<hex>[0-9a-fA-F]{4})|(?<other>[\s\S]))/g,
    (_all, hex?: string, other?: string) =>
      hex === undefined
        ? (escapes[other ?? ''] ?? other ?? '')
        : String.fromCharCode(Number.parseInt(hex, 16)),
  )
