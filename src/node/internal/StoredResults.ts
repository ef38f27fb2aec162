/** Results in a StateStore. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { StoreError } from "../../model/StoreError.js"
import * as Telemetry from "../../model/Telemetry.js"
import type * as StateStore from "../../store/StateStore.js"
import type { Text } from "./Codec.js"
import type { Place } from "./Flight.js"
import type { Found } from "./Results.js"

export interface Options {
  readonly prefix: string
  /** In milliseconds; may be infinite. */
  readonly ttl: number
  /** How long the store may take, in milliseconds. */
  readonly patience: number
}

/**
 * `generation` has the versions of two marks of the store, one of all results and one of those of the node, from before the
 * result was computed: who sets a mark forgets all results of before. Without a `value` it is that of `undefined`.
 */
const Stored = Schema.parseJson(
  Schema.Struct({
    format: Schema.Literal(1),
    generation: Schema.Tuple(Schema.Int, Schema.Int),
    until: Schema.NullOr(Schema.Number),
    value: Schema.optional(Schema.Unknown)
  })
)
const decodeStored = Schema.decodeUnknownEither(Stored)

/** In the place of a result that was forgotten: its version tells a computation of before not to write. */
const forgotten = "null"

/** What was there before the computation: only what is there still is replaced. */
interface Before {
  readonly version: number
  readonly generation: readonly [number, number]
}

export interface StoredResults {
  /**
   * What is stored, or else what `compute` gives, which is then stored. A store that fails or takes too long has nothing
   * and takes nothing.
   */
  readonly readThrough: <E>(
    place: Place,
    isValid: (text: Text) => Effect.Effect<boolean>,
    compute: Effect.Effect<Text, E>
  ) => Effect.Effect<Found, E>
  readonly forget: (place: Place) => Effect.Effect<void, StoreError>
  readonly forgetNode: (node: string) => Effect.Effect<void, StoreError>
  readonly forgetAll: Effect.Effect<void, StoreError>
}

export const make = (store: typeof StateStore.StateStore.Service, options: Options): StoredResults => {
  const { patience, prefix, ttl } = options
  // what lasts no time at all is told by its `until`: a store takes no ttl of 0
  const lasts = Number.isFinite(ttl) ? { ttl: Math.max(ttl, 1) } : {}
  const allMark = `${prefix}/all`
  const nodeMark = (node: string) => `${prefix}/node/${CanonicalJson.hash(node)}`
  const keyOf = ({ key }: Place) => `${prefix}/result/${key}`

  /** Also where the store cannot be interrupted: then it is left behind. */
  const inTime = <A>(operation: string, effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    Effect.timeoutFail(Effect.interruptible(Effect.disconnect(effect)), {
      duration: Duration.millis(patience),
      onTimeout: () =>
        new StoreError({
          ...{ reason: "unavailable", location: prefix, operation },
          message: `the store has not answered within ${patience} ms`
        })
    })

  const versionOf = (key: string) =>
    Effect.map(store.get(key), Option.match({ onNone: () => 0, onSome: ({ version }) => version }))

  const read = (place: Place) =>
    Effect.gen(function* () {
      const generation = [yield* versionOf(allMark), yield* versionOf(nodeMark(place.node))] as const
      const entry = yield* store.get(keyOf(place))
      const before: Before = { generation, version: Option.isSome(entry) ? entry.value.version : 0 }
      return { before, value: Option.map(entry, ({ value }) => value) }
    })

  const write = (place: Place, text: Text, { generation, version }: Before) =>
    Effect.gen(function* () {
      const until = (yield* Clock.currentTimeMillis) + ttl
      const encoded = CanonicalJson.stringify({
        ...{ format: 1, generation, until: Number.isFinite(until) ? until : null },
        ...(text === null ? {} : { value: JSON.parse(text) })
      })
      yield* Effect.asVoid(store.compareAndSet(keyOf(place), version, Either.getOrThrow(encoded), lasts))
      return until
    })

  /** What the store has of a result that is valid now. */
  const look = (place: Place, isValid: (text: Text) => Effect.Effect<boolean>) =>
    Effect.gen(function* () {
      const { before, value } = yield* inTime("get", read(place))
      const absent = { before, result: "absent", found: Option.none<Found>() } as const
      if (Option.isNone(value) || value.value === forgotten) return absent
      const undecodable = { ...absent, result: "undecodable" } as const
      const stored = decodeStored(value.value)
      if (Either.isLeft(stored)) return undecodable
      const { generation, until, value: result } = stored.right
      if (generation[0] !== before.generation[0] || generation[1] !== before.generation[1]) return absent
      const found = {
        // what comes out of a JSON text goes into one again
        text: result === undefined ? null : Either.getOrThrow(CanonicalJson.stringify(result)),
        until: until ?? Infinity
      }
      if (found.until <= (yield* Clock.currentTimeMillis)) return absent
      return (yield* isValid(found.text))
        ? ({ before, result: "found", found: Option.some(found) } as const)
        : undecodable
    })

  const annotate = Effect.annotateLogs({ package: "heddle", module: "ComputeCache" })

  const readThrough: StoredResults["readThrough"] = (place, isValid, compute) =>
    Effect.gen(function* () {
      const looked = yield* Effect.either(look(place, isValid))
      if (Either.isLeft(looked)) {
        Telemetry.computeStoreReads.failed.unsafeUpdate(1, [])
        yield* annotate(Effect.logWarning(`a result of "${place.node}" could not be read`, looked.left))
        return { text: yield* compute, until: Infinity }
      }
      const { before, found, result } = looked.right
      Telemetry.computeStoreReads[result].unsafeUpdate(1, [])
      if (Option.isSome(found)) return found.value
      const text = yield* compute
      const written = yield* Effect.either(inTime("compareAndSet", write(place, text, before)))
      if (Either.isRight(written)) return { text, until: written.right }
      Telemetry.computeStoreWritesFailed.unsafeUpdate(1, [])
      yield* annotate(Effect.logWarning(`a result of "${place.node}" could not be stored`, written.left))
      return { text, until: Infinity }
    })

  return {
    readThrough,
    forget: (place) => Effect.asVoid(inTime("set", store.set(keyOf(place), forgotten, lasts))),
    forgetNode: (node) => Effect.asVoid(inTime("set", store.set(nodeMark(node), forgotten))),
    forgetAll: Effect.asVoid(inTime("set", store.set(allMark, forgotten)))
  }
}
