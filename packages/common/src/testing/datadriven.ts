/**
 * Scripts as tests: a block is a command, `----` and what it printed; blocks are parted by a blank line. Rewriting the
 * file with new output and comparing are one act (`toMatchFileSnapshot`), so `vitest -u` accepts a change.
 *
 * ```
 * # What this shows.
 * propose node=1 text=hello
 * ----
 * 1 committed [3,4)
 * ```
 */
export interface Directive {
  readonly command: string
  /** `name=value` words; a word without `=` has the empty value. */
  readonly args: ReadonlyMap<string, string>
  /** The lines between the command and `----`. */
  readonly input: string
}

/** The script with each block's output as `handle` gives it; an empty output reads `ok`. */
export function runScript(script: string, handle: (directive: Directive) => string): string {
  const blocks = script.trimEnd().split(/\n{2,}/)
  return `${blocks.map(block => runBlock(block, handle)).join('\n\n')}\n`
}

function runBlock(block: string, handle: (directive: Directive) => string): string {
  const separator = block.search(/^----$/m)
  const head = (separator < 0 ? block : block.slice(0, separator)).trimEnd().split('\n')
  const comments = head.filter(line => line.startsWith('#'))
  const [first, ...input] = head.filter(line => !line.startsWith('#'))
  if (first === undefined || first === '') return block
  const [command = '', ...words] = first.split(/\s+/)
  const args = new Map(words.map(word => splitWord(word)))
  const output = handle({ command, args, input: input.join('\n') }).trimEnd()
  return [...comments, first, ...input, '----', output === '' ? 'ok' : output].join('\n')
}

function splitWord(word: string): readonly [string, string] {
  const at = word.indexOf('=')
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
}
