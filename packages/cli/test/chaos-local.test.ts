import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { LinkNetwork } from '../src/chaos/network/link-network.ts'
import { LocalVictim } from '../src/chaos/torture/local-victim.ts'
import { faults } from '../src/chaos/torture/victim.ts'
import { writeNodeConfig } from '../src/local-cluster/processes.ts'
import { newCluster } from '../src/local-cluster/startup.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-local-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('what processes can be given: switches where all nodes have them, links where there are proxies', async () => {
  const state = newCluster(3, 23_700)
  const configure = (...overrides: [string, string][]): void => {
    for (const node of state.nodes) writeNodeConfig(scratch, state, node, new Map(overrides))
  }
  const can = (network: LinkNetwork | null): string[] =>
    [...new LocalVictim({ directory: scratch, state, topic: 't', network }).can].toSorted()
  expect(can(null)).toEqual(['kill', 'pause', 'stop'])
  configure(['test.faults', 'false'])
  expect(can(null)).toEqual(['kill', 'pause', 'stop'])
  configure(['test.faults', 'true'])
  const switches = ['cut-power', 'fill-disk', 'kill', 'pause', 'slow-disk', 'stop']
  expect(can(null)).toEqual(switches)
  const network = await LinkNetwork.open(state)
  expect(can(network)).toEqual(faults.toSorted())
  network.close()
})

test('who has died by itself is not struck, and that is said', async () => {
  const state = newCluster(1, 23_710)
  const victim = new LocalVictim({ directory: scratch, state, topic: 't', network: null })
  await expect(victim.act('kill', 1)).rejects.toThrow('Node 1 has died by itself')
  await expect(victim.act('fill-disk', 1)).rejects.toThrow('POST /faults/full-disk')
})
