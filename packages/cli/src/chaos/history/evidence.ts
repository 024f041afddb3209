import type { Anomaly } from './anomaly.ts'
import type { History, Poll, Send } from './history.ts'

/** An anomaly with the operations that show it, in time. */
export interface Evidence extends Anomaly {
  readonly operations: readonly Operation[]
}

export interface Operation {
  readonly at: number
  readonly process: string
  readonly what: string
}

/** What fits on a screen; of a lost record that is its send, the faults around it and the reads of its neighbours. */
const operationsMax = 14
const neighbours = 1

/** Everything that touches the anomaly's values and offsets, and what was done to the cluster meanwhile. */
export function evidenceOf(history: History, anomaly: Anomaly): Evidence {
  const values = new Set(anomaly.values)
  const near = new Set<number>()
  for (const offset of anomaly.offsets) {
    for (let at = offset - neighbours; at <= offset + neighbours; at++) near.add(at)
  }
  const operations: Operation[] = []
  for (const send of history.sends) {
    if (send.partition !== anomaly.partition) continue
    const touches = send.values.some(value => values.has(value))
    if (touches || holdsOne(send, anomaly.offsets)) operations.push(sendWords(send))
  }
  for (const poll of history.polls) {
    if (poll.partition !== anomaly.partition) continue
    const seen = poll.records.filter(({ offset, value }) => near.has(offset) || values.has(value))
    if (seen.length > 0) operations.push(pollWords(poll, seen))
  }
  return { ...anomaly, operations: withFaults(history, operations) }
}

const holdsOne = ({ baseOffset, values, status }: Send, offsets: readonly number[]): boolean =>
  status === 'acked' &&
  baseOffset >= 0 &&
  offsets.some(offset => offset >= baseOffset && offset < baseOffset + values.length)

/** `3`, or `3 to 7`. */
const range = (first: number, count: number): string =>
  count === 1 ? String(first) : `${first} to ${first + count - 1}`

const acksWords: Readonly<Record<Send['acks'], string>> = {
  [-1]: 'acks=all',
  0: 'acks=0',
  1: 'acks=1',
}

function sendWords(send: Send): Operation {
  const { process, values, acks, invokedAt, endedAt, status, baseOffset } = send
  const [first = 0] = values
  const isRun = values.every((value, at) => value === first + at)
  const what = isRun ? range(first, values.length) : values.join(', ')
  const outcomes: Readonly<Record<Send['status'], string>> = {
    acked: `acknowledged ${baseOffset < 0 ? '' : `at offset ${range(baseOffset, values.length)} `}after ${(endedAt - invokedAt).toFixed(1)} ms`,
    failed: 'refused',
    unknown: `no outcome known after ${(endedAt - invokedAt).toFixed(1)} ms`,
    open: 'never answered',
  }
  return { at: invokedAt, process, what: `sends ${what} (${acksWords[acks]}): ${outcomes[status]}` }
}

const pollWords = ({ process, stream, endedAt }: Poll, records: Poll['records']): Operation => ({
  at: endedAt,
  process: stream === process ? process : `${process} (${stream})`,
  what: `reads ${records.map(({ offset, value }) => `${value} at ${offset}`).join(', ')}`,
})

/** The first operations and the last ones, with the faults from the first to the last. */
function withFaults({ faults }: History, operations: readonly Operation[]): Operation[] {
  const sorted = operations.toSorted((a, b) => a.at - b.at)
  const half = operationsMax / 2
  const shown =
    sorted.length <= operationsMax ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)]
  const first = shown[0]?.at ?? 0
  const last = shown.at(-1)?.at ?? 0
  const between = faults
    .filter(({ at }) => at >= first && at <= last)
    .map(({ at, what, node }) => ({
      at,
      process: 'fault',
      what: node < 0 ? what : `${what} node ${node}`,
    }))
  const kept =
    between.length <= operationsMax ? between : [...between.slice(0, half), ...between.slice(-half)]
  return [...shown, ...kept].toSorted((a, b) => a.at - b.at)
}
