import type { Prng } from '@trimaran/common'
import { SimDisk } from '@trimaran/log/testing'
import type { CrashMode } from '@trimaran/log/testing'
import type { QuorumStore, QuorumWrite } from '@trimaran/raft'
import { SimulatedStore } from '@trimaran/raft/testing'
import { SimClock } from './ports.ts'
import { Owner } from './world.ts'
import type { World } from './world.ts'

export interface DiskProfile {
  readonly syncMinUs: number
  readonly syncMaxUs: number
  /** One fsync in so many stalls for up to `stallMaxUs`. 0: none. */
  readonly stallOneIn: number
  readonly stallMaxUs: number
}

/** What the checkers want to know of the quorum's disk. */
export interface StoreWatch {
  writing(write: QuorumWrite): void
  durable(write: QuorumWrite): void
}

/** All that outlives a process: the logs' disk and the quorum's store. */
export class NodeDisks {
  readonly logs: SimDisk
  readonly quorum: SimulatedStore
  readonly #watch: StoreWatch

  constructor(options: {
    readonly world: World
    /** Of the process: completions wait while it stands still. */
    readonly owner: Owner
    readonly random: Prng
    readonly profile: DiskProfile
    readonly watch: StoreWatch
  }) {
    const { world, owner, random, profile, watch } = options
    this.#watch = watch
    const { syncMinUs, syncMaxUs, stallOneIn, stallMaxUs } = profile
    const delays = random.fork(1)
    this.logs = new SimDisk({
      random: random.fork(2),
      afterSync: complete => {
        const isStalled = stallOneIn > 0 && delays.chance(1, stallOneIn)
        const stallUs = isStalled ? delays.between(0, stallMaxUs) : 0
        world.after(delays.between(syncMinUs, syncMaxUs) + stallUs, owner, complete)
      },
    })
    this.quorum = new SimulatedStore({
      // The device works on while the process stands still, or is dead.
      clock: new SimClock(world, new Owner(owner.id)),
      random: random.fork(3),
      delayMs: { min: Math.floor(syncMinUs / 1000), max: Math.ceil(syncMaxUs / 1000) },
    })
    this.quorum.onDurable = write => watch.durable(write)
  }

  /** For one life of the process. */
  store(world: World, owner: Owner): QuorumStore {
    const { incarnation } = owner
    let lastUs = 0
    return {
      write: (write, done) => {
        this.#watch.writing(write)
        this.quorum.write(write, () => {
          if (owner.incarnation !== incarnation) return
          // In the order of the calls, whatever the ties of the world are.
          lastUs = Math.max(lastUs + 1, world.nowUs)
          world.at(lastUs, owner, done)
        })
      },
    }
  }

  crash(mode: CrashMode): void {
    this.quorum.crash()
    this.logs.crash(mode)
  }
}
