/** Schemas of PostgreSQL for tests, seen from outside of the store. */
import * as Reactivity from "@effect/experimental/Reactivity"
import { PgClient } from "@effect/sql-pg"
import { Clock, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import type { StoreError } from "../../src/model/StoreError.js"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import type { Options } from "../../src/store/internal/PostgresServer.js"

const started = Date.now().toString(36)
let count = 0

/** A name that no other test has. */
const nextName = (): string => `heddle_test_${process.pid}_${started}_${(count += 1)}`

/** Another connection, as any application could have it. */
export const connect = (url: string) =>
  PgClient.make({ url: Redacted.make(url), maxConnections: 1 }).pipe(
    Effect.flatMap(({ reserve }) => reserve),
    Effect.provide(Reactivity.layer),
    Effect.map((connection) => ({
      execute: (sql: string, values: ReadonlyArray<unknown> = []): Effect.Effect<ReadonlyArray<any>> =>
        Effect.orDie(connection.execute(sql, values, undefined))
    })),
    Effect.orDie
  )

/** Runs the statements through another connection, which is closed afterwards; the rows of the last one. */
export const execute = (url: string, ...statements: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.flatMap(connect(url), (other) =>
      Effect.map(
        Effect.forEach(statements, (sql) => other.execute(sql)),
        (results) => results[results.length - 1] ?? []
      )
    )
  )

/** The name of a schema that is not there yet; it is dropped with the scope. */
export const freshSchema = (url: string) =>
  Effect.acquireRelease(Effect.sync(nextName), (name) => execute(url, `DROP SCHEMA IF EXISTS "${name}" CASCADE`))

export const options = (url: string, schema: string): Options => ({
  url: Redacted.make(url),
  schema,
  maxConnections: 6,
  connectTimeout: "5 seconds",
  timeout: "10 seconds",
  lockTimeout: "2 seconds",
  applicationName: "heddle-test",
  asynchronousCommit: true
})

/**
 * Layers over one schema of the test file, which is opened once; each of them begins with an empty one when it is built.
 * The time is that of the test's clock.
 */
export const emptied = <I, S>(
  url: string,
  make: (database: PostgresDatabase.PostgresDatabase) => Layer.Layer<I, S>
): (() => Layer.Layer<I, S | StoreError>) => {
  const scope = Effect.runSync(Scope.make())
  let shared: PostgresDatabase.PostgresDatabase | undefined
  let empty = ""
  beforeAll(async () => {
    await Effect.runPromise(
      Effect.gen(function* () {
        const schema = yield* freshSchema(url)
        shared = yield* PostgresDatabase.open({ ...options(url, schema), clock: Clock.currentTimeMillis })
        const tables = yield* execute(
          url,
          `SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' AND tablename NOT IN
            ('heddle_meta', 'event_positions', 'flow_positions')`
        )
        empty = [
          ...tables.map(({ tablename }) => `DELETE FROM heddle.${tablename}`),
          "UPDATE heddle.event_positions SET last = 0",
          "UPDATE heddle.flow_positions SET last = 0"
        ].join(";")
      }).pipe(Scope.extend(scope))
    )
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return () =>
    Layer.unwrapEffect(
      Effect.suspend(() => {
        if (shared === undefined) return Effect.die("a layer was built outside of a test")
        return Effect.as(
          shared.write("empty", (connection) => connection.executeUnprepared(empty, [], undefined)),
          make(shared)
        )
      })
    )
}
