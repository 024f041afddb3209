import { effectiveTopicConfig, type Image, type TopicConfig } from '@trimaran/metadata'

/** Effective configuration by topic, worked out once per topic until some configuration changes. */
export class TopicConfigs {
  readonly #image: () => Image
  readonly #staticProperties: ReadonlyMap<string, string>
  readonly #byTopic = new Map<string, TopicConfig>()
  #configs: Image['configs'] | null = null

  constructor(image: () => Image, staticProperties: ReadonlyMap<string, string>) {
    this.#image = image
    this.#staticProperties = staticProperties
  }

  of(topicName: string): TopicConfig {
    const image = this.#image()
    if (image.configs !== this.#configs) {
      this.#byTopic.clear()
      this.#configs = image.configs
    }
    let config = this.#byTopic.get(topicName)
    if (config === undefined) {
      config = effectiveTopicConfig(image, this.#staticProperties, topicName)
      this.#byTopic.set(topicName, config)
    }
    return config
  }

  topicDeleted(topicName: string): void {
    this.#byTopic.delete(topicName)
  }
}
