import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { ProducerStates } from './producer-state.ts'
import { type LogHome, type LogIdentity, Segments } from './segments.ts'
import { StoredLog } from './stored-log.ts'

export interface NewLogOptions {
  readonly context: LogContext
  /** Makes the directory, with the partition's identity in it, before the first record. */
  readonly home: LogHome
  readonly directory: string
  readonly log: LogIdentity
  readonly config: LogConfig
}

/** For the first record of a log: its file is made when that is appended, or a little later. */
export function newStoredLog(options: NewLogOptions): StoredLog {
  const { context, directory, home, log } = options
  const settings = { config: options.config }
  const segments = new Segments({ context, directory, log, settings })
  segments.createUnborn(home)
  return new StoredLog({
    context,
    topicName: log.topicName,
    partition: log.partition,
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
}
