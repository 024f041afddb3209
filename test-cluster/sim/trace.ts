/** The last lines of a run, in fixed columns: milliseconds, event, node, what. */
export class Trace {
  readonly #lines: string[] = []
  readonly #linesMax: number
  readonly #print: ((line: string) => void) | null

  constructor(linesMax: number, print: ((line: string) => void) | null) {
    this.#linesMax = linesMax
    this.#print = print
  }

  add(nowMs: number, events: number, nodeId: number, what: string): void {
    const line = `${nowMs.toFixed(3).padStart(10)} ${String(events).padStart(8)} ${nodeId === 0 ? ' -' : `n${nodeId}`} ${what}`
    if (this.#print !== null) this.#print(line)
    this.#lines.push(line)
    if (this.#lines.length >= 2 * this.#linesMax) this.#lines.splice(0, this.#linesMax)
  }

  get last(): readonly string[] {
    return this.#lines.slice(-this.#linesMax)
  }
}

/** Fields of a log event in one line; what cannot be told shortly is cut. */
export function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields).map(([key, value]) => `${key}=${valueText(value)}`)
  return parts.join(' ')
}

const textMax = 160

function valueText(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`.slice(0, textMax)
  if (typeof value === 'object' && value !== null) return JSON.stringify(value).slice(0, textMax)
  return String(value as string)
}
