/** A promise that was not kept. The ids are those of the table in test-cluster/README.md. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly id: string

  constructor(id: string, what: string) {
    super(`${id}: ${what}`)
    this.id = id
  }
}

export const violated = (id: string, what: string): never => {
  throw new Violation(id, what)
}
