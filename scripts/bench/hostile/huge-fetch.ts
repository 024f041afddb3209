import { ledOf, open, type Start } from './abuse.ts'
import { fetchFrame } from './fetch-frame.ts'

const fetchMaxBytes = 1_000_000_000
/** One at a time, each broker in turn: a consumer that does something with what it gets. */
const pauseMs = 50

/** A consumer that wants a gigabyte at once, from the beginning, again and again; it reads what it gets. */
export const hugeFetch: Start = async target => {
  const lanes = await Promise.all(
    ledOf(target).map(async ({ address, partitions }) => ({
      socket: await open(address),
      request: fetchFrame(target.topic, partitions, fetchMaxBytes),
    })),
  )
  let answers = 0
  let bytes = 0
  let missing = 0
  let next = 0
  let timer: NodeJS.Timeout | undefined
  const ask = (): void => {
    const lane = lanes[next++ % lanes.length]
    lane?.socket.write(lane.request)
  }
  for (const { socket } of lanes) {
    socket.on('data', chunk => {
      if (missing === 0) missing = 4 + chunk.readInt32BE(0)
      missing -= chunk.length
      bytes += chunk.length
      if (missing > 0) return
      answers++
      timer = setTimeout(ask, pauseMs)
    })
  }
  ask()
  return {
    tell: () => ({ answers, megabytes: Math.round(bytes / 1e6) }),
    async stop() {
      clearTimeout(timer)
      for (const { socket } of lanes) socket.resetAndDestroy()
    },
  }
}
