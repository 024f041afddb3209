import { allKill } from './all-kill.ts'
import { controllerKill } from './controller-kill.ts'
import { blackout, diskFull, powerLoss, slowDisk } from './disk.ts'
import { leaderKill } from './leader-kill.ts'
import { mixOf } from './mix.ts'
import { controllerPartition, oneWayPartition, partition, slowLinks } from './partition.ts'
import { pause } from './pause.ts'
import { rollingRestart } from './rolling-restart.ts'
import type { Scenario } from './scenario.ts'
import { strandedLeader } from './stranded-leader.ts'
import { uncleanElection } from './unclean-election.ts'

export type * from './scenario.ts'

const single: readonly Scenario[] = [
  leaderKill,
  controllerKill,
  rollingRestart,
  pause,
  allKill,
  strandedLeader,
  partition,
  oneWayPartition,
  controllerPartition,
  slowLinks,
  slowDisk,
  diskFull,
  powerLoss,
]

/** A scenario of your own: a file like its neighbours, and its name here; or `--scenario ./file.ts`. */
export const scenarios: readonly Scenario[] = [...single, mixOf(single), blackout, uncleanElection]
