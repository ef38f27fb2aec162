/**
 * State machines as data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Condition from "./Condition.js"
import {
  Fields as FieldShapes,
  Name,
  optional,
  Priority,
  Timeout,
  Version,
  withDefault
} from "./internal/ContractFields.js"
import { Json } from "./Json.js"
import { Shape } from "./Shape.js"
import * as Template from "./Template.js"

/**
 * One step of what a transition does: `assign` sets fields of the context, all from what it was before; then `emit` gives
 * an intent, whose fields are made of the new one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Action = Schema.Struct({
  assign: optional(Schema.Record({ key: Name, value: Template.FromJson })),
  emit: optional(
    Schema.Struct({ intent: Name, fields: withDefault(Schema.Record({ key: Name, value: Template.FromJson }), {}) })
  )
}).pipe(Schema.filter(({ assign, emit }) => assign !== undefined || emit !== undefined || "an action assigns or emits"))

/**
 * @since 0.1.0
 * @category models
 */
export interface Action extends Schema.Schema.Type<typeof Action> {}

const Actions = withDefault(Schema.Array(Action), [])

const After = Schema.Struct({ delay: Timeout, to: Name, guard: optional(Condition.FromText), actions: Actions })

const State = Schema.Struct({
  kind: optional(Schema.Literal("terminal", "error")),
  entry: Actions,
  exit: Actions,
  after: optional(After)
})

const Transition = Schema.Struct({
  from: Schema.Union(Schema.Literal("*"), Name).annotations({ description: "a state, or * for all" }),
  on: Name,
  to: optional(Name),
  guard: optional(Condition.FromText),
  priority: withDefault(Priority, 0),
  actions: Actions
})

/**
 * The schema of contracts that declare a state machine; the fields are those of `Machine.make`. Guards and actions see
 * `context` and `event`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StateMachineContract = Schema.Struct({
  kind: Schema.Literal("stateMachine"),
  name: Name,
  version: optional(Version),
  context: withDefault(Shape, { type: "object", properties: {} }),
  initial_context: withDefault(Json, {}),
  events: Schema.Record({ key: Name, value: FieldShapes }),
  intents: withDefault(Schema.Record({ key: Name, value: FieldShapes }), {}),
  initial: Name,
  history: withDefault(Schema.Int.pipe(Schema.between(0, 10_000)), 50),
  states: Schema.Record({ key: Name, value: State }),
  transitions: Schema.Array(Transition)
}).annotations({ identifier: "StateMachineContract" })

/**
 * @since 0.1.0
 * @category models
 */
export interface StateMachineContract extends Schema.Schema.Type<typeof StateMachineContract> {}

/**
 * The fields of an event or an intent, by their shapes; each must be there.
 *
 * @since 0.1.0
 * @category models
 */
export type Fields = { readonly [name: string]: Shape }
