import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { framed, listening } from './support/listening.ts'

test('produce requests are handled without waiting for earlier answers, at most 21 at a time (K18)', async () => {
  let inFlight = 0
  let most = 0
  const answers: (() => void)[] = []
  const { dial } = await listening((_connection, frame) => {
    most = Math.max(most, ++inFlight)
    return new Promise(resolve =>
      answers.push(() => {
        inFlight--
        resolve([framed(frame)])
      }),
    )
  })
  const client = dial()
  const count = 10_000
  const produce = framed(Buffer.from([0, 0]))
  client.send(Buffer.concat(Array.from({ length: count }, () => produce)))
  let answered = 0
  while (answered < count) {
    while (answers.length > 0) {
      answers.shift()?.()
      answered++
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  await client.receive(count * 6)
  expect(most).toBe(21)
})

test('many pipelines together have few requests under way beyond five each, and come to their end', async () => {
  const answers: (() => void)[] = []
  const handled = new Map<number, number>()
  const { dial } = await listening((connection, frame) => {
    handled.set(connection.id, (handled.get(connection.id) ?? 0) + 1)
    return new Promise(resolve => answers.push(() => resolve([framed(frame)])))
  })
  const produce = framed(Buffer.from([0, 0]))
  const clients = Array.from({ length: 10 }, () => dial())
  const count = 100
  for (const client of clients)
    client.send(Buffer.concat(Array.from({ length: count }, () => produce)))
  await expect.poll(() => handled.size).toBe(10)
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(answers).toHaveLength(10 * 5 + 16)
  // Who waits for each answer is as soon served as beside nobody.
  const modest = dial()
  modest.send(produce)
  await expect.poll(() => answers.length).toBe(10 * 5 + 16 + 1)
  answers.pop()?.()
  await modest.receive(6)
  const pump = setInterval(() => {
    for (const answer of answers.splice(0)) answer()
  }, 1)
  await Promise.all(clients.map(client => client.receive(count * 6)))
  clearInterval(pump)
})

test('a pipeline that is broken off gives back what it had beyond five', async () => {
  const answers: (() => void)[] = []
  const { dial } = await listening(
    (_connection, frame) => new Promise(resolve => answers.push(() => resolve([framed(frame)]))),
  )
  const produce = framed(Buffer.from([0, 0]))
  const run = Buffer.concat(Array.from({ length: 100 }, () => produce))
  const first = dial()
  first.send(run)
  await expect.poll(() => answers.length).toBe(21)
  first.socket.resetAndDestroy()
  await new Promise(resolve => setTimeout(resolve, 50))
  for (const answer of answers.splice(0)) answer()
  dial().send(run)
  await expect.poll(() => answers.length).toBe(21)
})

describe('a client that always has more requests waiting', () => {
  /** What it may have under way when it is alone. */
  const atOnce = 5 + 16
  const produce = framed(Buffer.from([0, 0]))

  /** With its first requests under way, and a hundred times as many behind them. */
  async function flooded(busyShare: number) {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let nowMs = 0
    const answers: (() => void)[] = []
    let handled = 0
    const { listener, dial } = await listening(
      (_connection, frame) => {
        handled++
        return new Promise(resolve => answers.push(() => resolve([framed(frame)])))
      },
      {},
      { clock: { monotonicMs: () => nowMs }, busyShare: () => busyShare },
    )
    const settle = async (): Promise<number> => {
      for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
      return handled
    }
    const client = dial()
    client.send(Buffer.concat(Array.from({ length: 100 * atOnce }, () => produce)))
    while (handled < atOnce) await settle()
    const answerAll = (): Promise<number> => {
      for (const answer of answers.splice(0)) answer()
      return settle()
    }
    return { listener, dial, client, settle, answerAll, pass: (ms: number) => (nowMs += ms) }
  }

  test('goes on at once as long as the node has room', async () => {
    const { answerAll, pass } = await flooded(0.4)
    let before = atOnce
    for (let round = 0; round < 5; round++) {
      pass(200)
      const after = await answerAll()
      expect(after).toBeGreaterThanOrEqual(before + 5)
      before = after
    }
  })

  test('has its burst, and then leaves a busy node alone for a moment between its requests', async () => {
    const { listener, answerAll, settle, pass } = await flooded(0.9)
    pass(200)
    const inBurst = await answerAll()
    expect(inBurst).toBeGreaterThanOrEqual(atOnce + 5)
    pass(100)
    const underWay = await answerAll()
    expect(underWay).toBeGreaterThan(inBurst)
    expect(listener.backlogWaitMs).toBe(1)
    // Its requests are done, and the next ones wait.
    expect(await answerAll()).toBe(underWay)
    vi.advanceTimersByTime(1)
    // Its own five, and nothing of what all share.
    expect(await settle()).toBe(underWay + 5)
  })

  test('leaves a node that others ask alone before it is busy', async () => {
    const { listener, answerAll, settle, pass, dial } = await flooded(0.3)
    pass(300)
    await answerAll()
    expect(listener.backlogWaitMs).toBe(0)
    const before = await settle()
    dial().send(produce)
    while ((await settle()) === before);
    pass(100)
    await answerAll()
    expect(listener.backlogWaitMs).toBe(1)
  })

  test('makes nobody else wait, and may leave at any time', async () => {
    const { listener, answerAll, settle, pass, dial, client } = await flooded(0.9)
    pass(300)
    await answerAll()
    const before = await answerAll()
    const modest = dial()
    modest.send(Buffer.concat([produce, produce]))
    while ((await settle()) < before + 2);
    await answerAll()
    await modest.receive(2 * produce.length)
    client.socket.resetAndDestroy()
    while (listener.connectionCount > 1) await settle()
    expect(vi.getTimerCount()).toBe(0)
  })
})
