import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Definition from "../../dag/Definition.js"
import { Failed } from "../../model/Failed.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import {
  ChildFailed,
  RunCancelled,
  RunFailed,
  RunStopped,
  RunSuspended,
  RunTimedOut,
  type ModuleFailure
} from "../../model/RunError.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { Failure } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import { skippable } from "../../plan/ValueSchema.js"
import type { ModuleStates } from "./ExecutionState.js"
import * as Values from "./Values.js"

/** What a run gives: the record of its outputs, or the causes of its failure. Types are erased. */
export type Result = Exit.Exit<unknown, unknown>

/** The causes of failed modules, by position. */
export type Causes = ReadonlyMap<number, Cause.Cause<unknown>>

type Outputs = { readonly [key: string]: unknown }

/** The outputs of a Dag that completed. */
export const outputsOf = (
  plan: Plan,
  values: ReadonlyArray<unknown>,
  statusOf: (index: number) => ModuleStatus
): Outputs => {
  const may = skippable(plan)
  return Object.fromEntries(
    plan.outputs.map(({ index, key }) => [
      key,
      may[index] === true
        ? statusOf(index) === "completed"
          ? Option.some(values[index])
          : Option.none()
        : values[index]
    ])
  )
}

/** Those outputs of a Dag that were completed, as they are. */
const partial = (plan: Plan, values: ReadonlyArray<unknown>, statusOf: (index: number) => ModuleStatus): Outputs =>
  Object.fromEntries(
    plan.outputs.flatMap(({ index, key }) => (statusOf(index) === "completed" ? [[key, values[index]]] : []))
  )

/** Whether every output is there, except for those that may be missing. */
export const isWhole = (plan: Plan, statusOf: (index: number) => ModuleStatus): boolean => {
  const may = skippable(plan)
  return plan.outputs.every(({ index }) => statusOf(index) === "completed" || may[index] === true)
}

/** A module's failure as its dependants see it, now and after a resume: its `error` type, or `Failed`. */
export const storedEnding = (
  module: string,
  failure: Failure,
  cause: Cause.Cause<unknown> | undefined
): Exit.Exit<never, unknown> => {
  const error = cause === undefined ? Option.none() : Cause.failureOption(cause)
  return Exit.fail(
    failure.error !== undefined && Option.isSome(error) ? error.value : new Failed({ module, message: failure.message })
  )
}

/** What `path` begins with, of all that failed in a snapshot: the first failure in time comes first. */
const failuresIn = (snapshot: RunSnapshot.RunSnapshot, path: string): ReadonlyArray<ModuleFailure> =>
  Array.from(snapshot.modules)
    .flatMap(([module, { attempt, failure, finishedAt, status }]) =>
      failure === undefined || status !== "failed" || !module.startsWith(path)
        ? []
        : [{ module, attempt, failure, finishedAt: finishedAt ?? 0 }]
    )
    .sort((a, b) => a.finishedAt - b.finishedAt)
    .map(({ attempt, failure, module }) => ({ module, attempt, failure }))

interface Failing {
  readonly index: number
  readonly attempt: number
  readonly failure: Failure
  readonly finishedAt: number
}

/** The causes of those modules that failed with their own error, and whether there are others. */
const ownCauses = (failing: ReadonlyArray<Failing>, causes: Causes) => {
  const own = [...failing]
    .sort((a, b) => a.finishedAt - b.finishedAt)
    .flatMap(({ failure, index }) => {
      const cause = causes.get(index)
      return failure.kind === "error" && cause !== undefined ? [cause] : []
    })
  return { own, all: own.length === failing.length && own.length > 0 }
}

