/**
 * Connections to one PostgreSQL schema: migrations, transactions, and going on after a connection was lost.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import { StoreError } from "../../model/StoreError.js"
import * as PostgresErrors from "./PostgresErrors.js"
import * as PostgresListener from "./PostgresListener.js"
import * as PostgresPool from "./PostgresPool.js"
import * as PostgresSchema from "./PostgresSchema.js"
import * as PostgresServer from "./PostgresServer.js"
import * as PostgresSession from "./PostgresSession.js"
import { late, realClock } from "./PostgresTurns.js"

/** What a statement can fail with, and what the methods of the store add to it. */
export type Failure = SqlError | StoreError

/**
 * Statements have constant texts with `$1` parameters: arrays or JSON for many rows. Every operation takes a connection of
 * the store's own and never the caller's.
 *
 * A text names its tables as those of the schema `heddle`, such as `heddle.runs`; the connection puts the schema of the
 * options in its place, wherever `heddle.` stands. Each text is prepared once per connection (`executeUnprepared`: never).
 * Rows have booleans for bool, numbers for int2, int4, int8, float4, float8 and numeric, and the text of PostgreSQL for
 * anything else, arrays and JSON too. A row of `executeRaw` is a result with `rowCount`, `command` and `rows`.
 */
export interface PostgresDatabase {
  /** For people: host, port, database and schema, without the password. */
  readonly location: string

  /** The name of the schema, as an identifier in quotes. */
  readonly schema: string

  /** The channel of `NOTIFY` for a subject of this schema, such as `events`. */
  readonly channel: (subject: string) => string

  /**
   * An SQL expression of type float8: now, in milliseconds since the epoch, by the database's clock, or by the `clock` of
   * the options, which is then in the parameter `$n`.
   */
  readonly now: (n: number) => string

  /** The parameter for `now`: null, or what the `clock` of the options says. */
  readonly clock: Effect.Effect<number | null>

  /** Runs one statement that reads. */
  readonly read: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>
  ) => Effect.Effect<A, StoreError>

  /** Runs several statements that read, all of them at one moment of the database (REPEATABLE READ, READ ONLY). */
  readonly readTogether: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>
  ) => Effect.Effect<A, StoreError>

  /**
   * Runs the body in a transaction (READ COMMITTED: lock the rows that are read to be changed); not interruptible once it
   * has begun. It is done again, from its beginning, when it met a deadlock or the like (40001, 40P01).
   * `synced`: its commit returns after the log was synced, whatever `synchronous_commit` the session has.
   */
  readonly write: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>,
    options?: { readonly synced: boolean }
  ) => Effect.Effect<A, StoreError>

  /** Runs one statement that writes, in a transaction of its own, which needs no BEGIN. */
  readonly writeOnce: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>
  ) => Effect.Effect<A, StoreError>

  /** Calls back at each notice on a channel, in the scope; `lost` when notices may have been missed. Listens when it returns. */
  readonly listen: (
    channel: string,
    on: { readonly notice: (payload: string) => void; readonly lost: (error: StoreError) => void }
  ) => Effect.Effect<void, StoreError, Scope.Scope>
}

const rolledBack = new SqlError({
  message: "the transaction was rolled back",
  cause: new Error("a statement in the transaction had failed, so that nothing of it was committed")
})

/** Whatever happens, the session is outside of a transaction afterwards, or it is lost. */
const transaction = <A>(
  session: PostgresSession.Session,
  begin: string,
  body: Effect.Effect<A, Failure>,
  onCommit: Effect.Effect<void>
): Effect.Effect<A, Failure> =>
  session.command(begin).pipe(
    Effect.zipRight(body),
    Effect.zipLeft(
      // what was lost before is known not to be committed
      Effect.flatMap(session.lost, (lost): Effect.Effect<PostgresSession.Result, SqlError> =>
        lost === undefined
          ? Effect.zipRight(onCommit, session.command("COMMIT"))
          : Effect.fail(new SqlError({ cause: lost, message: "the connection was lost before COMMIT" }))
      ).pipe(
        // the answer to the COMMIT of a transaction that has failed is no error
        Effect.filterOrFail(
          ({ command }) => command === "COMMIT",
          () => rolledBack
        )
      )
    ),
    Effect.tapErrorCause(() =>
      Effect.flatMap(session.lost, (lost) =>
        // one that did not answer would not answer this either, and has been waited for
        lost === undefined ? Effect.catchAll(session.command("ROLLBACK"), (error) => session.end(error)) : Effect.void
      )
    )
  )

const begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

// A transaction that writes nothing to the log syncs nothing at its commit, and what was committed before it neither.
const beginSynced = `${begin};
  SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
  SELECT pg_logical_emit_message(true, 'heddle', '')`

const conflictTries = 8

