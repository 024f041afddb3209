import type { Scenario } from './scenario.ts'

/** This loses records for certain, with acks=all too: the topic allows leaders that have not got all. */
export const uncleanElection: Scenario = {
  name: 'unclean-election',
  words: 'a leader that is the last in the ISR dies, and one that lags leads (the topic allows it)',
  needs: ['kill', 'stop'],
  topicConfigs: { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'true' },
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    const others = torture.nodes.filter(node => node !== leader)
    // In order, so that each leaves the ISR while a controller can still say so.
    for (const node of others) await torture.stop(node)
    await wait(500, 1500)
    await torture.kill(leader)
    await Promise.all(others.map(node => torture.start(node)))
    await wait(1000, 3000)
    await torture.start(leader)
  },
}
