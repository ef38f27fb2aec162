/**
 * One connection to one file: opening it without harm to what is there, transactions, and waiting for locks.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as SqlError from "@effect/sql/SqlError"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import { StoreError } from "../../model/StoreError.js"
import * as SqliteErrors from "./SqliteErrors.js"
import * as SqliteFile from "./SqliteFile.js"
import { applicationId, migrations } from "./SqliteSchema.js"

/** What a statement can fail with, and what the methods of the store add to it. */
export type Failure = SqlError.SqlError | StoreError

/**
 * Every operation has the connection for itself and tries again while the file is locked, for a limited time. It takes
 * the connection from the client and never the caller's, so a transaction that the caller is in is not touched.
 */
export interface SqliteDatabase {
  readonly location: string

  /** Runs one statement that reads. */
  readonly read: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>
  ) => Effect.Effect<A, StoreError>

  /** Runs several statements that read, all of them at one moment of the file. */
  readonly readTogether: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>
  ) => Effect.Effect<A, StoreError>

  /**
   * Runs the body in a transaction that has the write lock from its beginning; not interruptible once it has begun.
   * `synced`: its commit returns after the log was synced, with everything that was committed before.
   */
  readonly write: <A>(
    operation: string,
    body: (connection: Connection) => Effect.Effect<A, Failure>,
    options?: { readonly synced: boolean }
  ) => Effect.Effect<A, StoreError>
}

// While SQLite itself waits for a lock it blocks the event loop, so it may only bridge the shortest ones.
const busyTimeoutMillis = 5

const isBusy = (error: StoreError): boolean => error.reason === "busy"

const whileBusy =
  (lockTimeout: Duration.DurationInput) =>
  <A, R>(effect: Effect.Effect<A, StoreError, R>): Effect.Effect<A, StoreError, R> => {
    const retry = Effect.retry(effect, {
      while: isBusy,
      schedule: Schedule.exponential("1 millis").pipe(
        Schedule.union(Schedule.spaced("20 millis")),
        Schedule.jittered,
        Schedule.upTo(lockTimeout)
      )
    })
    // Nearly always the file is free, and then no schedule is set up.
    return Effect.catchAll(effect, (error) => (isBusy(error) ? retry : Effect.fail(error)))
  }

/** The client reads this from the caller's context and, once it is set, a cached statement keeps it. */
const withoutSafeIntegers: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> = Effect.mapInputContext(
  (context: Context.Context<never>) => Context.add(context, SqlClient.SafeIntegers, false)
)

/**
 * Runs a statement past the client's cache, which would keep a statement that did not compile because the schema could
 * not be read at that moment.
 */
const unprepared = (
  connection: Connection,
  sql: string
): Effect.Effect<ReadonlyArray<{ readonly [column: string]: unknown }>, SqlError.SqlError> =>
  Effect.suspend(() => connection.executeUnprepared(sql, [], undefined)).pipe(
    Effect.catchAllDefect((cause) =>
      Effect.fail(new SqlError.SqlError({ cause, message: "Failed to execute statement" }))
    )
  )

const rollback = (connection: Connection): Effect.Effect<void> =>
  Effect.catchAllCause(connection.executeRaw("ROLLBACK", []), () => Effect.void)

/** Whatever happens, also when COMMIT itself fails, the connection is outside of a transaction afterwards. */
const transaction = <A, E>(
  connection: Connection,
  begin: "BEGIN" | "BEGIN IMMEDIATE",
  body: Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError.SqlError> =>
  connection.executeRaw(begin, []).pipe(
    Effect.zipRight(body),
    Effect.zipLeft(connection.executeRaw("COMMIT", [])),
    Effect.tapErrorCause(() => rollback(connection))
  )

const client = (
  filename: string,
  readonly: boolean
): Effect.Effect<SqliteClient.SqliteClient, StoreError, Scope.Scope> =>
  SqliteClient.make({
    filename,
    readonly,
    // Not before the file is known to be ours.
    disableWAL: true,
    // A statement that did not compile is cached too; this is how long it can stand in the way.
    prepareCacheTTL: "1 second"
  }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.catchAllDefect((cause) => Effect.fail(SqliteErrors.fromUnknown(filename, "layer")(cause)))
  )

/** Whose database it is. Reads only. */
const identify = (connection: Connection, location: string): Effect.Effect<{ readonly version: number }, Failure> =>
  Effect.flatMap(
    unprepared(
      connection,
      `SELECT application_id, user_version, EXISTS (SELECT 1 FROM sqlite_schema) AS used
        FROM pragma_application_id, pragma_user_version`
    ),
    ([row]) => {
      const version = Number(row?.user_version)
      const refuse = (reason: "foreign" | "newer", message: string) =>
        Effect.fail(new StoreError({ reason, location, operation: "layer", message: `${location}: ${message}` }))
      if (row?.application_id !== applicationId) {
        return row?.application_id === 0 && version === 0 && row.used === 0
          ? Effect.succeed({ version })
          : refuse("foreign", "it is the database of another application, and was left as it is: choose another file")
      }
      return version <= migrations.length
        ? Effect.succeed({ version })
        : refuse(
            "newer",
            `a later release of Heddle wrote it (version ${version}, this one knows ${migrations.length}): ` +
              "it was left as it is; use that release, or choose another file"
          )
    }
  )

/** A look at a file that somebody else may be in the middle of, or was when they crashed. */
const probe = (filename: string): Effect.Effect<void, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* (yield* client(filename, true)).reserve
      yield* unprepared(connection, `PRAGMA busy_timeout = ${busyTimeoutMillis}`)
      yield* identify(connection, filename)
    })
  ).pipe(
    Effect.catchIf(
      (error) => SqliteErrors.code(error) === "SQLITE_READONLY_ROLLBACK",
      (cause) =>
        new StoreError({
          reason: "foreign",
          location: filename,
          operation: "layer",
          message:
            `${filename}: it was left in the middle of a transaction of a kind that Heddle does not use, and was ` +
            "left as it is: open it with the application it belongs to, or choose another file",
          cause
        })
    )
  )

