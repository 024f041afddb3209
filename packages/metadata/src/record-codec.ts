import { AssertionError, ClusterError } from '@trimaran/common'
import { codecsOf, ProtocolError, Reader, Writer } from '@trimaran/protocol'
import type { Api, Decoded, Encodable, Struct } from '@trimaran/protocol'
import * as schemas from './record-schemas.ts'
import type { Endpoint, MetadataRecord, ReplicaDeletionRecord } from './records.ts'

/** Of the frame around the records: its version, their count, then key, version and body of each. */
const frameVersion = 0
const recordVersion = 0

const securityProtocols: readonly Endpoint['securityProtocol'][] = [
  'PLAINTEXT',
  'SSL',
  'SASL_PLAINTEXT',
  'SASL_SSL',
]
const deletionStates: readonly ReplicaDeletionRecord['state'][] = [
  'started',
  'ineligible',
  'successful',
  'nonExistent',
]
const topicType = 2
const brokerType = 4

const flagToWire = (flag: boolean | null | undefined): number =>
  flag === null || flag === undefined ? -1 : flag ? 1 : 0
const flagFromWire = (flag: number): boolean | null => (flag < 0 ? null : flag === 1)

/** Absent, where the wire has null. */
const optional = <K extends string, T>(key: K, value: T | null): { readonly [P in K]?: T } =>
  (value === null ? {} : { [key]: value }) as { readonly [P in K]?: T }

type Kind = MetadataRecord['kind']
type RecordOf<K extends Kind> = Extract<MetadataRecord, { kind: K }>

interface Codec {
  readonly key: number
  encode(writer: Writer, record: MetadataRecord): void
  decode(reader: Reader): MetadataRecord
}

function codec<K extends Kind, Q extends Struct>(
  schema: Api<Q>,
  toWire: (record: RecordOf<K>) => Encodable<Q>,
  fromWire: (value: Decoded<Q>) => RecordOf<K>,
): Codec {
  const body = codecsOf(schema).request(recordVersion)
  return {
    key: schema.key,
    encode: (writer, record) => body.encode(writer, toWire(record as RecordOf<K>)),
    decode: reader => fromWire(body.decode(reader)),
  }
}

