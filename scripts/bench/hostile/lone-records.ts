import type { Socket } from 'node:net'
import { apis } from '@trimaran/protocol'
import { prepareBatch } from '../client.ts'
import { frameOf, ledOf, open, paced, type Start } from './abuse.ts'

export const requestsPerSecond = 50_000
const connectionsPerBroker = 2
const recordBytes = 100
const version = 9
/** In one write at most. */
const runLength = 256
/** Offered and not taken by the kernel: more would only be the abuser's memory. */
const pendingMaxBytes = 1024 * 1024

interface Lane {
  readonly socket: Socket
  readonly run: Buffer
  readonly requestBytes: number
}

/** Requests with one batch of one record, pipelined: their answers are counted by their bytes, being of one size. */
export const loneRecords: Start = async target => {
  const batch = prepareBatch(1, recordBytes)
  let received = 0
  let answerBytes = 0
  let sent = 0
  let withheld = 0
  const lanes: Lane[] = []
  for (const { address, partitions } of ledOf(target)) {
    for (let at = 0; at < connectionsPerBroker; at++) {
      const index = partitions[at % partitions.length] ?? 0
      const request = frameOf(apis.produce, version, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name: target.topic, partitionData: [{ index, records: batch }] }],
      })
      const socket = await open(address)
      socket.on('data', chunk => {
        if (answerBytes === 0) answerBytes = 4 + chunk.readInt32BE(0)
        received += chunk.length
      })
      const run = Buffer.concat(Array.from({ length: runLength }, () => request))
      lanes.push({ socket, run, requestBytes: request.length })
    }
  }
  const end = paced(requestsPerSecond, count => {
    const share = Math.ceil(count / lanes.length)
    for (const { socket, run, requestBytes } of lanes) {
      for (let left = share; left > 0; left -= runLength) {
        const some = Math.min(left, runLength)
        if (socket.destroyed || socket.writableLength > pendingMaxBytes) withheld += some
        else {
          socket.write(some === runLength ? run : run.subarray(0, some * requestBytes))
          sent += some
        }
      }
    }
  })
  return {
    tell: () => ({
      sent,
      withheld,
      answered: answerBytes === 0 ? 0 : Math.floor(received / answerBytes),
    }),
    async stop() {
      end()
      for (const { socket } of lanes) socket.resetAndDestroy()
    },
  }
}
