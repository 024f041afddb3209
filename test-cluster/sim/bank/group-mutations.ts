import type { Edit, Mutation } from './mutation.ts'

const at =
  (file: string) =>
  (find: string, replace: string): Edit => ({ file, find, replace })
const shard = at('coordinator/src/shard.ts')
const restore = at('coordinator/src/group/restore.ts')
const loader = at('coordinator/src/shard-loader.ts')
const rebalance = at('coordinator/src/group/rebalance.ts')
const membership = at('coordinator/src/group/membership.ts')
const offsets = at('coordinator/src/group/offsets.ts')
const groups = at('broker/src/groups.ts')

/** The group coordinator. */
export const groupMutations = {
  B27: {
    row: 'B27',
    rule: 'a coordinator that is elected begins with nothing',
    edits: [
      loader('if (next >= end) return this.#loaded()', 'if (end >= 0) return this.#loaded()'),
    ],
  },
  B35: {
    row: 'B35',
    rule: 'a write of the coordinator that is refused leaves its group waiting for ever (KAFKA-7519)',
    edits: [shard('head.settle(outcome.errorCode)', 'void outcome.errorCode')],
  },
  B41: {
    row: 'B41',
    rule: 'generations are forgotten when the coordinator moves, so that one has two owners (KAFKA-16147)',
    edits: [
      restore(
        '  for (const record of metadata.members) {',
        '  Object.assign(metadata, { generation: 0 })\n  for (const record of metadata.members) {',
      ),
    ],
  },
  B42: {
    row: 'B42',
    rule: 'who leaves between JoinGroup and SyncGroup keeps the others waiting (KAFKA-12890)',
    edits: [
      rebalance(
        `    case 'Stable':
    case 'CompletingRebalance':
      prepareRebalance(host, group, \`member \${reason}\`)
      break
    case 'PreparingRebalance':`,
        `    case 'Stable':
      prepareRebalance(host, group, \`member \${reason}\`)
      break
    case 'CompletingRebalance':
      break
    case 'PreparingRebalance':`,
      ),
      rebalance('host.timers.arm(group.syncTimer, group.rebalanceTimeoutMs)', ''),
    ],
  },
  B44: {
    row: 'B44',
    rule: 'a broker that leads no longer goes on as coordinator (KAFKA-9235)',
    edits: [
      groups(
        'if (topicName === consumerOffsetsTopic) this.coordinator.resigned(partition)',
        'void [topicName, partition]',
      ),
    ],
  },
  B45: {
    row: 'B45',
    rule: 'the assignment of any member is taken for that of the group (Tansu)',
    edits: [
      membership('if (group.leaderId === member.memberId) storeAssignments', 'storeAssignments'),
    ],
  },
  loadsToHighWatermark: {
    row: null,
    rule: 'a coordinator is loaded when it has read to the high watermark it began with',
    edits: [loader('end = bounds.logEndOffset', 'end = bounds.highWatermark')],
  },
  generationStays: {
    row: null,
    rule: 'a rebalance leads to the same generation again',
    edits: [
      rebalance(
        'const generation = group.generation + 1\n',
        'const generation = Math.max(1, group.generation)\n',
      ),
    ],
  },
  zombieCommits: {
    row: null,
    rule: 'members of earlier generations commit offsets',
    edits: [
      offsets(
        'const errorCode = group.checkGeneration(request)\n  if (errorCode !== errorCodes.NONE) return errorCode\n  // It knows',
        'return errorCodes.NONE\n  // It knows',
      ),
    ],
  },
} as const satisfies Record<string, Mutation>
