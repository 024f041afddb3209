import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { BenchContext } from './measurement.ts'

/**
 * What a script beside this one prints, a JSON document a line: clusters in a process that has nothing to do with the
 * state of this one.
 */
export async function* linesOfChild<T>(
  context: BenchContext,
  script: string,
  args: readonly string[],
): AsyncGenerator<T> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.onEnd(async () => {
    child.kill('SIGKILL')
  })
  const ended = new Promise<number | null>((settle, fail) => {
    child.once('exit', settle)
    child.once('error', fail)
  })
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as T
  const code = await ended
  if (code !== 0) throw new Error(`${script} ended with ${String(code)}`)
}
