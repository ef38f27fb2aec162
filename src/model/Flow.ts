/**
 * A registered version of a Dag.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { SchemaDocument } from "./SchemaDocument.js"

/**
 * Whether a flow may be run: `active` may, one that `needsReview` or is `disabled` may not until somebody says otherwise.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FlowStatus = Schema.Literal("active", "needsReview", "disabled")

/**
 * @since 0.1.0
 * @category models
 */
export type FlowStatus = typeof FlowStatus.Type

/**
 * Which status may follow which: what was disabled is reviewed before it is active again.
 *
 * @since 0.1.0
 * @category constants
 */
export const allowed: { readonly [S in FlowStatus]: ReadonlyArray<FlowStatus> } = Object.freeze({
  active: Object.freeze(["needsReview", "disabled"] as const),
  needsReview: Object.freeze(["active", "disabled"] as const),
  disabled: Object.freeze(["needsReview"] as const)
})

/** A SHA-256, as 64 hexadecimal digits. */
const Hash = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))

/**
 * What a module or a node takes and gives. `hash` is that of the canonical JSON of `schema`; `schema` is null where only
 * the hash is known.
 *
 * - `input`: of a node: its input; of a module: the record of what it needs, by the names under which it needs it, as the
 *   modules that are needed give it; null where it has none
 * - `output`: null where it has none, as a `pure` module that is not stored
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tool = Schema.Struct({
  hash: Hash,
  schema: Schema.NullOr(Schema.Struct({ input: Schema.NullOr(SchemaDocument), output: Schema.NullOr(SchemaDocument) }))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Tool = typeof Tool.Type

/**
 * Tools by name: a module by its path (`ship/pack`, `orders/:/pack` for the items of a map), a node by `node:` and its key.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tools = Schema.Record({ key: Schema.String, value: Tool })

/**
 * @since 0.1.0
 * @category models
 */
export type Tools = typeof Tools.Type

/**
 * A version of a Dag as a registry has it: plain data, frozen at every depth. It never changes; a change of the flow is
 * another value with the next `revision`. Times are milliseconds since the epoch.
 *
 * - `name`: of the Dag; `version`: `major.minor.patch`, with a pre-release where there is one
 * - `fingerprint`: of the Dag; `modules`: those of its modules, by path
 * - `tools`: what its modules and nodes take and give, as it was accepted; `drift`: the tools that were found to take or
 *   give something else, as they were found, until somebody accepts that
 * - `lifecycle`, `governance`: notes for people
 * - `revision`: counts its changes, also across its removal: 1 when it was first registered
 * - `createdAt`: when it was registered; `updatedAt`, `updatedBy`: when it was changed last, and who did
 *
 * @since 0.1.0
 * @category schemas
 */
export const Flow = Schema.Struct({
  name: Schema.NonEmptyString,
  version: Schema.NonEmptyString,
  fingerprint: Hash,
  modules: Schema.Record({ key: Schema.String, value: Hash }),
  tools: Tools,
  drift: Tools,
  status: FlowStatus,
  lifecycle: Schema.String,
  governance: Schema.String,
  revision: Schema.Int.pipe(Schema.positive()),
  createdAt: Schema.Number,
  updatedAt: Schema.Number,
  updatedBy: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Flow = typeof Flow.Type
