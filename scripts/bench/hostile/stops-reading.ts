import type { Socket } from 'node:net'
import { ledOf, open, type Start } from './abuse.ts'
import { fetchFrame } from './fetch-frame.ts'

const connectionsPerBroker = 8
const fetchMaxBytes = 50 * 1024 * 1024
/** Enough to be in the middle: an answer has begun, and most of it is to come. */
const readBytes = 64 * 1024

/** Consumers that stop in the middle of an answer. One that the broker closes comes back at once. */
export const stopsReading: Start = async target => {
  const sockets = new Set<Socket>()
  let begun = 0
  let closed = 0
  let isOver = false
  for (const { address, partitions } of ledOf(target)) {
    const request = fetchFrame(target.topic, partitions, fetchMaxBytes)
    const begin = async (): Promise<void> => {
      const socket = await open(address)
      sockets.add(socket)
      let read = 0
      socket.on('data', chunk => {
        if (read === 0) begun++
        read += chunk.length
        if (read >= readBytes) socket.pause()
      })
      socket.once('close', () => {
        sockets.delete(socket)
        if (isOver) return
        closed++
        begin().catch(() => null)
      })
      socket.write(request)
    }
    for (let at = 0; at < connectionsPerBroker; at++) await begin()
  }
  return {
    tell: () => ({ begun, closed }),
    async stop() {
      isOver = true
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
}
