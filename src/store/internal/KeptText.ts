/**
 * A run that is kept, as a text.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ModuleStatus } from "../../model/ModuleStatus.js"
import { RunStatus, SkipReason } from "../../model/Transition.js"
import type { RunRow, Stored } from "../RunStore.js"

/** JSON has no infinity, and a module may wait for ever. */
const Time = Schema.transform(Schema.Union(Schema.Number, Schema.Literal("Infinity")), Schema.Number, {
  strict: true,
  decode: (time) => (time === "Infinity" ? Infinity : time),
  encode: (time) => (time === Infinity ? "Infinity" : time)
})

const Module = Schema.Struct({
  module: Schema.String,
  status: ModuleStatus,
  attempt: Schema.Number,
  scheduledAt: Schema.NullOr(Schema.Number),
  startedAt: Schema.NullOr(Schema.Number),
  finishedAt: Schema.NullOr(Schema.Number),
  failure: Schema.NullOr(Schema.String),
  because: Schema.NullOr(SkipReason),
  until: Schema.NullOr(Time),
  items: Schema.NullOr(Schema.Number)
})

/** What changes of a run. An older text does not say of which Dag the run was: it was of one for ever. */
const Run = Schema.Struct({
  fingerprint: Schema.optionalWith(Schema.String, { exact: true }),
  version: Schema.optionalWith(Schema.NullOr(Schema.String), { exact: true }),
  total: Schema.optionalWith(Schema.Number, { exact: true }),
  status: RunStatus,
  epoch: Schema.Number,
  owner: Schema.String,
  heartbeatAt: Schema.Number,
  seq: Schema.Number,
  startedAt: Schema.Number,
  finishedAt: Schema.NullOr(Schema.Number),
  recoveries: Schema.Number,
  wakeAt: Schema.NullOr(Time),
  quarantined: Schema.Boolean
})

const Kept = Schema.parseJson(
  Schema.Struct({
    run: Run,
    modules: Schema.Array(Module),
    items: Schema.Array(
      Schema.Struct({ module: Schema.String, status: Schema.Literal("completed", "failed"), count: Schema.Number })
    ),
    shared: Schema.Array(Schema.Struct({ cell: Schema.String, value: Schema.String }))
  })
)

const decodeKept = Schema.decodeUnknown(Kept)

const replacer = (_: string, value: unknown) => (value === Infinity ? "Infinity" : value)

/** Without what never changes of a run, such as its inputs. */
export const encode = ({ items, modules, run, shared }: Stored): string => {
  const { epoch, finishedAt, heartbeatAt, owner, quarantined, recoveries, seq, startedAt, status, wakeAt } = run
  const { fingerprint, total, version } = run
  const changing = {
    fingerprint,
    version,
    total,
    status,
    epoch,
    owner,
    heartbeatAt,
    seq,
    startedAt,
    finishedAt,
    wakeAt,
    recoveries,
    quarantined
  }
  return JSON.stringify({ run: changing, modules, items, shared }, replacer)
}

/** A row that has such a text. */
export interface KeptRow {
  readonly seq: number
  readonly at: number
  readonly value: string
  /** The present row of the run. */
  readonly run: RunRow
}

/** `run`: its present row. Fails when the text is not one that `encode` has made. */
export const decode = (text: string, run: RunRow) =>
  Effect.map(decodeKept(text), (kept): Stored => ({ ...kept, run: { ...run, ...kept.run } }))

/** Of how many rows a run was made, itself included where it has no other. */
export const sizeOf = ({ items, modules, shared }: Omit<Stored, "run">): number =>
  Math.max(1, modules.length + items.reduce((sum, { count }) => sum + count, 0) + shared.length)
