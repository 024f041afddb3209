import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mountSmallDisk } from './support/damage.ts'
import type { SmallDisk } from './support/damage.ts'
import { within } from './support/process-cluster.ts'
import { Scene } from './support/scene.ts'

const place = mkdtempSync(join(tmpdir(), 'trimaran-small-'))
const elsewhere = mkdtempSync(join(tmpdir(), 'trimaran-elsewhere-'))
let disk: SmallDisk | null = null
let scene: Scene | null = null

beforeAll(async () => {
  disk = mountSmallDisk(place, '48m')
  if (disk === null) return
  const { directory } = disk
  scene = await Scene.open({
    port: 28_200,
    // The quorum's log elsewhere: that its writes fail is another story, and stops the node for itself.
    settingsOf: nodeId =>
      nodeId === 3
        ? { 'log.dirs': join(directory, 'data'), 'metadata.log.dir': join(elsewhere, 'quorum') }
        : {},
  })
})
afterAll(async () => {
  const verdict = await scene?.close()
  disk?.unmount()
  for (const path of [place, elsewhere]) rmSync(path, { recursive: true, force: true })
  if (verdict === undefined) return
  const { acknowledged, longestSilenceMs } = verdict
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

test('a node whose disk is full stops and says so; the others go on; with room it comes back (F15, row 11)', async context => {
  if (disk === null || scene === null) return context.skip('no file system can be mounted here')

  const full = scene.cluster.node(3)
  await scene.bystander.madeProgress(100)
  disk.fill()
  const outcome = await within(full.exited, 15_000, 'the node with the full disk lives on')
  expect(outcome.code).toBeGreaterThan(0)
  expect(full.log()).toMatch(/ENOSPC|no space left/i)
  await scene.expectHealthy([scene.cluster.node(1), scene.cluster.node(2)])

  // It cannot start either, and says why.
  full.start()
  const again = await within(full.exited, 15_000, 'the node with the full disk starts')
  expect(again.code).toBeGreaterThan(0)
  await scene.bystander.madeProgress(100)

  disk.grow('256m')
  full.start()
  await scene.expectHealthy()
})
