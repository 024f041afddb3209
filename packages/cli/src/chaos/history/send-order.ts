import type { Anomaly } from './anomaly.ts'
import { seenLogs } from './history.ts'
import type { History, Send } from './history.ts'

/**
 * `nonmonotonic-send`: what one process sends to a partition is stored in the order in which it was sent.
 * `int-nonmonotonic-send`, `int-send-skip`: so are the records of one batch, and nothing comes between them.
 */
export function* sendsOutOfOrder(history: History, logs = seenLogs(history)): Generator<Anomaly> {
  const lastByLine = new Map<string, Send>()
  for (const send of history.sends) {
    const { partition, values, process, status, acks, baseOffset, atMostOnce } = send
    yield* withinBatch(send, value => logs.get(partition)?.offsetOf(value))
    if (status !== 'acked' || acks !== -1 || baseOffset < 0 || !atMostOnce) continue
    const line = `${process} ${partition}`
    const last = lastByLine.get(line)
    lastByLine.set(line, send)
    if (last === undefined || last.invokedAt > send.invokedAt) continue
    if (last.baseOffset < baseOffset) continue
    yield {
      id: 'P15',
      name: 'nonmonotonic-send',
      what: `nonmonotonic send: ${process} sent ${values[0]} after ${last.values[0]}, and it is stored before it in ${partition}`,
      partition,
      values: [...last.values, ...values],
      offsets: [last.baseOffset, baseOffset],
    }
  }
}

function* withinBatch(
  { partition, values, process, atMostOnce }: Send,
  offsetOf: (value: number) => number | undefined,
): Generator<Anomaly> {
  // One that is sent again as another batch may be stored twice, and each time whole.
  if (!atMostOnce) return
  for (let at = 1; at < values.length; at++) {
    const [former, value] = [values[at - 1] as number, values[at] as number]
    const [before, offset] = [offsetOf(former), offsetOf(value)]
    if (before === undefined || offset === undefined || offset === before + 1) continue
    const isBack = offset <= before
    yield {
      id: 'P12',
      name: isBack ? 'int-nonmonotonic-send' : 'int-send-skip',
      what: `${process} sent ${former} and ${value} in one batch, and they are at ${before} and ${offset} of ${partition}`,
      partition,
      values: [former, value],
      offsets: [before, offset],
    }
  }
}
