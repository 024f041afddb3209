import type { Anomaly } from './anomaly.ts'
import { readsByValue, seenLogs } from './history.ts'
import type { History, PartitionName } from './history.ts'

/** A transaction; or a send or a poll of its own. */
interface Op {
  readonly name: string
  readonly process: string
  invokedAt: number
  endedAt: number
  /** Of one that nobody knows the outcome of there is no end. */
  readonly writes: { readonly partition: PartitionName; readonly value: number }[]
  readonly reads: number[]
}

type Edges = ReadonlyMap<Op, ReadonlySet<Op>>

/**
 * `G1c`: who reads what another wrote comes after it; such an order has no cycle, not even together with the order in
 * which one process (`-process`) or the whole world (`-realtime`) saw the operations begin and end.
 */
export function* readCycles(history: History): Generator<Anomaly> {
  if (history.transactions.length === 0) {
    yield* readsOfTheFuture(history)
    return
  }
  const ops = opsOf(history)
  const wr = readEdges(ops)
  const process = orderEdges(ops, (a, b) => a.process === b.process)
  const realtime = orderEdges(ops, () => true)
  const told = new Set<Op>()
  for (const [name, edges] of [
    ['G1c', [wr]],
    ['G1c-process', [wr, process]],
    ['G1c-realtime', [wr, realtime]],
  ] as const) {
    for (const cycle of cyclesIn(ops, edges)) {
      // One that needs less to be one has been told.
      if (cycle.some(op => told.has(op))) continue
      for (const op of cycle) told.add(op)
      yield cycleAnomaly(name, cycle)
    }
  }
}

/** Where every operation only writes or only reads, a cycle takes a read that ended before its write began. */
function* readsOfTheFuture(history: History): Generator<Anomaly> {
  const sentAt = new Map<number, number>()
  for (const { values, invokedAt } of history.sends) {
    for (const value of values) sentAt.set(value, invokedAt)
  }
  for (const { partition, records, endedAt, process } of history.polls) {
    for (const { offset, value } of records) {
      if (!((sentAt.get(value) ?? 0) > endedAt)) continue
      yield {
        id: 'T1',
        name: 'G1c-realtime',
        what: `${process} reads ${value} at ${partition}@${offset} before it was sent`,
        partition,
        values: [value],
        offsets: [offset],
      }
    }
  }
}

/**
 * `G0`: transactions whose records lie between each other's. Kafka promises nothing else, so this is told to whoever asks and
 * is no anomaly.
 */
export function* writeCycles(history: History): Generator<Anomaly> {
  const ops = opsOf(history)
  const writerOf = new Map<number, Op>()
  for (const op of ops) for (const { value } of op.writes) writerOf.set(value, op)
  const ww = new Map<Op, Set<Op>>()
  for (const log of seenLogs(history).values()) {
    let former: Op | undefined
    for (const value of log.inOrder()) {
      const writer = writerOf.get(value)
      if (writer === undefined) continue
      if (former !== undefined && former !== writer) add(ww, former, writer)
      former = writer
    }
  }
  for (const cycle of cyclesIn(ops, [ww])) yield cycleAnomaly('G0', cycle)
}

function cycleAnomaly(name: 'G0' | 'G1c' | 'G1c-process' | 'G1c-realtime', cycle: Op[]): Anomaly {
  const writes = cycle.flatMap(op => op.writes)
  return {
    id: 'T1',
    name,
    what: `${name}: ${cycle.map(op => op.name).join(', ')} each come before the other`,
    partition: writes[0]?.partition ?? '',
    values: writes.map(({ value }) => value),
    offsets: [],
  }
}

