import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const bin = join(import.meta.dirname, '../bin/trimaran.mjs')
const asNode = (version: string): string =>
  `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`

test('an older Node is told what is needed, in one line', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', asNode('20.20.2'), bin, '--version'],
    { encoding: 'utf8' },
  )
  expect(stderr).toMatch(
    /^error: trimaran needs Node\.js 24 or newer, and this is 20\.20\.2\. .*\n$/,
  )
  expect(status).toBe(1)
})

test('a newer one is not', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', asNode('100.0.0'), bin, '--version'],
    { encoding: 'utf8' },
  )
  expect([status, stderr]).toEqual([0, ''])
})
