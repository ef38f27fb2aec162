import type * as Definition from "../../dag/Definition.js"
import * as Millis from "../../model/Millis.js"

/** An option with a value that it cannot have; `reason` says which it may have. */
export interface OptionFault {
  readonly option: string
  readonly value: unknown
  readonly reason: string
}

const durationReason = (given: unknown): string | undefined =>
  Millis.of(given) === undefined
    ? 'it must be a duration that is not negative, as 5000 (milliseconds) or "5 seconds"'
    : undefined

const concurrencyReason = (value: number): string | undefined =>
  value === Infinity || (Number.isInteger(value) && value >= 1)
    ? undefined
    : 'it must be a whole number of at least 1, or "unbounded"'

const priorityReason = (value: number): string | undefined =>
  Number.isFinite(value) ? undefined : "it must be a finite number"

const limitReason = (value: string): string | undefined =>
  value.trim() === "" ? "it must be the name of a limit" : undefined

/** Looks at an option if it is set. */
const check = <A>(option: string, value: A | undefined, reasonOf: (value: A) => string | undefined) => {
  const reason = value === undefined ? undefined : reasonOf(value)
  return reason === undefined ? [] : [{ option, value, reason }]
}

const queued = ({ limit, priority }: Definition.Queued) => [
  ...check("priority", priority, priorityReason),
  ...check("limit", limit, limitReason)
]

const joinReason = (definition: Definition.Vertex) => (join: Definition.JoinRule) =>
  join === "anySucceeded" && Object.keys(definition.needs).length === 0
    ? "it needs nothing of which any could succeed"
    : undefined

/** What is wrong with the options of a module that are plain values. */
export const faults = (definition: Definition.Definition): ReadonlyArray<OptionFault> =>
  definition.kind === "input"
    ? []
    : [...check("join", definition.join, joinReason(definition)), ...faultsOfKind(definition)]

/** Computed again it would be given what has succeeded since as well. */
const computedAgain = ({ join, output }: Definition.PureDefinition): ReadonlyArray<OptionFault> =>
  output === undefined && join === "anySucceeded"
    ? [
        {
          option: "output",
          value: output,
          reason: "what `anySucceeded` makes of the first success must be stored: give a schema"
        }
      ]
    : []

const faultsOfKind = (definition: Definition.Definition): ReadonlyArray<OptionFault> => {
  switch (definition.kind) {
    case "effect":
      return [...check<unknown>("timeout", definition.timeout, durationReason), ...queued(definition)]
    case "pure":
      return computedAgain(definition)
    case "map":
      return [
        ...check("concurrency", definition.concurrency, concurrencyReason),
        ...(definition.each.kind === "effect"
          ? check<unknown>("timeout", definition.each.timeout, durationReason)
          : check("limit", definition.limit, () => "the modules of a child Dag have limits of their own")),
        ...queued(definition)
      ]
    case "signal":
      return check<unknown>("timeout", definition.timeout, durationReason)
    case "sleep":
      return typeof definition.duration === "function"
        ? []
        : check<unknown>("duration", definition.duration, durationReason)
    default:
      return []
  }
}
