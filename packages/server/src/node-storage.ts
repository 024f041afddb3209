import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ClusterError, NodeId, Random } from '@trimaran/common'
import { claimDirectory } from './config/data-directory.ts'
import type { DirectoryIdentity } from './config/data-directory.ts'
import type { NodeStorage } from './node-host.ts'
import { HaltableDisk } from './ports/haltable-disk.ts'
import { LevelQuorumStore } from './ports/level-quorum-store.ts'
import { MemoryDisk } from './ports/memory-disk.ts'
import { MemoryQuorumStore } from './ports/memory-quorum-store.ts'
import { NodeDisk } from './ports/node-disk.ts'

export interface DiskStorageOptions {
  readonly dataDirectory: string
  readonly metadataDirectory: string
  readonly clusterId: string | null
  readonly nodeId: NodeId
  readonly random: Random
  readonly onFailure: (error: ClusterError) => void
}

/**
 * A node's directories. LevelDB's lock on the quorum log is held for life and is released by the kernel with the
 * process, so two nodes never share a directory; a separate log directory has a lock of its own kind.
 */
export async function openDiskStorage(options: DiskStorageOptions): Promise<NodeStorage> {
  const dataDirectory = resolve(options.dataDirectory)
  const metadataDirectory = resolve(options.metadataDirectory)
  mkdirSync(dataDirectory, { recursive: true })
  const unlock = metadataDirectory.startsWith(join(dataDirectory, '/'))
    ? () => Promise.resolve()
    : await lockDirectory(dataDirectory)
  try {
    const store = await LevelQuorumStore.open({
      directory: metadataDirectory,
      onFailure: options.onFailure,
    })
    const disk = new HaltableDisk(new NodeDisk(dataDirectory))
    try {
      return {
        identity: claimDirectory(dataDirectory, options, options.random),
        disk,
        logDirectory: dataDirectory,
        durable: store.durable,
        store,
        async close() {
          await store.close()
          disk.halt()
          await unlock()
        },
        async abandon() {
          disk.halt()
          await store.abandon()
          await unlock()
        },
      }
    } catch (error) {
      await store.abandon()
      throw error
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

/** An empty database: for its lock, which the kernel releases with the process. Node has no flock. */
async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const lock = await LevelQuorumStore.open({
    directory: join(directory, '.lock'),
    onFailure: () => {},
  })
  return () => lock.close()
}

/** What a node in memory keeps between a kill and a restart, as its disk would. */
export class MemoryStorage {
  readonly #identity: DirectoryIdentity
  readonly #disk = new MemoryDisk()
  readonly #quorum = new MemoryQuorumStore()

  constructor(identity: DirectoryIdentity) {
    this.#identity = identity
  }

  open(): NodeStorage {
    const disk = new HaltableDisk(this.#disk)
    const end = (): Promise<void> => {
      disk.halt()
      return Promise.resolve()
    }
    return {
      identity: this.#identity,
      disk,
      logDirectory: 'logs',
      ...this.#quorum.open(),
      close: end,
      abandon: end,
    }
  }
}
