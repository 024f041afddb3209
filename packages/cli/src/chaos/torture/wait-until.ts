import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from '../../output.ts'

const pauseMs = 50

/** Until `wound` has nothing to say; what it said last is why it took too long. */
export async function waitUntil(
  what: string,
  wound: () => Promise<string | null>,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const why = await wound()
    if (why === null) return
    if (performance.now() > deadlineMs) {
      throw new CliError(`Within ${timeoutMs / 1000} s, ${what} did not come about: ${why}.`)
    }
    await sleep(pauseMs)
  }
}
