/** File names of a partition are `<topic>-<number>.<suffix>`, which must stay within 255 bytes. */
const lengthMax = 249

/** What is wrong with a topic name, in Kafka's words; null: nothing. */
export function topicNameError(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > lengthMax) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${lengthMax}`
  }
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return null
  return (
    `Topic name is invalid: '${name}' contains one or more characters other than ASCII ` +
    `alphanumerics, '.', '_' and '-'`
  )
}
