import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Session } from 'node:inspector/promises'
import type { Profiler } from 'node:inspector'
import { systemClock } from './ports/clock.ts'

/** A profile takes memory with its length: some 8 bytes a sample, a thousand samples a second, kept until it is sent. */
const SECONDS_MAX = 120
const SECONDS_DEFAULT = 10
/** Elements put into text at once, so that a long profile does not stop the event loop for long. */
const CHUNK_ELEMENTS = 2000
const TEXT = 'text/plain; charset=utf-8'

/** The inspector profiles the whole thread: one at a time, whichever node of a process is asked. */
let isProfiling = false

/** A CPU profile of this process over the next seconds, as viewers of `.cpuprofile` files take it. Only to this machine. */
export function answerProfile(request: IncomingMessage, response: ServerResponse): void {
  const refuse = (code: number, text: string): void => {
    response.writeHead(code, { 'content-type': TEXT, 'cache-control': 'no-store' }).end(`${text}\n`)
  }
  if (request.method !== 'GET') {
    refuse(405, 'only GET')
    return
  }
  if (!isLoopback(request.socket.remoteAddress)) {
    refuse(403, 'profiles are given to this machine only: ask at 127.0.0.1 or ::1')
    return
  }
  const seconds = secondsOf(request.url ?? '')
  if (seconds === null) {
    refuse(400, `seconds must be a whole number from 1 to ${SECONDS_MAX}`)
    return
  }
  if (isProfiling) {
    refuse(409, 'a profile is being taken already; ask again when it is over')
    return
  }
  isProfiling = true
  void send(response, seconds)
    .catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else refuse(500, error instanceof Error ? error.message : String(error))
    })
    .finally(() => (isProfiling = false))
}

export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address)

function secondsOf(url: string): number | null {
  const text = new URLSearchParams(url.split('?', 2)[1] ?? '').get('seconds')
  if (text === null) return SECONDS_DEFAULT
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0
  return seconds >= 1 && seconds <= SECONDS_MAX ? seconds : null
}

async function send(response: ServerResponse, seconds: number): Promise<void> {
  const inspector = process.getBuiltinModule('node:inspector/promises')
  const session = new inspector.Session()
  session.connect()
  try {
    const profile = await take(session, response, seconds)
    if (profile === null) return
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    for (const chunk of chunksOf(profile)) {
      const hasRoom = response.write(chunk)
      await (hasRoom ? nextTurn() : drained(response))
      if (response.destroyed) return
    }
    response.end()
  } finally {
    session.disconnect()
  }
}

/** Null: whoever asked has gone. */
async function take(
  session: Session,
  response: ServerResponse,
  seconds: number,
): Promise<Profiler.Profile | null> {
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  await new Promise<void>(resolve => {
    const cancel = systemClock.wakeAt(systemClock.monotonicMs() + seconds * 1000, resolve)
    response.once('close', () => {
      cancel()
      resolve()
    })
  })
  const { profile } = await session.post('Profiler.stop')
  return response.destroyed ? null : profile
}

const nextTurn = (): Promise<void> =>
  new Promise(resolve => systemClock.wakeAt(systemClock.monotonicMs(), resolve))

const drained = (response: ServerResponse): Promise<void> =>
  new Promise(resolve => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })

function* chunksOf({ nodes, startTime, endTime, ...rest }: Profiler.Profile): Generator<string> {
  yield `{"startTime":${startTime},"endTime":${endTime}`
  const lists = { nodes, samples: rest.samples ?? [], timeDeltas: rest.timeDeltas ?? [] }
  for (const [name, list] of Object.entries(lists)) {
    yield `,"${name}":[`
    for (let at = 0; at < list.length; at += CHUNK_ELEMENTS) {
      const text = JSON.stringify(list.slice(at, at + CHUNK_ELEMENTS))
      yield `${at === 0 ? '' : ','}${text.slice(1, -1)}`
    }
    yield ']'
  }
  yield '}'
}
