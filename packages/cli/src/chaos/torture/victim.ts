/** What can be done to a node that it did not ask for, and what ends it. */
export const remedies = {
  /** The node dies without a word. */
  kill: 'start',
  /** A controlled shutdown. */
  stop: 'start',
  /** It hangs with its connections open. */
  pause: 'resume',
  /** It and the other nodes do not hear each other; clients still reach it. */
  cut: 'reconnect',
  /** Neither nodes nor clients reach it. */
  unplug: 'reconnect',
  /** It hears the other nodes, and they do not hear it. */
  mute: 'reconnect',
  /** The other nodes hear it, and it does not hear them. */
  deafen: 'reconnect',
  /** Everything between it and the other nodes and its clients takes longer. */
  'slow-links': 'reconnect',
  /** Whatever waits for the device waits longer. */
  'slow-disk': 'repair-disk',
  /** The next write is cut short, for lack of room; the node is expected to stop by itself. */
  'fill-disk': 'start',
  /** It dies, and what it had not synced is not there when it starts. */
  'cut-power': 'start',
} as const

export type Fault = keyof typeof remedies
export type Remedy = (typeof remedies)[Fault]
export type Deed = Fault | Remedy

export const faults = Object.keys(remedies) as readonly Fault[]
export const isFault = (word: string): word is Fault => Object.hasOwn(remedies, word)

/** The cluster that is tortured: processes of this machine, or one behind commands. */
export interface Victim {
  readonly nodes: readonly number[]
  /** Faults that this cluster can be given, and their remedies with them. */
  readonly can: ReadonlySet<Fault>
  /** Resolves when it is done: a node that was started serves, one that was to die is dead. No error to start what runs. */
  act(deed: Deed, node: number): Promise<void>
  /** Waits until the partition has one. */
  leader(partition: number): Promise<number>
  controller(): Promise<number>
  /** Resolves when every node serves and every replica is in sync. */
  healed(): Promise<void>
  /** Who leads now, for those who watch; -1: nobody, or nobody says. */
  view(): Promise<ClusterView>
}

export interface ClusterView {
  readonly leaders: readonly number[]
  readonly controller: number
}
