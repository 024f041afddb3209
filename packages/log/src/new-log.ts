import type { TopicId } from '@trimaran/common'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { PartitionLog } from './partition-log.ts'
import { ProducerStates } from './producer-state.ts'
import { type LogHome, Segments } from './segments.ts'

export interface NewLogOptions {
  readonly context: LogContext
  readonly directory: string
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly config: LogConfig
  /** Makes the directory, with the partition's identity in it, before the first record, if there ever is one. */
  readonly home: LogHome
}

/** An empty log. It takes no room on the disk and no time of it until the first record comes. */
export function newPartitionLog(options: NewLogOptions): PartitionLog {
  const settings = { config: options.config }
  const { context, directory, home } = options
  const segments = new Segments(context, directory, settings)
  const log = new PartitionLog({
    context,
    topicId: options.topicId,
    topicName: options.topicName,
    partition: options.partition,
    settings,
    segments,
    epochs: new LeaderEpochs([], false),
    producers: new ProducerStates(),
    logStartOffset: 0,
    logEndOffset: 0,
    recoveryPoint: 0,
    firstDirtyOffset: 0,
    recovery: null,
    isNew: true,
  })
  segments.createUnborn(home, log)
  return log
}
