/**
 * What a record's way costs before anything is done with it: four processes and the wires between them, a client's TCP
 * connection to a leader and the leader's gRPC links to two followers, all of whom only answer. Our brokers do
 * the same and their work on top.
 *
 *   node packages/server/bench/empty-wires.ts
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { GrpcTransport } from '../src/grpc-transport.ts'

/** A Produce request of one record of 200 B, its answer, what a follower gets of it, and what it asks for then. */
const sizes = { request: 300, answer: 60, records: 300, fetch: 33 }
const host = '127.0.0.1'
const warmUps = 8_000
const records = 600
const rounds = 3
/** Far more than a record takes: they go one after the other. */
const gapMs = 10
/** As `trimaran perf` does: timers are late, so the last of the way to a record's time is slept. */
const sleptMs = 1.5

async function follow(): Promise<number> {
  const transport = await GrpcTransport.load()
  return transport.listen(host, 0, stream =>
    stream.onMessage(() => stream.write([Buffer.alloc(sizes.fetch)])),
  )
}

async function lead(ports: readonly number[]): Promise<number> {
  const transport = await GrpcTransport.load()
  const links = ports.map(port => transport.dial(host, port))
  let client: Socket | null = null
  let missing = 0
  for (const link of links) {
    link.onMessage(() => {
      if (--missing === 0) client?.write(Buffer.alloc(sizes.answer))
    })
  }
  const server = createServer({ noDelay: true }, socket => {
    client = socket
    socket.on('data', () => {
      missing = links.length
      for (const link of links) link.write([Buffer.alloc(sizes.records)])
    })
  })
  await new Promise<void>(listens => server.listen(0, host, listens))
  return (server.address() as AddressInfo).port
}

const children: ChildProcess[] = []

/** Resolves with the port of the child. */
function begin(...role: readonly string[]): Promise<number> {
  const child = fork(import.meta.filename, role)
  children.push(child)
  return new Promise((resolve, reject) => {
    child.once('message', port => resolve(Number(port)))
    child.once('exit', code => reject(new Error(`${role[0]} ended with ${code}`)))
  })
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

async function until(dueMs: number): Promise<void> {
  const leftMs = dueMs - performance.now()
  if (leftMs > sleptMs) await sleep(leftMs - sleptMs)
  const lastMs = dueMs - performance.now()
  if (lastMs > 0) Atomics.wait(sleeper, 0, 0, lastMs)
}

/** Of every record from when it was due, in ms, sorted; without a pause it is due when the one before is answered. */
async function send(socket: Socket, count: number, pauseMs: number): Promise<readonly number[]> {
  const took: number[] = []
  let dueMs = performance.now()
  for (let at = 0; at < count; at++) {
    dueMs = pauseMs === 0 ? performance.now() : dueMs + pauseMs
    await until(dueMs)
    const answered = new Promise(resolve => socket.once('data', resolve))
    socket.write(Buffer.alloc(sizes.request))
    await answered
    took.push(performance.now() - dueMs)
  }
  return took.sort((a, b) => a - b)
}

async function measure(): Promise<void> {
  const ports = [await begin('follow'), await begin('follow')]
  const port = await begin('lead', ...ports.map(String))
  const socket = connect({ host, port, noDelay: true })
  await new Promise(connected => socket.once('connect', connected))
  await send(socket, warmUps, 0)
  for (let round = 1; round <= rounds; round++) {
    const took = await send(socket, records, gapMs)
    const [p50, p99] = [0.5, 0.99].map(share => took[Math.floor(took.length * share)] ?? 0)
    console.log(`100 records/s: p50 ${p50?.toFixed(2)} ms, p99 ${p99?.toFixed(2)} ms`)
  }
  socket.destroy()
  for (const child of children) child.kill()
}

const [role, ...ports] = process.argv.slice(2)
if (role === undefined) await measure()
else {
  process.once('disconnect', () => process.exit())
  process.send?.(role === 'lead' ? await lead(ports.map(Number)) : await follow())
}