/** Why a child Dag failed: the own errors of its modules, in parallel, and one error for whatever else failed. */
export const childCause = (
  module: string,
  plan: Plan,
  {
    causes,
    states
  }: {
    readonly causes: Causes
    readonly states: Pick<ModuleStates, "attemptOf" | "failureOf" | "statusOf">
  }
): Cause.Cause<unknown> => {
  const failing = plan.modules.flatMap((_, index): ReadonlyArray<Failing> => {
    const failure = states.failureOf(index)
    return failure === undefined || states.statusOf(index) !== "failed"
      ? []
      : [{ index, attempt: states.attemptOf(index), failure, finishedAt: 0 }]
  })
  const { all, own } = ownCauses(failing, causes)
  if (all) return own.reduce(Cause.parallel)
  const failures = failing.map(({ attempt, failure, index }): ModuleFailure => {
    const cause = causes.get(index)
    const known = { module: `${module}/${plan.modules[index]!.name}`, attempt, failure }
    return cause === undefined ? known : { ...known, cause }
  })
  const kind = failures.find(({ failure }) => failure.kind !== "error")?.failure.kind ?? "defect"
  return own.reduce<Cause.Cause<unknown>>(Cause.parallel, Cause.fail(new ChildFailed({ module, kind, failures })))
}

/**
 * The result of a run that did not complete. The modules' own errors come as they are, in parallel; whatever else
 * failed is one `RunFailed`, which names every failed module, also of child Dags. The first failure in time comes first.
 */
export const ended = (
  plan: Plan,
  snapshot: RunSnapshot.RunSnapshot,
  causes: Causes,
  values: ReadonlyArray<unknown>,
  policy: RunPolicy
): Result => {
  const { runId } = snapshot
  const statusOf = (index: number) => RunSnapshot.module(snapshot, plan.modules[index]!.name).status
  const outputs = () => partial(plan, values, statusOf)
  switch (snapshot.status) {
    case "completed":
      return Exit.succeed(outputsOf(plan, values, statusOf))
    case "cancelled":
      return Exit.fail(new RunCancelled({ runId, snapshot }))
    case "timedOut":
      return Exit.fail(new RunTimedOut({ runId, snapshot, millis: policy.timeout ?? 0, outputs: outputs() }))
    case "stopped":
      return Exit.fail(new RunStopped({ runId, snapshot, outputs: outputs() }))
    case "suspended":
      return Exit.fail(new RunSuspended({ runId, snapshot, until: snapshot.until }))
  }
  const failing = plan.modules.flatMap(({ name }, index): ReadonlyArray<Failing> => {
    const { attempt, failure, finishedAt, status } = RunSnapshot.module(snapshot, name)
    return failure === undefined || status !== "failed"
      ? []
      : [{ index, attempt, failure, finishedAt: finishedAt ?? 0 }]
  })
  const { all, own } = ownCauses(failing, causes)
  if (!all) {
    const positions = new Map(failing.map(({ index }) => [plan.modules[index]!.name, index]))
    const failures = failuresIn(snapshot, "").map((failure): ModuleFailure => {
      const cause = causes.get(positions.get(failure.module) ?? -1)
      return cause === undefined ? failure : { ...failure, cause }
    })
    own.push(Cause.fail(new RunFailed({ runId, snapshot, failures })))
  }
  return Exit.failCause(own.reduce(Cause.parallel))
}

/** The schema of a module's error, where it has one. */
const errorSchema = (definition: Definition.Definition): Definition.ErasedSchema | undefined =>
  definition.kind === "effect"
    ? definition.error
    : definition.kind === "map" && definition.each.kind === "effect"
      ? definition.each.error
      : undefined

/** A stored failure as a cause, where the module's `error` schema still decodes what is stored. */
export const storedCause = (
  definition: Definition.Definition,
  failure: Failure | undefined
): Effect.Effect<Cause.Cause<unknown> | undefined, never, unknown> => {
  const schema = errorSchema(definition)
  if (failure?.error === undefined || schema === undefined) return Effect.succeed(undefined)
  return Effect.map(Effect.either(Values.decode(schema, JSON.stringify(failure.error))), (error) =>
    Either.isRight(error) ? Cause.fail(error.right) : undefined
  )
}
