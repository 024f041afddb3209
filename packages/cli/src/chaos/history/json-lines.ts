/**
 * A history as JSON Lines: one object per line, in the order in which things happened. Whoever can write such lines can have a
 * history judged, whatever client made it. README.md beside this file has the format.
 */
import type {
  Deletion,
  Fault,
  History,
  OffsetCommit,
  PartitionName,
  Send,
  Transaction,
} from './history.ts'

/** What is wrong with a line, in words for whoever wrote it. */
export class HistoryFormatError extends Error {
  override readonly name = 'HistoryFormatError'
}

type Line = Readonly<Record<string, unknown>>
type Outcome = 'ok' | 'fail' | 'info'
/** What begins in one line and ends in another. */
type Operation = Send | OffsetCommit | Transaction | Deletion

const statuses: Readonly<Record<Outcome, Send['status']>> = {
  ok: 'acked',
  fail: 'failed',
  info: 'unknown',
}

/** Offsets and values are whole numbers that JSON keeps exactly. */
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value)

function want<T>(line: Line, key: string, is: (value: unknown) => value is T, what: string): T {
  const value = line[key]
  if (!is(value)) {
    throw new HistoryFormatError(`"${key}" must be ${what}, not ${JSON.stringify(value)}`)
  }
  return value
}

const text = (line: Line, key: string): string =>
  want(line, key, value => typeof value === 'string', 'a string')
const whole = (line: Line, key: string): number => want(line, key, isWhole, 'a whole number')
const time = (line: Line, key = 'time'): number =>
  want(line, key, value => typeof value === 'number', 'a time in milliseconds')
const wholes = (line: Line, key: string): readonly number[] =>
  want(
    line,
    key,
    (value): value is readonly number[] => Array.isArray(value) && value.every(isWhole),
    'an array of whole numbers',
  )
const pairs = (line: Line, key: string): readonly (readonly [number, number])[] =>
  want(
    line,
    key,
    (value): value is readonly (readonly [number, number])[] =>
      Array.isArray(value) &&
      value.every(pair => Array.isArray(pair) && pair.length === 2 && pair.every(isWhole)),
    'an array of [offset, value]',
  )
const texts = (line: Line, key: string): readonly string[] =>
  want(
    line,
    key,
    (value): value is readonly string[] =>
      Array.isArray(value) && value.every(each => typeof each === 'string'),
    'an array of strings',
  )

/** Takes a history's lines one by one. */
export class HistoryReader {
  readonly #history: History
  /** Operations that have begun and not ended, by their `op`. */
  readonly #open = new Map<number, Operation>()

  constructor(history: History) {
    this.#history = history
  }

  take(source: string): void {
    if (source.trim() === '') return
    const line = parse(source)
    const history = this.#history
    switch (line['f']) {
      case 'send':
        if (line['type'] === 'invoke') this.#begin(line, sendOf(line), history.sends)
        else this.#endSend(line)
        break
      case 'poll':
        history.polls.push({
          ...who(line),
          stream: line['stream'] === undefined ? text(line, 'process') : text(line, 'stream'),
          ...when(line),
          records: pairs(line, 'records').map(([offset, value]) => ({ offset, value })),
          ...inTransaction(line),
        })
        break
      case 'read-to-end':
        history.finallyRead.add(text(line, 'partition'))
        if (line['stream'] !== undefined) {
          history.finalStreams.set(text(line, 'partition'), text(line, 'stream'))
        }
        break
      case 'delete':
        history.deleted.add(text(line, 'partition'))
        break
      case 'fault':
        history.faults.push(faultOf(line))
        break
      case 'note':
        break
      default:
        this.#takeMore(line)
    }
  }

