import { ClusterError } from '@trimaran/common'
import type { ControllerRequests } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from './channels.ts'

/** Longest that a client may have the controller waited for, whatever its request says. */
const maxForwardMs = 5 * 60_000

/** An answer of the controller, or the error code that says why there is none. */
export type Forwarded<K extends keyof ControllerRequests> =
  | { readonly kind: 'answered'; readonly response: ControllerRequests[K]['response'] }
  | { readonly kind: 'failed'; readonly errorCode: number; readonly errorMessage: string }

/**
 * Hands an admin request over to the active controller: clients may send it to any broker. That nobody answered is a
 * protocol outcome (REQUEST_TIMED_OUT or NOT_CONTROLLER, both retriable): whether it took effect is then unknown.
 */
export async function forward<K extends keyof ControllerRequests>(
  controller: ControllerChannel,
  kind: K,
  request: ControllerRequests[K]['request'],
  timeoutMs: number,
): Promise<Forwarded<K>> {
  const boundedMs = Math.min(Math.max(timeoutMs, 1), maxForwardMs)
  try {
    return { kind: 'answered', response: await controller.request(kind, request, boundedMs) }
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    return { kind: 'failed', errorCode: errorCodeOf(error), errorMessage: error.message }
  }
}

/**
 * Partitions that one request to the controller creates or removes: its decision is one turn of its event loop and one
 * entry of the metadata log, and at some 40 µs each this takes it 20 ms.
 */
export const partitionsPerForwardMax = 500

/** What concerns many topics, so cut that no part has more partitions than that, unless a single topic has. */
export function inParts<T>(topics: readonly T[], partitionCount: (topic: T) => number): T[][] {
  const parts: T[][] = []
  let room = 0
  for (const topic of topics) {
    const count = Math.max(1, partitionCount(topic))
    if (count > room || parts.length === 0) {
      parts.push([])
      room = partitionsPerForwardMax
    }
    parts.at(-1)?.push(topic)
    room -= count
  }
  return parts
}

function errorCodeOf(error: ClusterError): number {
  switch (error.code) {
    case 'RPC_TIMEOUT':
    case 'RPC_UNAVAILABLE':
      return errorCodes.REQUEST_TIMED_OUT
    case 'NOT_CONTROLLER':
    case 'STOPPING':
      return errorCodes.NOT_CONTROLLER
    case 'DISK_FULL':
    case 'DISK_FAILED':
    case 'CORRUPT':
    case 'WRONG_DIRECTORY':
    case 'BAD_CONFIG':
    case 'CANNOT_LISTEN':
    case 'RPC_INVALID':
      return errorCodes.UNKNOWN_SERVER_ERROR
  }
}
