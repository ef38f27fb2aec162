import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { ErasedValues } from "../../dag/Definition.js"
import { Cancelled, Skipped } from "../../model/Ending.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import type { Failure } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import * as Results from "./Results.js"

/** What is known of the modules of a Dag, by position. */
export interface Known {
  /** What their paths begin with. */
  readonly path: string
  readonly values: ReadonlyArray<unknown>
  readonly causes: Results.Causes
  readonly statusOf: (index: number) => ModuleStatus
  readonly failureOf: (index: number) => Failure | undefined
}

const exitOf = (plan: Plan, index: number, known: Known): Exit.Exit<unknown, unknown> => {
  const module = known.path + plan.modules[index]!.name
  const failure = known.failureOf(index)
  switch (known.statusOf(index)) {
    case "completed":
      return Exit.succeed(known.values[index])
    case "cancelled":
      return Exit.fail(new Cancelled({ module }))
    default:
      return failure === undefined
        ? Exit.fail(new Skipped({ module }))
        : Results.storedEnding(module, failure, known.causes.get(index))
  }
}

/** What a module is given of its needs, as its join rule has it. */
export const of = (plan: Plan, index: number, known: Known): ErasedValues => {
  const { definition, needs } = plan.modules[index]!
  const join = definition.kind === "input" ? "allSucceeded" : definition.join
  const record: { [key: string]: unknown } = {}
  for (const { index: need, key } of needs) {
    record[key] =
      join === "allSucceeded"
        ? known.values[need]
        : join === "always"
          ? exitOf(plan, need, known)
          : known.statusOf(need) === "completed"
            ? Option.some(known.values[need])
            : Option.none()
  }
  return record
}
