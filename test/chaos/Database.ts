/** The databases of the processes, as they are seen from outside of Heddle. */
import * as Reactivity from "@effect/experimental/Reactivity"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { isUnlocked } from "../crash/Database.js"
import { execute } from "../store/SqliteFile.js"

/** Whether somebody is in a transaction that writes. */
export const isLocked = (filename: string): Effect.Effect<boolean> => Effect.map(isUnlocked(filename), (is) => !is)

/** What SQLite finds wrong with the file: "ok" is nothing. */
export const check = (filename: string) => execute(filename, "PRAGMA integrity_check")

/** The name of a schema that nobody has, and that is dropped at the end. */
export const temporarySchema = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => `heddle_chaos_${randomUUID().replaceAll("-", "")}`),
    (schema) =>
      Effect.scoped(
        Effect.flatMap(PgClient.make({ url: Redacted.make(url) }), (sql) =>
          sql.unsafe(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
        )
      ).pipe(Effect.provide(Reactivity.layer), Effect.orDie)
  )
