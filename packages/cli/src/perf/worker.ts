/** The thread that carries a load: opens, waits for the start, works, tells, ends. */
import { parentPort, workerData } from 'node:worker_threads'
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

const beatMs = 1000

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

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const post = (message: WorkMessage): void => port.postMessage(message)
  const work = workOf(workerData as Assignment, post)
  const aborted = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  port.on('message', (command: WorkCommand) => {
    if (command === 'start') started.resolve()
    else if (command === 'formed') work.formed()
    else if (command === 'stop') work.stop()
    else aborted.resolve()
  })
  let beat: NodeJS.Timeout | null = null
  try {
    await Promise.race([work.open(), aborted.promise])
    post({ type: 'ready' })
    await Promise.race([started.promise, aborted.promise])
    const fromCpuMs = cpuMs()
    beat = setInterval(() => post({ type: 'beat', beat: work.tick(performance.now()) }), beatMs)
    work.start()
    await Promise.race([work.done, aborted.promise])
    post({ type: 'done', outcome: work.outcome(), cpuMs: cpuMs() - fromCpuMs })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    post({ type: 'failed', message, exitCode: error instanceof CliError ? error.exitCode : null })
  } finally {
    if (beat !== null) clearInterval(beat)
    await work.close().catch(() => {})
    port.close()
  }
}

if (parentPort !== null) await serve(parentPort)
