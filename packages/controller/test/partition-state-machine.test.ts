import { electLeader } from '@trimaran/controller'
import { expect, test } from 'vitest'

const ids = (text: string): number[] => (text === '-' ? [] : text.split(',').map(Number))

/** replicas | isr | elr | leader | active | unclean | preferred → outcome */
const table = `
1,2,3 | 1,2,3 | -   | 1  | 1,2,3 | no  | no  | kept
1,2,3 | 2,3   | -   | 3  | 1,2,3 | no  | no  | kept
1,2,3 | 1,2,3 | -   | 1  | 2,3   | no  | no  | 2 isr
1,2,3 | 3,1   | -   | 1  | 2,3   | no  | no  | 3 isr
3,2,1 | 1,2   | -   | -1 | 1,2,3 | no  | no  | 2 isr
1,2,3 | 1     | -   | 1  | 2,3   | no  | no  | offline eligibleReplicasDown
1,2,3 | 1     | -   | 1  | 2,3   | yes | no  | 2 outOfSync
1,2,3 | 1     | 3   | 1  | 2,3   | no  | no  | 3 elr
1,2,3 | 1     | 3   | 1  | 2,3   | yes | no  | 3 elr
1,2,3 | 1     | 3   | 1  | 2     | no  | no  | offline eligibleReplicasDown
1,2,3 | 1     | 3   | 1  | 2     | yes | no  | 2 outOfSync
1,2,3 | 1     | 2,3 | 1  | -     | yes | no  | offline allReplicasDown
1,2,3 | 1,2,3 | -   | 2  | 1,2,3 | no  | yes | 1 isr
1,2,3 | 2,3   | -   | 2  | 1,2,3 | no  | yes | kept
1,2,3 | 1,2,3 | -   | 2  | 2,3   | no  | yes | kept
1,2,3 | 1,2,3 | -   | 1  | 1,2,3 | no  | yes | kept
1,2,3 | 2     | -   | -1 | 1,2   | no  | yes | 2 isr
`

const rows = table.trim().split('\n')

test.each(rows)('election: %s', row => {
  const columns = row.split('|').map(column => column.trim())
  const [replicas = '', isr = '', elr = '', leader, active = '', unclean, preferred, wanted] =
    columns
  const up = ids(active)
  const election = electLeader(
    { replicas: ids(replicas), isr: ids(isr), elr: ids(elr), leader: Number(leader) },
    { isActive: id => up.includes(id), unclean: unclean === 'yes', preferred: preferred === 'yes' },
  )
  const text = {
    kept: () => 'kept',
    elected: () => (election.kind === 'elected' ? `${election.leader} ${election.from}` : ''),
    offline: () => (election.kind === 'offline' ? `offline ${election.why}` : ''),
  }[election.kind]()
  expect(text).toBe(wanted)
})
