/** What becomes of the breaker of one key: a pure function of its state and of what happens. */
import * as Schema from "effect/Schema"
import * as Window from "./Window.js"

/** Why a breaker is in its state. */
export const Reason = Schema.Literal(
  "initial",
  "failuresInARow",
  "failureRate",
  "slowRate",
  "probeFailed",
  "resetAfter",
  "probesSucceeded",
  "manual"
)
export type Reason = typeof Reason.Type

/** `until` is null of a breaker that was opened by hand. */
const Open = Schema.TaggedStruct("Open", {
  generation: Schema.Number,
  reason: Reason,
  until: Schema.NullOr(Schema.Number)
})

const HalfOpen = Schema.TaggedStruct("HalfOpen", {
  generation: Schema.Number,
  reason: Reason,
  probes: Schema.Array(Schema.Struct({ id: Schema.String, until: Schema.Number })),
  successes: Schema.Number
})

const Closed = Schema.TaggedStruct("Closed", {
  generation: Schema.Number,
  reason: Reason,
  failuresInARow: Schema.Number,
  window: Window.Window
})

/** Every change of status is another generation. */
export const State = Schema.Union(Closed, Open, HalfOpen)
export type State = typeof State.Type

/** The options of a breaker, in milliseconds; `Infinity` where one is not looked at. */
export interface Policy {
  readonly failureThreshold: number
  readonly failureRate: number
  readonly slowRate: number
  readonly reach: Window.Reach
  readonly minimumCalls: number
  readonly resetAfter: number
  readonly halfOpenProbes: number
  readonly closeAfter: number
  readonly probeExpiry: number
}

/** What an admitted call is known by: with `probe` it is one of the half-open breaker. */
export interface Ticket {
  readonly generation: number
  readonly probe: string | undefined
}

export type Outcome = "success" | "failure" | "neither"

/** `probe` is a name that no other call has; nothing is `slow` where no `slowRate` is looked at; a call that has ended may stand for `count` that ended alike. */
export type Event =
  | { readonly _tag: "Asked"; readonly at: number; readonly probe: string }
  | {
      readonly _tag: "Ended"
      readonly at: number
      readonly ticket: Ticket
      readonly outcome: Outcome
      readonly slow: boolean
      readonly count: number
    }
  | { readonly _tag: "OpenedByHand" | "ClosedByHand" | "Looked"; readonly at: number }

/** What a call that asks is told: `retryAfter` is undefined where only a hand will close the breaker. */
export type Verdict =
  | { readonly _tag: "Admitted"; readonly ticket: Ticket }
  | { readonly _tag: "Refused"; readonly retryAfter: number | undefined; readonly reason: Reason }
  | { readonly _tag: "Noted" }

export interface Step {
  readonly state: State
  readonly verdict: Verdict
}

const noted: Verdict = { _tag: "Noted" }

export const closed = (generation: number, reason: Reason): State => ({
  _tag: "Closed",
  generation,
  reason,
  failuresInARow: 0,
  window: Window.empty
})

export const initial: State = closed(0, "initial")

const opened = (generation: number, reason: Reason, until: number | null): State => ({
  _tag: "Open",
  generation,
  reason,
  until
})

/** The very same state where nothing changes. */
export const transition = (policy: Policy, state: State, event: Event): Step => {
  switch (event._tag) {
    case "Asked":
      return asked(policy, state, event.at, event.probe)
    case "Ended":
      return { state: ended(policy, state, event), verdict: noted }
    case "OpenedByHand": {
      const isOpen = state._tag === "Open" && state.until === null
      return { state: isOpen ? state : opened(state.generation + 1, "manual", null), verdict: noted }
    }
    case "ClosedByHand":
      return { state: closed(state.generation + 1, "manual"), verdict: noted }
    case "Looked":
      return { state, verdict: noted }
  }
}

