/** What a load has done so far, for those who watch. The history has it all. */
export class LoadCounters {
  unknown = 0
  errors = 0
  read = 0
  lastError = ''
  readonly #lastAckMs: number[]
  #acknowledged = 0
  #nextValue = 1

  constructor(partitions: number) {
    this.#lastAckMs = Array.from({ length: partitions }, () => performance.now())
  }

  /** Values that no two records of the run share. */
  takeValues(count: number): number[] {
    return Array.from({ length: count }, () => this.#nextValue++)
  }

  acknowledged(partition: number, count: number): void {
    this.#acknowledged += count
    this.#lastAckMs[partition] = performance.now()
  }

  failed(error: string): void {
    this.errors++
    this.lastError = error
  }

  get acknowledgedCount(): number {
    return this.#acknowledged
  }

  /** Partitions that have taken nothing for so long. */
  silent(longerThanMs: number): number {
    const before = performance.now() - longerThanMs
    return this.#lastAckMs.filter(lastMs => lastMs < before).length
  }
}
