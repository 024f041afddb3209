import type { LogEvent, LogLevel } from '@trimaran/common'

export interface Logger {
  readonly logEvent: LogEvent
  /** Writes out what is buffered, now: for the last words of a process. */
  flush(): void
}

export const silentLogger: Logger = { logEvent: () => {}, flush: () => {} }

export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']

export interface LoggerOptions {
  readonly level: LogLevel | 'silent'
  /** In every line: nodeId, roles. */
  readonly base: Readonly<Record<string, unknown>>
  /** File descriptor; standard output unless told otherwise. */
  readonly descriptor?: number
}

/** pino, one JSON line per event: a constant phrase and flat fields. Secrets are named so that they can be left out. */
export async function openLogger({ level, base, descriptor = 1 }: LoggerOptions): Promise<Logger> {
  if (level === 'silent') return silentLogger
  const { default: pino } = await import('pino')
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
  return {
    logEvent(eventLevel, phrase, fields) {
      if (fields === undefined) root[eventLevel](phrase)
      else root[eventLevel](fields, phrase)
      if (eventLevel === 'fatal') flush(destination)
    },
    flush: () => flush(destination),
  }
}

function flush(destination: { flushSync(): void }): void {
  try {
    destination.flushSync()
  } catch {
    // Not open yet, or the reader is gone: there is nobody left to tell.
  }
}
