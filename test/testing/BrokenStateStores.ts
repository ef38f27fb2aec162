/**
 * Stores of state that do one thing wrong.
 */
import { Duration, Effect, Layer, Option, Stream } from "effect"
import { type KeyedEntry, StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { at } from "../../src/testing/internal/contract/Moment.js"

type Store = typeof StateStore.Service
type Changes = Option.Option.Value<Store["changes"]>
type Change = (store: Store) => Partial<Store>

/** The store in memory, with some methods of another behaviour. */
export const broken = (change: Change) =>
  Layer.effect(
    StateStore,
    Effect.map(StateStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(StateStoreMemory.layer()))

/** Calls the store below with other keys. */
const keys =
  (f: (key: string) => string): Change =>
  (store) => ({
    get: (key) => store.get(f(key)),
    set: (key, value, options) => store.set(f(key), value, options),
    delete: (key) => store.delete(f(key)),
    compareAndSet: (key, expected, value, options) => store.compareAndSet(f(key), expected, value, options)
  })

const values =
  (f: (value: string) => string): Change =>
  (store) => ({
    set: (key, value, options) => store.set(key, f(value), options),
    compareAndSet: (key, expected, value, options) => store.compareAndSet(key, expected, f(value), options)
  })

const ttls =
  (f: (ttl: Duration.DurationInput | undefined) => Duration.DurationInput | undefined): Change =>
  (store) => ({
    set: (key, value, options) => store.set(key, value, { ttl: f(options?.ttl) }),
    compareAndSet: (key, expected, value, options) =>
      store.compareAndSet(key, expected, value, { ttl: f(options?.ttl) })
  })

const several =
  (f: (keys: ReadonlyArray<string>) => ReadonlyArray<string>): Change =>
  (store) => ({ getMany: (keys) => store.getMany(f(keys)) })

const listing =
  (f: (entries: ReadonlyArray<KeyedEntry>) => ReadonlyArray<KeyedEntry>): Change =>
  (store) => ({ list: (page) => Effect.map(store.list(page), f) })

const telling =
  (f: (changes: Changes) => Changes): Change =>
  (store) => ({ changes: Option.map(store.changes, f) })

const toWellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text))

/** Names its keys itself, so that it takes any. */
const anyKey = (key: string): string => (key.length < 300 ? `key ${toWellFormed(key)}` : `key ${key.length}`)

const later = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.yieldNow(), effect)

/** In two steps, between which others have their turn. */
const compareThenSet =
  (write: Store["set"]): ((store: Store) => Store["compareAndSet"]) =>
  (store) =>
  (key, expected, value, options) =>
    Effect.flatMap(store.get(key), (entry) =>
      Option.match(entry, { onNone: () => 0, onSome: ({ version }) => version }) === expected
        ? Effect.asSome(later(write(key, value, options)))
        : Effect.succeedNone
    )

/** Numbers the versions of each key by themselves, and anew when it was deleted or has expired. */
const versionsByKey: Change = (store) => {
  const seen = new Map<string, ReadonlyArray<number>>()
  const numberOf = (key: string, version: number) => seen.get(key)!.indexOf(version) + 1
  const add = (key: string, version: number) => {
    seen.set(key, [...(seen.get(key) ?? []), version])
    return numberOf(key, version)
  }
  const begin = (key: string) =>
    Effect.tap(store.get(key), (entry) => Effect.sync(() => (Option.isNone(entry) ? seen.delete(key) : false)))
  return {
    get: (key) =>
      Effect.map(
        store.get(key),
        Option.map(({ value, version }) => ({ value, version: numberOf(key, version) }))
      ),
    set: (key, value, options) =>
      Effect.zipRight(
        begin(key),
        Effect.map(store.set(key, value, options), (version) => add(key, version))
      ),
    compareAndSet: (key, expected, value, options) =>
      Effect.zipRight(
        begin(key),
        Effect.suspend(() => {
          const version = expected === 0 ? 0 : (seen.get(key)?.[expected - 1] ?? -1)
          return Effect.map(
            store.compareAndSet(key, version, value, options),
            Option.map((version) => add(key, version))
          )
        })
      )
  }
}

