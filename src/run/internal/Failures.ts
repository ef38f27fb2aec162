import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as ModuleError from "../../model/ModuleError.js"
import { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import { ChildFailed, InputInvalid, StoredValueInvalid } from "../../model/RunError.js"
import type { Failure } from "../../model/Transition.js"
import { Unencodable } from "./Values.js"

/** A value is anybody's: its getters, its `toJSON` and its cycles may throw while it is rendered. */
export const guarded = (render: () => unknown, otherwise: string): string => {
  try {
    const text = render()
    return typeof text === "string" && text !== "" ? text : otherwise
  } catch {
    return otherwise
  }
}

const messageOf = (error: unknown): string =>
  guarded(
    () =>
      error instanceof Error
        ? error.message || error.name
        : typeof error === "string"
          ? error
          : (Cause.prettyErrors(Cause.fail(error))[0]?.message ?? String(error)),
    "an error that cannot be rendered"
  )

/** What the engine itself fails a module with is told apart from the module's own errors. */
const kindOf = (error: unknown): Failure["kind"] => {
  if (error instanceof ModuleTimedOut) return "timeout"
  if (error instanceof ModuleError.ModuleCutOff) return "cutOff"
  if (error instanceof ChildFailed) return error.kind
  const refused =
    error instanceof ModuleError.RouteUnmatched ||
    error instanceof ModuleError.TooManyItems ||
    error instanceof ModuleError.ItemsChanged ||
    error instanceof ModuleError.DurationInvalid ||
    error instanceof InputInvalid ||
    error instanceof StoredValueInvalid
  return refused ? "refused" : "error"
}

/** What is kept of the cause of a failed module. */
export const failureOf = (cause: Cause.Cause<unknown>, encoded: unknown): Failure => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure) && failure.value instanceof Unencodable) {
    const { faults } = failure.value
    const message = faults.map((fault) => `${fault.path.map(String).join(".")}: ${fault.message}`).join("; ")
    return { kind: "output", message: `its output does not encode: ${message}`, cause: message }
  }
  const defect = Cause.dieOption(cause)
  const kind = Option.isSome(failure) ? kindOf(failure.value) : Option.isSome(defect) ? "defect" : "interrupted"
  const message = Option.match(
    Option.orElse(failure, () => defect),
    {
      onNone: () => "the module interrupted itself",
      onSome: messageOf
    }
  )
  const kept = {
    kind,
    message,
    cause: guarded(() => Cause.pretty(cause, { renderErrorCause: true }), message)
  } as const
  return encoded === undefined ? kept : { ...kept, error: encoded }
}
