/** Instances in a `StateStore`: read, and written only where nothing has changed since. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { ValueSchema } from "../../dag/Node.js"
import { NodeStateUnavailable } from "../../model/NodeError.js"
import { isTransient, type StoreError } from "../../model/StoreError.js"
import type { StateStore } from "../../store/StateStore.js"
import * as Plain from "./Plain.js"

/** What is there under a key; version 0, and no snapshot, where nothing is. */
export interface Loaded<Snap> {
  readonly snapshot: Snap | undefined
  readonly version: number
  /** How many writes there were, and the ids of the last of them: by these a writer knows whether its write took place. */
  readonly count: number
  readonly writes: ReadonlyArray<string>
}

/** What became of a write: it took place, or somebody else wrote before. `loaded` is what is there now. */
export interface Outcome<Snap> {
  readonly _tag: "Written" | "Conflict"
  readonly loaded: Loaded<Snap>
}

/** A write without outcome. `isKnown`: it has changed nothing; else nobody knows. */
export interface Unwritten {
  readonly error: NodeStateUnavailable
  readonly isKnown: boolean
}

/** `again`: the same write may be tried again. */
interface Again extends Unwritten {
  readonly again: boolean
}

export interface InstanceStore<Snap> {
  readonly read: (key: string) => Effect.Effect<Loaded<Snap>, NodeStateUnavailable>
  /** Those of all instances that there are. */
  readonly keys: Effect.Effect<ReadonlyArray<string>, NodeStateUnavailable>
  /** `id` is one that no other write has. */
  readonly write: (
    key: string,
    id: string,
    before: Loaded<Snap>,
    snapshot: Snap
  ) => Effect.Effect<Outcome<Snap>, Unwritten>
}

export const nothing: Loaded<never> = { snapshot: undefined, version: 0, count: 0, writes: [] }

/** How many others may have written since for a writer whose answer was lost to still know. */
const remembered = 8

/** Instances are listed with all that they are: their keys are wanted only. */
const pageSize = 100

/** For as long a store that is busy, or answers nothing, is asked again. */
const patience = Schedule.intersect(Schedule.exponential("20 millis"), Schedule.recurs(4))

export const make = <Snap>(options: {
  readonly node: string
  readonly store: typeof StateStore.Service
  /** What the keys of all its instances begin with. */
  readonly prefix: string
  readonly schema: ValueSchema<Snap>
}): InstanceStore<Snap> => {
  const { node, prefix, schema, store } = options
  const document = Schema.Struct({
    format: Schema.Literal(1),
    count: Schema.Int.pipe(Schema.positive()),
    writes: Schema.Array(Schema.String),
    snapshot: schema
  })

  const unavailable = (key: string, faults: string, cause?: unknown) =>
    new NodeStateUnavailable({ node, key, faults, cause })

  const decode = (key: string, text: string): Either.Either<typeof document.Type, NodeStateUnavailable> =>
    Either.try({ try: (): unknown => JSON.parse(text), catch: () => "it is no JSON" }).pipe(
      Either.flatMap((json) => Plain.decode(document, json)),
      Either.mapLeft((faults) => unavailable(key, `what is stored does not fit the machine: ${faults}`))
    )

  const readStored = (key: string): Effect.Effect<Loaded<Snap>, StoreError | NodeStateUnavailable> =>
    Effect.flatMap(
      store.get(prefix + key),
      Option.match({
        onNone: () => Effect.succeed<Loaded<Snap>>(nothing),
        onSome: ({ value, version }) => Effect.map(decode(key, value), (stored) => ({ ...stored, version }))
      })
    )

  const fromStore = (key: string) => (error: StoreError) => unavailable(key, error.message, error)

  const write: InstanceStore<Snap>["write"] = (key, id, before, snapshot) =>
    Effect.gen(function* () {
      const next = {
        ...{ format: 1 as const, count: before.count + 1, snapshot },
        writes: [...before.writes, id].slice(-remembered)
      }
      // what a step gave fits its schema
      const text = Either.getOrThrowWith(Plain.encode(document, next), (faults) => new Error(faults))
      /** That a try may have taken place, or may yet: its answer did not come. A store that is busy has refused it. */
      const inDoubt = yield* Ref.make(false)

      /** What is there after a write that was refused, or whose answer did not come. */
      const findOut = (error: StoreError | undefined): Effect.Effect<Outcome<Snap>, Again> =>
        Effect.gen(function* () {
          const isKnown = !(yield* Ref.get(inDoubt))
          const lost = (faults: string, cause: StoreError | NodeStateUnavailable | undefined) => ({
            error: unavailable(
              key,
              isKnown ? faults : `it was not found out whether a write took place: ${faults}`,
              cause
            ),
            ...{ isKnown, again: false }
          })
          const loaded = yield* readStored(key).pipe(
            Effect.retry({ schedule: patience, while: (error) => error._tag === "StoreError" && isTransient(error) }),
            Effect.mapError((failed) => lost(failed.message, error ?? failed))
          )
          if (loaded.writes.includes(id)) return { _tag: "Written", loaded }
          if (loaded.version === before.version && error !== undefined) {
            return yield* Effect.fail({ error: fromStore(key)(error), isKnown: true, again: isTransient(error) })
          }
          if (isKnown || loaded.count <= before.count + remembered) return { _tag: "Conflict", loaded }
          return yield* Effect.fail(lost("too many others have written since", error))
        })

      return yield* store.compareAndSet(prefix + key, before.version, text).pipe(
        Effect.matchEffect({
          onFailure: (error) =>
            Effect.zipRight(error.reason === "busy" ? Effect.void : Ref.set(inDoubt, true), findOut(error)),
          onSuccess: Option.match({
            onNone: () => findOut(undefined),
            onSome: (version) =>
              Effect.succeed<Outcome<Snap>>({
                _tag: "Written",
                loaded: { ...next, version }
              })
          })
        }),
        // the same write again, which takes place at most once
        Effect.retry({ schedule: patience, while: ({ again }) => again })
      )
    })

  const keysAfter = (after: string | undefined): Effect.Effect<ReadonlyArray<string>, StoreError> =>
    Effect.flatMap(store.list({ prefix, after, limit: pageSize }), (page) => {
      const keys = page.map(({ key }) => key.slice(prefix.length))
      return page.length < pageSize
        ? Effect.succeed(keys)
        : Effect.map(keysAfter(page[pageSize - 1]?.key), (others) => [...keys, ...others])
    })

  return {
    keys: Effect.suspend(() => keysAfter(undefined)).pipe(
      Effect.retry({ schedule: patience, while: isTransient }),
      Effect.mapError(fromStore(""))
    ),
    read: (key) =>
      Effect.mapError(readStored(key), (error) => (error._tag === "StoreError" ? fromStore(key)(error) : error)),
    write
  }
}
