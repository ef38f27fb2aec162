/** Files of the SQLite store, seen from outside of it. */
import * as Reactivity from "@effect/experimental/Reactivity"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Context, type Duration, Effect, Layer } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreSqlite from "../../src/store/RunStoreSqlite.js"

export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-store-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

export const temporaryFile = Effect.map(temporaryDirectory, (directory) => Path.join(directory, "heddle.db"))

/** A store in the scope of the test. */
export const open = (
  filename: string,
  options?: { readonly lockTimeout?: Duration.DurationInput; readonly spillBytes?: number }
) => Effect.map(Layer.build(RunStoreSqlite.layer({ filename, ...options })), Context.get(RunStore))

/** Another connection, as any application could have it. */
export const connect = (filename: string) =>
  SqliteClient.make({ filename, disableWAL: true }).pipe(
    Effect.flatMap(({ reserve }) => reserve),
    Effect.provide(Reactivity.layer),
    Effect.map((connection) => ({
      execute: (sql: string) => Effect.suspend(() => connection.executeUnprepared(sql, [], undefined))
    }))
  )

/** Runs the statements through another connection, which is closed afterwards; the rows of the last one. */
export const execute = (filename: string, ...statements: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.flatMap(connect(filename), (other) =>
      Effect.forEach(statements, (sql) => other.execute(sql)).pipe(
        Effect.map((results) => results[results.length - 1] ?? [])
      )
    )
  )
