import { assert } from '@trimaran/common'

/** For each state, the states it may be entered from. */
export type TransitionTable<State extends string> = Readonly<Record<State, readonly State[]>>

export function isLegal<State extends string>(
  table: TransitionTable<State>,
  from: State,
  to: State,
): boolean {
  return table[to].includes(from)
}

/**
 * The shortest legal way from one state to another, without the start: [] when nothing changes, null when there is none.
 * Facts in the log may jump (a created partition is online at once); the state machine takes every hop. A state that
 * ends a life is never passed through.
 */
export function legalPath<State extends string>(
  table: TransitionTable<State>,
  from: State,
  to: State,
  end: State,
): readonly State[] | null {
  if (from === to) return []
  const states = Object.keys(table) as State[]
  const pathTo = new Map<State, readonly State[]>([[from, []]])
  const queue: State[] = [from]
  for (let at = 0; at < queue.length; at++) {
    const here = queue[at] as State
    const path = pathTo.get(here) as readonly State[]
    for (const next of states) {
      if (pathTo.has(next) || !isLegal(table, here, next)) continue
      if (next === to) return [...path, next]
      if (next === end) continue
      pathTo.set(next, [...path, next])
      queue.push(next)
    }
  }
  return null
}

/** Every pair's path, computed once: replay looks it up per record. */
export function legalPaths<State extends string>(
  table: TransitionTable<State>,
  end: State,
): (from: State, to: State) => readonly State[] {
  const states = Object.keys(table) as State[]
  const paths = new Map<State, Map<State, readonly State[]>>()
  for (const from of states) {
    const pathsFrom = new Map<State, readonly State[]>()
    for (const to of states) {
      const path = legalPath(table, from, to, end)
      if (path !== null) pathsFrom.set(to, path)
    }
    paths.set(from, pathsFrom)
  }
  return (from, to) => {
    const path = paths.get(from)?.get(to)
    if (path === undefined) assert(false, `illegal transition from ${from} to ${to}`)
    return path
  }
}
