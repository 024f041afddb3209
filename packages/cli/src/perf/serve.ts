/** What a thread of a load does: opens, waits for the start, works, tells, ends. */
import type { MessagePort } from 'node:worker_threads'
import { CliError } from '../output.ts'
import { ConsumeWork } from './consume-work.ts'
import { EndToEndWork } from './end-to-end-work.ts'
import type { CheckedConsume, CheckedEndToEnd, CheckedProduce } from './options.ts'
import { ProduceWork } from './produce-work.ts'
import type { Share, Work, WorkCommand, WorkMessage } from './work.ts'

export type Assignment = { readonly share: Share } & (
  | { readonly kind: 'produce'; readonly options: CheckedProduce }
  | { readonly kind: 'consume'; readonly options: CheckedConsume }
  | { readonly kind: 'e2e'; readonly options: CheckedEndToEnd }
)

const tickMs = 1000

function workOf(assignment: Assignment, post: (message: WorkMessage) => void): Work {
  const { share } = assignment
  switch (assignment.kind) {
    case 'produce':
      return new ProduceWork(assignment.options, share)
    case 'consume':
      return new ConsumeWork(assignment.options, share, membership =>
        post({ type: 'joined', membership }),
      )
    case 'e2e':
      return new EndToEndWork(assignment.options, share)
  }
}

/** Of this thread alone. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

export async function serve(port: MessagePort, assignment: Assignment): Promise<void> {
  const post = (message: WorkMessage): void => port.postMessage(message)
  const work = workOf(assignment, post)
  const aborted = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  port.on('message', (command: WorkCommand) => {
    if (command === 'start') started.resolve()
    else if (command === 'beat') post({ type: 'beat', beat: work.beat() })
    else if (command === 'formed') work.formed()
    else if (command === 'stop') work.stop()
    else aborted.resolve()
  })
  let tick: NodeJS.Timeout | null = null
  try {
    await Promise.race([work.open(), aborted.promise])
    post({ type: 'ready' })
    await Promise.race([started.promise, aborted.promise])
    const fromCpuMs = cpuMs()
    tick = setInterval(() => work.tick(performance.now()), tickMs)
    work.start()
    await Promise.race([work.done, aborted.promise])
    post({
      ...{ type: 'done', outcome: work.outcome(), beat: work.beat() },
      cpuMs: cpuMs() - fromCpuMs,
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    post({ type: 'failed', message, exitCode: error instanceof CliError ? error.exitCode : null })
  } finally {
    if (tick !== null) clearInterval(tick)
    await work.close().catch(() => {})
    port.close()
  }
}
