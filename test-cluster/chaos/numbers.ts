import { checkHistory } from '../checkers/history-checks.ts'
import type { History, Send } from 'trimaran/history'
import { Violation } from '../checkers/violation.ts'

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

export const kept = 'every promise was kept'

/** `kept`, or the promise that was not. */
export function verdict(history: History): string {
  try {
    checkHistory(history)
    return kept
  } catch (error) {
    if (error instanceof Violation) return error.message
    throw error
  }
}

/** The longest that any one partition went without an acknowledgement: what a fault cost. */
export function longestSilenceOfOneMs(sends: readonly Send[]): number {
  let longestMs = 0
  for (const own of Map.groupBy(sends, send => send.partition).values()) {
    const ends = own
      .filter(send => send.status === 'acked')
      .map(send => send.endedAt)
      .toSorted((a, b) => a - b)
    ends.forEach((end, at) => {
      longestMs = Math.max(longestMs, end - (ends[at - 1] ?? end))
    })
  }
  return longestMs
}
