import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { RunCancelled, RunFailed, type ModuleFailure } from "../../model/RunError.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { Plan } from "../../plan/Plan.js"
import * as Attempt from "./Attempt.js"

/** What a run gives: the record of its outputs, or the causes of its failure. Types are erased. */
export type Result = Exit.Exit<unknown, unknown>

/** The causes of failed modules, by position. */
export type Causes = ReadonlyMap<number, Cause.Cause<unknown>>

export const outputs = (plan: Plan, values: ReadonlyArray<unknown>): Result =>
  Exit.succeed(Object.fromEntries(plan.outputs.map(({ index, key }) => [key, values[index]])))

/**
 * The result of a run that did not complete. The modules' own errors come as they are, in parallel; whatever else
 * failed is one `RunFailed`, which names every failed module. The first failure in time comes first.
 */
export const ended = (plan: Plan, snapshot: RunSnapshot.RunSnapshot, causes: Causes): Result => {
  const { runId } = snapshot
  if (snapshot.status === "cancelled") return Exit.fail(new RunCancelled({ runId, snapshot }))
  const failures = plan.modules
    .flatMap(({ name }, index) => {
      const { attempt, failure, finishedAt } = RunSnapshot.module(snapshot, name)
      return failure === undefined ? [] : [{ index, module: name, attempt, failure, finishedAt: finishedAt ?? 0 }]
    })
    .sort((a, b) => a.finishedAt - b.finishedAt)
  const own = failures.flatMap(({ failure, index }) => {
    const cause = causes.get(index)
    return failure.kind === "error" && cause !== undefined ? [cause] : []
  })
  if (own.length < failures.length || failures.length === 0) {
    own.push(
      Cause.fail(
        new RunFailed({
          runId,
          snapshot,
          failures: failures.map(({ attempt, failure, index, module }): ModuleFailure => {
            const cause = causes.get(index)
            return cause === undefined ? { module, attempt, failure } : { module, attempt, failure, cause }
          })
        })
      )
    )
  }
  return Exit.failCause(own.reduce(Cause.parallel))
}

/** The causes of stored failures, by position, where the module's `error` schema still decodes what is stored. */
export const storedCauses = (plan: Plan, snapshot: RunSnapshot.RunSnapshot): Effect.Effect<Causes, never, unknown> =>
  Effect.gen(function* () {
    const causes = new Map<number, Cause.Cause<unknown>>()
    for (const [index, { definition, name }] of plan.modules.entries()) {
      const { failure } = RunSnapshot.module(snapshot, name)
      if (failure?.error === undefined || definition.kind !== "effect" || definition.error === undefined) continue
      const error = yield* Effect.either(Attempt.decode(definition.error, JSON.stringify(failure.error)))
      if (Either.isRight(error)) causes.set(index, Cause.fail(error.right))
    }
    return causes
  })
