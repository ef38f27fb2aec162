/**
 * The entries of a `StateStore` in memory, in the order of their keys, and which of them expires first.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as RedBlackTree from "effect/RedBlackTree"
import * as SortedSet from "effect/SortedSet"
import type { Entry, KeyedEntry, Page } from "../StateStore.js"
import * as TextOrder from "./TextOrder.js"

export interface Stored extends KeyedEntry {
  /** From then on it is not there. */
  readonly expiresAt: number
}

/**
 * - `last`: the version that was given last
 * - `keys`: those of `stored`, in order
 * - `expiring`: those that expire, the first one first
 */
export interface Entries {
  readonly last: number
  readonly stored: HashMap.HashMap<string, Stored>
  readonly keys: RedBlackTree.RedBlackTree<string, void>
  readonly expiring: SortedSet.SortedSet<Stored>
}

const earliestFirst: Order.Order<Stored> = Order.combine(
  Order.mapInput(Order.number, ({ expiresAt }) => expiresAt),
  Order.mapInput(Order.number, ({ version }) => version)
)

export const empty: Entries = {
  last: 0,
  stored: HashMap.empty(),
  keys: RedBlackTree.empty(Order.make((a: string, b) => Math.sign(TextOrder.compare(a, b)) as -1 | 0 | 1)),
  expiring: SortedSet.empty(earliestFirst)
}

export const get = ({ stored }: Entries, key: string, now: number): Option.Option<Entry> =>
  HashMap.get(stored, key).pipe(
    Option.filter(({ expiresAt }) => now < expiresAt),
    Option.map(({ value, version }) => ({ value, version }))
  )

export const list = (
  { keys, stored }: Entries,
  { after = "", limit, prefix }: Page,
  now: number
): ReadonlyArray<KeyedEntry> => {
  const found: Array<KeyedEntry> = []
  if (limit === 0) return found
  const begun = TextOrder.compare(after, prefix) > 0
  const from = begun ? RedBlackTree.greaterThan(keys, after) : RedBlackTree.greaterThanEqual(keys, prefix)
  for (const [key] of from) {
    if (!key.startsWith(prefix)) break
    // no key is empty
    if (key === after) continue
    const entry = HashMap.unsafeGet(stored, key)
    if (entry.expiresAt <= now) continue
    found.push({ key, value: entry.value, version: entry.version })
    if (found.length === limit) break
  }
  return found
}

/** What is stored under the key goes, whether it has expired or not. */
export const remove = (entries: Entries, key: string): Entries =>
  Option.match(HashMap.get(entries.stored, key), {
    onNone: () => entries,
    onSome: (stored) => ({
      last: entries.last,
      stored: HashMap.remove(entries.stored, key),
      keys: RedBlackTree.removeFirst(entries.keys, key),
      expiring: stored.expiresAt === Infinity ? entries.expiring : SortedSet.remove(entries.expiring, stored)
    })
  })

// More than a write adds, so that those that have expired become fewer, and few enough that no write takes long.
const removedPerWrite = 16

/** Some of those that have expired, the first ones first. */
export const expired = ({ expiring }: Entries, now: number): ReadonlyArray<Stored> => {
  const found: Array<Stored> = []
  for (const stored of expiring) {
    if (now < stored.expiresAt || found.length === removedPerWrite) break
    found.push(stored)
  }
  return found
}

/** Puts an entry there as it is, in the place of what is stored under its key. */
export const put = (entries: Entries, added: Stored): Entries => {
  const replaced = Option.getOrUndefined(HashMap.get(entries.stored, added.key))
  const expiring =
    replaced !== undefined && replaced.expiresAt !== Infinity
      ? SortedSet.remove(entries.expiring, replaced)
      : entries.expiring
  return {
    last: Math.max(entries.last, added.version),
    stored: HashMap.set(entries.stored, added.key, added),
    keys: replaced === undefined ? RedBlackTree.insert(entries.keys, added.key, undefined) : entries.keys,
    expiring: added.expiresAt === Infinity ? expiring : SortedSet.add(expiring, added)
  }
}

/** Puts the value there, as version `last`, for `ttl` milliseconds, and removes some of those that have expired. */
export const set = (entries: Entries, key: string, value: string, ttl: number, now: number): Entries => {
  const after = put(entries, { key, value, version: entries.last + 1, expiresAt: now + ttl })
  return expired(after, now).reduce((remaining, { key }) => remove(remaining, key), after)
}
