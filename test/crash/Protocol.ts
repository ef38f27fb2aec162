/**
 * What a test and the processes that it starts say to each other: a line of JSON each.
 */
import { Schema } from "effect"
import { RunId } from "heddle"
import type { Size } from "./Layered.js"

/**
 * Run the layered Dag.
 *
 * - `call`: `start` also writes down what is acknowledged
 * - `patient`: while another process holds the run, wait for as long as `RunHeld` says and try again
 * - `gate`: the outputs wait until this file is there, unless it is empty
 * - `at`: when to begin, in milliseconds since the epoch
 * - `log`: `<log>.began` gets a line for each attempt of a module before anything else happens in it,
 *   `<log>.acknowledged` one for each module once its completion is acknowledged, `<log>.interrupted` one for each
 *   attempt that was interrupted. A line without its end is one that was being written when the process was killed.
 */
export class Command extends Schema.Class<Command>("Command")({
  filename: Schema.String,
  runId: RunId,
  seed: Schema.Int,
  size: Schema.Struct({
    layers: Schema.Int,
    width: Schema.Int,
    work: Schema.Tuple(Schema.Int, Schema.Int)
  }),
  call: Schema.Literal("start", "execute", "resume"),
  lease: Schema.Struct({ owner: Schema.String, heartbeat: Schema.Int, expiry: Schema.Int }),
  patient: Schema.Boolean,
  at: Schema.Number,
  gate: Schema.String,
  log: Schema.String
}) {}

/** The process waits for commands. */
const Ready = Schema.TaggedStruct("Ready", {})

/** It is about to open the database. */
const Begun = Schema.TaggedStruct("Begun", {})

/** Another process holds the run, and this one waits. */
const Held = Schema.TaggedStruct("Held", { owner: Schema.String, retryAfter: Schema.Number })

/** It drives the run. */
const Driving = Schema.TaggedStruct("Driving", {})

/** The run has given its outputs. */
export const Completed = Schema.TaggedStruct("Completed", {
  outputs: Schema.Record({ key: Schema.String, value: Schema.Number })
})

/** The call has ended with a failure: its tag, or that it was a defect. */
export const Failed = Schema.TaggedStruct("Failed", {
  tag: Schema.String,
  message: Schema.String,
  retryAfter: Schema.optional(Schema.Number),
  owner: Schema.optional(Schema.String)
})

export const Message = Schema.Union(Ready, Begun, Held, Driving, Completed, Failed)
export type Message = typeof Message.Type

/** The file descriptor on which a process sends its messages. */
export const descriptor = 3

/**
 * The run of `programs/layered.ts`, and the file in which it is, in the working directory. The modules of a layer take no
 * time, and so share a commit.
 */
export const points: { readonly filename: string; readonly runId: RunId; readonly seed: number; readonly size: Size } =
  {
    filename: "heddle.db",
    runId: RunId.make("points"),
    seed: 141_421,
    size: { layers: 20, width: 5, work: [0, 0], kinds: ["integer", "text", "pure"] }
  }
