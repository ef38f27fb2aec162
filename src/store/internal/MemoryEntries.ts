/**
 * The entries of a `StateStore` in memory, and which of them expires first.
 */
import * as Duration from "effect/Duration"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as SortedSet from "effect/SortedSet"
import type { Entry, SetOptions } from "../StateStore.js"

interface Stored extends Entry {
  readonly key: string
  /** From then on it is not there. */
  readonly expiresAt: number
}

/**
 * - `last`: the version that was given last
 * - `expiring`: those that expire, the first one first
 */
export interface Entries {
  readonly last: number
  readonly stored: HashMap.HashMap<string, Stored>
  readonly expiring: SortedSet.SortedSet<Stored>
}

const earliestFirst: Order.Order<Stored> = Order.combine(
  Order.mapInput(Order.number, ({ expiresAt }) => expiresAt),
  Order.mapInput(Order.number, ({ version }) => version)
)

export const empty: Entries = { last: 0, stored: HashMap.empty(), expiring: SortedSet.empty(earliestFirst) }

export const get = ({ stored }: Entries, key: string, now: number): Option.Option<Entry> =>
  HashMap.get(stored, key).pipe(
    Option.filter(({ expiresAt }) => now < expiresAt),
    Option.map(({ value, version }) => ({ value, version }))
  )

/** What is stored under the key goes, whether it has expired or not. */
export const remove = (entries: Entries, key: string): Entries =>
  Option.match(HashMap.get(entries.stored, key), {
    onNone: () => entries,
    onSome: (stored) => ({
      last: entries.last,
      stored: HashMap.remove(entries.stored, key),
      expiring: stored.expiresAt === Infinity ? entries.expiring : SortedSet.remove(entries.expiring, stored)
    })
  })

// More than a write adds, so that those that have expired become fewer, and few enough that no write takes long.
const removedPerWrite = 16

const removeExpired = (entries: Entries, now: number): Entries => {
  let remaining = entries
  let removed = 0
  for (const { expiresAt, key } of entries.expiring) {
    if (now < expiresAt || removed++ === removedPerWrite) break
    remaining = remove(remaining, key)
  }
  return remaining
}

/** Puts the value there, as version `last`, and removes some of those that have expired. */
export const set = (
  entries: Entries,
  key: string,
  value: string,
  options: SetOptions | undefined,
  now: number
): Entries => {
  const { expiring, last, stored } = removeExpired(remove(entries, key), now)
  const version = last + 1
  const expiresAt = options?.ttl === undefined ? Infinity : now + Duration.toMillis(options.ttl)
  const added: Stored = { key, value, version, expiresAt }
  return {
    last: version,
    stored: HashMap.set(stored, key, added),
    expiring: expiresAt === Infinity ? expiring : SortedSet.add(expiring, added)
  }
}
