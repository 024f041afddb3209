import type { Edit, Mutation } from './mutation.ts'

const at =
  (file: string) =>
  (find: string, replace: string): Edit => ({ file, find, replace })
const controller = at('controller/src/controller.ts')
const brokers = at('controller/src/brokers.ts')
const quorum = at('raft/src/quorum.ts')
const view = at('raft/src/log-view.ts')
const leading = at('raft/src/replication.ts')
const following = at('raft/src/following.ts')
const transitions = at('raft/src/transitions.ts')

/** Quorum and controller. */
export const controlMutations = {
  B07: {
    row: 'B07',
    rule: 'a broker that lost its last writes keeps its place in ISR and ELR (KIP-966)',
    edits: [
      brokers(
        'const isUncleanShutdown = previousBrokerEpoch !== former.epoch',
        'const isUncleanShutdown = previousBrokerEpoch < -1',
      ),
    ],
  },
  B15: {
    row: 'B15',
    rule: 'the metadata log is cut past the end of the snapshot (KAFKA-14238)',
    edits: [
      quorum(
        'this.log.dropPrefix(this.snapshot.id)',
        'this.log.dropPrefix({ endOffset: this.log.endOffset, epoch: this.log.lastEpoch })',
      ),
    ],
  },
  B30: {
    row: 'B30',
    rule: 'the metadata log is cut one entry further than the snapshot reaches',
    edits: [
      view(
        `this.#entries.splice(0, snapshot.endOffset - this.#startOffset)
    this.#startOffset = snapshot.endOffset`,
        `this.#entries.splice(0, snapshot.endOffset + 1 - this.#startOffset)
    this.#startOffset = snapshot.endOffset + 1`,
      ),
    ],
  },
  B51: {
    row: 'B51',
    rule: 'a controller that loses its leadership keeps what it had decided (KAFKA-13114)',
    edits: [
      controller(
        '  #cancelTurn: (() => void) | null = null\n',
        '  #cancelTurn: (() => void) | null = null\n  kept: Image | null = null\n',
      ),
      controller(
        '    this.#term = null\n    this.#wake?.cancel()',
        '    this.kept = term?.view ?? this.kept\n    this.#term = null\n    this.#wake?.cancel()',
      ),
      controller('      view: image,\n', '      view: this.kept ?? image,\n'),
    ],
  },
  B53: {
    row: 'B53',
    rule: 'a broker counts as caught up only when it is ahead of everything, so that it stays fenced (KAFKA-13959)',
    edits: [
      brokers(
        'const isCaughtUp = request.metadataOffset > broker.epoch',
        'const isCaughtUp = request.metadataOffset > cluster.image.endOffset',
      ),
    ],
  },
  B54: {
    row: 'B54',
    rule: 'a new incarnation of a broker is given the epoch of the former one (KAFKA-16952)',
    edits: [
      brokers('if (existing?.incarnationId === incarnationId) {', 'if (existing !== undefined) {'),
    ],
  },
  B64: {
    row: 'B64',
    rule: 'a new leader of the quorum leads before an entry of its own epoch is committed',
    edits: [
      transitions(
        '  // Commits everything before it, once committed (Raft §5.4.2).\n',
        "  q.out.notice({ kind: 'leading', epoch: q.epoch })\n",
      ),
      transitions('    announced: false,\n', '    announced: true,\n'),
    ],
  },
  B65: {
    row: 'B65',
    rule: 'who is behind the snapshot is taken for one that has what it holds',
    edits: [leading('    fetchOffset < q.log.startOffset ||\n', '')],
  },
  B66: {
    row: 'B66',
    rule: 'a fetch of the quorum whose answer is lost is never repeated',
    edits: [
      following(
        'role.fetchesAtMs = q.nowMs + fetchRetryMs(q)',
        'role.fetchesAtMs = Infinity\n  void fetchRetryMs',
      ),
    ],
  },
  B74: {
    row: 'B74',
    rule: 'a broker that stops in order leaves its partitions without a leader (KAFKA-14296)',
    edits: [
      brokers(
        '{ records: [...changes, change(broker, { fenced: null, inControlledShutdown: true })] }',
        '{ records: [change(broker, { fenced: null, inControlledShutdown: true })] }',
      ),
      brokers('cluster.index.leadershipCount(broker.id) === 0 && ', ''),
    ],
  },
} as const satisfies Record<string, Mutation>
