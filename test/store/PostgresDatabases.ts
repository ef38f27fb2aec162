/** Databases that the tests of a file share: opening one takes longer than most tests. */
import { afterAll, beforeAll } from "@effect/vitest"
import type { Connection } from "@effect/sql/SqlConnection"
import { Clock, Effect, Exit, Scope } from "effect"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import { inSchema } from "../../src/store/internal/PostgresSession.js"
import * as PostgresSchema from "./PostgresSchema.js"

type Execute = (sql: string, values?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<any>>

export interface Shared {
  /** Several, as several processes have them, in one schema; the time is that of the `Clock` of who calls. */
  readonly databases: readonly [PostgresDatabase.PostgresDatabase, PostgresDatabase.PostgresDatabase]
  /** One in the same schema, with the database's clock. */
  readonly real: PostgresDatabase.PostgresDatabase
  /** Runs it on a connection of its own. In the statements of tests, too, `heddle.` is the schema. */
  readonly execute: Execute
  /** A transaction of another process, which may take its time. */
  readonly held: Effect.Effect<Held, never, Scope.Scope>
  /** Waits until so many statements of the databases wait for a lock. */
  readonly blocked: (count: number) => Effect.Effect<void>
  /** Ends the connections of the databases, as a server does that is stopped. */
  readonly disconnect: Effect.Effect<void>
}

/** What is done with `database` between `begin` and its end is in a transaction; before and after that, at once. */
export interface Held {
  readonly begin: Effect.Effect<unknown>
  readonly commit: Effect.Effect<unknown>
  readonly rollback: Effect.Effect<unknown>
  readonly database: PostgresDatabase.PostgresDatabase
}

/** What the tests of this file find when they run. */
export const share = (url: string): (() => Shared) => {
  const scope = Effect.runSync(Scope.make())
  let shared: Shared | undefined
  beforeAll(async () => {
    shared = await Effect.runPromise(
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const options = { ...PostgresSchema.options(url, schema), applicationName: schema }
        const open = Effect.orDie(PostgresDatabase.open({ ...options, clock: Clock.currentTimeMillis }))
        const connect = Effect.map(PostgresSchema.connect(url), ({ execute }): Execute => {
          return (sql, values = []) => execute(inSchema(`"${schema}"`, sql), values)
        })
        const execute = yield* connect
        const databases = [yield* open, yield* open] as const
        const waiting = Effect.map(
          execute("SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", [schema]),
          (rows) => rows.length
        )
        return {
          databases,
          real: yield* PostgresDatabase.open(options),
          execute,
          held: Effect.map(connect, (execute): Held => {
            // the other methods are not used
            const connection = { execute } as unknown as Connection
            return {
              begin: execute("BEGIN"),
              commit: execute("COMMIT"),
              rollback: execute("ROLLBACK"),
              database: { ...databases[0], writeOnce: (_, body) => Effect.orDie(body(connection)) }
            }
          }),
          blocked: (count: number) =>
            Effect.delay(waiting, 5).pipe(
              Effect.repeat({ until: (present) => present >= count }),
              Effect.timeout("5 seconds"),
              Effect.withClock(Clock.make()),
              Effect.orDie,
              Effect.asVoid
            ),
          disconnect: Effect.asVoid(
            execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [schema])
          )
        }
      }).pipe(Scope.extend(scope))
    )
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return () => {
    if (shared === undefined) throw new Error("the databases are there while tests run")
    return shared
  }
}
