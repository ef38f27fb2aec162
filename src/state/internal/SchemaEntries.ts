/**
 * Values of one schema in a `StateStore`.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { StateContended, StateInvalid, StateNewer, StateQuarantined } from "../../model/SchemaStoreError.js"
import { StoreError } from "../../model/StoreError.js"
import { type Entry, type SetOptions, StateStore } from "../../store/StateStore.js"
import type { KeyedEntry, Options, SchemaStore, Unreadable } from "../SchemaState.js"
import * as Envelope from "./Envelope.js"

// Enough to see what is wrong; the text itself is kept beside it.
const maxReason = 2000

/** What the text of an entry is: a value, or why there is none. */
type Read<A, E> =
  | { readonly _tag: "Value"; readonly value: A }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Unreadable"; readonly error: StateQuarantined | StateNewer | E }
  | Fault

/** It is not quarantined yet. `until`: when its time runs out. */
interface Fault {
  readonly _tag: "Fault"
  readonly version: number | null
  readonly until: number | null
  readonly reason: string
  readonly cause: unknown
}

/** Somebody else has changed the value since it was read. */
const conflict = Symbol("conflict")

export const make = <A, I, RS, E, RM>({
  migrate,
  name,
  retry,
  schema,
  version
}: Options<A, I, RS, E, RM> & { readonly retry: Schedule.Schedule<unknown> }): Effect.Effect<
  SchemaStore<A, E, RS | RM>,
  never,
  StateStore
