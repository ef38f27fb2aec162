/**
 * The tables of a PostgreSQL schema, and the mark by which it is known as one of Heddle's.
 */
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { StoreError } from "../../model/StoreError.js"
import * as PostgresFlowTables from "./PostgresFlowTables.js"
import * as PostgresRunTables from "./PostgresRunTables.js"
import type { Result, Session } from "./PostgresSession.js"
import * as PostgresTables from "./PostgresTables.js"

/** Step n takes a schema, whose name is quoted, from version n to n + 1. A step that was released is never changed. */
export const migrations: ReadonlyArray<(schema: string) => ReadonlyArray<string>> = [
  (schema) => [...PostgresRunTables.step1(schema), ...PostgresTables.step1(schema)],
  PostgresFlowTables.step2,
  PostgresRunTables.step3
]

type Failure = SqlError | StoreError

interface Where {
  readonly location: string
  /** In quotes. */
  readonly schema: string
  readonly name: string
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

const first = ({ rows }: Result): Readonly<Record<string, unknown>> => rows[0] ?? {}

// one that ends in a backslash or has one is the same as any, with standard_conforming_strings
const look = (name: string): string => `SELECT
    current_setting('server_encoding') AS encoding,
    EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${literal(name)}) AS present,
    EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = ${literal(name)}) AS used,
    EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = ${literal(name)} AND c.relname = 'heddle_meta' AND c.relkind = 'r') AS ours`

/** Whose schema it is. Reads only. */
const identify = (
  session: Session,
  { location, name, schema }: Where
): Effect.Effect<{ readonly version: number; readonly present: boolean }, Failure> =>
  Effect.gen(function* () {
    const refuse = (reason: StoreError["reason"], message: string) =>
      Effect.fail(new StoreError({ reason, location, operation: "layer", message: `${location}: ${message}` }))

    const { encoding, ours, present, used } = first(yield* session.command(look(name)))
    if (encoding !== "UTF8") {
      return yield* refuse("failed", `the encoding of the database is ${String(encoding)}: choose one with UTF8`)
    }
    if (ours !== true) {
      return used === true
        ? yield* refuse("foreign", "it is the schema of another application, and was left as it is: choose another one")
        : { version: 0, present: present === true }
    }
    const { version } = first(yield* session.command(`SELECT max(version) AS version FROM ${schema}.heddle_meta`))
    if (typeof version !== "number" || version < 1) {
      return yield* refuse(
        "corrupt",
        "its table heddle_meta does not say which version it is: restore it from a backup"
      )
    }
    return version <= migrations.length
      ? { version, present: true }
      : yield* refuse(
          "newer",
          `a later release of Heddle wrote it (version ${version}, this one knows ${migrations.length}): ` +
            "it was left as it is; use that release, or choose another schema"
        )
  })

/** In a transaction, which another process may have been faster to make. */
const migrate = (session: Session, where: Where): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    const { name, schema } = where
    // others may take longer than a lock of the store should
    yield* session.command("SET LOCAL lock_timeout = 0")
    yield* session.command(`SELECT pg_advisory_xact_lock(hashtextextended(${literal(`heddle schema ${name}`)}, 0))`)
    const { present, version } = yield* identify(session, where)
    if (version === migrations.length) return
    if (!present) yield* session.command(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    if (version === 0) yield* session.command(`CREATE TABLE ${schema}.heddle_meta (version bigint NOT NULL)`)
    for (const step of migrations.slice(version)) {
      yield* session.command(step(schema).join(";\n"))
    }
    yield* session.command(`DELETE FROM ${schema}.heddle_meta`)
    yield* session.command(`INSERT INTO ${schema}.heddle_meta VALUES (${migrations.length})`)
  })

/** Creates the tables where the schema is new, and takes it to the present version where it is an old one. */
export const prepare = (session: Session, where: Where): Effect.Effect<void, Failure> =>
  Effect.flatMap(identify(session, where), ({ version }) =>
    version === migrations.length
      ? Effect.void
      : session.command("BEGIN").pipe(
          Effect.zipRight(migrate(session, where)),
          Effect.zipRight(session.command("COMMIT")),
          Effect.filterOrFail(
            ({ command }) => command === "COMMIT",
            (cause) => new SqlError({ cause, message: "the migration was rolled back" })
          ),
          Effect.tapErrorCause(() => Effect.catchAll(session.command("ROLLBACK"), (error) => session.end(error))),
          Effect.asVoid
        )
  )
