import type { Offset } from '@trimaran/common'
import type { EpochStart } from './leader-epochs.ts'

/**
 * Kafka's text checkpoints: a version line "0", a count, then one entry a line. Written whole through
 * `writeFileAtomic`. A damaged file is never half believed.
 */
export interface CheckpointEntry {
  readonly topicName: string
  readonly partition: number
  readonly offset: Offset
}

const decoder = new TextDecoder('utf-8', { fatal: false })
const encoder = new TextEncoder()

export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)
export const bytesOf = (text: string): Uint8Array => encoder.encode(text)

function format(lines: readonly string[]): Uint8Array {
  return bytesOf(`0\n${lines.length}\n${lines.map(line => `${line}\n`).join('')}`)
}

/** null: not the whole of a checkpoint of version 0. */
function linesOf(bytes: Uint8Array): string[] | null {
  const lines = textOf(bytes).split('\n')
  const [version, count, ...entries] = lines
  if (version !== '0' || entries.pop() !== '') return null
  return String(entries.length) === count ? entries : null
}

function parseCount(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

export function formatOffsets(entries: Iterable<CheckpointEntry>): Uint8Array {
  const lines: string[] = []
  for (const { topicName, partition, offset } of entries)
    lines.push(`${topicName} ${partition} ${offset}`)
  return format(lines)
}

/** null: damaged; then nothing is known, which is always safe for a checkpoint. */
export function parseOffsets(bytes: Uint8Array): CheckpointEntry[] | null {
  const lines = linesOf(bytes)
  if (lines === null) return null
  const entries: CheckpointEntry[] = []
  for (const line of lines) {
    const [topicName, partitionText, offsetText, ...rest] = line.split(' ')
    const partition = parseCount(partitionText)
    const offset = parseCount(offsetText)
    if (!topicName || partition === null || offset === null || rest.length > 0) return null
    entries.push({ topicName, partition, offset })
  }
  return entries
}

export function formatEpochs(starts: readonly EpochStart[]): Uint8Array {
  return format(starts.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/** null: damaged, or not ascending. */
export function parseEpochs(bytes: Uint8Array): EpochStart[] | null {
  const lines = linesOf(bytes)
  if (lines === null) return null
  const starts: EpochStart[] = []
  for (const line of lines) {
    const [epochText, offsetText, ...rest] = line.split(' ')
    const epoch = parseCount(epochText)
    const startOffset = parseCount(offsetText)
    if (epoch === null || startOffset === null || rest.length > 0) return null
    const previous = starts.at(-1)
    if (previous && (epoch <= previous.epoch || startOffset <= previous.startOffset)) return null
    starts.push({ epoch, startOffset })
  }
  return starts
}

export function formatCleanShutdown(brokerEpoch: number): Uint8Array {
  return bytesOf(JSON.stringify({ version: 0, brokerEpoch }))
}

/** null: not a marker. −1: a marker without an epoch, as old brokers wrote (an empty file). */
export function parseCleanShutdown(bytes: Uint8Array): number | null {
  if (bytes.length === 0) return -1
  try {
    const marker: unknown = JSON.parse(textOf(bytes))
    if (typeof marker !== 'object' || marker === null) return null
    const { version, brokerEpoch } = marker as Record<string, unknown>
    if (version !== 0) return null
    return typeof brokerEpoch === 'number' && Number.isSafeInteger(brokerEpoch) ? brokerEpoch : -1
  } catch {
    return null
  }
}
