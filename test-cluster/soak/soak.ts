import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Turn } from './plan.ts'

const root = join(import.meta.dirname, '../..')
/** Of the simulator: something was violated. Any other code is a run that did not work. */
const violations: ReadonlySet<number> = new Set([127, 128, 129])
/** Of `trimaran chaos run`, whose code is 1 for whatever is not a kept promise. */
const brokenWords = 'A promise was broken.'
/** Between being told to end and being ended. */
const graceMs = 10_000
const lastLines = 40
/** One for all turns, though each has a folder of its own for what is temporary. */
const compileCache = join(tmpdir(), 'node-compile-cache')

export interface Soak {
  readonly turns: Iterable<Turn>
  readonly durationMs: number
  readonly directory: string
  /** Ends it early: the turn under way is ended, and found nothing. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Turn after turn. Null: nothing was found; else what, and where its evidence is. */
export async function soak({
  turns,
  durationMs,
  directory,
  signal,
  say,
}: Soak): Promise<string | null> {
  mkdirSync(directory, { recursive: true })
  const startedMs = performance.now()
  let done = 0
  for (const turn of turns) {
    const place = join(directory, turn.name)
    const turnStartedMs = performance.now()
    const { code, isLate } = await take(turn, place, signal)
    if (signal.aborted) {
      rmSync(place, { recursive: true, force: true })
      break
    }
    const finding = isLate ? lateWords(turn) : findingOf(turn, code, place)
    if (finding !== null) return `${finding}\n${tail(place)}\nAll of it is in ${place}.`
    rmSync(place, { recursive: true, force: true })
    done++
    const took = Math.round((performance.now() - turnStartedMs) / 1000)
    say(`${clock(performance.now() - startedMs)}  ${turn.name} ${turn.expects} (${took} s)`)
    if (performance.now() - startedMs >= durationMs) break
  }
  say(
    `${clock(performance.now() - startedMs)}  ${done} ${done === 1 ? 'turn' : 'turns'}, nothing found`,
  )
  return null
}

function findingOf({ name, args, expects }: Turn, code: number, place: string): string | null {
  const command = `node ${args.join(' ')}`
  if (expects === 'lost') {
    const found = code === 1 && /lost +[1-9]/.test(readFileSync(outputOf(place), 'utf8'))
    return found
      ? null
      : `${name} must lose records, and no loss was found (exit code ${code}):\n  ${command}`
  }
  if (code === 0) return null
  const isBroken =
    violations.has(code) || readFileSync(outputOf(place), 'utf8').includes(brokenWords)
  const what = isBroken ? 'A promise was broken in' : 'Nothing can be said of'
  return `${what} ${name} (exit code ${code}):\n  ${command}`
}

const lateWords = ({ name, args, limitMs }: Turn): string =>
  `${name} hangs: it did not end within ${limitMs / 1000} s:\n  node ${args.join(' ')}`

const outputOf = (place: string): string => join(place, 'output.txt')

/** In a folder of its own, where temporary files go as well: what a failed run keeps is kept there. */
async function take(turn: Turn, place: string, signal: AbortSignal): Promise<End> {
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { recursive: true })
  const output = openSync(outputOf(place), 'w')
  const history = turn.args.includes('chaos') ? ['--history', join(place, 'history.jsonl')] : []
  try {
    const child = spawn(process.execPath, [...turn.args, ...history], {
      cwd: root,
      stdio: ['ignore', output, output],
      env: { NODE_COMPILE_CACHE: compileCache, ...process.env, NO_COLOR: '1', TMPDIR: place },
    })
    return await exitOf(child, signal, turn.limitMs)
  } finally {
    closeSync(output)
  }
}

interface End {
  readonly code: number
  readonly isLate: boolean
}

function exitOf(child: ChildProcess, signal: AbortSignal, limitMs: number): Promise<End> {
  return new Promise((settle, fail) => {
    let isLate = false
    let grace: NodeJS.Timeout | undefined
    // Twice: a chaos run that is interrupted once heals its cluster and judges what it has.
    const stop = (): void => {
      child.kill('SIGINT')
      child.kill('SIGTERM')
      grace ??= setTimeout(() => child.kill('SIGKILL'), graceMs)
    }
    const limit = setTimeout(() => {
      isLate = true
      stop()
    }, limitMs)
    signal.addEventListener('abort', stop, { once: true })
    child.once('error', fail)
    child.once('close', code => {
      clearTimeout(limit)
      clearTimeout(grace)
      signal.removeEventListener('abort', stop)
      settle({ code: code ?? -1, isLate })
    })
  })
}

function tail(place: string): string {
  const lines = readFileSync(outputOf(place), 'utf8').trimEnd().split('\n')
  return lines.slice(-lastLines).join('\n')
}

/** hh:mm:ss */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60]
  return parts.map(part => String(Math.floor(part)).padStart(2, '0')).join(':')
}
