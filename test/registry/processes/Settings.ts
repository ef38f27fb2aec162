/** What a process is told: where the flows are, and how much it asks for. */
import { Redacted, Schema } from "effect"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"

export class Settings extends Schema.Class<Settings>("test/registry/processes/Settings")({
  name: Schema.String,
  seed: Schema.Int,
  /** How many ask at once, and how often each of them. */
  clients: Schema.Int,
  each: Schema.Int,
  flows: Schema.Union(
    Schema.TaggedStruct("Sqlite", { filename: Schema.String }),
    Schema.TaggedStruct("Postgres", { url: Schema.String, schema: Schema.String })
  )
}) {}

export const layerOf = (flows: Settings["flows"]) =>
  flows._tag === "Sqlite"
    ? FlowStoreSqlite.layer({ filename: flows.filename })
    : PostgresStore.layerFlowStore({ url: Redacted.make(flows.url), schema: flows.schema })

/** The flow whose registration says that all may begin. */
export const start = "start"

export const said = { ready: "ready", calls: "calls: " } as const
