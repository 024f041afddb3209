/** What people and scripts see. Tables for eyes, one JSON document with `--json`, errors on stderr with an exit code. */

/** 0 done · 1 refused or failed · 2 wrong usage · 3 no cluster reached · 4 done in part (some items failed). */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, partly: 4 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** An error whose message is meant for the person at the terminal: what is wrong, where, and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}

export const printLine = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}

export const printJson = (value: unknown): void => printLine(JSON.stringify(value, null, 2))

const useColour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined
const paint =
  (code: number) =>
  (text: string): string =>
    useColour ? `\u001b[${code}m${text}\u001b[0m` : text
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

// oxlint-disable-next-line no-control-regex -- colour sequences take no room on the screen
const visibleLength = (text: string): number => text.replaceAll(/\u001b\[\d+m/g, '').length

/** Columns as wide as their content; columns of numbers are set right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = rows.map(row => row.map(String))
  const isNumber = head.map(
    (_, at) => cells.length > 0 && cells.every(row => /^-?[\d.,]*$/.test(row[at] ?? '')),
  )
  const widths = head.map((title, at) =>
    Math.max(title.length, ...cells.map(row => visibleLength(row[at] ?? ''))),
  )
  const line = (row: readonly string[], isHead: boolean): string =>
    row
      .map((text, at) => {
        const gap = ' '.repeat((widths[at] ?? 0) - visibleLength(text))
        const padded = isNumber[at] === true ? gap + text : text + gap
        return isHead ? bold(padded) : padded
      })
      .join('  ')
      .trimEnd()
  return [line(head, true), ...cells.map(row => line(row, false))].join('\n')
}

export const count = (amount: number, singular: string, plural = `${singular}s`): string =>
  `${amount.toLocaleString('en-US')} ${amount === 1 ? singular : plural}`
