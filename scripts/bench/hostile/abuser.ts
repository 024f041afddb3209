/** The process that misbehaves: told what to whom, it begins; told to stop, it says what came of it and ends. */
import { enableCompileCache } from 'node:module'
import type { Start, Target, Told } from './abuse.ts'

enableCompileCache()

export type AbuseName = keyof typeof starts
export interface Order {
  readonly abuse: AbuseName
  readonly target: Omit<Target, 'layout'>
}
/** Of the abuser: `begun`, then once more when it was told to stop. */
export type Word =
  | { readonly kind: 'begun' }
  | { readonly kind: 'ended'; readonly told: Told; readonly cpuMs: number }
  | { readonly kind: 'failed'; readonly why: string }

const starts = {
  'never-reads': async () => (await import('./never-reads.ts')).neverReads,
  'stops-reading': async () => (await import('./stops-reading.ts')).stopsReading,
  'one-byte': async () => (await import('./one-byte.ts')).oneByte,
  'lone-records': async () => (await import('./lone-records.ts')).loneRecords,
  'huge-fetch': async () => (await import('./huge-fetch.ts')).hugeFetch,
  'many-partitions': async () => (await import('./many-partitions.ts')).manyPartitions,
} satisfies Record<string, () => Promise<Start>>

const say = (word: Word): void => void process.send?.(word)

async function layoutOfTarget({ addresses, topic }: Omit<Target, 'layout'>) {
  const { layoutOf, untilConnected } = await import('../client.ts')
  const connection = await untilConnected(addresses)
  try {
    return await layoutOf(connection, topic)
  } finally {
    connection.close()
  }
}

async function abuse({ abuse: name, target }: Order): Promise<void> {
  const start = await starts[name]()
  const stopped = new Promise<unknown>(settle => process.once('message', settle))
  const attack = await start({ ...target, layout: await layoutOfTarget(target) })
  say({ kind: 'begun' })
  await stopped
  const told = attack.tell()
  const { user, system } = process.cpuUsage()
  await attack.stop()
  say({ kind: 'ended', told, cpuMs: (user + system) / 1_000 })
  process.disconnect()
}

process.once('disconnect', () => process.exit())
process.once('message', (order: Order) => {
  abuse(order).catch((error: unknown) => say({ kind: 'failed', why: (error as Error).message }))
})
