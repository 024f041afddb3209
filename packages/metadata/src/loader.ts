import { assert } from '@trimaran/common'
import type { Offset } from '@trimaran/common'
import { Delta } from './delta.ts'
import { deltaBetween } from './delta-between.ts'
import { emptyImage } from './image.ts'
import type { Image } from './image-types.ts'
import { decodeRecords } from './record-codec.ts'
import { decodeSnapshot } from './snapshot.ts'
import type { TransitionListener } from './state-change-log.ts'

/** Follows the metadata. Called in order, once per delta; log and snapshot look the same from here. */
export interface MetadataPublisher {
  onMetadata(delta: Delta, image: Image): void
}

export interface MetadataEntry {
  readonly offset: Offset
  /** As `encodeRecords` made it. */
  readonly payload: Uint8Array
}

/** Committed entries in, images out: the one way in which a node learns what is true. */
export class MetadataLoader {
  readonly #publishers: readonly MetadataPublisher[]
  readonly #onImage: ((image: Image) => void) | undefined
  readonly #onTransition: TransitionListener | undefined
  #image: Image = emptyImage

  constructor(options: {
    readonly publishers: readonly MetadataPublisher[]
    /** After all publishers. */
    readonly onImage?: (image: Image) => void
    /** The state-change log. Not called for what a snapshot brings, since a snapshot has no history. */
    readonly onTransition?: TransitionListener
  }) {
    this.#publishers = options.publishers
    this.#onImage = options.onImage
    this.#onTransition = options.onTransition
  }

  get image(): Image {
    return this.#image
  }

  /**
   * Entries that were committed since the last call, in order; `endOffset` is the end of what is committed, which may be
   * beyond the last entry given (the quorum has entries of its own).
   */
  committed(entries: readonly MetadataEntry[], endOffset: Offset): void {
    assert(endOffset >= this.#image.endOffset, 'what is committed does not go back')
    const delta = new Delta(this.#image, this.#onTransition)
    let next = this.#image.endOffset
    for (const { offset, payload } of entries) {
      assert(offset >= next && offset < endOffset, 'committed entries come in order, once')
      for (const record of decodeRecords(payload)) delta.replay(record)
      next = offset + 1
    }
    this.#publish(delta, delta.apply(endOffset))
  }

  /** The state before `endOffset`, in place of the entries that led to it. */
  snapshotLoaded(state: Uint8Array, endOffset: Offset): void {
    assert(endOffset >= this.#image.endOffset, 'a snapshot does not go back')
    const image = decodeSnapshot(state, endOffset)
    this.#publish(deltaBetween(this.#image, image), image)
  }

  #publish(delta: Delta, image: Image): void {
    this.#image = image
    for (const publisher of this.#publishers) publisher.onMetadata(delta, image)
    this.#onImage?.(image)
  }
}
