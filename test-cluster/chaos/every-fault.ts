import type { Scenario, Scene } from 'trimaran/chaos'

const inTurn = [
  ['unplug', 'reconnect'],
  ['cut', 'reconnect'],
  ['mute', 'reconnect'],
  ['deafen', 'reconnect'],
  ['slow-links', 'reconnect'],
  ['slow-disk', 'repair-disk'],
  ['fill-disk', 'start'],
  ['cut-power', 'start'],
] as const

/** Each fault of the network and of the disk once, on a leader. As long as CI has time for. */
export const everyFault: Scenario = {
  name: 'every-fault',
  words: 'a leader is cut off in every way there is, and its disk fails in every way there is',
  needs: inTurn.map(([fault]) => fault),
  async round({ torture, random, partitions, wait }: Scene) {
    for (const [fault, remedy] of inTurn) {
      const leader = await torture.leader(random.between(0, partitions - 1))
      await torture.strike(fault, leader)
      await wait(600, 900)
      await torture.help(remedy, leader)
      await torture.healed()
      await wait(200, 300)
    }
  },
}
