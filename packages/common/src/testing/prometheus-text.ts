/** One line of numbers, as a Prometheus server would take it in. */
export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}
export interface PrometheusFamily {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly Sample[]
}

/**
 * Reads the text exposition format (0.0.4) as strictly as it is written down, and stricter: every family has HELP and
 * TYPE, once, in front of all its samples; counters end in `_total`; a histogram's buckets grow and end in its count.
 * Throws what is wrong with which line.
 */
export function readPrometheusText(text: string): Map<string, PrometheusFamily> {
  const families = new Map<string, PrometheusFamily & { readonly samples: Sample[] }>()
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line does not end')
  const seen = new Set<string>()
  let help: readonly [name: string, text: string] | null = null
  let family: (PrometheusFamily & { readonly samples: Sample[] }) | null = null
  for (const line of text.split('\n').slice(0, -1)) {
    const wrong = (what: string): Error => new Error(`${what}: ${line}`)
    const [, helpName, helpText] = /^# HELP ([a-z_][a-z0-9_]*) (\S.*)$/.exec(line) ?? []
    const [, typeName, kind] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? []
    if (helpName !== undefined) {
      help = [helpName, helpText as string]
    } else if (typeName !== undefined) {
      if (help?.[0] !== typeName) throw wrong('TYPE without its HELP')
      if (families.has(typeName)) throw wrong('a family in two places')
      family = { name: typeName, kind: kind as 'gauge', help: help[1], samples: [] }
      families.set(typeName, family)
      if (kind === 'counter' && !typeName.endsWith('_total')) throw wrong('a counter not _total')
    } else {
      const sample = readSample(line)
      if (sample === null) throw wrong('not a sample')
      const suffix = family?.kind === 'histogram' ? /_(?:bucket|sum|count)$/ : /$/
      if (family === null || sample.name.replace(suffix, '') !== family.name)
        throw wrong('outside of its family')
      const key = line.slice(0, line.lastIndexOf(' '))
      if (seen.has(key)) throw wrong('a series twice')
      seen.add(key)
      family.samples.push(sample)
    }
  }
  for (const each of families.values()) if (each.kind === 'histogram') checkHistogram(each)
  return families
}

function readSample(line: string): Sample | null {
  const [, name, , inner, valueText] =
    /^([a-z_][a-z0-9_]*)(\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/.exec(line) ?? []
  if (name === undefined || valueText === undefined) return null
  const labels = new Map<string, string>()
  let rest = inner ?? ''
  while (rest !== '') {
    const match = /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest)
    if (match === null || labels.has(match[1] as string)) return null
    labels.set(match[1] as string, match[2] as string)
    rest = rest.slice(match[0].length)
  }
  return { name, labels, value: Number(valueText.replace('Inf', 'Infinity')) }
}

/** Per series: buckets in order, never falling, the last one infinite and equal to the count; count and sum there. */
function checkHistogram({ name, samples }: PrometheusFamily): void {
  const series = new Map<string, Sample[]>()
  for (const sample of samples) {
    const others = [...sample.labels].filter(([label]) => label !== 'le')
    const key = JSON.stringify(others)
    series.set(key, [...(series.get(key) ?? []), sample])
  }
  for (const [key, parts] of series) {
    const wrong = (what: string): Error => new Error(`${what}: ${name}${key}`)
    let [end, below] = [Number.NEGATIVE_INFINITY, 0]
    for (const { labels, value } of parts.filter(part => part.name === `${name}_bucket`)) {
      const le = Number(labels.get('le')?.replace('Inf', 'Infinity'))
      if (!(le > end)) throw wrong('buckets out of order')
      if (value < below) throw wrong('buckets are not cumulative')
      end = le
      below = value
    }
    const count = parts.find(part => part.name === `${name}_count`)?.value
    const sum = parts.find(part => part.name === `${name}_sum`)?.value
    if (end !== Number.POSITIVE_INFINITY || below !== count || sum === undefined)
      throw wrong('the last bucket is not the count')
  }
}
