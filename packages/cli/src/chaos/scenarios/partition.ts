import type { Fault } from '../torture/victim.ts'
import type { Scenario, Scene } from './scenario.ts'

/** Behind a partition until it heals. A broker's session is 9 s: half of the times it ends, and others lead. */
async function isolate(scene: Scene, node: number, ways: readonly Fault[]): Promise<void> {
  const { torture, random, wait } = scene
  await torture.strike(random.pick(ways.filter(way => torture.can.has(way))), node)
  if (random.chance(1, 2)) await wait(200, 2500)
  else await wait(10_000, 13_000)
  await torture.reconnect(node)
}

const aLeader = ({ torture, random, partitions }: Scene): Promise<number> =>
  torture.leader(random.between(0, partitions - 1))

export const partition: Scenario = {
  name: 'partition',
  words: 'a leader is cut off without a word; half of the times its clients still reach it',
  needs: ['unplug'],
  wants: ['cut'],
  round: async scene => isolate(scene, await aLeader(scene), ['unplug', 'cut']),
}

export const oneWayPartition: Scenario = {
  name: 'one-way-partition',
  words: 'a leader does not hear the other nodes, or they do not hear it',
  needs: ['mute', 'deafen'],
  round: async scene => isolate(scene, await aLeader(scene), ['mute', 'deafen']),
}

export const controllerPartition: Scenario = {
  name: 'controller-partition',
  words: 'the active controller is cut off without a word',
  needs: ['unplug'],
  wants: ['cut'],
  round: async scene => isolate(scene, await scene.torture.controller(), ['unplug', 'cut']),
}

export const slowLinks: Scenario = {
  name: 'slow-links',
  words: "a leader's links to nodes and clients take 100 ms longer, each way",
  needs: ['slow-links'],
  async round(scene) {
    const leader = await aLeader(scene)
    await scene.torture.strike('slow-links', leader)
    await scene.wait(1000, 6000)
    await scene.torture.reconnect(leader)
  },
}
