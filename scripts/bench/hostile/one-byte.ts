import type { Socket } from 'node:net'
import { open, paced, type Start } from './abuse.ts'

export const connectionCount = 10_000
/** All of them within the first round's time; faster, the abuser's own work would be the abuse. */
const connectionsPerSecond = 2_500
/** At a time: a broker's backlog is 1,024. */
const openingMax = 200

/** Ten thousand connections to one broker. Each sends the first byte of a frame's size, and then nothing. */
export const oneByte: Start = async ({ addresses: [address] }) => {
  if (address === undefined) throw new Error('the cluster has no brokers')
  const sockets: Socket[] = []
  let opening = 0
  let failed = 0
  let isOver = false
  const end = paced(connectionsPerSecond, count => {
    for (let at = 0; at < count; at++) {
      if (sockets.length + opening >= connectionCount || opening >= openingMax) return
      opening++
      open(address)
        .then(
          socket => {
            if (isOver) socket.resetAndDestroy()
            else sockets.push(socket)
            socket.write(Buffer.alloc(1))
          },
          () => failed++,
        )
        .finally(() => opening--)
    }
  })
  return {
    tell: () => ({
      open: sockets.filter(({ destroyed }) => !destroyed).length,
      failed,
    }),
    async stop() {
      isOver = true
      end()
      // Reset, or each keeps its port for a minute and the next round finds none.
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
}
