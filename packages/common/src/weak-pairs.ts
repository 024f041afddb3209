/** What follows from two objects, made once and kept only as long as both are. */
export class WeakPairs<First extends object, Second extends object, Value> {
  readonly #byFirst = new WeakMap<First, WeakMap<Second, Value>>()

  get(first: First, second: Second, make: () => Value): Value {
    let bySecond = this.#byFirst.get(first)
    if (bySecond === undefined) {
      bySecond = new WeakMap()
      this.#byFirst.set(first, bySecond)
    }
    let value = bySecond.get(second)
    if (value === undefined) {
      value = make()
      bySecond.set(second, value)
    }
    return value
  }
}
