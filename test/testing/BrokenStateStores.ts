/**
 * Stores of state that do one thing wrong.
 */
import { Duration, Effect, Layer, Option } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { at } from "../../src/testing/internal/contract/Moment.js"

type Store = typeof StateStore.Service
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
      "time to live: of none at all",
      "at the same time: one delete"
    ]
  },
  {
    fault: "forgets what is set",
    change: (store) => ({ set: (key, value) => store.set(key, value, { ttl: 0 }) }),
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
    found: ["keys and values: values of any"]
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
      "time to live: of none at all",
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
    fault: "takes no time to live for all time",
    change: ttls((ttl) => (ttl !== undefined && Duration.toMillis(ttl) === 0 ? undefined : ttl)),
    found: ["time to live: of none at all"]
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
  }
]