/** Again after a conflict with another transaction, which had undone it. */
const againAfterConflict = <A>(effect: Effect.Effect<A, Failure>, tries = conflictTries): Effect.Effect<A, Failure> =>
  Effect.catchAll(effect, (error) =>
    tries > 1 && PostgresErrors.isConflict(error)
      ? Random.nextRange(0, 5 * 2 ** (conflictTries - tries)).pipe(
          Effect.flatMap((pause) => realClock.sleep(Duration.millis(pause))),
          Effect.zipRight(againAfterConflict(effect, tries - 1))
        )
      : Effect.fail(error)
  )

/** Connects, creates the tables where the schema is new, and disconnects with the scope. */
export const open = (
  options: PostgresServer.Options & { readonly clock?: Effect.Effect<number> | undefined }
): Effect.Effect<PostgresDatabase, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* PostgresServer.make(options)
    const { channel, connectTimeout, limits, location, name, readers: size, schema, timeout } = server
    const asStoreError = (operation: string) => (error: Failure | typeof late) =>
      error === late
        ? new StoreError({
            reason: "busy",
            location,
            operation,
            message: `${location}: no connection was free in time; trying again helps, or more maxConnections`
          })
        : PostgresErrors.fromUnknown(location, operation)(error)

    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.withClock(Scope.close(scope, exit), realClock)
    )
    const inScope = Effect.provideService(Scope.Scope, scope)
    const client = yield* PgClient.make(server.config).pipe(
      Effect.provide(Reactivity.layer),
      inScope,
      // its own limit does not end what cannot be interrupted
      Effect.disconnect,
      Effect.timeoutFail({
        duration: Duration.times(connectTimeout, 2),
        onTimeout: () => new SqlError({ cause: new Error("timeout expired"), message: "Connection timed out" })
      }),
      Effect.withClock(realClock),
      Effect.mapError(asStoreError("layer"))
    )
    const connect = PostgresSession.open(client, PostgresSession.makeTexts(schema), limits)
    const writer = yield* inScope(PostgresPool.make(connect, { size: 1, patience: timeout }))
    const readers = yield* inScope(PostgresPool.make(connect, { size, patience: timeout }))
    const listener = yield* inScope(PostgresListener.make(connect, { location, patience: timeout, alive: timeout }))

    yield* writer
      .use((session) => PostgresSchema.prepare(session, { location, schema, name }), Effect.succeed(true))
      .pipe(Effect.mapError(asStoreError("layer")))

    const isClosed = yield* Ref.make(false)
    // Waits for the operations that have a connection; those that come after find the store closed.
    yield* Effect.addFinalizer(() =>
      Ref.set(isClosed, true).pipe(Effect.zipRight(writer.drain), Effect.zipRight(readers.drain))
    )
    const whenOpen =
      (operation: string) =>
      <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
        Effect.flatMap(Ref.get(isClosed), (yes): Effect.Effect<A, E | StoreError, R> =>
          yes ? Effect.fail(PostgresErrors.closed(location, operation)) : effect
        )

    const reading = <A>(
      operation: string,
      work: (session: PostgresSession.Session) => Effect.Effect<A, Failure>
    ): Effect.Effect<A, StoreError> =>
      readers
        .useApart((session) => whenOpen(operation)(work(session)))
        .pipe(whenOpen(operation), Effect.mapError(asStoreError(operation)))

    return {
      location,
      schema,
      channel,
      now: (n) => `coalesce($${n}::float8, extract(epoch FROM clock_timestamp())::float8 * 1000)`,
      clock: options.clock ?? Effect.succeed(null),
      read: (operation, body) => reading(operation, ({ connection }) => body(connection)),
      readTogether: (operation, body) =>
        reading(operation, (session) =>
          transaction(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body(session.connection), Effect.void)
        ),
      write: (operation, body, { synced } = { synced: false }) =>
        Effect.flatMap(Ref.make(false), (committing) =>
          writer.use(
            (session) =>
              againAfterConflict(
                Effect.zipRight(
                  Ref.set(committing, false),
                  transaction(
                    session,
                    synced ? beginSynced : begin,
                    body(session.connection),
                    Ref.set(committing, true)
                  )
                )
              ).pipe(whenOpen(operation)),
            Effect.negate(Ref.get(committing))
          )
        ).pipe(whenOpen(operation), Effect.mapError(asStoreError(operation))),
      writeOnce: (operation, body) =>
        readers
          .use(
            (session) => whenOpen(operation)(againAfterConflict(body(session.connection))),
            // the server may have done it, and not been able to say so
            Effect.succeed(false)
          )
          .pipe(whenOpen(operation), Effect.mapError(asStoreError(operation))),
      listen: (channel, on) =>
        listener.listen(channel, on).pipe(whenOpen("listen"), Effect.mapError(asStoreError("listen")))
    }
  })
