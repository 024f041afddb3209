import type { ClusterError } from '@trimaran/common'
import type { QuorumStore, QuorumWrite } from '@trimaran/raft'
import { noRoom } from './faulty-disk.ts'
import type { DiskTrouble } from './faulty-disk.ts'

/** The quorum's log on the same device. Its writes are synced one by one: a power cut finds at most the one under way. */
export class FaultyQuorumStore implements QuorumStore {
  readonly #store: QuorumStore
  readonly #trouble: DiskTrouble
  readonly #onFailure: (error: ClusterError) => void
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  constructor(store: QuorumStore, trouble: DiskTrouble, onFailure: (error: ClusterError) => void) {
    this.#store = store
    this.#trouble = trouble
    this.#onFailure = onFailure
  }

  write(write: QuorumWrite, done: () => void): void {
    if (this.#trouble.isFull) {
      this.#onFailure(noRoom('write the quorum log to', 'level'))
      return
    }
    if (this.#trouble.slowMaxMs === 0 && this.#waiting === 0) {
      this.#store.write(write, done)
      return
    }
    this.#waiting++
    this.#last = this.#last.then(async () => {
      await this.#trouble.delay()
      this.#waiting--
      this.#store.write(write, done)
    })
  }
}