> =>
  Effect.gen(function* () {
    if (name === "" || name.includes("/") || !isWellFormed(name)) {
      return yield* refuse(`the name of a SchemaStore is a text that is not empty and has no "/", not "${name}"`)
    }
    if (!Number.isSafeInteger(version) || version < 1) {
      return yield* refuse(`the version of the SchemaStore "${name}" is a positive whole number, not ${version}`)
    }
    const store = yield* StateStore
    const prefix = `${name}/`
    const decode = Schema.decodeUnknown(schema)
    const encode = Schema.encode(schema)

    const keyed = <B, E2, R>(operation: string, key: string, f: (key: string) => Effect.Effect<B, E2, R>) =>
      Effect.suspend((): Effect.Effect<B, E2 | StoreError, R> =>
        key === ""
          ? new StoreError({
              ...{ reason: "failed", location: name, operation },
              message: `${name}: the key is empty: name it`
            })
          : f(prefix + key)
      )

    const quarantined = (key: string, { at, reason, version }: Omit<Envelope.Quarantined, "heddle" | "format">) =>
      new StateQuarantined({ store: name, key, version, reason, at })

    const read = (key: string, text: string): Effect.Effect<Read<A, E>, never, RS | RM> =>
      Effect.suspend((): Effect.Effect<Read<A, E>, never, RS | RM> => {
        const envelope = Envelope.read(text)
        switch (envelope.heddle) {
          case "gone":
            return Effect.succeed({ _tag: "Gone" })
          case "newer": {
            // the form of what is around the value is newer: what version that has, nobody knows
            const error = new StateNewer({ store: name, key, version: null, known: version })
            return Effect.succeed({ _tag: "Unreadable", error })
          }
          case "quarantined":
            return Effect.succeed({ _tag: "Unreadable", error: quarantined(key, envelope) })
          case "unknown": {
            const { cause, reason } = envelope
            return Effect.succeed({ _tag: "Fault", version: null, until: null, reason, cause })
          }
          case "state":
            return readValue(key, envelope)
        }
      })

    const readValue = (key: string, stored: Envelope.Value): Effect.Effect<Read<A, E>, never, RS | RM> => {
      if (stored.version > version) {
        const error = new StateNewer({ store: name, key, version: stored.version, known: version })
        return Effect.succeed({ _tag: "Unreadable", error })
      }
      const migrated =
        stored.version === version || migrate === undefined
          ? Effect.succeed(stored.value)
          : migrate(stored.value, stored.version)
      return Effect.matchEffect(migrated, {
        onFailure: (error) => Effect.succeed<Read<A, E>>({ _tag: "Unreadable", error }),
        onSuccess: (value) =>
          Effect.match(decode(value), {
            onFailure: (cause): Read<A, E> => ({
              _tag: "Fault",
              version: stored.version,
              until: stored.until,
              reason: ParseResult.TreeFormatter.formatErrorSync(cause).slice(0, maxReason),
              cause
            }),
            onSuccess: (value): Read<A, E> => ({ _tag: "Value", value })
          })
      })
    }

    /** Puts what has a fault aside, unless it has changed since. */
    const putAside = (key: string, entry: Entry, { cause, reason, until, version }: Fault) =>
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        const aside = { version, reason, at, until, text: entry.value }
        const written = yield* store.compareAndSet(prefix + key, entry.version, Envelope.quarantined(aside))
        return Option.as(written, new StateQuarantined({ store: name, key, version, reason, at, cause }))
      })

    type Settled = { readonly entry: KeyedEntry<A> } | { readonly unreadable: Unreadable<E> } | undefined

    /** What an entry is, once it is put aside where it has to be; reads it again when somebody has changed it meanwhile. */
    const settle = (key: string, entry: Entry): Effect.Effect<Settled, StoreError, RS | RM> =>
      Effect.gen(function* () {
        const found = yield* read(key, entry.value)
        switch (found._tag) {
          case "Value":
            return { entry: { key, value: found.value, version: entry.version } }
          case "Gone":
            return undefined
          case "Unreadable":
            return { unreadable: { key, error: found.error } }
          case "Fault": {
            const error = yield* putAside(key, entry, found)
            if (Option.isSome(error)) return { unreadable: { key, error: error.value } }
            const now = yield* store.get(prefix + key)
            return Option.isNone(now) ? undefined : yield* settle(key, now.value)
          }
        }
      })

    const get: SchemaStore<A, E, RS | RM>["get"] = (key) =>
      keyed("get", key, (full) =>
        Effect.gen(function* () {
          const present = yield* store.get(full)
          const settled = Option.isNone(present) ? undefined : yield* settle(key, present.value)
          if (settled === undefined) return Option.none()
          if ("unreadable" in settled) return yield* Effect.fail(settled.unreadable.error)
          return Option.some({ value: settled.entry.value, version: settled.entry.version })
        })
      )

    const textOf = (key: string, value: A, options: SetOptions | undefined) =>
      Effect.gen(function* () {
        const invalid = (faults: string) => (cause: unknown) => new StateInvalid({ store: name, key, faults, cause })
        const encoded = yield* Effect.mapError(encode(value), (cause) =>
          invalid(ParseResult.TreeFormatter.formatErrorSync(cause))(cause)
        )
        // one that is no duration, or not more than 0, the store refuses
        const ttl = Option.match(Duration.decodeUnknown(options?.ttl ?? Infinity), {
          onNone: () => 0,
          onSome: Duration.toMillis
        })
        const until = ttl === Infinity ? null : (yield* Clock.currentTimeMillis) + ttl
        return yield* Either.mapLeft(Envelope.value(version, until, encoded), (cause) =>
          invalid(`${cause.message} at ${["value", ...cause.path.slice(1)].join(".")}`)(cause)
        )
      })

    const compareAndSet: SchemaStore<A, E, RS | RM>["compareAndSet"] = (key, expected, value, options) =>
      keyed("compareAndSet", key, (full) =>
        Effect.gen(function* () {
          const text = yield* textOf(key, value, options)
          const written = yield* store.compareAndSet(full, expected, text, options)
          if (expected !== 0 || Option.isSome(written)) return written
          // what was thrown away is not there, for whoever uses values
          const present = yield* store.get(full)
          return Option.isSome(present) && Envelope.read(present.value.value).heddle === "gone"
            ? yield* store.compareAndSet(full, present.value.version, text, options)
            : written
        })
      )

    const settleAll = (entries: Iterable<readonly [string, Entry]>) =>
      Effect.gen(function* () {
        const readable: Array<KeyedEntry<A>> = []
        const unreadable: Array<Unreadable<E>> = []
        for (const [full, entry] of entries) {
          const settled = yield* settle(full.slice(prefix.length), entry)
          if (settled === undefined) continue
          if ("entry" in settled) readable.push(settled.entry)
          else unreadable.push(settled.unreadable)
        }
        return { entries: readable, unreadable }
      })

    const aside = (key: string) =>
      Effect.map(store.get(prefix + key), (present) => {
        if (Option.isNone(present)) return undefined
        const envelope = Envelope.read(present.value.value)
        return envelope.heddle === "quarantined" ? { envelope, version: present.value.version } : undefined
      })

    const restore: SchemaStore<A, E, RS | RM>["restore"] = (key) =>
      keyed("restore", key, (full) =>
        Effect.gen(function* () {
          const found = yield* aside(key)
          if (found === undefined) return yield* get(key)
          const { envelope } = found
          const again = yield* read(key, envelope.text)
          if (again._tag === "Fault") {
            const { at, version } = envelope
            const { cause, reason } = again
            return yield* new StateQuarantined({ store: name, key, version, reason, at, cause })
          }
          if (again._tag === "Unreadable") return yield* Effect.fail(again.error)
          const left = envelope.until === null ? undefined : envelope.until - (yield* Clock.currentTimeMillis)
          // of what has none left, there is nothing soon
          const options = left === undefined ? {} : { ttl: Math.max(left, 1) }
          yield* store.compareAndSet(full, found.version, envelope.text, options)
          return yield* get(key)
        })
      )

    const discard = (key: string): Effect.Effect<boolean, StoreError> =>
      keyed("discard", key, (full) =>
        Effect.flatMap(aside(key), (found) => {
          if (found === undefined) return Effect.succeed(false)
          // nothing is deleted by its version, so it is replaced by what is gone by itself
          return Effect.flatMap(store.compareAndSet(full, found.version, Envelope.gone, { ttl: 1 }), (written) =>
            Option.isSome(written) ? Effect.succeed(true) : discard(key)
          )
        })
      )

    return {
      get,
      set: (key, value, options) =>
        keyed("set", key, (full) =>
          Effect.flatMap(textOf(key, value, options), (text) => store.set(full, text, options))
        ),
      delete: (key) => keyed("delete", key, store.delete),
      compareAndSet,
      modify: (key, f, options) =>
        Effect.gen(function* () {
          const present = yield* get(key)
          const value = yield* f(Option.map(present, ({ value }) => value))
          const expected = Option.match(present, { onNone: () => 0, onSome: ({ version }) => version })
          const written = yield* compareAndSet(key, expected, value, options)
          return Option.isSome(written) ? { value, version: written.value } : yield* Effect.fail(conflict)
        }).pipe(
          Effect.retry({ schedule: retry, while: (error) => error === conflict }),
          Effect.mapError((error) => (error === conflict ? new StateContended({ store: name, key }) : error))
        ),
      getMany: (keys) =>
        Effect.flatMap(
          Effect.forEach(keys, (key) => keyed("getMany", key, Effect.succeed)),
          (full) =>
            Effect.flatMap(store.getMany(full), (found) =>
              settleAll(
                Array.from(new Set(full)).flatMap((key) => {
                  const entry = found.get(key)
                  return entry === undefined ? [] : [[key, entry] as const]
                })
              )
            )
        ),
      list: (page) =>
        Effect.gen(function* () {
          const after = page.after === undefined || page.after === "" ? prefix : prefix + page.after
          const listed = yield* store.list({ prefix: prefix + page.prefix, after, limit: page.limit })
          const last = listed.length < page.limit ? undefined : listed.at(-1)
          const settled = yield* settleAll(listed.map((entry) => [entry.key, entry] as const))
          return { ...settled, next: Option.fromNullable(last?.key.slice(prefix.length)) }
        }),
      changes: Option.map(
        store.changes,
        (changes) => (within) =>
          Stream.map(changes(prefix + within), ({ key, version }) => ({ key: key.slice(prefix.length), version }))
      ),
      quarantined: (key) =>
        keyed("quarantined", key, () =>
          Effect.map(aside(key), (found) =>
            Option.map(Option.fromNullable(found), ({ envelope: { at, reason, text, version } }) => ({
              ...{ at, reason, text, version }
            }))
          )
        ),
      restore,
      discard
    }
  })

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
