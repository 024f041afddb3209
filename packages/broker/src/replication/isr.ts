import type { BrokerId } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'

/**
 * The in-sync replicas as a leader sees them. `isr` is what the controller committed; a pending change was proposed to
 * it, and whether it is committed already is not known until an answer or the metadata says so.
 */
export type IsrState =
  | { readonly kind: 'committed'; readonly isr: ReadonlySet<BrokerId> }
  | {
      readonly kind: 'pendingShrink'
      readonly isr: ReadonlySet<BrokerId>
      readonly removing: ReadonlySet<BrokerId>
    }
  | {
      readonly kind: 'pendingExpand'
      readonly isr: ReadonlySet<BrokerId>
      readonly adding: BrokerId
    }

/** By the list itself: metadata has equal lists once, and the leaders with one ISR then share what follows from it. */
const committed = new WeakMap<readonly BrokerId[], IsrState>()

/** Nothing is pending. */
export function committedIsr(isr: readonly BrokerId[]): IsrState {
  let state = committed.get(isr)
  if (state === undefined) {
    state = { kind: 'committed', isr: new Set(isr) }
    committed.set(isr, state)
  }
  return state
}

/**
 * The replicas that bound the high watermark: whoever might be in the controller's ISR, and so might be elected. The
 * joining count already, the leaving count still.
 */
export function maximalIsr(state: IsrState): ReadonlySet<BrokerId> {
  return state.kind === 'pendingExpand' ? new Set(state.isr).add(state.adding) : state.isr
}

/** What the pending change asks for; the committed ISR where there is none. In the order of the committed one. */
export function proposedIsr(state: IsrState): readonly BrokerId[] {
  switch (state.kind) {
    case 'committed':
      return [...state.isr]
    case 'pendingShrink':
      return [...state.isr].filter(id => !state.removing.has(id))
    case 'pendingExpand':
      return [...state.isr, state.adding]
  }
}

/** Whether the metadata says that it has what is committed. */
export const isCounted = ({ isr, elr }: PartitionImage, brokerId: BrokerId): boolean =>
  isr.includes(brokerId) || elr?.includes(brokerId) === true
