import type { Socket } from 'node:net'
import { apis } from '@trimaran/protocol'
import { prepareBatch } from '../client.ts'
import { frameOf, ledOf, open, paced, type Start } from './abuse.ts'

const requestsPerSecond = 100
/** Of each request all but one: their answers are five times as large, and fill the buffers within a round. */
const unknownPartitions = 999
const version = 9

/** A producer that never reads an answer. It goes on until the broker takes no more from it. */
export const neverReads: Start = async target => {
  const batch = prepareBatch(1, 100)
  const lanes: { readonly socket: Socket; readonly request: Buffer }[] = []
  for (const { address, partitions } of ledOf(target)) {
    const known = { index: partitions[0] ?? 0, records: batch }
    const unknown = Array.from({ length: unknownPartitions }, (_, at) => ({
      index: 100_000 + at,
      records: null,
    }))
    const request = frameOf(apis.produce, version, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: target.topic, partitionData: [known, ...unknown] }],
    })
    const socket = await open(address)
    socket.pause()
    lanes.push({ socket, request })
  }
  let sent = 0
  let next = 0
  const end = paced(requestsPerSecond, count => {
    for (let at = 0; at < count; at++) {
      const lane = lanes[next++ % lanes.length]
      if (lane === undefined || lane.socket.destroyed || lane.socket.writableNeedDrain) continue
      lane.socket.write(lane.request)
      sent++
    }
  })
  return {
    tell: () => ({
      requests: sent,
      blocked: lanes.filter(({ socket }) => socket.writableNeedDrain).length,
      closed: lanes.filter(({ socket }) => socket.destroyed).length,
    }),
    async stop() {
      end()
      for (const { socket } of lanes) socket.resetAndDestroy()
    },
  }
}
