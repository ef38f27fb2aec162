/**
 * What the processes do, written down outside of Heddle: a file to which they all append, a line at a time. The kernel
 * keeps the order of the lines, and what was written is there whatever becomes of the process.
 */
import { Schema } from "effect"
import { RunId } from "heddle"
import * as Fs from "node:fs"

const said = { pid: Schema.Int, at: Schema.Number }
const driven = { ...said, runId: RunId, epoch: Schema.Int }
const worked = { ...driven, module: Schema.String, index: Schema.NullOr(Schema.Int) }

/**
 * - `begun`, `done`, `interrupted`: an execution of a module, or of an item of a map
 * - `claimed`, `released`: of a run, each after it is in the store; `beat`: the runs that were confirmed; `lost`: a
 *   heartbeat found that somebody else has the run
 * - `acknowledged`: a completion was committed; `refused`: the store refused a batch of a run
 * - `started`, `stopped`, `continued`, `killed`, `ended`: what was done to the process; `failed`: it ended by itself
 */
export const Line = Schema.Union(
  Schema.TaggedStruct("begun", worked),
  Schema.TaggedStruct("done", worked),
  Schema.TaggedStruct("interrupted", worked),
  Schema.TaggedStruct("claimed", driven),
  Schema.TaggedStruct("released", driven),
  Schema.TaggedStruct("beat", { ...said, runs: Schema.Array(Schema.Tuple(RunId, Schema.Int)) }),
  Schema.TaggedStruct("lost", driven),
  Schema.TaggedStruct("acknowledged", { ...worked, seq: Schema.Int }),
  Schema.TaggedStruct("refused", driven),
  Schema.TaggedStruct("started", said),
  Schema.TaggedStruct("stopped", said),
  Schema.TaggedStruct("continued", said),
  Schema.TaggedStruct("killed", said),
  Schema.TaggedStruct("ended", said),
  Schema.TaggedStruct("failed", said)
)
export type Line = typeof Line.Type

/** Milliseconds since the epoch: all of these processes are on one machine. */
export const now = (): number => Date.now()

/** Appends lines to the file. */
export const writer = (file: string): ((line: Line) => void) => {
  const descriptor = Fs.openSync(file, "a")
  return (line) => void Fs.writeSync(descriptor, `${JSON.stringify(line)}\n`)
}

const decode = Schema.decodeUnknownSync(Schema.parseJson(Line))

/** The lines in the order in which they were written; empty when there is no such file. */
export const read = (file: string): ReadonlyArray<Line> =>
  Fs.existsSync(file)
    ? Fs.readFileSync(file, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => decode(line))
    : []
