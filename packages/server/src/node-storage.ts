import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ClusterError, NodeId, Random } from '@trimaran/common'
import { claimDirectory } from './config/data-directory.ts'
import type { DirectoryIdentity } from './config/data-directory.ts'
import type { NodeStorage } from './node-host.ts'
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
    try {
      return {
        identity: claimDirectory(dataDirectory, options, options.random),
        disk: new NodeDisk(dataDirectory),
        logDirectory: dataDirectory,
        durable: store.durable,
        store,
        async close() {
          await store.close()
          await unlock()
        },
        async abandon() {
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
    return {
      identity: this.#identity,
      disk: this.#disk,
      logDirectory: 'logs',
      ...this.#quorum.open(),
      close: () => Promise.resolve(),
      abandon: () => Promise.resolve(),
    }
  }
}
