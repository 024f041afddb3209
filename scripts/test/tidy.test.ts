import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importedPackages, layerViolations } from '../check-layers.ts'
import { checkFile, ownFiles, tidyProblems } from '../tidy.ts'

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

test('the files are the same where git is not there', () => {
  const pathsOf = (hasGit: boolean): string[] =>
    ownFiles(root, hasGit)
      .map(({ path }) => path)
      .filter(path => !path.endsWith('.log'))
      .toSorted()
  expect(pathsOf(false)).toEqual(pathsOf(true))
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
