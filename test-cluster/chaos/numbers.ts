import type { History, Send } from '../checkers/history.ts'

/** Values that no two sends of a test share; as text they are the records' values. */
export class Numbers {
  #next = 0

  take(count: number): number[] {
    return Array.from({ length: count }, () => this.#next++)
  }
}

/** Notes a send as it begins; the outcome is filled in where the client tells it. */
export function noteSend(
  history: History,
  process: string,
  partition: string,
  values: number[],
): Send {
  const send: Send = {
    process,
    partition,
    values,
    acks: -1,
    atMostOnce: true,
    invokedAt: performance.now(),
    endedAt: 0,
    status: 'open',
    baseOffset: -1,
  }
  history.sends.push(send)
  return send
}

export function settle(send: Send, status: Send['status'], baseOffset = -1): void {
  send.status = status
  send.baseOffset = baseOffset
  send.endedAt = performance.now()
}

/** The longest time in which nothing was acknowledged anywhere: what the fault cost. */
export function longestSilenceMs(history: History): number {
  const ends = history.sends
    .filter(send => send.status === 'acked')
    .map(send => send.endedAt)
    .toSorted((a, b) => a - b)
  return ends.reduce((longest, end, at) => Math.max(longest, end - (ends[at - 1] ?? end)), 0)
}

/** The longest that one partition went without an acknowledgement. */
export function longestSilenceOfOneMs(history: History): number {
  const partitions = Map.groupBy(history.sends, send => send.partition)
  const each = [...partitions.values()].map(sends => {
    const one = Object.assign(Object.create(Object.getPrototypeOf(history) as object) as History, {
      sends,
    })
    return longestSilenceMs(one)
  })
  return Math.max(0, ...each)
}
