import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mallocSettings } from '../src/local-cluster/processes.ts'

test("a container's node has malloc's settings of a local cluster's", () => {
  const path = join(import.meta.dirname, '../../../deploy/Dockerfile')
  const inImage = readFileSync(path, 'utf8').matchAll(/(MALLOC_\w+)=(\S+)/g)
  expect(Object.fromEntries([...inImage].map(([, name, value]) => [name, value]))).toEqual(
    mallocSettings,
  )
})