const codecs: Readonly<Record<Kind, Codec>> = {
  registerBroker: codec<'registerBroker', (typeof schemas.registerBroker)['request']>(
    schemas.registerBroker,
    record => ({
      ...record,
      endpoints: record.endpoints.map(endpoint => ({
        ...endpoint,
        securityProtocol: securityProtocols.indexOf(endpoint.securityProtocol),
      })),
    }),
    value => ({
      kind: 'registerBroker',
      ...value,
      endpoints: value.endpoints.map(endpoint => ({
        ...endpoint,
        securityProtocol: known(securityProtocols, endpoint.securityProtocol, 'security protocol'),
      })),
    }),
  ),
  unregisterBroker: codec<'unregisterBroker', (typeof schemas.unregisterBroker)['request']>(
    schemas.unregisterBroker,
    record => record,
    value => ({ kind: 'unregisterBroker', ...value }),
  ),
  brokerChange: codec<'brokerChange', (typeof schemas.brokerChange)['request']>(
    schemas.brokerChange,
    record => ({
      ...record,
      fenced: flagToWire(record.fenced),
      inControlledShutdown: flagToWire(record.inControlledShutdown),
    }),
    value => ({
      kind: 'brokerChange',
      ...value,
      fenced: flagFromWire(value.fenced),
      inControlledShutdown: flagFromWire(value.inControlledShutdown),
    }),
  ),
  topic: codec<'topic', (typeof schemas.topic)['request']>(
    schemas.topic,
    record => record,
    value => ({ kind: 'topic', ...value }),
  ),
  removeTopic: codec<'removeTopic', (typeof schemas.removeTopic)['request']>(
    schemas.removeTopic,
    record => record,
    value => ({ kind: 'removeTopic', ...value }),
  ),
  partition: codec<'partition', (typeof schemas.partition)['request']>(
    schemas.partition,
    record => ({
      ...record,
      recovering: flagToWire(record.recovering),
      elr: record.elr ?? null,
      lastKnownElr: record.lastKnownElr ?? null,
    }),
    ({ elr, lastKnownElr, ...value }) => ({
      kind: 'partition',
      ...value,
      recovering: value.recovering === 1,
      ...optional('elr', elr),
      ...optional('lastKnownElr', lastKnownElr),
    }),
  ),
  partitionChange: codec<'partitionChange', (typeof schemas.partitionChange)['request']>(
    schemas.partitionChange,
    record => ({
      topicId: record.topicId,
      partition: record.partition,
      leader: record.leader ?? schemas.leaderUnchanged,
      isr: record.isr ?? null,
      replicas: record.replicas ?? null,
      addingReplicas: record.addingReplicas ?? null,
      removingReplicas: record.removingReplicas ?? null,
      recovering: flagToWire(record.recovering),
      elr: record.elr ?? null,
      lastKnownElr: record.lastKnownElr ?? null,
    }),
    value => ({
      kind: 'partitionChange',
      topicId: value.topicId,
      partition: value.partition,
      ...(value.leader === schemas.leaderUnchanged ? {} : { leader: value.leader }),
      ...optional('isr', value.isr),
      ...optional('replicas', value.replicas),
      ...optional('addingReplicas', value.addingReplicas),
      ...optional('removingReplicas', value.removingReplicas),
      ...optional('recovering', flagFromWire(value.recovering)),
      ...optional('elr', value.elr),
      ...optional('lastKnownElr', value.lastKnownElr),
    }),
  ),
  config: codec<'config', (typeof schemas.config)['request']>(
    schemas.config,
    record => ({
      ...record,
      resourceType: record.resourceType === 'topic' ? topicType : brokerType,
    }),
    value => ({
      kind: 'config',
      ...value,
      resourceType: value.resourceType === topicType ? 'topic' : 'broker',
    }),
  ),
  producerIds: codec<'producerIds', (typeof schemas.producerIds)['request']>(
    schemas.producerIds,
    record => record,
    value => ({ kind: 'producerIds', ...value }),
  ),
  replicaDeletion: codec<'replicaDeletion', (typeof schemas.replicaDeletion)['request']>(
    schemas.replicaDeletion,
    record => ({ ...record, state: deletionStates.indexOf(record.state) }),
    value => ({
      kind: 'replicaDeletion',
      ...value,
      state: known(deletionStates, value.state, 'deletion state'),
    }),
  ),
  noOp: codec<'noOp', (typeof schemas.noOp)['request']>(
    schemas.noOp,
    () => ({}),
    () => ({ kind: 'noOp' }),
  ),
}

const codecByKey: ReadonlyMap<number, Codec> = new Map(
  Object.values(codecs).map(each => [each.key, each]),
)

function known<T>(values: readonly T[], at: number, what: string): T {
  const value = values[at]
  if (value === undefined) throw new ProtocolError(`unknown ${what} ${at}`)
  return value
}

/** The payload of one committed entry of the quorum's log: applied whole or not at all. */
export function encodeRecords(records: readonly MetadataRecord[]): Uint8Array {
  const writer = new Writer()
  writer.uvarint(frameVersion)
  writer.uvarint(records.length)
  for (const record of records) {
    const codecOfKind = codecs[record.kind]
    writer.uvarint(codecOfKind.key)
    writer.uvarint(recordVersion)
    codecOfKind.encode(writer, record)
  }
  return writer.finishOne()
}

/** Throws ClusterError CORRUPT for anything that `encodeRecords` does not write. */
export function decodeRecords(payload: Uint8Array): MetadataRecord[] {
  // No element takes less than a byte, so the payload's size bounds their number.
  const reader = new Reader(payload, 0, payload.length, payload.length)
  try {
    if (reader.uvarint() !== frameVersion) throw new ProtocolError('unknown version of the frame')
    const count = reader.uvarint()
    if (count > reader.remaining) throw new ProtocolError(`${count} records do not fit`)
    const records: MetadataRecord[] = []
    for (let at = 0; at < count; at++) records.push(decodeRecord(reader))
    if (reader.remaining > 0) throw new ProtocolError(`${reader.remaining} bytes too many`)
    return records
  } catch (error) {
    if (error instanceof AssertionError) throw error
    throw new ClusterError('CORRUPT', 'a metadata entry cannot be read', { cause: error })
  }
}

function decodeRecord(reader: Reader): MetadataRecord {
  const key = reader.uvarint()
  const version = reader.uvarint()
  if (version !== recordVersion) throw new ProtocolError(`record ${key} has version ${version}`)
  const found = codecByKey.get(key)
  if (found === undefined) throw new ProtocolError(`unknown record ${key}`)
  return found.decode(reader)
}
