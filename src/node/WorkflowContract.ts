/**
 * Workflows as data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Condition from "./Condition.js"
import { Name, optional, Priority, Retry, Timeout, Version, withDefault } from "./internal/ContractFields.js"
import { Json } from "./Json.js"
import { Shape } from "./Shape.js"
import * as Template from "./Template.js"

/** Names of modules that a workflow has besides its steps. */
const StepName = Name.pipe(
  Schema.filter((name) => (name !== "input" && name !== "result") || `${name} is reserved: choose another name`)
)

/**
 * - `node`: by the name under which it is given to `ContractDag.make`; `kind`: which kind it is of
 * - `depends_on`: the steps that must have ended before it; each of them that completed is `needs.<name>`
 * - `enabled`: a step that is not is skipped, and its dependants do not wait for it
 * - `when`: asked of `input` and `needs` before it starts; when it is false the step is skipped
 * - `input`: what the node is given, made of `input` and `needs`; the input of the workflow where it is left out
 * - `timeout`: of one attempt; `retry`: attempts after the first, of a step of kind `effect` only with `idempotent`
 * - `on_error`: `fail`: the workflow fails. `skip`: the step is skipped. `continue`: it completes with `fallback`
 * - `priority`: among steps that could start, those of a higher one start first
 *
 * @since 0.1.0
 * @category schemas
 */
export const Step = Schema.Struct({
  name: StepName,
  kind: Schema.Literal("compute", "effect", "reducer", "orchestrator"),
  node: Schema.NonEmptyString,
  depends_on: withDefault(Schema.Array(Schema.String), []),
  enabled: withDefault(Schema.Boolean, true),
  when: optional(Condition.FromText),
  input: optional(Template.FromJson),
  timeout: optional(Timeout),
  retry: optional(Retry),
  idempotent: withDefault(Schema.Boolean, false),
  on_error: withDefault(Schema.Literal("fail", "skip", "continue"), "fail"),
  fallback: optional(Json),
  priority: withDefault(Priority, 0)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Step extends Schema.Schema.Type<typeof Step> {}

/**
 * The schema of contracts that declare a workflow.
 *
 * - `mode`: `parallel`: a step starts when those it depends on have ended. `sequential`: one after the other. `batch`: in
 *   waves of `batch_size`, each of which begins when the one before it has ended
 * - `input`: what the workflow is given; any JSON where it is left out
 * - `output`: what it gives, made of `input` and `needs`; what each step gave, by name, where it is left out
 *
 * @since 0.1.0
 * @category schemas
 */
export const WorkflowContract = Schema.Struct({
  kind: Schema.Literal("workflow"),
  name: Name,
  version: optional(Version),
  input: withDefault(Shape, { type: "any" }),
  output: optional(Template.FromJson),
  mode: withDefault(Schema.Literal("parallel", "sequential", "batch"), "parallel"),
  batch_size: optional(Schema.Int.pipe(Schema.between(1, 10_000))),
  steps: Schema.Array(Step).pipe(Schema.minItems(1))
}).annotations({ identifier: "WorkflowContract" })

/**
 * @since 0.1.0
 * @category models
 */
export interface WorkflowContract extends Schema.Schema.Type<typeof WorkflowContract> {}
