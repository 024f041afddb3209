/** What /metrics of the nodes say, added up. */
import { get } from 'node:http'
import type { Address } from '../client.ts'

/** One node's own page, in Prometheus' text format. */
export function metricsOf(address: Address): Promise<string> {
  return new Promise((settle, fail) => {
    get({ ...address, path: '/metrics' }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.once('end', () => settle(text))
      response.once('error', fail)
    }).once('error', fail)
  })
}

/** The sum of a series over its labels, of which it must have these; null: there is no such series. */
export function valueOf(text: string, name: string, labels: readonly string[] = []): number | null {
  let sum: number | null = null
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue
    const [, braces = '', value] = /^(?:\{(.*)\})? (\S+)$/.exec(line.slice(name.length)) ?? []
    if (value === undefined || !labels.every(label => braces.includes(label))) continue
    sum = (sum ?? 0) + Number(value)
  }
  return sum
}
