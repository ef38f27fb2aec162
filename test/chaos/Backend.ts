/** The database that the processes share. */
import { type Layer, Redacted, Schema } from "effect"
import type { RunStore, StoreError } from "heddle"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"

export const Backend = Schema.Union(
  Schema.TaggedStruct("Sqlite", { filename: Schema.String }),
  Schema.TaggedStruct("Postgres", { url: Schema.String, schema: Schema.String })
)
export type Backend = typeof Backend.Type

/** A process that is stopped while it has a lock holds up the others: on PostgreSQL for no longer than `lockTimeout`. */
const lockTimeout = "500 millis"

export const layer = (backend: Backend): Layer.Layer<RunStore.RunStore, StoreError> =>
  backend._tag === "Sqlite"
    ? RunStoreSqlite.layer({ filename: backend.filename, lockTimeout })
    : PostgresStore.layerRunStore({
        url: Redacted.make(backend.url),
        schema: backend.schema,
        maxConnections: 4,
        lockTimeout
      })
