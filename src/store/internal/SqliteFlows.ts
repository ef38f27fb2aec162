/**
 * The rows of flows, and the log of their changes.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { FlowChange, FlowEntry, FlowFilter, FlowRow, FlowStore, LogFilter, Written } from "../FlowStore.js"
import { select } from "./SqliteRuns.js"

type Read<A> = Effect.Effect<A, SqlError>

const columns = "name, version, fingerprint, status, revision, text"

export const get = (connection: Connection, name: string, version: string): Read<FlowRow | undefined> =>
  Effect.map(
    select<FlowRow>(connection, `SELECT ${columns} FROM flows WHERE name = ? AND version = ?`, [name, version]),
    ([row]) => row
  )

/** A condition for each that is there, and its parameter. */
const conditions = (given: ReadonlyArray<readonly [condition: string, ...parameters: ReadonlyArray<unknown>]>) => ({
  where: given.map(([condition]) => condition).join(" AND "),
  parameters: given.flatMap(([_, ...parameters]) => parameters)
})

export const list = (
  connection: Connection,
  { after, fingerprint, limit, name, status }: FlowFilter
): Read<ReadonlyArray<FlowRow>> => {
  const { parameters, where } = conditions([
    ["text IS NOT NULL"],
    ...(name === undefined ? [] : [["name = ?", name] as const]),
    ...(fingerprint === undefined ? [] : [["fingerprint = ?", fingerprint] as const]),
    ...(status === undefined ? [] : [["status = ?", status] as const]),
    ...(after === undefined ? [] : [["(name, version) > (?, ?)", after.name, after.version] as const])
  ])
  return select<FlowRow>(connection, `SELECT ${columns} FROM flows WHERE ${where} ORDER BY name, version LIMIT ?`, [
    ...parameters,
    limit
  ])
}

export const log = (
  connection: Connection,
  { after, limit, name, version }: LogFilter
): Read<ReadonlyArray<FlowEntry>> => {
  const { parameters, where } = conditions([
    ["position > ?", after],
    ...(name === undefined ? [] : [["name = ?", name] as const]),
    ...(version === undefined ? [] : [["version = ?", version] as const])
  ])
  return select<FlowEntry>(
    connection,
    `SELECT ${columns}, at, actor, reason, action, position FROM flow_log WHERE ${where} ORDER BY position LIMIT ?`,
    [...parameters, limit]
  )
}

export const position = (connection: Connection): Read<number> =>
  Effect.map(
    // there is always one
    select<{ readonly position: number }>(
      connection,
      "SELECT coalesce(max(position), 0) AS position FROM flow_log",
      []
    ),
    ([row]) => row?.position ?? 0
  )

const put = (connection: Connection, change: FlowChange): Read<void> => {
  const { action, actor, at, fingerprint, name, reason, revision, status, text, version } = change
  return Effect.zipRight(
    connection.executeRaw(
      `INSERT INTO flows (${columns}) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (name, version) DO UPDATE SET
          fingerprint = excluded.fingerprint, status = excluded.status, revision = excluded.revision,
          text = excluded.text`,
      [name, version, fingerprint, status, revision, text]
    ),
    Effect.asVoid(
      connection.executeRaw(
        `INSERT INTO flow_log (${columns}, at, actor, reason, action) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [name, version, fingerprint, status, revision, text, at, actor, reason, action]
      )
    )
  )
}

/** `FlowStore.write`, in a transaction. Positions are given in the order of commits: who writes has the file for itself. */
export const write = (
  connection: Connection,
  changes: Parameters<FlowStore["Type"]["write"]>[0]
): Effect.Effect<Written, SqlError> =>
  Effect.gen(function* () {
    for (const { name, revision, version } of changes) {
      const [row] = yield* select<{ readonly revision: number }>(
        connection,
        "SELECT revision FROM flows WHERE name = ? AND version = ?",
        [name, version]
      )
      const actual = row?.revision ?? 0
      if (actual !== revision - 1) return { _tag: "Conflict", name, version, actual }
    }
    yield* Effect.forEach(changes, (change) => put(connection, change), { discard: true })
    return { _tag: "Written", position: yield* position(connection) }
  })
