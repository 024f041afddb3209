import type { NodeId } from '@trimaran/common'
import { expect, test } from 'vitest'
import type { Cluster } from '../src/cluster/cluster.ts'
import { leaderClient, produceSomewhere, start } from './support/clusters.ts'

const voterIds = (cluster: Cluster, nodeId: NodeId): readonly NodeId[] =>
  cluster
    .node(nodeId)
    .raft.status.voters.map(voter => voter.nodeId)
    .toSorted((a, b) => a - b)

const whenOthersLead = (cluster: Cluster, nodeId: NodeId): Promise<void> =>
  expect
    .poll(() => cluster.controller(), { timeout: 10_000, interval: 5 })
    .toSatisfy(leader => leader !== null && leader !== nodeId)

test('a lost node is replaced by another one while records are written, and none is lost', async () => {
  const cluster = await start({ config: { 'min.insync.replicas': '2' } })
  await cluster.createTopic({ name: 'orders', partitions: 1, replicationFactor: 3 })
  const acknowledged: string[] = []
  let isOver = false
  const writing = (async () => {
    for (let at = 0; !isOver; at++) {
      await produceSomewhere(cluster, 'orders', 0, `order ${at}`)
      acknowledged.push(`order ${at}`)
    }
  })()
  const lost = cluster.controller() as NodeId
  await cluster.kill(lost)
  await whenOthersLead(cluster, lost)
  await cluster.removeVoter(lost)
  expect(await cluster.addNode()).toBe(4)
  const left = [1, 2, 3].filter(id => id !== lost)
  expect(voterIds(cluster, 4)).toEqual(left)
  await cluster.addVoter(4)
  for (const nodeId of [...left, 4]) {
    await expect.poll(() => voterIds(cluster, nodeId)).toEqual([...left, 4])
  }
  isOver = true
  await writing
  // Of the three, one may be gone again: the new one counts.
  const leader = cluster.controller() as NodeId
  const other = left.find(id => id !== leader) as NodeId
  await cluster.kill(other)
  await cluster.addNode()
  expect(cluster.node(5).raft.status.voters).toHaveLength(3)
  await cluster.restart(other)
  expect(acknowledged.length).toBeGreaterThan(0)
  // A leader that is new gives what it knows to be committed, and knows more with its followers' next fetch.
  const missing = async (): Promise<readonly string[]> => {
    const { values } = await leaderClient(cluster, 'orders', 0).consume('orders', 0)
    return acknowledged.filter(value => !values.includes(value))
  }
  await expect.poll(missing, { timeout: 10_000 }).toEqual([])
})

test('a node that joined comes back by what its log says, wherever its first contacts are', async () => {
  const cluster = await start()
  const added = await cluster.addNode()
  await cluster.addVoter(added)
  await cluster.removeVoter(1)
  await cluster.kill(1)
  await cluster.restart(added)
  expect(voterIds(cluster, added)).toEqual([2, 3, 4])
  await cluster.restart(1)
  expect(voterIds(cluster, 1)).toEqual([2, 3, 4])
})

test('a node that knows one other, who does not lead, is told who does and where', async () => {
  const cluster = await start()
  const contact = cluster.nodeIds.find(id => id !== cluster.controller()) as NodeId
  const added = await cluster.addNode([contact])
  await cluster.addVoter(added)
  expect(voterIds(cluster, added)).toEqual([1, 2, 3, 4])
})

test('a leader that is removed is followed by another, and goes on as a broker', async () => {
  const cluster = await start()
  await cluster.createTopic({ name: 'orders', partitions: 1, replicationFactor: 3 })
  const leader = cluster.controller() as NodeId
  await cluster.removeVoter(leader)
  await whenOthersLead(cluster, leader)
  await produceSomewhere(cluster, 'orders', 0, 'a')
  await cluster.addVoter(leader)
  expect(voterIds(cluster, leader)).toEqual([1, 2, 3])
  await expect(cluster.addVoter(leader)).rejects.toThrow(/is a voter already/)
})

test('the only voter stays, and a voter that would be missed', async () => {
  const alone = await start({ nodes: 1 })
  await expect(alone.removeVoter(1)).rejects.toThrow(/only voter/)
  await expect(alone.removeVoter(7)).rejects.toThrow(/No voter is node 7/)
  // And one node grows into three.
  for (const nodeId of [await alone.addNode(), await alone.addNode()]) await alone.addVoter(nodeId)
  expect(voterIds(alone, 1)).toEqual([1, 2, 3])
  await alone.kill(1)
  await whenOthersLead(alone, 1)
})
