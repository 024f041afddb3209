import type { ImageMap } from './image-types.ts'

/**
 * A map that shares structure between versions: a hash trie of 32-way branches. A new version copies the path to what
 * changed, O(log₃₂ n), and an editor copies each branch at most once however many changes it makes.
 *
 * Canonical: equal contents give equal tries whatever the history, so iteration order is a function of the content.
 */
export type MapKey = string | number

interface Leaf<K, V> {
  readonly kind: 'leaf'
  readonly hash: number
  readonly key: K
  readonly value: V
}
/** Invariant: at least two leaves of one hash, sorted by key. */
interface Collision<K, V> {
  readonly kind: 'collision'
  readonly hash: number
  readonly leaves: readonly Leaf<K, V>[]
}
type Tip<K, V> = Leaf<K, V> | Collision<K, V>
/** Invariant: one slot per set bit, in bit order; below the root never a single tip (it would move up). */
interface Branch<K, V> {
  readonly kind: 'branch'
  /** The editor that may write to it in place. */
  readonly owner: object | null
  bitmap: number
  readonly slots: Slot<K, V>[]
}
type Slot<K, V> = Tip<K, V> | Branch<K, V>

const bitsPerLevel = 5
const levelMask = 31

/** Equal on every machine: 32-bit integer arithmetic alone (FNV-1a, then MurmurHash3's finalizer). */
function hashOf(key: MapKey): number {
  let hash = 0x811c9dc5
  if (typeof key === 'number') {
    hash = Math.imul(hash ^ (key | 0), 0x01000193) ^ Math.trunc(key / 0x100000000)
  } else {
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

const bitAt = (hash: number, shift: number): number => 1 << ((hash >>> shift) & levelMask)

/** How many slots lie before the one of `bit`. */
function rank(bitmap: number, bit: number): number {
  let below = bitmap & (bit - 1)
  below -= (below >>> 1) & 0x55555555
  below = (below & 0x33333333) + ((below >>> 2) & 0x33333333)
  return (((below + (below >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

const compareLeaves = <K extends MapKey, V>(a: Leaf<K, V>, b: Leaf<K, V>): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0

function* leavesOf<K, V>(slot: Slot<K, V>): IterableIterator<Leaf<K, V>> {
  switch (slot.kind) {
    case 'leaf':
      yield slot
      return
    case 'collision':
      yield* slot.leaves
      return
    case 'branch':
      for (const child of slot.slots) yield* leavesOf(child)
  }
}

const emptyBranch: Branch<never, never> = { kind: 'branch', owner: null, bitmap: 0, slots: [] }

abstract class TrieMap<K extends MapKey, V> implements ImageMap<K, V> {
  protected root: Branch<K, V>
  protected count: number

  constructor(root: Branch<K, V>, count: number) {
    this.root = root
    this.count = count
  }

  get size(): number {
    return this.count
  }

  #leaf(key: K): Leaf<K, V> | undefined {
    const hash = hashOf(key)
    let slot: Slot<K, V> | undefined = this.root
    for (let shift = 0; slot !== undefined && slot.kind === 'branch'; shift += bitsPerLevel) {
      const bit = bitAt(hash, shift)
      slot = (slot.bitmap & bit) === 0 ? undefined : slot.slots[rank(slot.bitmap, bit)]
    }
    if (slot === undefined) return undefined
    if (slot.kind === 'leaf') return slot.key === key ? slot : undefined
    return slot.kind === 'collision' ? slot.leaves.find(leaf => leaf.key === key) : undefined
  }

  get(key: K): V | undefined {
    return this.#leaf(key)?.value
  }

  has(key: K): boolean {
    return this.#leaf(key) !== undefined
  }

  *keys(): IterableIterator<K> {
    for (const leaf of leavesOf(this.root)) yield leaf.key
  }

  *values(): IterableIterator<V> {
    for (const leaf of leavesOf(this.root)) yield leaf.value
  }

  *entries(): IterableIterator<[K, V]> {
    for (const leaf of leavesOf(this.root)) yield [leaf.key, leaf.value]
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries()
  }
}

/** Immutable. `edit` starts a new version. */
export class PersistentMap<K extends MapKey, V> extends TrieMap<K, V> {
  static empty<K extends MapKey, V>(): PersistentMap<K, V> {
    return new PersistentMap<K, V>(emptyBranch as Branch<K, V>, 0)
  }

  static from<K extends MapKey, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    const editor = PersistentMap.empty<K, V>().edit()
    for (const [key, value] of entries) editor.set(key, value)
    return editor.freeze()
  }

  edit(): MapEditor<K, V> {
    return new MapEditor<K, V>(this, this.root, this.count)
  }
}

/** A version in the making: readable at any time, written in place where it owns the branch. */
export class MapEditor<K extends MapKey, V> extends TrieMap<K, V> {
  #owner: object = {}
  #frozen: PersistentMap<K, V>
  #frozenRoot: Branch<K, V>

  constructor(base: PersistentMap<K, V>, root: Branch<K, V>, count: number) {
    super(root, count)
    this.#frozen = base
    this.#frozenRoot = root
  }

  set(key: K, value: V): void {
    const leaf: Leaf<K, V> = { kind: 'leaf', hash: hashOf(key), key, value }
    this.root = this.#setIn(this.root, 0, leaf)
  }

  delete(key: K): boolean {
    const before = this.count
    const left = this.#deleteIn(this.root, 0, hashOf(key), key)
    // The root stays a branch, so that it, too, has one form.
    if (left === undefined) this.root = emptyBranch as Branch<K, V>
    else if (left.kind === 'branch') this.root = left
    else this.root = this.#branch(bitAt(left.hash, 0), [left])
    return this.count < before
  }

  /** The version as it is now; unchanged content gives the same object. Editing may go on. */
  freeze(): PersistentMap<K, V> {
    if (this.root !== this.#frozenRoot) {
      this.#frozenRoot = this.root
      this.#frozen = new PersistentMap<K, V>(this.root, this.count)
      this.#owner = {}
    }
    return this.#frozen
  }

  #branch(bitmap: number, slots: Slot<K, V>[]): Branch<K, V> {
    return { kind: 'branch', owner: this.#owner, bitmap, slots }
  }

  #own(branch: Branch<K, V>): Branch<K, V> {
    return branch.owner === this.#owner ? branch : this.#branch(branch.bitmap, branch.slots.slice())
  }

  #setIn(branch: Branch<K, V>, shift: number, leaf: Leaf<K, V>): Branch<K, V> {
    const bit = bitAt(leaf.hash, shift)
    const at = rank(branch.bitmap, bit)
    if ((branch.bitmap & bit) === 0) {
      const own = this.#own(branch)
      own.bitmap |= bit
      own.slots.splice(at, 0, leaf)
      this.count++
      return own
    }
    const old = branch.slots[at] as Slot<K, V>
    const next =
      old.kind === 'branch'
        ? this.#setIn(old, shift + bitsPerLevel, leaf)
        : this.#join(old, leaf, shift)
    if (next === old) return branch
    const own = this.#own(branch)
    own.slots[at] = next
    return own
  }

  /** A tip and a leaf that meet in one slot of the branch at `shift`. */
  #join(tip: Tip<K, V>, leaf: Leaf<K, V>, shift: number): Slot<K, V> {
    if (tip.hash !== leaf.hash) {
      this.count++
      return this.#split(tip, leaf, shift + bitsPerLevel)
    }
    if (tip.kind === 'leaf' && tip.key === leaf.key) return tip.value === leaf.value ? tip : leaf
    const others = (tip.kind === 'leaf' ? [tip] : tip.leaves).filter(
      other => other.key !== leaf.key,
    )
    if (tip.kind === 'leaf' || others.length === tip.leaves.length) this.count++
    return { kind: 'collision', hash: leaf.hash, leaves: [...others, leaf].toSorted(compareLeaves) }
  }

  #split(a: Tip<K, V>, b: Tip<K, V>, shift: number): Branch<K, V> {
    const bitA = bitAt(a.hash, shift)
    const bitB = bitAt(b.hash, shift)
    if (bitA === bitB) return this.#branch(bitA, [this.#split(a, b, shift + bitsPerLevel)])
    return this.#branch(bitA | bitB, bitA >>> 0 < bitB >>> 0 ? [a, b] : [b, a])
  }

  #deleteIn(branch: Branch<K, V>, shift: number, hash: number, key: K): Slot<K, V> | undefined {
    const bit = bitAt(hash, shift)
    if ((branch.bitmap & bit) === 0) return branch
    const at = rank(branch.bitmap, bit)
    const old = branch.slots[at] as Slot<K, V>
    const left =
      old.kind === 'branch'
        ? this.#deleteIn(old, shift + bitsPerLevel, hash, key)
        : this.#deleteTip(old, key)
    if (left === old) return branch
    const own = this.#own(branch)
    if (left !== undefined) {
      own.slots[at] = left
    } else {
      own.bitmap &= ~bit
      own.slots.splice(at, 1)
    }
    if (own.slots.length === 0) return undefined
    const only = own.slots[0] as Slot<K, V>
    return own.slots.length === 1 && only.kind !== 'branch' ? only : own
  }

  #deleteTip(tip: Tip<K, V>, key: K): Tip<K, V> | undefined {
    if (tip.kind === 'leaf') {
      if (tip.key !== key) return tip
      this.count--
      return undefined
    }
    const leaves = tip.leaves.filter(leaf => leaf.key !== key)
    if (leaves.length === tip.leaves.length) return tip
    this.count--
    return leaves.length === 1 ? leaves[0] : { ...tip, leaves }
  }
}
