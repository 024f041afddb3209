import type { Anomaly } from './anomaly.ts'
import type { History, Send } from './history.ts'

/** P15 `realtime-inversion`: what is sent after another record of the partition was acknowledged is stored behind it. */
export function* realtimeInversions(history: History): Generator<Anomaly> {
  const byPartition = new Map<string, Send[]>()
  for (const send of history.sends) {
    if (send.status !== 'acked' || send.acks !== -1 || send.baseOffset < 0) continue
    const sends = byPartition.get(send.partition) ?? []
    sends.push(send)
    byPartition.set(send.partition, sends)
  }
  for (const [partition, sends] of byPartition) {
    const byInvocation = sends.toSorted((a, b) => a.invokedAt - b.invokedAt)
    const byEnd = sends.toSorted((a, b) => a.endedAt - b.endedAt)
    let acked = 0
    let highest = -1
    for (const send of byInvocation) {
      for (let next = byEnd[acked]; next && next.endedAt < send.invokedAt; next = byEnd[++acked]) {
        highest = Math.max(highest, next.baseOffset)
      }
      if (send.baseOffset > highest) continue
      yield {
        id: 'P15',
        name: 'realtime-inversion',
        what: `realtime inversion: ${partition}@${send.baseOffset} after ${highest}`,
        partition,
        values: send.values,
        offsets: [send.baseOffset, highest],
      }
    }
  }
}