function opsOf(history: History): Op[] {
  const ops: Op[] = []
  const byTransaction = new Map<number, Op>()
  const make = (name: string, from: Pick<Op, 'process' | 'invokedAt' | 'endedAt'>): Op => {
    const { process, invokedAt, endedAt } = from
    const op: Op = { name, process, invokedAt, endedAt, writes: [], reads: [] }
    ops.push(op)
    return op
  }
  const failed = new Set<number>()
  for (const transaction of history.transactions) {
    const { id, process, status } = transaction
    if (status === 'failed') failed.add(id)
    byTransaction.set(id, make(`transaction ${id} of ${process}`, transaction))
  }
  const opOf = (
    part: Pick<Op, 'process' | 'invokedAt' | 'endedAt'> & { readonly transaction?: number },
    what: string,
  ): Op => {
    const known = part.transaction === undefined ? undefined : byTransaction.get(part.transaction)
    return known ?? make(`${what} of ${part.process}`, part)
  }
  const read = readsByValue(history)
  for (const send of history.sends) {
    // Neither it nor its transaction is known to have failed; what has no good outcome counts once it is read.
    if (send.status === 'failed' || failed.has(send.transaction ?? -1)) continue
    if (send.status !== 'acked' && !send.values.some(value => read.has(value))) continue
    const { partition } = send
    opOf(send, 'a send').writes.push(...send.values.map(value => ({ partition, value })))
  }
  for (const poll of history.polls) {
    if (failed.has(poll.transaction ?? -1)) continue
    opOf(poll, 'a poll').reads.push(...poll.records.map(({ value }) => value))
  }
  return ops
}

function readEdges(ops: readonly Op[]): Edges {
  const writerOf = new Map<number, Op>()
  for (const op of ops) for (const { value } of op.writes) writerOf.set(value, op)
  const edges = new Map<Op, Set<Op>>()
  for (const reader of ops) {
    for (const value of reader.reads) {
      const writer = writerOf.get(value)
      if (writer !== undefined && writer !== reader) add(edges, writer, reader)
    }
  }
  return edges
}

/**
 * Who ended before another began. Only the last ones are kept: who is behind one of them is behind all that was before it.
 */
function orderEdges(ops: readonly Op[], concerns: (a: Op, b: Op) => boolean): Edges {
  const edges = new Map<Op, Set<Op>>()
  const marks = ops.flatMap(op => [
    { at: op.invokedAt, op, isEnd: false },
    { at: op.endedAt, op, isEnd: true },
  ])
  // At one time nothing is before anything.
  marks.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd))
  const frontier = new Set<Op>()
  const before = new Map<Op, Op[]>()
  for (const { op, isEnd } of marks) {
    if (isEnd) {
      for (const former of before.get(op) ?? []) frontier.delete(former)
      frontier.add(op)
      continue
    }
    const formers = [...frontier].filter(former => concerns(former, op))
    before.set(op, formers)
    for (const former of formers) add(edges, former, op)
  }
  return edges
}

function add(edges: Map<Op, Set<Op>>, from: Op, to: Op): void {
  const known = edges.get(from)
  if (known) known.add(to)
  else edges.set(from, new Set([to]))
}

interface Visit {
  readonly op: Op
  readonly next: Iterator<Op>
}

/** Strongly connected components of more than one (Tarjan), without recursion. */
function* cyclesIn(ops: readonly Op[], edges: readonly Edges[]): Generator<Op[]> {
  const index = new Map<Op, number>()
  const low = new Map<Op, number>()
  const stack: Op[] = []
  const onStack = new Set<Op>()
  function* from(op: Op): Generator<Op> {
    for (const some of edges) yield* some.get(op) ?? []
  }
  const visits: Visit[] = []
  const enter = (op: Op): void => {
    index.set(op, index.size)
    low.set(op, index.size - 1)
    stack.push(op)
    onStack.add(op)
    visits.push({ op, next: from(op) })
  }
  const lower = (op: Op, to: number): void => {
    low.set(op, Math.min(low.get(op) ?? to, to))
  }
  for (const start of ops) {
    if (index.has(start)) continue
    enter(start)
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const { op, next } = visit
      const step = next.next()
      if (step.done !== true) {
        const to = step.value
        if (!index.has(to)) enter(to)
        else if (onStack.has(to)) lower(op, index.get(to) as number)
        continue
      }
      visits.pop()
      const parent = visits.at(-1)?.op
      if (parent !== undefined) lower(parent, low.get(op) as number)
      if (low.get(op) !== index.get(op)) continue
      const component = stack.splice(stack.indexOf(op))
      for (const one of component) onStack.delete(one)
      if (component.length > 1) yield component
    }
  }
}