const prepare = (connection: Connection, location: string): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    yield* unprepared(connection, `PRAGMA busy_timeout = ${busyTimeoutMillis}`)
    const { version } = yield* identify(connection, location)
    const [journal] = yield* unprepared(connection, "PRAGMA journal_mode = WAL")
    if (journal?.journal_mode !== "wal" && location !== ":memory:") {
      return yield* new StoreError({
        reason: "failed",
        location,
        operation: "layer",
        message: `${location}: its file system cannot hold a write-ahead log: choose a file on a local disk`
      })
    }
    yield* setSynchronous(connection, "NORMAL")
    if (version < migrations.length) yield* transaction(connection, "BEGIN IMMEDIATE", migrate(connection, location))
  })

const migrate = (connection: Connection, location: string): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    // Again, now that nobody else can write: another process may have been faster.
    const { version } = yield* identify(connection, location)
    for (const step of migrations.slice(version)) {
      for (const sql of step) yield* unprepared(connection, sql)
    }
    yield* unprepared(connection, `PRAGMA application_id = ${applicationId}`)
    yield* unprepared(connection, `PRAGMA user_version = ${migrations.length}`)
  })

/** NORMAL syncs the log at checkpoints, FULL also at each commit: all of it, whatever commits left it there. */
type Synchronous = "NORMAL" | "FULL"

/** Outside of a transaction only: inside of one SQLite refuses it. */
const setSynchronous = (connection: Connection, synchronous: Synchronous): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(unprepared(connection, `PRAGMA synchronous = ${synchronous}`))

// A transaction that changes nothing is not written to the log, and its commit syncs nothing.
const touch = "UPDATE syncs SET count = count + 1"

/** Opens the file, creates its tables where it is new, and closes it with the scope. */
export const open = (options: {
  readonly filename: string
  readonly lockTimeout: Duration.DurationInput
}): Effect.Effect<SqliteDatabase, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    // As the driver does: it must open the file that was looked at.
    const name = options.filename.trim()
    const location = name === ":memory:" ? name : Path.resolve(name)
    if (name === "") {
      return yield* new StoreError({
        reason: "failed",
        location: name,
        operation: "layer",
        message: 'the filename is empty: name a file, or ":memory:"'
      })
    }
    const retry = whileBusy(options.lockTimeout)
    const fail = (operation: string) => Effect.mapError(SqliteErrors.fromUnknown(location, operation))

    if (name !== ":memory:") {
      yield* SqliteFile.look(location).pipe(
        Effect.flatMap((state) => (state === "unsettled" ? probe(location) : Effect.void)),
        fail("layer"),
        retry
      )
    }

    const connection = yield* Effect.flatMap(client(location, false), ({ reserve }) => reserve).pipe(fail("layer"))
    yield* prepare(connection, location).pipe(Effect.uninterruptible, fail("layer"), retry, withoutSafeIntegers)

    const closed = yield* Ref.make(false)
    const semaphore = yield* Effect.makeSemaphore(1)
    // Waits for the operation that has the connection; those that come after it find the store closed.
    yield* Effect.addFinalizer(() => semaphore.withPermits(1)(Ref.set(closed, true)))

    const present = yield* Ref.make<Synchronous>("NORMAL")
    const require = (connection: Connection, synchronous: Synchronous) =>
      Effect.flatMap(Ref.get(present), (is) =>
        is === synchronous
          ? Effect.void
          : Effect.zipRight(setSynchronous(connection, synchronous), Ref.set(present, synchronous))
      )

    const use = <A>(
      operation: string,
      body: (connection: Connection) => Effect.Effect<A, Failure>
    ): Effect.Effect<A, StoreError> =>
      Effect.flatMap(Ref.get(closed), (isClosed) =>
        isClosed ? Effect.fail(SqliteErrors.closed(location, operation)) : body(connection)
      ).pipe(Effect.uninterruptible, semaphore.withPermits(1), fail(operation), retry, withoutSafeIntegers)

    return {
      location,
      read: use,
      readTogether: (operation, body) =>
        use(operation, (connection) => transaction(connection, "BEGIN", body(connection))),
      write: (operation, body, { synced } = { synced: false }) =>
        use(operation, (connection) =>
          Effect.zipRight(
            require(connection, synced ? "FULL" : "NORMAL"),
            transaction(
              connection,
              "BEGIN IMMEDIATE",
              synced ? Effect.zipLeft(body(connection), connection.executeRaw(touch, [])) : body(connection)
            )
          )
        )
    }
  })
