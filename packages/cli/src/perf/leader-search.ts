export interface LeaderSearchOptions {
  readonly backoffMs: number
  /** Asks the cluster again who leads. */
  readonly refresh: () => Promise<void>
  /** Connects to whoever leads now, and goes on. */
  readonly refreshed: () => Promise<void>
  readonly onFatal: (error: Error) => void
}

/** After a broken connection or an error that passes: a pause, then who leads now. One at a time, however often asked for. */
export class LeaderSearch {
  readonly #options: LeaderSearchOptions
  #pause: NodeJS.Timeout | null = null
  #isRefreshing = false
  #isClosed = false

  constructor(options: LeaderSearchOptions) {
    this.#options = options
  }

  /** In its pause: the cluster has not been asked yet. */
  get isPausing(): boolean {
    return this.#pause !== null
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  request(): void {
    if (this.#pause !== null || this.#isRefreshing || this.#isClosed) return
    this.#pause = setTimeout(() => {
      this.#pause = null
      this.#isRefreshing = true
      void this.#refresh()
    }, this.#options.backoffMs)
  }

  close(): void {
    this.#isClosed = true
    if (this.#pause !== null) clearTimeout(this.#pause)
  }

  async #refresh(): Promise<void> {
    try {
      await this.#options.refresh()
      this.#isRefreshing = false
      if (!this.#isClosed) await this.#options.refreshed()
    } catch (error) {
      this.#isRefreshing = false
      this.#options.onFatal(error as Error)
    }
  }
}
