/**
 * Keeps events in a SQLite file.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StoreError } from "../model/StoreError.js"
import { type Appended, EventStore } from "./EventStore.js"
import * as EventAppend from "./internal/EventAppend.js"
import * as EventRequest from "./internal/EventRequest.js"
import * as EventTail from "./internal/EventTail.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteEvents from "./internal/SqliteEvents.js"
import * as SqliteEventStates from "./internal/SqliteEventStates.js"

/**
 * - `lockTimeout`: how long an operation waits while another connection holds the lock of the file, before it fails with
 *   the reason `busy`
 * - `poll`: how often a subscription that waits looks for events of other processes; of those that were appended through
 *   its own layer it hears at once
 * - `page`: how many events a subscription reads at once
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly lockTimeout: Duration.DurationInput
  readonly poll: Duration.DurationInput
  readonly page: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { lockTimeout: "2 seconds", poll: "1 second", page: EventTail.defaultPage }

const make = (
  database: SqliteDatabase.SqliteDatabase,
  notice: EventTail.Notice,
  options: Pick<Options, "poll" | "page">
): EventStore["Type"] => {
  const { location, read, write } = database
  const check = EventRequest.make(location)
  const readAll: EventStore["Type"]["readAll"] = (page) =>
    Effect.zipRight(
      check.readAll(page),
      read("readAll", (connection) => SqliteEvents.readAll(connection, page))
    )
  const tail = EventTail.make({ readAll, notice, ...options })

  return {
    append: (request) =>
      check.append(request).pipe(
        Effect.zipRight(
          write("append", (connection) =>
            Effect.gen(function* () {
              const { aggregateId, events, state } = request
              const version = yield* SqliteEvents.version(connection, aggregateId)
              const stored = yield* SqliteEvents.byId(
                connection,
                events.map(({ eventId }) => eventId)
              )
              const verdict = EventAppend.decide(request, version, stored)
              if (verdict._tag === "Refuse") return yield* EventRequest.refusal(location, "append", verdict.fault)
              if (verdict._tag !== "Append") return verdict
              yield* SqliteEvents.insert(connection, request, verdict.first)
              if (state !== undefined) yield* SqliteEventStates.replace(connection, { ...state, aggregateId })
              const appended: Appended = { ...verdict, _tag: "Appended", repeated: false }
              return appended
            })
          )
        ),
        // also when it was interrupted as it ended: who waits looks again
        Effect.ensuring(notice.give)
      ),

    version: (aggregateId) =>
      Effect.zipRight(
        check.aggregate("version", aggregateId),
        read("version", (connection) => SqliteEvents.version(connection, aggregateId))
      ),

    event: (eventId) =>
      Effect.zipRight(
        check.event(eventId),
        read("event", (connection) =>
          Effect.map(SqliteEvents.byId(connection, [eventId]), ([event]) => Option.fromNullable(event))
        )
      ),

    read: (aggregateId, page) =>
      Effect.zipRight(
        check.read(aggregateId, page),
        read("read", (connection) => SqliteEvents.read(connection, aggregateId, page))
      ),

    readAll,

    subscribe: (after = 0) => Stream.unwrap(Effect.as(check.subscribe(after), tail(after))),

    state: (aggregateId) =>
      Effect.zipRight(
        check.aggregate("state", aggregateId),
        read("state", (connection) => Effect.map(SqliteEventStates.state(connection, aggregateId), Option.fromNullable))
      ),

    states: (page) =>
      Effect.zipRight(
        check.ids("states", page),
        read("states", (connection) => SqliteEventStates.states(connection, page))
      ),

    putStates: (rows) =>
      Effect.zipRight(
        check.putStates(rows),
        write("putStates", (connection) =>
          Effect.forEach(
            rows,
            (row) =>
              Effect.gen(function* () {
                const { aggregateId, sequence } = row
                const version = yield* SqliteEvents.version(connection, aggregateId)
                if (sequence > version) {
                  const fault = EventAppend.ahead("state", aggregateId, sequence, version)
                  return yield* EventRequest.refusal(location, "putStates", fault)
                }
                yield* SqliteEventStates.put(connection, row)
              }),
            { discard: true }
          )
        )
      ),

    dropStates: (prefix) =>
      Effect.zipRight(
        check.dropStates(prefix),
        write("dropStates", (connection) => SqliteEventStates.drop(connection, prefix))
      ),

    keepSnapshot: (snapshot) =>
      Effect.zipRight(
        check.keepSnapshot(snapshot),
        write("keepSnapshot", (connection) =>
          Effect.gen(function* () {
            const { aggregateId, sequence } = snapshot
            const version = yield* SqliteEvents.version(connection, aggregateId)
            if (sequence > version) {
              const fault = EventAppend.ahead("snapshot", aggregateId, sequence, version)
              return yield* EventRequest.refusal(location, "keepSnapshot", fault)
            }
            yield* SqliteEventStates.keep(connection, snapshot)
          })
        )
      ),

    snapshot: (aggregateId, bound) =>
      Effect.zipRight(
        check.snapshot(aggregateId, bound),
        read("snapshot", (connection) =>
          Effect.map(SqliteEventStates.snapshot(connection, aggregateId, bound), Option.fromNullable)
        )
      ),

    aggregates: (page) =>
      Effect.zipRight(
        check.ids("aggregates", page),
        read("aggregates", (connection) => SqliteEvents.aggregates(connection, page))
      ),

    prune: (request) =>
      Effect.zipRight(
        check.prune(request),
        write("prune", (connection) =>
          Effect.gen(function* () {
            const { aggregateId, upTo } = request
            if (upTo === 0) return 0
            if (!(yield* SqliteEventStates.isKept(connection, aggregateId, upTo))) {
              return yield* EventRequest.refusal(location, "prune", EventAppend.unkept(aggregateId, upTo))
            }
            yield* SqliteEventStates.removeBefore(connection, aggregateId, upTo)
            return yield* SqliteEvents.remove(connection, aggregateId, upTo)
          })
        )
      )
  }
}

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. The file may be that of a `RunStore` or a `StateStore`, and
 * several processes may use it: what one has written the others see, and a subscription gives the events of all of them
 * in the order of their commits.
 *
 * What was written survives the crash of the process; the latest of it may be lost with the power. Waiting for the lock of
 * another process does not block this one. Fails, and leaves the file as it is, when it is not a database (`corrupt`), is
 * that of another application (`foreign`) or was written by a later release (`newer`).
 *
 * **Interruption**: of a method that waits for its turn or for the lock ends it, and nothing has changed; one that has
 * begun comes to its end first.
 *
 * @example
 * ```ts
 * import { EventStore } from "heddle/store/EventStore"
 * import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
 * import { Console, Effect, Stream } from "effect"
 *
 * const follow = Effect.gen(function* () {
 *   const store = yield* EventStore
 *   yield* Stream.runForEach(store.subscribe(), ({ eventType, position }) => Console.log(position, eventType))
 * }).pipe(Effect.provide(EventStoreSqlite.layer({ filename: "heddle.db" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: {
    readonly filename: string
  } & { readonly [K in keyof Options]?: Options[K] | undefined }
): Layer.Layer<EventStore, StoreError> => {
  const { filename, lockTimeout = defaults.lockTimeout, page = defaults.page, poll = defaults.poll } = options
  return Layer.scoped(
    EventStore,
    Effect.gen(function* () {
      const notice = yield* EventTail.notice
      // after the connection was closed: a subscription looks once more, and finds it closed
      yield* Effect.addFinalizer(() => notice.give)
      return make(yield* SqliteDatabase.open({ filename, lockTimeout }), notice, { page, poll })
    })
  )
}

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
 * import { Config } from "effect"
 *
 * const Store = EventStoreSqlite.layerConfig({ filename: Config.nonEmptyString("HEDDLE_FILE") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<EventStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
