import type { NodeId, Prng } from '@trimaran/common'
import type { FaultKind, Swarm } from './swarm.ts'

/** One harm: when, what, to whom, and where its details are drawn from, so that it does not depend on the others. */
export interface Decision {
  /** Since the faults began. */
  readonly atMs: number
  readonly kind: FaultKind
  /** 0: whoever is the active controller then. */
  readonly victim: NodeId
  readonly stream: number
}

const controllerOneIn = 3

/** All harm of a seed, drawn before any of it is done: what is left out of it changes nothing of the rest. */
export function drawPlan(
  random: Prng,
  swarm: Swarm,
  { nodes, seconds }: { readonly nodes: number; readonly seconds: number },
): Decision[] {
  const kinds = [...swarm.faults]
  const plan: Decision[] = []
  if (kinds.length === 0) return plan
  let atMs = 0
  for (;;) {
    atMs += random.between(swarm.harmMinMs, swarm.harmMaxMs)
    if (atMs >= seconds * 1000) return plan
    const kind = random.pick(kinds)
    const victim = random.chance(1, controllerOneIn) ? 0 : random.between(1, nodes)
    plan.push({ atMs, kind, victim, stream: random.between(0, 2 ** 31 - 1) })
  }
}

export const decisionText = ({ atMs, kind, victim }: Decision): string =>
  `${String(atMs).padStart(6)} ms  ${kind} ${victim === 0 ? 'of the controller' : `of node ${victim}`}`
