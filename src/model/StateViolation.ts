/**
 * What the debug guard finds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const of = (names: ReadonlyArray<string>) => names.map((name) => `"${name}"`).join(", ")

/**
 * State was changed in place, or used where it does not belong. A programming mistake: it ends a module as a defect. Only
 * found while the debug guard is on.
 *
 * - `kind`: what was changed: an `input` (a value of a need, or of the run), an `item` of a map, a `shared` cell, an
 *   `output` after its module had completed, or state of a `node` that it had given; or that `Run` or `Shared` was used
 *   after its module had ended (`endedModule`) or by a fiber of another run (`otherRun`), or a node after its scope was
 *   closed (`endedNode`)
 * - `runId`, `module`: who did it; of an `output` whose writer is not known, the module that gave it. Null outside of runs
 * - `path`: of what was changed. It begins with the key of the need, the index of the item, the path of the cell, that of
 *   the module that gave it, or the name of the node; where the same write fits several places, they are joined by "or",
 *   and an index that may be any is `*`. Of a handle it is empty
 * - `others`: who may have done it as well, since they ran at that time and had the same value; of `otherRun`, the id of
 *   that run
 * - `cause`: where it was noticed as it happened, the error that the write threw, with its stack
 *
 * @since 0.1.0
 * @category errors
 */
export class StateViolation extends Schema.TaggedError<StateViolation>("heddle/model/StateViolation")(
  "StateViolation",
  {
    kind: Schema.Literal("input", "item", "shared", "output", "node", "endedModule", "otherRun", "endedNode"),
    runId: Schema.NullOr(Schema.String),
    module: Schema.NullOr(Schema.String),
    path: Schema.String,
    others: Schema.Array(Schema.String),
    cause: Schema.optional(Schema.Defect)
  }
) {
  override get message() {
    const { kind, others, path } = this
    const who = this.module === null ? "the program" : `module "${this.module}" of run "${this.runId}"`
    const or = others.length === 0 ? "" : ` (or ${of(others)}, which ran at the same time)`
    const instead = "what is given to a module is everybody's, make a new value instead"
    switch (kind) {
      case "input":
        return `${who}${or} changed "${path}" of what it needs: ${instead}`
      case "item":
        return `${who}${or} changed its item at "${path}": ${instead}`
      case "shared":
        return `${who}${or} changed the shared cell at "${path}" in place: give Shared.update a new value instead`
      case "output":
        return `${who}${or} changed "${path}" after it had been given as an output: ${instead}`
      case "node":
        return `${who}${or} changed "${path}", which is the node's own: make a new value instead`
      case "endedModule":
        return `Run or Shared of ${who} was used after its attempt had ended: what it forked must not outlive it`
      case "otherRun":
        return `Run or Shared of ${who} was used by a fiber of run ${of(others)}: do not hand them from run to run`
      case "endedNode":
        return `${who} used the node "${path}" after the scope of its Layer was closed: do not keep it longer than that`
    }
  }
}
