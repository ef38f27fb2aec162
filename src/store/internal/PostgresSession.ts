/**
 * One connection to a server, which is the store's alone until its end.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { EventEmitter } from "node:events"
import * as PostgresErrors from "./PostgresErrors.js"
import { realClock } from "./PostgresTurns.js"

/** What a statement gave. */
export interface Result {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Statements of a connection. `text` is one that `Texts.of` gave, or has no name and is sent as it is. */
export interface Session {
  /** For the bodies of operations. */
  readonly connection: Connection
  /** Runs a text of one or several statements without parameters, and without preparing it. */
  readonly command: (text: string) => Effect.Effect<Result, SqlError>
  /** Calls back at each notice, until the session has ended. */
  readonly onNotice: (callback: (channel: string, payload: string) => void) => Effect.Effect<void>
  /** Calls back once when the connection is lost, or `end` was called. */
  readonly onLost: (callback: (cause: Error) => void) => Effect.Effect<void>
  /** Why the connection is lost, if it is. */
  readonly lost: Effect.Effect<Error | undefined>
  /** Closes it; a cause says that its state is not known, and then the server may not even be asked to. */
  readonly end: (cause?: Error) => Effect.Effect<void>
}

/** How texts are sent: with the schema in its place, and under the name by which the server knows them. */
export interface Texts {
  readonly of: (text: string) => { readonly name: string; readonly text: string }
}

/** `schema`: in quotes. The texts of a store are few and never change, so none is forgotten. */
export const makeTexts = (schema: string): Texts => {
  const known = new Map<string, { readonly name: string; readonly text: string }>()
  return {
    of: (text) => {
      const found = known.get(text)
      if (found !== undefined) return found
      const made = { name: `heddle_${known.size + 1}`, text: inSchema(schema, text) }
      known.set(text, made)
      return made
    }
  }
}

/** The text with the schema in the place of `heddle`. */
export const inSchema = (schema: string, text: string): string => text.replace(/\bheddle\./g, () => `${schema}.`)

/** The client of `pg`, which is the connection itself, as far as it is used here. */
interface Client extends EventEmitter {
  readonly query: (
    config: {
      readonly name?: string | undefined
      readonly text: string
      readonly values?: ReadonlyArray<unknown> | undefined
      readonly rowMode?: "array" | undefined
      readonly query_timeout: number
    },
    callback: (error: Error | null | undefined, result: Result & { readonly rows: ReadonlyArray<never> }) => void
  ) => unknown
  readonly connection: { readonly stream: { readonly destroy: () => unknown } }
}

const isFunction = (value: unknown): boolean => typeof value === "function"

const isClient = (value: unknown): value is Client => {
  if (typeof value !== "object" || value === null || !("query" in value) || !("on" in value)) return false
  const { connection, on, query } = value as {
    query: unknown
    on: unknown
    connection?: { stream?: { destroy?: unknown } }
  }
  return isFunction(query) && isFunction(on) && isFunction(connection?.stream?.destroy)
}

/**
 * `@effect/sql-pg` has no prepared statements of several parameters, no way to give up a connection that does not answer,
 * and cancels statements through other connections. Its reserved connections have the client of `pg` in a field that its
 * types do not tell of.
 */
const clientOf = (connection: Connection): Effect.Effect<Client, SqlError> => {
  const client: unknown = Reflect.get(connection, "pg")
  return isClient(client)
    ? Effect.succeed(client)
    : Effect.fail(
        new SqlError({
          message: "this release of @effect/sql-pg is not one that Heddle knows: use ^0.53",
          cause: client
        })
      )
}

const failed = (cause: unknown): SqlError => new SqlError({ cause, message: "Failed to execute statement" })

/** Whether a session was given up since its server did not answer: then another one would not be answered either. */
export const isSilence = (lost: Error): boolean => lost.message === "Query read timeout"

/** What is set in each session: nothing that the server holds for us outlives our death or sleep by much. */
export interface Limits {
  readonly statementMillis: number
  readonly lockMillis: number
  readonly settings: ReadonlyArray<readonly [name: string, value: string]>
}

/** Connects. Not interruptible, as one that was made just then would be lost; the client bounds the time. */
export const open = (
  client: PgClient.PgClient,
  texts: Texts,
  { lockMillis, settings, statementMillis }: Limits
): Effect.Effect<Session, SqlError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const pg = yield* Scope.extend(client.reserve, scope).pipe(
      Effect.flatMap(clientOf),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    let lost: Error | undefined
    let isOver = false
    const onLost = new Set<(cause: Error) => void>()
    const lose = (cause: Error) => {
      if (lost !== undefined) return
      lost = cause
      for (const callback of onLost) callback(cause)
    }
    pg.on("error", lose)
    pg.on("end", () => lose(new Error("Connection terminated")))

    const query = (
      text: string,
      more?: { readonly name?: string; readonly values?: ReadonlyArray<unknown>; readonly rowMode?: "array" }
    ): Effect.Effect<Result, SqlError> =>
      Effect.async<Result, SqlError>((resume) => {
        try {
          pg.query({ ...more, text, query_timeout: statementMillis }, (error, result) => {
            if (error === null || error === undefined) return resume(Effect.succeed(result))
            if (!PostgresErrors.isAnswer(error)) lose(error)
            resume(Effect.fail(failed(error)))
          })
        } catch (cause) {
          resume(Effect.fail(failed(cause)))
        }
      })

    const prepared = (sql: string, values: ReadonlyArray<unknown>, rowMode?: "array") => {
      const { name, text } = texts.of(sql)
      return query(text, { name, values, ...(rowMode === undefined ? undefined : { rowMode }) })
    }

    const connection: Connection = {
      execute: (sql, values) => Effect.map(prepared(sql, values), ({ rows }) => rows),
      executeRaw: prepared,
      executeValues: (sql, values) =>
        // rows are arrays in this mode, whatever the type of a result says
        Effect.map(
          prepared(sql, values, "array"),
          ({ rows }) => rows as unknown as ReadonlyArray<ReadonlyArray<unknown>>
        ),
      executeUnprepared: (sql, values) =>
        Effect.map(query(texts.of(sql).text, values.length === 0 ? {} : { values }), ({ rows }) => rows),
      executeStream: () => Stream.fail(failed(new Error("statements of the store are paged and not streamed")))
    }

    const end = (cause?: Error): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (isOver) return Effect.void
        isOver = true
        const known = lost ?? cause
        lose(cause ?? new Error("the session has ended"))
        // the pool takes none back that has had an error, and a server that does not answer is not waited for
        if (known !== undefined) {
          pg.emit("error", known)
          pg.connection.stream.destroy()
        }
        return Scope.close(scope, Exit.void)
      }).pipe(Effect.withClock(realClock))

    const limits: ReadonlyArray<readonly [string, string]> = [
      // the server is the first to give up, so that the connection stays
      ["statement_timeout", String(Math.max(1, Math.floor(statementMillis * 0.9)))],
      ["lock_timeout", String(lockMillis)],
      ["idle_in_transaction_session_timeout", String(lockMillis)],
      // a plan is made when tables are small, and kept while they grow: one that reads all of a table would be a trap
      ["enable_seqscan", "off"],
      // what has to read all of a table costs without end then, for which the server would compile it: 100 ms each time
      ["jit", "off"],
      ...settings
    ]
    yield* query("SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)", {
      values: [limits.map(([name]) => name), limits.map(([, value]) => value)]
    }).pipe(Effect.onError(() => end(new Error("the session was not prepared"))))

    const session: Session = {
      connection,
      command: (text) => query(text),
      onNotice: (callback) =>
        Effect.sync(() => {
          pg.on("notification", (notice: { readonly channel: string; readonly payload?: string }) =>
            callback(notice.channel, notice.payload ?? "")
          )
        }),
      onLost: (callback) =>
        Effect.sync(() => {
          if (lost === undefined) onLost.add(callback)
          else callback(lost)
        }),
      lost: Effect.sync(() => lost),
      end
    }
    return session
  }).pipe(Effect.uninterruptible, Effect.withClock(realClock))
