import { type BrokerId, noLeader } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'

/** Whom a partition is to have as its leader, and why. */
export type Election =
  | { readonly kind: 'kept' }
  | {
      readonly kind: 'elected'
      readonly leader: BrokerId
      /** Where it comes from. An unclean leader may lack acknowledged records. */
      readonly from: 'isr' | 'elr' | 'outOfSync'
    }
  | {
      readonly kind: 'offline'
      /** Nobody can lead: the replicas that have all records are down, or so are all of them. */
      readonly why: 'eligibleReplicasDown' | 'allReplicasDown'
    }

export interface ElectionRules {
  readonly isActive: (brokerId: BrokerId) => boolean
  /** Whether a replica that is neither in the ISR nor in the ELR may lead when no other can. */
  readonly unclean: boolean
  /** The first replica leads whenever it may. */
  readonly preferred: boolean
}

/**
 * Pure and total. In assignment order: the present leader if it still may; the first active ISR member; the first active
 * ELR member, which has everything below the high watermark (KIP-966); the first active replica at all, if that is
 * allowed: first those of the last known ELR, which may lack little; last one that a reassignment is adding, which may have
 * nothing.
 */
export function electLeader(
  {
    replicas,
    addingReplicas = [],
    isr,
    elr = [],
    lastKnownElr = [],
    leader,
  }: Pick<PartitionImage, 'replicas' | 'isr' | 'elr' | 'lastKnownElr' | 'leader'> &
    Partial<Pick<PartitionImage, 'addingReplicas'>>,
  { isActive, unclean, preferred }: ElectionRules,
): Election {
  const mayLead = (id: BrokerId): boolean => isr.includes(id) && isActive(id)
  const first = replicas[0]
  const isFirstWanted = preferred && first !== undefined && first !== leader && mayLead(first)
  if (leader !== noLeader && mayLead(leader) && !isFirstWanted) return { kind: 'kept' }
  const inSync = replicas.find(mayLead)
  if (inSync !== undefined) return { kind: 'elected', leader: inSync, from: 'isr' }
  const eligible = replicas.find(id => elr.includes(id) && isActive(id))
  if (eligible !== undefined) return { kind: 'elected', leader: eligible, from: 'elr' }
  const any =
    lastKnownElr.find(isActive) ??
    replicas.find(id => isActive(id) && !addingReplicas.includes(id)) ??
    replicas.find(isActive)
  if (any === undefined) return { kind: 'offline', why: 'allReplicasDown' }
  if (!unclean) return { kind: 'offline', why: 'eligibleReplicasDown' }
  return { kind: 'elected', leader: any, from: 'outOfSync' }
}
