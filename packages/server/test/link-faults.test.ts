import { expect, test } from 'vitest'
import type { NodeId } from '@trimaran/common'
import { LinkFaults } from '../src/cluster/link-faults.ts'
import { PauseGate } from '../src/cluster/pause-gate.ts'
import type { PeerLinks, PeerReceiver } from '../src/rpc/peer-links.ts'

/** Two nodes whose frames arrive at once; what the links tell comes from the test. */
function pair() {
  const faults = new LinkFaults()
  const receivers = new Map<NodeId, PeerReceiver>()
  const heard: string[] = []
  const end = (nodeId: NodeId) => {
    const gate = new PauseGate()
    const plain: PeerLinks = {
      send: (to, frame) => {
        receivers.get(to)?.frame(nodeId, Buffer.concat(frame))
        return true
      },
      learn: () => {},
      start: receiver => void receivers.set(nodeId, receiver),
    }
    const links = faults.wrap(nodeId, plain, gate)
    links.start({
      frame: (from, frame) => heard.push(`${from} says ${Buffer.from(frame).toString()}`),
      gone: peer => heard.push(`${nodeId}: ${peer} is gone`),
      reachable: peer => heard.push(`${nodeId}: ${peer} is reachable`),
    })
    return { gate, say: (to: NodeId, text: string) => links.send(to, [Buffer.from(text)]) }
  }
  const take = (): string[] => heard.splice(0)
  return { faults, take, one: end(1), two: end(2), told: (at: NodeId) => receivers.get(at) }
}

test('a cut has a direction; what is sent into it is taken and lost', () => {
  const { faults, take, one, two } = pair()
  faults.cut(1, 2)
  expect(one.say(2, 'hello')).toBe(true)
  expect(two.say(1, 'anybody?')).toBe(true)
  expect(take()).toEqual(['2 says anybody?'])
  faults.heal()
  one.say(2, 'again')
  expect(take()).toEqual(['1 says again'])
})

test('a break is not heard through a cut; heal tells it, and tells of a link that lost frames', () => {
  const { faults, take, told } = pair()
  told(1)?.reachable(2)
  told(2)?.reachable(1)
  take()
  faults.cut(2, 1)
  told(1)?.gone(2)
  told(2)?.gone(1)
  expect(take()).toEqual(['2: 1 is gone'])
  told(2)?.reachable(1)
  expect(take()).toEqual([])
  faults.heal()
  expect(take().toSorted()).toEqual(['1: 2 is gone', '2: 1 is reachable'])
  told(1)?.reachable(2)
  take()
  faults.cut(1, 2)
  faults.heal()
  expect(take().toSorted()).toEqual(['1: 2 is reachable', '2: 1 is reachable'])
})

test('a paused node gets everything in order when it goes on, and says only then what it had to say', () => {
  const { faults, take, one, two, told } = pair()
  told(2)?.reachable(1)
  take()
  one.gate.pause()
  two.say(1, 'first')
  one.say(2, 'late')
  two.say(1, 'second')
  told(2)?.reachable(1)
  expect(take()).toEqual([])
  one.gate.resume()
  faults.resumed(1)
  expect(take()).toEqual(['2 says first', '1 says late', '2 says second', '2: 1 is reachable'])
})

test('a paused node is kept a bounded number of bytes', () => {
  const { take, one, two } = pair()
  one.gate.pause()
  const mebibyte = 'x'.repeat(1024 * 1024)
  for (let sent = 0; sent < 100; sent++) two.say(1, mebibyte)
  one.gate.resume()
  expect(take()).toHaveLength(64)
  two.say(1, 'and on')
  expect(take()).toEqual(['2 says and on'])
})

test('a write counts as under way until it is durable; a paused node hears of that later', () => {
  const gate = new PauseGate()
  const durable: (() => void)[] = []
  const store = gate.store({ write: (_write, done) => void durable.push(done) })
  const heard: string[] = []
  store.write({}, () => heard.push('first'))
  store.write({}, () => heard.push('second'))
  expect(gate.writesUnderWay).toBe(2)
  durable.shift()?.()
  expect([gate.writesUnderWay, heard]).toEqual([1, ['first']])
  gate.pause()
  durable.shift()?.()
  expect([gate.writesUnderWay, heard]).toEqual([0, ['first']])
  gate.resume()
  expect(heard).toEqual(['first', 'second'])
})
