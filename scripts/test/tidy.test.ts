import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importedPackages, layerViolations } from '../check-layers.ts'
import { checkFile, tidyProblems } from '../tidy.ts'

const root = join(import.meta.dirname, '../..')

test('no package imports from its own layer or a higher one', () => {
  expect(layerViolations(root)).toEqual([])
})

test('an import in any spelling is seen', () => {
  const source =
    "import { a } from '@trimaran/raft'\nawait import('@trimaran/log/testing')\nexport * from 'trimaran'\n"
  expect(importedPackages(source)).toEqual(['raft', 'log', 'cli'])
})

test('the repository is tidy', () => {
  expect(tidyProblems(root)).toEqual([])
})

test('tidy sees what it must', () => {
  const unfinished = { path: 'packages/log/src/a.ts', text: '// TODO later' }
  expect(checkFile(unfinished)).toHaveLength(1)
  expect(
    checkFile({ path: 'packages/log/test/a.test.ts', text: "test.skip('x', () => {})" }),
  ).toHaveLength(1)
  expect(checkFile({ path: 'notes.md', text: '' })).toHaveLength(1)
  expect(checkFile({ path: 'packages/log/src/a.ts', text: 'x\n'.repeat(601) })).toHaveLength(1)
})
