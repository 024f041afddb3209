import { writeSync } from 'node:fs'
import type { LogEvent, LogLevel } from '@trimaran/common'

export interface Logger {
  readonly logEvent: LogEvent
  /** Writes out what is buffered, now: for the last words of a process. */
  flush(): void
}

export const silentLogger: Logger = { logEvent: () => {}, flush: () => {} }

export interface LoggerOptions {
  readonly level: LogLevel | 'silent'
  /** In every line: nodeId, roles. */
  readonly base: Readonly<Record<string, unknown>>
  /** File descriptor; standard output unless told otherwise. */
  readonly descriptor?: number
}

/**
 * pino, one JSON line per event: a constant phrase and flat fields. Secrets are named so that they can be left out.
 * Usable at once: events wait until pino is loaded.
 */
export function openLogger({ level, base, descriptor = 1 }: LoggerOptions): Logger {
  if (level === 'silent') return silentLogger
  let early: [level: LogLevel, phrase: string, fields: Fields][] | null = []
  let write: LogEvent = (eventLevel, phrase, fields) => {
    early?.push([eventLevel, phrase, { ...fields, time: new Date().toISOString() }])
  }
  let flush = (): void => {
    // The process ends before pino is there: plain lines, errors by their words alone.
    for (const [eventLevel, msg, fields] of early ?? []) {
      const err = fields?.['err']
      const words = err instanceof Error ? { err: { type: err.name, message: err.message } } : {}
      const line = JSON.stringify({ level: eventLevel, ...base, ...fields, ...words, msg })
      writeSync(descriptor, `${line}\n`)
    }
    early = null
  }
  void import('pino').then(({ default: pino }) => {
    const destination = pino.destination({ dest: descriptor, sync: false, minLength: 0 })
    const root = pino(
      {
        level,
        base,
        redact: { paths: ['password', 'token', 'saslAuthBytes', '*.password'], remove: true },
        timestamp: pino.stdTimeFunctions.isoTime,
      },
      destination,
    )
    flush = () => flushNow(destination)
    write = (eventLevel, phrase, fields) => {
      if (fields === undefined) root[eventLevel](phrase)
      else root[eventLevel](withoutBase(fields, base), phrase)
      if (eventLevel === 'fatal') flush()
    }
    for (const [eventLevel, phrase, fields] of early ?? []) write(eventLevel, phrase, fields)
    early = null
  })
  return {
    logEvent: (eventLevel, phrase, fields) => write(eventLevel, phrase, fields),
    flush: () => flush(),
  }
}

/** pino prints a key twice that is in the base and in the event. */
function withoutBase(
  fields: Readonly<Record<string, unknown>>,
  base: LoggerOptions['base'],
): Record<string, unknown> {
  if (!('nodeId' in fields && 'nodeId' in base)) return fields
  const { nodeId: _, ...rest } = fields
  return rest
}

type Fields = Readonly<Record<string, unknown>> | undefined

function flushNow(destination: { flushSync(): void }): void {
  try {
    destination.flushSync()
  } catch {
    // Not open yet, or the reader is gone: there is nobody left to tell.
  }
}
