import type { ClusterView } from './victim.ts'
import { waitUntil } from './wait-until.ts'

type Look = () => Promise<ClusterView>

/** Waits until the view has one; the topic is for the words of a failure. */
export async function leaderIn(
  view: Look,
  { topic, partition, timeoutMs }: { topic: string; partition: number; timeoutMs: number },
): Promise<number> {
  let leader = -1
  const look = async (): Promise<string | null> => {
    leader = (await view()).leaders[partition] ?? -1
    return leader < 0 ? 'nobody leads' : null
  }
  await waitUntil(`a leader of ${topic}-${partition}`, look, timeoutMs)
  return leader
}

export async function controllerIn(view: Look, timeoutMs: number): Promise<number> {
  let controller = -1
  const look = async (): Promise<string | null> => {
    controller = (await view()).controller
    return controller < 0 ? 'nobody is' : null
  }
  await waitUntil('an active controller', look, timeoutMs)
  return controller
}
