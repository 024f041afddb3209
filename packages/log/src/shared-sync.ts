/**
 * Group commit: one sync at a time, and all who ask while one is under way share the next, since that one may have begun
 * before what they want to be durable was written.
 */
export class SharedSync {
  readonly #sync: () => Promise<void>
  #underWay: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(sync: () => Promise<void>) {
    this.#sync = sync
  }

  request(): Promise<void> {
    if (this.#underWay === null) {
      this.#underWay = this.#sync().finally(() => {
        this.#underWay = null
      })
      return this.#underWay
    }
    this.#next ??= this.#underWay.then(
      () => this.#startNext(),
      () => this.#startNext(),
    )
    return this.#next
  }

  #startNext(): Promise<void> {
    this.#next = null
    return this.request()
  }
}
