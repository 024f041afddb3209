import type { Clock, LogEvent } from '@trimaran/common'
import { EndOfTurn } from './timers.ts'

type Fields = Readonly<Record<string, unknown>>

/** A line takes some 20 µs: as many as tell what goes on, and not a second of a turn in which a broker comes or goes. */
export const partitionEventsPerTurn = 20

/**
 * What happens to single partitions, as events of level info. Where it happens to thousands in one turn of the event loop,
 * the first are told one by one and the others as a number.
 */
export class PartitionEvents {
  readonly #logEvent: LogEvent
  readonly #endOfTurn: EndOfTurn
  readonly #untold = new Map<string, number>()
  #told = 0

  constructor(clock: Clock, logEvent: LogEvent) {
    this.#logEvent = logEvent
    this.#endOfTurn = new EndOfTurn(clock, () => this.#end())
  }

  tell(phrase: string, fields: () => Fields): void {
    this.#endOfTurn.request()
    if (this.#told < partitionEventsPerTurn) {
      this.#told++
      this.#logEvent('info', phrase, fields())
    } else {
      this.#untold.set(phrase, (this.#untold.get(phrase) ?? 0) + 1)
    }
  }

  stop(): void {
    this.#endOfTurn.stop()
    this.#end()
  }

  #end(): void {
    for (const [event, count] of this.#untold)
      this.#logEvent('info', 'and others', { event, count })
    this.#untold.clear()
    this.#told = 0
  }
}
