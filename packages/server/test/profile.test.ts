import { networkInterfaces } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { serveHttp, type HttpServer } from '../src/http.ts'
import { isLoopback } from '../src/profile.ts'

let server: HttpServer | null = null
afterEach(() => {
  server?.close()
  server = null
})

/** The node need not be up: a start that takes long is worth a profile, too. */
async function serve(host: string): Promise<number> {
  server = await serveHttp({ host, port: 0 }, () => null)
  return server.port
}

/** Work that the profile must show. */
function spinForProfile(untilMs: number): number {
  let sum = 0
  while (performance.now() < untilMs) sum += Math.sqrt(sum + 1)
  return sum
}

interface CallNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string }
}

test('a profile of the seconds that were asked for, in pieces, with what the process has done', async () => {
  const port = await serve('127.0.0.1')
  const startMs = performance.now()
  const asked = fetch(`http://127.0.0.1:${port}/profile?seconds=1`)
  const spinning = setInterval(() => spinForProfile(performance.now() + 20), 25)
  const response = await asked
  clearInterval(spinning)
  expect(response.status).toBe(200)
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(1000)
  expect(response.headers.get('transfer-encoding')).toBe('chunked')
  const profile = (await response.json()) as {
    readonly nodes: readonly CallNode[]
    readonly samples: readonly number[]
    readonly timeDeltas: readonly number[]
    readonly startTime: number
    readonly endTime: number
  }
  expect((profile.endTime - profile.startTime) / 1e6).toBeGreaterThan(0.9)
  expect(profile.samples).toHaveLength(profile.timeDeltas.length)
  const ids = new Set(profile.nodes.map(({ id }) => id))
  expect(profile.samples.every(id => ids.has(id))).toBe(true)
  const spun = new Set(
    profile.nodes
      .filter(({ callFrame }) => callFrame.functionName === 'spinForProfile')
      .map(({ id }) => id),
  )
  expect(profile.samples.filter(id => spun.has(id)).length).toBeGreaterThan(20)
})

test('one at a time; whoever goes away makes room', async () => {
  const port = await serve('127.0.0.1')
  const url = `http://127.0.0.1:${port}/profile`
  const leaving = new AbortController()
  const first = fetch(`${url}?seconds=100`, { signal: leaving.signal })
  const gone = first.catch((error: unknown) => error)
  await expect
    .poll(async () => {
      const second = await fetch(`${url}?seconds=1`)
      await second.arrayBuffer()
      return second.status
    })
    .toBe(409)
  leaving.abort()
  expect(((await gone) as Error).name).toBe('AbortError')
  await expect
    .poll(async () => (await fetch(`${url}?seconds=1`)).status, { timeout: 10_000 })
    .toBe(200)
})

test.each(['0', '121', '-1', '1.5', 'x', ''])('%s seconds are none', async seconds => {
  const port = await serve('127.0.0.1')
  const response = await fetch(`http://127.0.0.1:${port}/profile?seconds=${seconds}`)
  expect(response.status).toBe(400)
  expect(await response.text()).toContain('from 1 to 120')
})

test('other machines are refused', async () => {
  for (const near of ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])
    expect(isLoopback(near)).toBe(true)
  for (const far of [
    '10.0.0.1',
    '::ffff:10.0.0.1',
    '2001:db8::1',
    '1127.0.0.1',
    '::127',
    undefined,
  ])
    expect(isLoopback(far)).toBe(false)
  const addresses = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)
  // A machine without a network has no other address to ask from.
  if (own === undefined) return
  const port = await serve('0.0.0.0')
  const response = await fetch(`http://${own.address}:${port}/profile?seconds=1`)
  expect(response.status).toBe(403)
  expect(await response.text()).toContain('this machine only')
})