  #takeMore(line: Line): void {
    const history = this.#history
    switch (line['f']) {
      case 'list-offset':
        history.endOffsets.push({
          ...who(line),
          leaderEpoch: whole(line, 'leaderEpoch'),
          offset: whole(line, 'offset'),
          ...when(line),
        })
        break
      case 'log-start':
        history.logStarts.push({
          ...who(line),
          leaderEpoch: whole(line, 'leaderEpoch'),
          offset: whole(line, 'offset'),
          ...when(line),
        })
        break
      case 'delete-records':
        if (line['type'] === 'invoke') this.#begin(line, deletionOf(line), history.deletions)
        else this.#endDeletion(line)
        break
      case 'assign':
        history.assignments.push({
          process: text(line, 'process'),
          group: text(line, 'group'),
          generation: whole(line, 'generation'),
          memberId: text(line, 'member'),
          partitions: texts(line, 'partitions'),
          at: time(line),
        })
        break
      case 'commit':
        if (line['type'] === 'invoke') this.#begin(line, commitOf(line), history.commits)
        else this.#end(line)
        break
      case 'txn':
        if (line['type'] === 'invoke') this.#begin(line, transactionOf(line), history.transactions)
        else this.#end(line)
        break
      case 'offset-fetch':
        history.offsetFetches.push({
          ...who(line),
          group: text(line, 'group'),
          offset: whole(line, 'offset'),
          ...when(line),
        })
        break
      default:
        throw new HistoryFormatError(`"f" must name an operation, not ${JSON.stringify(line['f'])}`)
    }
  }

  #begin<T extends Operation>(line: Line, begun: T, all: T[]): void {
    const op = whole(line, 'op')
    if (this.#open.has(op)) {
      throw new HistoryFormatError(`operation ${op} begins a second time`)
    }
    this.#open.set(op, begun)
    all.push(begun)
  }

  #end(line: Line): Operation {
    const op = whole(line, 'op')
    const ended = this.#open.get(op)
    if (ended === undefined) throw new HistoryFormatError(`operation ${op} ends and never began`)
    const type = want(
      line,
      'type',
      (value): value is Outcome => typeof value === 'string' && Object.hasOwn(statuses, value),
      'invoke, ok, fail or info',
    )
    this.#open.delete(op)
    ended.status = statuses[type]
    ended.endedAt = time(line)
    return ended
  }

  #endSend(line: Line): void {
    const ended = this.#end(line)
    if (!('values' in ended))
      throw new HistoryFormatError(`operation ${whole(line, 'op')} is no send`)
    if (ended.status === 'acked' && line['offset'] !== undefined) {
      ended.baseOffset = whole(line, 'offset')
    }
  }

  #endDeletion(line: Line): void {
    const ended = this.#end(line)
    if (!('lowWatermark' in ended))
      throw new HistoryFormatError(`operation ${whole(line, 'op')} is no deletion of records`)
    if (ended.status === 'acked') ended.lowWatermark = whole(line, 'lowWatermark')
  }
}

function parse(source: string): Line {
  try {
    const line: unknown = JSON.parse(source)
    if (typeof line === 'object' && line !== null && !Array.isArray(line)) return line as Line
  } catch {
    // Said below.
  }
  throw new HistoryFormatError(`this is no JSON object: ${source.slice(0, 80)}`)
}

const who = (line: Line): { process: string; partition: PartitionName } => ({
  process: text(line, 'process'),
  partition: text(line, 'partition'),
})
const when = (line: Line): { invokedAt: number; endedAt: number } => ({
  invokedAt: line['invoked'] === undefined ? time(line) : time(line, 'invoked'),
  endedAt: time(line),
})
const open = { endedAt: Number.POSITIVE_INFINITY, status: 'open' } as const

const inTransaction = (line: Line): { readonly transaction?: number } =>
  line['transaction'] === undefined ? {} : { transaction: whole(line, 'transaction') }

const sendOf = (line: Line): Send => ({
  ...who(line),
  values: wholes(line, 'values'),
  acks: want(line, 'acks', value => value === -1 || value === 0 || value === 1, '-1, 0 or 1'),
  atMostOnce: line['idempotent'] === true,
  invokedAt: time(line),
  ...open,
  baseOffset: -1,
  ...inTransaction(line),
})
const transactionOf = (line: Line): Transaction => ({
  id: whole(line, 'op'),
  process: text(line, 'process'),
  invokedAt: time(line),
  ...open,
})
const deletionOf = (line: Line): Deletion => ({
  ...who(line),
  offset: whole(line, 'offset'),
  invokedAt: time(line),
  ...open,
  lowWatermark: -1,
})
const commitOf = (line: Line): OffsetCommit => ({
  ...who(line),
  group: text(line, 'group'),
  offset: whole(line, 'offset'),
  generation: whole(line, 'generation'),
  invokedAt: time(line),
  ...open,
})
const faultOf = (line: Line): Fault => ({
  what: text(line, 'what'),
  node: whole(line, 'node'),
  at: time(line),
  harms: line['harms'] === true,
})