const asked = (policy: Policy, state: State, at: number, probe: string): Step => {
  const { generation } = state
  const admitted = (state: State, probe: string | undefined): Step => ({
    state,
    verdict: { _tag: "Admitted", ticket: { generation: state.generation, probe } }
  })
  const refused = (state: State, retryAfter: number | undefined): Step => ({
    state,
    verdict: { _tag: "Refused", retryAfter, reason: state.reason }
  })
  switch (state._tag) {
    case "Closed":
      return admitted(state, undefined)
    case "Open": {
      if (state.until === null) return refused(state, undefined)
      if (at >= state.until) {
        const probes = [{ id: probe, until: at + policy.probeExpiry }]
        return admitted(
          { _tag: "HalfOpen", generation: generation + 1, reason: "resetAfter", probes, successes: 0 },
          probe
        )
      }
      // the clock was set back: from now on it is open as long as any other
      const until = Math.min(state.until, at + policy.resetAfter)
      return refused(until === state.until ? state : { ...state, until }, until - at)
    }
    case "HalfOpen": {
      // likewise
      const isOut = ({ until }: { readonly until: number }) => at < until && until <= at + policy.probeExpiry
      const out = state.probes.every(isOut) ? state.probes : state.probes.filter(isOut)
      if (out.length < policy.halfOpenProbes) {
        return admitted({ ...state, probes: [...out, { id: probe, until: at + policy.probeExpiry }] }, probe)
      }
      const first = out.reduce((earliest, { until }) => Math.min(earliest, until), Infinity)
      return refused(out === state.probes ? state : { ...state, probes: out }, Math.min(policy.resetAfter, first - at))
    }
  }
}

const ended = (policy: Policy, state: State, event: Extract<Event, { readonly _tag: "Ended" }>): State => {
  const { at, count, outcome, slow, ticket } = event
  if (ticket.generation !== state.generation) return state
  const failed = outcome === "failure"
  switch (state._tag) {
    case "Open":
      return state
    case "Closed": {
      if (outcome === "neither") return state
      // what is not looked at is not counted
      const failuresInARow = failed && policy.failureThreshold !== Infinity ? state.failuresInARow + count : 0
      const isWindowed = policy.failureRate <= 1 || policy.slowRate <= 1
      const window = isWindowed ? Window.add(state.window, policy.reach, { at, count, failed, slow }) : Window.empty
      if (failuresInARow === state.failuresInARow && window === state.window) return state
      const reason = failed || slow ? tripped(policy, failuresInARow, window, at) : undefined
      return reason === undefined
        ? { ...state, failuresInARow, window }
        : opened(state.generation + 1, reason, at + policy.resetAfter)
    }
    case "HalfOpen": {
      if (!state.probes.some(({ id }) => id === ticket.probe)) return state
      const probes = state.probes.filter(({ id }) => id !== ticket.probe)
      if (outcome === "neither") return { ...state, probes }
      if (failed || slow) {
        return opened(state.generation + 1, "probeFailed", at + policy.resetAfter)
      }
      const successes = state.successes + 1
      return successes >= policy.closeAfter
        ? closed(state.generation + 1, "probesSucceeded")
        : { ...state, probes, successes }
    }
  }
}

/**
 * Whether a change is more than one success more of a closed breaker: those are not worth a write, and go to the store
 * together with what comes after them.
 */
export const isLasting = (before: State, event: Event, after: State): boolean => {
  if (before === after) return false
  const isSuccess = event._tag === "Ended" && event.outcome === "success" && !event.slow
  return !(
    isSuccess &&
    before._tag === "Closed" &&
    after._tag === "Closed" &&
    before.failuresInARow === after.failuresInARow
  )
}

/** Why a breaker opens, when it does. A call that succeeded in time never opens one: it makes no rate worse. */
const tripped = (policy: Policy, failuresInARow: number, window: Window.Window, at: number): Reason | undefined => {
  if (failuresInARow >= policy.failureThreshold) return "failuresInARow"
  const { calls, failures, slow } = Window.counts(window, policy.reach, at)
  if (calls < policy.minimumCalls) return undefined
  if (failures >= policy.failureRate * calls && failures > 0) return "failureRate"
  return slow >= policy.slowRate * calls && slow > 0 ? "slowRate" : undefined
}
