/** The abuser, from the bench's side. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Told } from './abuse.ts'
import type { Order, Word } from './abuser.ts'

export interface Abuser {
  /** Resolves with what came of it, once it is gone. */
  stop(): Promise<{ readonly told: Told; readonly cpuMs: number }>
  /** If it still runs. */
  kill(): void
}

/** Resolves when the abuse is under way. */
export async function startAbuser(order: Order): Promise<Abuser> {
  const child = fork(join(import.meta.dirname, 'abuser.ts'), [], { execArgv: [] })
  const wordOf = (): Promise<Word> =>
    new Promise((settle, fail) => {
      child.once('message', word => settle(word as Word))
      child.once('exit', code => fail(new Error(`the abuser ended with ${String(code)}`)))
      child.once('error', fail)
    })
  const next = async <K extends Word['kind']>(kind: K): Promise<Extract<Word, { kind: K }>> => {
    const word = await wordOf()
    if (word.kind === kind) return word as Extract<Word, { kind: K }>
    child.kill('SIGKILL')
    throw new Error(
      `${order.abuse}: ${word.kind === 'failed' ? word.why : `"${word.kind}" instead of "${kind}"`}`,
    )
  }
  const begun = next('begun')
  child.send(order)
  await begun
  const ended = next('ended')
  // It may fail long before anybody asks.
  ended.catch(() => null)
  return {
    async stop() {
      const gone = new Promise<void>(settle => child.once('exit', () => settle()))
      child.send('stop')
      const { told, cpuMs } = await ended
      await gone
      return { told, cpuMs }
    },
    kill: () => void child.kill('SIGKILL'),
  }
}
