import * as fs from 'node:fs'
import { join } from 'node:path'
import { ClusterError, uuidFromBytes } from '@trimaran/common'
import type { NodeId, Random, Uuid } from '@trimaran/common'
import { diskError } from '../ports/disk-errors.ts'
import { NodeDisk } from '../ports/node-disk.ts'
import { parseProperties } from './properties-file.ts'

export interface DirectoryIdentity {
  readonly clusterId: string
  readonly nodeId: NodeId
  /** A wiped disk is another directory, and so another voter (KIP-853). */
  readonly directoryId: Uuid
}

/** Kafka's meta.properties, version 1. */
const FILE = 'meta.properties'

/**
 * Whose data this is: read from meta.properties, or written there at the first start. Throws WRONG_DIRECTORY when the
 * directory is another node's or another cluster's.
 */
export function claimDirectory(
  directory: string,
  own: { readonly clusterId: string | null; readonly nodeId: NodeId },
  random: Random,
): DirectoryIdentity {
  const path = join(directory, FILE)
  const stored = readIdentity(path)
  const newUuid = (): Uuid => uuidFromBytes(random.bytes(16))
  if (stored !== null) checkOwner(path, stored, own)
  const identity: DirectoryIdentity = {
    clusterId: stored?.get('cluster.id') ?? own.clusterId ?? newUuid(),
    nodeId: own.nodeId,
    directoryId: stored?.get('directory.id') ?? newUuid(),
  }
  if (stored === null || !stored.has('directory.id')) writeIdentity(directory, identity)
  return identity
}

/** Null where there is no data yet. */
export const storedClusterId = (directory: string): string | null =>
  readIdentity(join(directory, FILE))?.get('cluster.id') ?? null

function readIdentity(path: string): Map<string, string> | null {
  try {
    return parseProperties(fs.readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw diskError('read', path, error)
  }
}

function checkOwner(
  path: string,
  stored: ReadonlyMap<string, string>,
  own: { readonly clusterId: string | null; readonly nodeId: NodeId },
): void {
  const refuse = (what: string): never => {
    throw new ClusterError('WRONG_DIRECTORY', `${path}: ${what}; give this node its own log.dirs`)
  }
  if (stored.get('version') !== '1') {
    refuse(
      `version ${stored.get('version') ?? 'missing'} is not 1: the file is damaged or of an old Kafka in ZooKeeper mode`,
    )
  }
  if (stored.get('node.id') !== String(own.nodeId)) {
    refuse(`the data is of node ${stored.get('node.id') ?? '?'}, this is node ${own.nodeId}`)
  }
  const clusterId = stored.get('cluster.id')
  if (clusterId === undefined) refuse('it has no cluster.id')
  if (own.clusterId !== null && clusterId !== own.clusterId) {
    refuse(
      `the data is of cluster ${clusterId ?? '?'}, this node is configured for ${own.clusterId}`,
    )
  }
}

function writeIdentity(
  directory: string,
  { clusterId, nodeId, directoryId }: DirectoryIdentity,
): void {
  fs.mkdirSync(directory, { recursive: true })
  const lines = [
    '#',
    'version=1',
    `cluster.id=${clusterId}`,
    `node.id=${nodeId}`,
    `directory.id=${directoryId}`,
    '',
  ]
  new NodeDisk(directory).writeFileAtomic(FILE, Buffer.from(lines.join('\n')))
}
