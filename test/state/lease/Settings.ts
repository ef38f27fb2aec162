/** What a process is told: where the leases and the journal are, and how it works under a lease. */
import { Schema } from "effect"

export class Settings extends Schema.Class<Settings>("test/state/lease/Settings")({
  name: Schema.String,
  journal: Schema.String,
  leases: Schema.Union(
    Schema.TaggedStruct("Sqlite", { filename: Schema.String }),
    Schema.TaggedStruct("Postgres", { url: Schema.String, schema: Schema.String })
  ),
  /** Milliseconds. */
  ttl: Schema.Number,
  /** Whether it can be interrupted, or looks for itself whether the lease is still held before it writes. */
  looks: Schema.Boolean
}) {}

/** What is held. */
export const resource = "report"
