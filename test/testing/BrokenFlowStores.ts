/**
 * Stores of flows that do one thing wrong.
 */
import { Effect, Layer, Option } from "effect"
import { type FlowChange, type FlowEntry, type FlowRow, FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"

type Store = FlowStore["Type"]
type Change = (store: Store) => Partial<Store>
type Changes = Parameters<Store["write"]>[0]

/** The store in memory, with some methods of another behaviour. */
export const broken = (change: Change) =>
  Layer.effect(
    FlowStore,
    Effect.map(FlowStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(FlowStoreMemory.layer()))

const later = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.yieldNow(), effect)

/** Writes other changes than it was given. */
const writing =
  (f: (change: FlowChange) => FlowChange): Change =>
  (store) => ({
    // as many as before
    write: (changes) => store.write(changes.map(f) as unknown as Changes)
  })

/** Gives other rows and entries than there are. */
const giving =
  (f: <A extends FlowRow>(row: A) => A): Change =>
  (store) => ({
    get: (name, version) => Effect.map(store.get(name, version), Option.map(f)),
    list: (filter) => Effect.map(store.list(filter), (rows) => rows.map(f)),
    log: (filter) => Effect.map(store.log(filter), (entries) => entries.map(f))
  })

/** Has other names and versions, in all that it is asked. */
const texts =
  (f: (text: string) => string): Change =>
  (store) => ({
    write: (changes) =>
      Effect.map(
        store.write(
          changes.map((one) => ({ ...one, name: f(one.name), version: f(one.version) })) as unknown as Changes
        ),
        (written) =>
          written._tag === "Written"
            ? written
            : {
                ...written,
                ...changes.find(({ name, version }) => f(name) === written.name && f(version) === written.version)
              }
      ),
    get: (name, version) => store.get(f(name), f(version)),
    list: ({ after, name, ...filter }) =>
      store.list({
        ...filter,
        name: name === undefined ? undefined : f(name),
        after: after === undefined ? undefined : { name: f(after.name), version: f(after.version) }
      }),
    log: ({ name, version, ...filter }) =>
      store.log({
        ...filter,
        name: name === undefined ? undefined : f(name),
        version: version === undefined ? undefined : f(version)
      })
  })

const well = (text: string): string =>
  text === "" ? "?" : new TextDecoder().decode(new TextEncoder().encode(text)).slice(0, 300)

const whole = (n: number): number => (Number.isNaN(n) ? 0 : Math.max(0, Math.min(Math.floor(n), 2 ** 50)))

/** Kept beside the store. */
const copies = <A>(): { [key: string]: A } => Object.create(null) as { [key: string]: A }

/** `found`: how the names begin of the checks that find it. */
export const faults: ReadonlyArray<{
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}> = [
  {
    fault: "has something before anything was written",
    change: (store) => ({ position: Effect.map(store.position, (position) => Math.max(1, position)) }),
    found: ["write: nothing is there where nothing was written"]
  },
  {
    fault: "finds nothing",
    change: () => ({ get: () => Effect.succeedNone }),
    found: ["write: what was written comes back as it was", "texts and numbers: a text may have 10 MB"]
  },
  {
    fault: "loses the reason",
    change: writing((change) => ({ ...change, reason: "" })),
    found: ["write: what was written comes back as it was", "log: keeps what flows were"]
  },
  {
    fault: "rounds times",
    change: writing((change) => ({ ...change, at: Math.trunc(change.at) })),
    found: ["write: what was written comes back as it was"]
  },
  {
    fault: "checks no revision",
    change: (store) => ({
      write: (changes) =>
        Effect.flatMap(
          Effect.forEach(changes, (one) =>
            Effect.map(store.get(one.name, one.version), (row) => ({
              ...one,
              revision: Option.isSome(row) ? row.value.revision + 1 : 1
            }))
          ),
          (changes) => store.write(changes as unknown as Changes)
        )
    }),
    found: [
      "any operations",
      "write: a flow with another revision than the one before is a conflict that tells it",
      "write: positions grow, and a conflict uses up none that anybody sees"
    ]
  },
  {
    fault: "tells the revision that was asked for",
    change: (store) => ({
      write: (changes) =>
        Effect.map(store.write(changes), (written) =>
          written._tag === "Conflict" ? { ...written, actual: changes[0].revision } : written
        )
    }),
    found: ["write: a flow with another revision than the one before is a conflict that tells it"]
  },
  {
    fault: "writes what comes before a conflict",
    change: (store) => ({
      write: (changes) =>
        Effect.gen(function* () {
          let answer = yield* store.write([changes[0]])
          for (const one of changes.slice(1)) {
            if (answer._tag === "Conflict") return answer
            answer = yield* later(store.write([one]))
          }
          return answer
        })
    }),
    found: [
      "write: one conflict, the first, keeps all from being written",
      "any operations",
      "at the same time: writes of several flows in different orders all come to their end, one after the other"
    ]
  },
  {
    fault: "names the last conflict",
    change: (store) => ({
      write: (changes) =>
        Effect.flatMap(store.write(changes), (written) =>
          written._tag === "Conflict"
            ? store.write([...changes].reverse() as unknown as Changes)
            : Effect.succeed(written)
        )
    }),
    found: ["write: one conflict, the first, keeps all from being written"]
  },
  {
    fault: "logs the changes of a write in another order",
    change: (store) => ({ write: (changes) => store.write([...changes].reverse() as unknown as Changes) }),
    found: [
      "write: several flows are written at once, with entries in the order in which they were given",
      "write: many flows are written at once"
    ]
  },
  {
    fault: "gives the position of the first change",
    change: (store) => ({
      write: (changes) =>
        Effect.map(store.write(changes), (written) =>
          written._tag === "Written" ? { ...written, position: written.position - changes.length + 1 } : written
        )
    }),
    found: ["write: several flows are written at once", "any operations"]
  },
  {
    fault: "writes at most 500 flows",
    change: (store) => ({ write: (changes) => store.write(changes.slice(0, 500) as unknown as Changes) }),
    found: ["write: many flows are written at once"]
  },
  {
    fault: "forgets flows that were removed",
    change: (store) => ({
      get: (name, version) =>
        Effect.map(
          store.get(name, version),
          Option.filter(({ text }) => text !== null)
        )
    }),
    found: ["write: a flow that was removed is still there, but not in the list, and its revisions go on"]
  },
  {
    fault: "lists flows that were removed",
    change: (store) => ({
      list: (filter) =>
        Effect.flatMap(store.log({ after: 0, limit: 9999 }), (entries) =>
          Effect.map(store.list(filter), (rows) => {
            const gone = entries.filter(
              (one) =>
                one.text === null && !entries.some((next) => next.name === one.name && next.revision > one.revision)
            )
            return [...rows, ...gone].slice(0, filter.limit)
          })
        )
    }),
    found: [
      "write: a flow that was removed is still there, but not in the list, and its revisions go on",
      "list: has those that are as all of the filter says"
    ]
  },
  {
    fault: "uses up a position with each conflict",
    change: (store) => {
      let conflicts = 0
      return {
        write: (changes) => Effect.tap(store.write(changes), ({ _tag }) => (_tag === "Conflict" ? conflicts++ : 0)),
        position: Effect.map(store.position, (position) => position + conflicts)
      }
    },
    found: ["write: positions grow, and a conflict uses up none that anybody sees"]
  },
  {
    fault: "gives out what it has",
    change: (store) => {
      const rows = copies<FlowRow>()
      const own = <A extends FlowRow>(row: A): A => {
        const key = JSON.stringify([row.name, row.version, row.revision])
        return (rows[key] ??= { ...row }) as A
      }
      return { get: (name, version) => Effect.map(store.get(name, version), Option.map(own)) }
    },
    found: ["write: what was given, and what is given, can be changed without the store"]
  },
  {
    fault: "keeps what it was given",
    change: (store) => {
      const given = copies<FlowChange>()
      return {
        write: (changes) =>
          Effect.tap(store.write(changes), ({ _tag }) => {
            if (_tag === "Written") for (const one of changes) given[JSON.stringify([one.name, one.version])] = one
          }),
        get: (name, version) =>
          Effect.map(
            store.get(name, version),
            Option.map((row) => {
              const { fingerprint, revision, status, text } = given[JSON.stringify([name, version])] ?? row
              return { name, version, fingerprint, status, revision, text }
            })
          )
      }
    },
    found: ["write: what was given, and what is given, can be changed without the store"]
  },
  {
    fault: "lists in the order of UTF-16",
    change: (store) => ({
      list: ({ after, limit, ...filter }) =>
        Effect.map(store.list({ ...filter, limit: Math.min(9999, limit * 9999) }), (rows) => {
          const keyOf = (row: { readonly name: string; readonly version: string }) => [row.name, row.version]
          const isBefore = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
            a[0]! < b[0]! || (a[0] === b[0] && a[1]! < b[1]!)
          return [...rows]
            .sort((a, b) => (isBefore(keyOf(a), keyOf(b)) ? -1 : 1))
            .filter((row) => after === undefined || isBefore(keyOf(after), keyOf(row)))
            .slice(0, limit)
        })
    }),
    found: ["list: is in the order of UTF-8 bytes, of names and then of versions, page by page"]
  },
  {
    fault: "goes on after the name alone",
    change: (store) => ({
      list: (filter) =>
        Effect.map(store.list({ ...filter, after: undefined, limit: 9999 * Math.min(1, filter.limit) }), (rows) =>
          rows.filter((row) => filter.after === undefined || row.name > filter.after.name).slice(0, filter.limit)
        )
    }),
    found: ["list: is in the order of UTF-8 bytes, of names and then of versions, page by page", "any operations"]
  },
  {
    fault: "looks at one filter only",
    change: (store) => ({
      list: ({ fingerprint, status, ...filter }) =>
        store.list({ ...filter, ...(fingerprint === undefined ? { status } : { fingerprint }) })
    }),
    found: ["list: has those that are as all of the filter says"]
  },
  {
    fault: "filters by what flows were at first",
    change: (store) => ({
      list: ({ status, ...filter }) =>
        status === undefined
          ? store.list(filter)
          : Effect.flatMap(store.log({ after: 0, limit: 9999 }), (entries) =>
              Effect.map(store.list(filter), (rows) =>
                rows.filter(
                  (row) =>
                    entries.find(({ name, version }) => name === row.name && version === row.version)?.status === status
                )
              )
            )
    }),
    found: ["list: has what a flow is now, and not what it was"]
  },
  {
    fault: "reads the log from the position itself",
    change: (store) => ({ log: (filter) => store.log({ ...filter, after: Math.max(0, filter.after - 1) }) }),
    found: ["log: goes on after the last position that was read, up to the end", "any operations"]
  },
  {
    fault: "does not look at the version in the log",
    change: (store) => ({ log: ({ version: _, ...filter }) => store.log(filter) }),
    found: ["log: goes on after the last position that was read, up to the end"]
  },
  {
    fault: "takes the log of what was removed away",
    change: (store) => ({
      log: (filter) =>
        Effect.map(store.log(filter), (entries) => {
          const removed = (entry: FlowEntry) =>
            entries.some(
              ({ name, revision, text, version }) =>
                text === null && name === entry.name && version === entry.version && revision >= entry.revision
            )
          return entries.filter((entry) => !removed(entry))
        })
    }),
    found: ["log: keeps what flows were, also of those that were removed"]
  },
  {
    fault: "does not tell texts apart that differ in case",
    change: texts((text) => text.toLowerCase()),
    found: ["texts and numbers: names and versions of any text are names and versions of their own"]
  },
  {
    fault: "ends a name at U+0000",
    change: texts((text) => text.split("\u0000")[0] || text),
    found: ["texts and numbers: names and versions of any text are names and versions of their own"]
  },
  {
    fault: "puts name and version together",
    change: (store) => {
      const both = (name: string, version: string) => [`${name}/${version}`.slice(0, 300), "1"] as const
      return {
        write: (changes) =>
          Effect.map(
            store.write(
              changes.map((one) => {
                const [name, version] = both(one.name, one.version)
                return { ...one, name, version }
              }) as unknown as Changes
            ),
            (written) => written
          )
      }
    },
    found: ["texts and numbers: names and versions are kept apart, whatever is between them"]
  },
  {
    fault: "trims texts",
    change: writing((change) => ({ ...change, text: change.text === null ? null : change.text.trim() })),
    found: ["texts and numbers: other texts come back as they were"]
  },
  {
    fault: "cuts off long texts",
    change: giving((row) => ({ ...row, text: row.text === null ? null : row.text.slice(0, 1_000_000) })),
    found: ["texts and numbers: a text may have 10 MB"]
  },
  {
    fault: "takes any name",
    change: texts(well),
    found: ["texts and numbers: names and versions that are none are refused by all methods, and change nothing"]
  },
  {
    fault: "mends texts and statuses",
    change: writing((change) => ({
      ...change,
      status: ["active", "needsReview", "disabled"].includes(change.status) ? change.status : "active",
      reason: new TextDecoder().decode(new TextEncoder().encode(change.reason))
    })),
    found: ["texts and numbers: other texts with a lone surrogate, and unknown statuses, are refused and named"]
  },
  {
    fault: "mends numbers",
    change: (store) => ({
      list: (filter) => store.list({ ...filter, limit: whole(filter.limit) }),
      log: (filter) => store.log({ ...filter, after: whole(filter.after), limit: whole(filter.limit) })
    }),
    found: ["texts and numbers: other numbers are refused, and change nothing"]
  },
  {
    fault: "takes the last of two changes of a flow",
    change: (store) => ({
      write: (changes) => {
        const last = new Map(changes.map((one) => [`${one.name}\u0000${one.version}`, one]))
        return store.write([...last.values()] as unknown as Changes)
      }
    }),
    found: ["texts and numbers: no changes, and two of one flow, are refused"]
  },
  {
    fault: "looks at the revisions, and writes then",
    change: (store) => ({
      write: (changes) =>
        Effect.gen(function* () {
          for (const { name, revision, version } of changes) {
            const row = yield* store.get(name, version)
            const actual = Option.isSome(row) ? row.value.revision : 0
            if (actual !== revision - 1) return yield* store.write(changes)
          }
          yield* Effect.yieldNow()
          const written = yield* store.write(changes)
          // what somebody else was faster to write is taken for its own
          return written._tag === "Written" ? written : { _tag: "Written", position: yield* store.position }
        })
    }),
    found: [
      "at the same time: one write wins of those that are made of the same revision",
      "at the same time: none is lost of those that try again, and the log tells their order"
    ]
  },
  {
    fault: "writes one flow after the other",
    change: (store) => ({
      write: (changes) =>
        Effect.gen(function* () {
          for (const { name, revision, version } of changes) {
            const row = yield* store.get(name, version)
            if ((Option.isSome(row) ? row.value.revision : 0) !== revision - 1) return yield* store.write(changes)
          }
          let answer = yield* store.write([changes[0]])
          for (const one of changes.slice(1)) {
            if (answer._tag === "Conflict") return answer
            answer = yield* later(store.write([one]))
          }
          return answer
        })
    }),
    found: [
      "at the same time: a write is seen as a whole, and who goes on reading the log misses none",
      "at the same time: an interrupted write has taken place or not, and the next one works"
    ]
  }
]
