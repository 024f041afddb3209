import { must } from '@trimaran/common'
import { brokerConfigDef, parseConfigValue } from '@trimaran/metadata'

/** Values of Kafka's keys that the server itself needs; checked when the configuration was loaded. */
export class NodeProperties {
  readonly #given: ReadonlyMap<string, string>

  constructor(given: ReadonlyMap<string, string>) {
    this.#given = given
  }

  number(key: string): number {
    return Number(this.#value(key))
  }

  boolean(key: string): boolean {
    return this.#value(key) === true
  }

  #value(key: string): unknown {
    const def = must(brokerConfigDef(key), `${key} is a key of the broker`)
    const parsed = parseConfigValue(
      def,
      this.#given.get(key) ?? must(def.defaultValue, `${key} has a default`),
    )
    return parsed.ok ? parsed.value : must(null, parsed.error)
  }
}
