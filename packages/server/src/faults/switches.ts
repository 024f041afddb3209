import type { IncomingMessage, ServerResponse } from 'node:http'
import { ClusterError } from '@trimaran/common'
import type { LogEvent, Random } from '@trimaran/common'
import type { NodeStorage } from '../node-host.ts'
import { isLoopback } from '../profile.ts'
import { DiskTrouble, FaultyDisk } from './faulty-disk.ts'
import { FaultyQuorumStore } from './faulty-quorum-store.ts'

export interface FaultSwitchesOptions {
  readonly random: Random
  readonly logEvent: LogEvent
  /** The node must stop: a write failed. */
  readonly onFailure: (error: ClusterError) => void
  /** The end of the process, with nothing said and nothing flushed. */
  readonly die: () => void
}

const SLOW_MAX_MS = 10_000
const SLOW_DEFAULT_MS = 300
const TEXT = 'text/plain; charset=utf-8'

/**
 * How a node under test is failed on command: POST /faults/… at its http.listener, from this machine only. There is none of it
 * unless the setting `test.faults` is true: no wrapper around a port, no path.
 */
export class FaultSwitches {
  readonly #options: FaultSwitchesOptions
  readonly #trouble: DiskTrouble
  #disk: FaultyDisk | null = null

  constructor(options: FaultSwitchesOptions) {
    this.#options = options
    this.#trouble = new DiskTrouble(options.random)
  }

  wrap(storage: NodeStorage): NodeStorage {
    this.#disk = new FaultyDisk(storage.disk, storage.logDirectory, this.#trouble)
    const store = new FaultyQuorumStore(storage.store, this.#trouble, this.#options.onFailure)
    return {
      ...{ identity: storage.identity, durable: storage.durable },
      ...{ logDirectory: storage.logDirectory, disk: this.#disk, store },
      close: () => storage.close(),
      abandon: () => storage.abandon(),
    }
  }

  /** False: not for us. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { url = '' } = request
    if (!url.startsWith('/faults/')) return false
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const send = (code: number, text: string): void => {
      response.writeHead(code, { 'content-type': TEXT, 'cache-control': 'no-store' })
      response.end(`${text}\n`)
    }
    if (!isLoopback(request.socket.remoteAddress)) send(403, 'faults are for this machine only')
    else if (request.method !== 'POST') send(405, 'only POST')
    else {
      const refusal = this.#act(pathname.slice('/faults/'.length), searchParams)
      send(refusal === null ? 200 : 400, refusal ?? 'done')
    }
    return true
  }

  #act(fault: string, parameters: URLSearchParams): string | null {
    const { logEvent } = this.#options
    switch (fault) {
      case 'slow-disk': {
        const text = parameters.get('ms') ?? String(SLOW_DEFAULT_MS)
        const slowMs = /^\d{1,5}$/.test(text) ? Number(text) : 0
        if (slowMs < 1 || slowMs > SLOW_MAX_MS) return `ms must be 1 to ${SLOW_MAX_MS}`
        logEvent('warn', 'disk is slow, on command', { slowMs })
        this.#trouble.slowMaxMs = slowMs
        return null
      }
      case 'full-disk':
        logEvent('warn', 'disk is full, on command')
        this.#trouble.isFull = true
        return null
      case 'repaired-disk':
        logEvent('warn', 'disk is repaired, on command')
        this.#trouble.slowMaxMs = 0
        this.#trouble.isFull = false
        return null
      case 'power-cut':
        return this.#cutPower()
      default:
        return 'there are slow-disk?ms=300, full-disk, repaired-disk and power-cut'
    }
  }

  #cutPower(): string | null {
    if (this.#disk === null) return 'the node has no disk yet'
    const lost = this.#disk.unsynced.cutPower(this.#options.random)
    this.#options.logEvent('fatal', 'power is cut, on command', { ...lost })
    this.#options.die()
    return null
  }
}
