import {
  ProtocolError,
  decodeBatch,
  encodeBatch,
  errorCodes,
  readBatchHeader,
  type BatchHeader,
} from '@trimaran/protocol'

/** `compression.type` of a topic: `producer` keeps what comes. */
export type CompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export type Recompressed =
  | { readonly kind: 'stored'; readonly batch: Uint8Array; readonly header: BatchHeader }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly errorMessage: string }

/** Of a topic's configuration. */
export interface CompressionConfig {
  readonly compressionType: CompressionType
  readonly compressionGzipLevel: number
  readonly compressionZstdLevel: number
}

/** What the topic wants stored: the producer's own bytes, unless the topic names another codec. */
export function recompress(
  batch: Uint8Array,
  header: BatchHeader,
  config: CompressionConfig,
): Recompressed {
  const { compressionType } = config
  if (compressionType === 'producer') return { kind: 'stored', batch, header }
  const codec = compressionType === 'uncompressed' ? 'none' : compressionType
  if (header.compression === codec) return { kind: 'stored', batch, header }
  try {
    const { records } = decodeBatch(batch, 0)
    const { producerId, producerEpoch, baseSequence } = header
    const encoded = encodeBatch({
      records,
      compression: codec,
      ...levelOf(codec, config),
      producerId,
      producerEpoch,
      baseSequence,
    })
    return { kind: 'stored', batch: encoded, header: readBatchHeader(encoded, 0) }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { kind: 'refused', errorCode: errorCodes.INVALID_RECORD, errorMessage: error.message }
  }
}

const levelOf = (
  codec: string,
  { compressionGzipLevel, compressionZstdLevel }: CompressionConfig,
): { readonly compressionLevel?: number } =>
  codec === 'gzip'
    ? { compressionLevel: compressionGzipLevel }
    : codec === 'zstd'
      ? { compressionLevel: compressionZstdLevel }
      : {}
