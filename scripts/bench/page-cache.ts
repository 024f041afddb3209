import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * What earlier loads left in the page cache is on the disk when it resolves: writing gigabytes back would take a part of
 * the machine from whoever is measured next.
 */
export async function untilWrittenBack(): Promise<void> {
  await promisify(execFile)('sync')
}
