import * as Effect from "effect/Effect"
import { StoredValueInvalid } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import { isFinal, type ModuleStatus } from "../../model/ModuleStatus.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Plan } from "../../plan/Plan.js"
import * as Attempt from "./Attempt.js"

/** How to get at what a run has stored. */
export interface Source {
  readonly runId: RunId
  readonly statusOf: (index: number) => ModuleStatus
  readonly inputs: ReadonlyMap<number, unknown>
  readonly outputs: (modules: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, StoreError>
}

/**
 * The values, by position, of the completed modules that something unfinished needs or that the Dag gives, and of no
 * others: stored outputs are read and decoded, and pure modules without an output schema are computed again.
 */
export const values = (
  plan: Plan,
  { inputs, outputs, runId, statusOf }: Source
): Effect.Effect<Array<unknown>, StoreError | StoredValueInvalid, unknown> =>
  Effect.gen(function* () {
    const { modules } = plan
    const wanted = new Uint8Array(modules.length)
    for (const { index } of plan.outputs) wanted[index] = 1
    // needs come before dependants, so that from the end each module is seen after all who want it
    for (let i = modules.length - 1; i >= 0; i--) {
      if (!isFinal(statusOf(i)) || (wanted[i] === 1 && isComputed(plan, i))) {
        for (const need of modules[i]!.needs) wanted[need.index] = 1
      }
    }

    const isRecalled = (i: number) => wanted[i] === 1 && statusOf(i) === "completed"
    const stored = modules.flatMap(({ name }, i) => (isRecalled(i) && isStored(plan, i) ? [name] : []))
    const texts = yield* outputs(stored)

    const recalled = new Array<unknown>(modules.length)
    for (const [index, value] of inputs) recalled[index] = value
    for (const [i, { definition, name, needs }] of modules.entries()) {
      if (!isRecalled(i) || definition.kind === "input") continue
      const invalid = (message: string) =>
        new StoredValueInvalid({ runId, module: name, faults: [{ path: [], message }] })
      if (definition.output !== undefined) {
        recalled[i] = yield* Effect.mapError(
          Attempt.decode(definition.output, texts.get(name) ?? null),
          (faults) => new StoredValueInvalid({ runId, module: name, faults })
        )
      } else if (definition.kind === "pure") {
        recalled[i] = yield* Effect.try({
          try: () => definition.run(Object.fromEntries(needs.map((need) => [need.key, recalled[need.index]]))),
          catch: (defect) => invalid(`it could not be computed again: ${String(defect)}`)
        })
      }
    }
    return recalled
  })

const isStored = (plan: Plan, index: number) => {
  const { definition } = plan.modules[index]!
  return definition.kind !== "input" && definition.output !== undefined
}

const isComputed = (plan: Plan, index: number) =>
  plan.modules[index]!.definition.kind === "pure" && !isStored(plan, index)
