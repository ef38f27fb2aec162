/**
 * The errors of moving a run to another Dag. Each names the run and says what to do; nothing has changed.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { RunId } from "./RunId.js"

/**
 * A run cannot be moved so.
 *
 * - `otherRun`, `otherDag`: the plan is for another run or Dag, or the Dag has another name than that of the run
 * - `otherOrigin`: what was given as the Dag that the run is of is another one
 * - `conflicts`: they are not decided, or cannot be; `paths` has them
 * - `movedOn`: the run is not as it was when the plan was made
 *
 * @since 0.1.0
 * @category errors
 */
export class MigrationRefused extends Data.TaggedError("MigrationRefused")<{
  readonly runId: RunId
  readonly reason: "otherRun" | "otherDag" | "otherOrigin" | "conflicts" | "movedOn"
  readonly paths: ReadonlyArray<string>
}> {
  override get message() {
    const why = {
      otherRun: "the plan is for another run: make one for this",
      otherDag: "the plan, or the run, is of another Dag: make a plan for this one",
      otherOrigin: "it is not of the Dag that was given as its own: give that",
      conflicts: `decide its conflicts first (${this.paths.join(", ")})`,
      movedOn: "it has gone on since the plan was made: make another one"
    }
    return `run "${this.runId}" was not moved: ${why[this.reason]}`
  }
}

/**
 * A conflict cannot be decided so, or there is none at this path. `allowed`: how it can be.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecisionRefused extends Data.TaggedError("DecisionRefused")<{
  readonly runId: RunId
  readonly path: string
  readonly decision: "keep" | "runAgain"
  readonly allowed: ReadonlyArray<"keep" | "runAgain">
}> {
  override get message() {
    const how = this.allowed.length === 0 ? "there is nothing to decide" : `choose ${this.allowed.join(" or ")}`
    return `run "${this.runId}": "${this.path}" cannot be decided with "${this.decision}": ${how}`
  }
}