/** `found`: how the names begin of the checks that find it. */
export const faults: ReadonlyArray<{
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}> = [
  {
    fault: "finds something everywhere",
    change: (store) => ({
      get: (key) =>
        Effect.map(
          store.get(key),
          Option.orElseSome(() => ({ value: "", version: 1 }))
        ),
      delete: (key) => Effect.as(store.delete(key), true)
    }),
    found: [
      "get, set and delete: nothing is there",
      "get, set and delete: delete tells",
      "at the same time: one delete"
    ]
  },
  {
    fault: "forgets what is set",
    change: (store) => ({ set: (key, value) => Effect.tap(store.set(key, value), store.delete(key)) }),
    found: [
      "get, set and delete: get gives",
      "get, set and delete: set puts",
      "keys and values: values of any text",
      "time to live: a value is there",
      "time to live: until then",
      "any operations"
    ]
  },
  {
    fault: "keeps what is there when something is set",
    change: (store) => ({
      set: (key, value, options) =>
        Effect.flatMap(store.get(key), (entry) =>
          Option.isSome(entry) ? Effect.succeed(entry.value.version) : store.set(key, value, options)
        )
    }),
    found: ["get, set and delete: set puts", "time to live: the latest value", "at the same time: each set"]
  },
  {
    fault: "gives versions that are not those of what it keeps",
    change: (store) => ({ set: (key, value, options) => Effect.map(store.set(key, value, options), (n) => n + 1) }),
    found: ["get, set and delete: get gives", "compareAndSet: replaces", "at the same time: each set"]
  },
  {
    fault: "does not delete",
    change: (store) => ({ delete: (key) => Effect.map(store.get(key), Option.isSome) }),
    found: ["get, set and delete: delete tells", "compareAndSet: puts nothing", "keys and values: keys of any"]
  },
  {
    fault: "numbers the versions of each key by themselves",
    change: versionsByKey,
    found: [
      "get, set and delete: versions are",
      "compareAndSet: sees that",
      "time to live: the version of what has expired",
      "any operations"
    ]
  },
  {
    fault: "does not compare",
    change: (store) => ({
      compareAndSet: (key, _, value, options) => Effect.asSome(store.set(key, value, options))
    }),
    found: [
      "compareAndSet: puts a value",
      "compareAndSet: changes nothing",
      "compareAndSet: puts nothing",
      "compareAndSet: sees that",
      "time to live: a compareAndSet that changes nothing",
      "at the same time: one compareAndSet wins where nothing",
      "at the same time: one compareAndSet wins over",
      "at the same time: one compareAndSet wins where a value",
      "at the same time: no increment"
    ]
  },
  {
    fault: "never finds the version that is expected",
    change: (store) => ({
      compareAndSet: (key, expected, value, options) =>
        expected === 0 ? store.compareAndSet(key, expected, value, options) : Effect.succeedNone
    }),
    found: ["compareAndSet: replaces", "time to live: until then", "at the same time: one compareAndSet wins over"]
  },
  {
    fault: "compares values instead of versions",
    change: (store) => {
      const written = new Map<number, string>()
      const remember = (version: number, value: string) => void written.set(version, value)
      return {
        set: (key, value, options) => Effect.tap(store.set(key, value, options), (v) => remember(v, value)),
        compareAndSet: (key, expected, value, options) =>
          Effect.flatMap(store.get(key), (entry) =>
            Option.isSome(entry) && entry.value.value === written.get(expected)
              ? store.compareAndSet(key, entry.value.version, value, options)
              : store.compareAndSet(key, expected, value, options)
          )
      }
    },
    found: ["compareAndSet: changes nothing", "compareAndSet: sees that"]
  },
  {
    fault: "does not tell keys apart that differ in case",
    change: keys((key) => key.toLowerCase()),
    found: ["keys and values: keys of any"]
  },
  {
    fault: "cuts long keys off",
    change: keys((key) => (key.length <= 1000 ? key.slice(0, 999) : key)),
    found: ["keys and values: keys of any"]
  },
  {
    fault: "ends keys at a NUL",
    change: keys((key) => key.split("\u0000")[0]! || key),
    found: ["keys and values: keys of any"]
  },
  {
    fault: "trims values",
    change: values((value) => value.trim()),
    found: ["keys and values: values of any"]
  },
  {
    fault: "cuts large values off",
    change: values((value) => value.slice(0, 65_536)),
    found: ["keys and values: values of any", "keys and values: values of 10 MB"]
  },
  {
    fault: "takes any key",
    change: keys(anyKey),
    found: ["keys and values: other keys"]
  },
  {
    fault: "mends values",
    change: values(toWellFormed),
    found: ["keys and values: a value with a lone surrogate"]
  },
  {
    fault: "keeps everything forever",
    change: ttls(() => undefined),
    found: [
      "time to live: a value is there",
      "time to live: its time begins",
      "time to live: one that is not more than 0",
      "time to live: a value that has expired",
      "time to live: the latest value",
      "time to live: what has not expired",
      "any operations"
    ]
  },
  {
    fault: "keeps values at the end of their time",
    change: ttls((ttl) => ttl && Duration.sum(ttl, Duration.micros(1n))),
    found: ["time to live: a value is there", "time to live: a value that has expired"]
  },
  {
    fault: "has one time to live for all",
    change: ttls((ttl) => ttl ?? "1 day"),
    found: ["time to live: without one", "time to live: the latest value"]
  },
  {
    fault: "takes a time to live of 0 for none",
    change: ttls((ttl) => (ttl !== undefined && Duration.toMillis(ttl) === 0 ? undefined : ttl)),
    found: ["time to live: one that is not more than 0"]
  },
  {
    fault: "keeps nothing for longer than a day",
    change: ttls((ttl) => (ttl !== undefined && Duration.toMillis(ttl) === Infinity ? "1 day" : ttl)),
    found: ["time to live: without one", "time to live: one without end"]
  },
  {
    fault: "has a clock of its own",
    change: (store) => ({ set: (key, value, options) => at(1000)(store.set(key, value, options)) }),
    found: ["time to live: its time begins"]
  },
  {
    fault: "begins the time anew when nothing is changed",
    change: (store) => ({
      compareAndSet: (key, expected, value, options) =>
        Effect.tap(store.compareAndSet(key, expected, value, options), (written) =>
          Effect.flatMap(store.get(key), (entry) =>
            Option.isNone(written) && Option.isSome(entry) ? store.set(key, entry.value.value, options) : Effect.void
          )
        )
    }),
    found: ["time to live: a compareAndSet that changes nothing"]
  },
  {
    fault: "removes a value that has not expired",
    change: (store) => ({
      set: (key, value, options) =>
        Effect.tap(store.set(key, value, options), () => (key === "later 99" ? store.delete("kept 0") : Effect.void))
    }),
    found: ["time to live: what has not expired"]
  },
  {
    fault: "compares and sets in two steps",
    change: (store) => ({ compareAndSet: compareThenSet(store.set)(store) }),
    found: [
      "at the same time: one compareAndSet wins where nothing",
      "at the same time: one compareAndSet wins over",
      "at the same time: one compareAndSet wins where a value",
      "at the same time: no increment"
    ]
  },
  {
    fault: "deletes in two steps",
    change: (store) => ({
      delete: (key) =>
        Effect.flatMap(store.get(key), (entry) => Effect.as(later(store.delete(key)), Option.isSome(entry)))
    }),
    found: ["at the same time: one delete"]
  },
  {
    fault: "reads value and version one after the other",
    change: (store) => ({
      get: (key) =>
        Effect.flatMap(store.get(key), (entry) =>
          Effect.map(
            later(store.get(key)),
            Option.zipWith(entry, ({ version }, { value }) => ({ value, version }))
          )
        )
    }),
    found: ["at the same time: each set"]
  },
  {
    fault: "removes what is there before it puts something in its place",
    change: (store) => ({
      compareAndSet: (key, expected, value, options) =>
        compareThenSet((...set) => Effect.zipRight(store.delete(key), later(later(store.set(...set)))))(store)(
          key,
          expected,
          value,
          options
        )
    }),
    found: ["at the same time: an interrupted"]
  },
  {
    fault: "lists the beginnings of large values",
    change: listing((entries) => entries.map((entry) => ({ ...entry, value: entry.value.slice(0, 65_536) }))),
    found: ["keys and values: values of 10 MB"]
  },
  {
    fault: "gives none of several",
    change: () => ({ getMany: () => Effect.succeed(new Map()) }),
    found: ["getMany: gives what is there", "getMany: gives the values", "getMany: takes hundreds", "any operations"]
  },
  {
    fault: "leaves out what is asked for twice",
    change: several((keys) => keys.filter((key) => keys.indexOf(key) === keys.lastIndexOf(key))),
    found: ["getMany: gives a key that is asked for twice"]
  },
  {
    fault: "gives of several what has expired too",
    change: (store) => ({ getMany: (keys) => at(0)(store.getMany(keys)) }),
    found: ["getMany: leaves out what has expired", "any operations"]
  },
  {
    fault: "gives 256 of several at most",
    change: several((keys) => keys.slice(0, 256)),
    found: ["getMany: takes hundreds"]
  },
  {
    fault: "leaves out what is no key",
    change: several((keys) => keys.filter((key) => key !== "" && key.length <= 1000 && toWellFormed(key) === key)),
    found: ["getMany: refuses all"]
  },
  {
    fault: "reads several one after the other",
    change: (store) => ({
      getMany: (keys) =>
        Effect.map(
          Effect.forEach([...keys].sort(), (key) =>
            Effect.map(later(later(store.get(key))), (entry) => [key, entry] as const)
          ),
          (found) =>
            new Map(found.flatMap(([key, entry]) => (Option.isSome(entry) ? [[key, entry.value] as const] : [])))
        )
    }),
    found: ["at the same time: what getMany"]
  },
  {
    fault: "lists keys first, and reads their values then",
    change: (store) => ({
      list: (page) =>
        Effect.flatMap(store.list(page), (entries) =>
          Effect.map(
            Effect.forEach(entries, ({ key }) =>
              Effect.map(
                later(later(store.get(key))),
                Option.map((entry) => ({ key, ...entry }))
              )
            ),
            (found) => found.flatMap(Option.toArray)
          )
        )
    }),
    found: ["at the same time: what getMany"]
  },
  {
    fault: "lists versions that are none",
    change: listing((entries) => entries.map((entry) => ({ ...entry, version: entry.version + 1 }))),
    found: ["list: gives what is there", "list: takes characters", "list: pages of every size", "any operations"]
  },
  {
    fault: "lists in the order of UTF-16",
    change: listing((entries) => [...entries].sort((a, b) => (a.key < b.key ? -1 : 1))),
    found: ["list: is in the order", "list: pages of every size", "any operations"]
  },
  {
    fault: "takes prefixes for patterns",
    change: (store) => ({
      list: ({ limit, prefix, ...page }) => {
        const pattern = prefix
          .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
          .replaceAll("%", ".*")
          .replaceAll("_", ".")
        const matches = new RegExp(`^${pattern}`, "su")
        return Effect.map(store.list({ prefix: "", limit: Number.MAX_SAFE_INTEGER, ...page }), (entries) =>
          entries.filter(({ key }) => matches.test(key)).slice(0, limit)
        )
      }
    }),
    found: ["list: takes characters"]
  },
  {
    fault: "begins with the key that it is to begin after",
    change: (store) => ({
      list: ({ after, ...page }) =>
        after === undefined || after === ""
          ? store.list(page)
          : Effect.all([store.list({ ...page, after }), store.get(after)]).pipe(
              Effect.map(([entries, entry]) =>
                Option.isSome(entry) && after.startsWith(page.prefix) && page.limit > 0
                  ? [{ key: after, ...entry.value }, ...entries].slice(0, page.limit)
                  : entries
              )
            )
    }),
    found: ["list: begins after", "list: pages of every size"]
  },
  {
    fault: "lets what has expired count",
    change: (store) => ({
      list: (page) =>
        Effect.flatMap(at(0)(store.list(page)), (entries) =>
          Effect.filter(entries, ({ key }) => Effect.map(store.get(key), Option.isSome))
        )
    }),
    found: ["list: leaves out what has expired"]
  },
  {
    fault: "cuts long prefixes off",
    change: (store) => ({
      list: ({ prefix, ...page }) =>
        store.list({ prefix: prefix.length <= 1000 ? prefix.slice(0, 998) : prefix, ...page })
    }),
    found: ["list: takes prefixes and keys"]
  },
  {
    fault: "lists with any prefix and any limit",
    change: (store) => ({
      list: ({ after = "", limit, prefix }) =>
        store.list({
          prefix: toWellFormed(prefix).slice(0, 300),
          after: toWellFormed(after).slice(0, 300),
          limit: Number.isFinite(limit) ? Math.min(Math.max(0, Math.floor(limit)), Number.MAX_SAFE_INTEGER) : 0
        })
    }),
    found: ["list: refuses other"]
  },
  {
    fault: "stops telling of changes after a few",
    change: telling((changes) => (prefix) => Stream.take(changes(prefix), 2)),
    found: ["changes: tells what is set", "changes: tells each one"]
  },
  {
    fault: "tells of all keys",
    change: telling((changes) => () => changes("")),
    found: ["changes: tells of the keys"]
  },
  {
    fault: "tells of each compareAndSet",
    change: (store) => ({
      compareAndSet: (key, expected, value, options) =>
        Effect.tap(store.compareAndSet(key, expected, value, options), (written) =>
          Option.isNone(written)
            ? Effect.flatMap(store.get(key), (entry) =>
                Option.isSome(entry) ? store.set(key, entry.value.value) : Effect.succeed(0)
              )
            : Effect.void
        )
    }),
    found: ["changes: does not tell"]
  },
  {
    fault: "tells nothing of what is no prefix",
    change: telling(
      (changes) => (prefix) =>
        prefix.length <= 1000 && toWellFormed(prefix) === prefix ? changes(prefix) : Stream.empty
    ),
    found: ["changes: refuses"]
  }
]
