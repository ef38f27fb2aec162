/** What a process is told when it is started. Times are milliseconds. */
import { Schema } from "effect"
import { Backend } from "./Backend.js"

export class Settings extends Schema.Class<Settings>("Settings")({
  backend: Backend,
  owner: Schema.String,
  size: Schema.Struct({ runs: Schema.Int, stages: Schema.Int }),
  heartbeat: Schema.Number,
  expiry: Schema.Number,
  poll: Schema.Number,
  maxRuns: Schema.Int,
  /** How long a module works, from and to. */
  work: Schema.Tuple(Schema.Int, Schema.Int),
  journal: Schema.String
}) {}
