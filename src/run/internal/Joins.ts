import type { JoinRule } from "../../dag/Definition.js"
import { isFinal, type ModuleStatus } from "../../model/ModuleStatus.js"
import type { SkipReason } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"

/** What is known of the modules, and what becomes of them. */
export interface Events {
  readonly statusOf: (index: number) => ModuleStatus
  readonly becauseOf: (index: number) => SkipReason | undefined
  /** What completed modules gave, by position. */
  readonly values: ReadonlyArray<unknown>
  /** Whether nothing was decided about the module yet. */
  readonly isOpen: (index: number) => boolean
  readonly ready: (index: number) => void
  /**
   * It can never run: its end is settled now, not when all of what it needs has ended. It ends as what it could not do
   * without has ended, and for the same reason.
   */
  readonly unmet: (index: number, status: "skipped" | "cancelled", because: SkipReason | undefined) => void
}

export interface Joins {
  /** What was known before anything runs. */
  readonly begin: () => void
  /** A module has ended. */
  readonly settled: (index: number) => void
}

/** What is known of a module, as bits: whether anything was decided, how its needs ended, whether a branch is open. */
const decided = 1
const succeeded = 2
const sawFailure = 4
const undecided = 8
const sawStop = 16

/**
 * Which modules of a Dag become ready, or can never run, as others end: the join rules and the branches.
 *
 * A module that was skipped because of a failure further up counts as failed to `noneFailed`: what stands behind a
 * failed step does not run.
 */
export const make = (plan: Plan, { becauseOf, isOpen, ready, statusOf, unmet, values }: Events): Joins => {
  const size = plan.modules.length
  /** By module: how many of its needs, and its route, have yet to end. */
  const missing = new Int32Array(plan.inDegree)
  const facts = new Uint8Array(size)
  const work: Array<number> = []
  let draining = false

  const is = (index: number, fact: number) => (facts[index]! & fact) !== 0
  const note = (index: number, fact: number) => void (facts[index]! |= fact)

  const joinOf = (index: number): JoinRule => {
    const { definition } = plan.modules[index]!
    return definition.kind === "input" ? "allSucceeded" : definition.join
  }

  const isBad = (index: number, status: ModuleStatus) =>
    status === "failed" || (status === "skipped" && becauseOf(index) === "failure")

  const queue = (index: number) => {
    note(index, decided)
    ready(index)
  }

  const reject = (index: number, status: ModuleStatus, because: SkipReason | undefined) => {
    note(index, decided)
    unmet(index, status === "cancelled" ? "cancelled" : "skipped", because)
  }

  /** One edge from a module that ended. */
  const follow = (index: number, source: number, status: ModuleStatus) => {
    const { needs, when } = plan.modules[index]!
    const join = joinOf(index)
    missing[index]!--
    if (when === undefined && join === "allSucceeded" && status === "completed") {
      if (missing[index] === 0) queue(index)
      return
    }
    const bad = isBad(source, status)
    const because = bad ? "failure" : becauseOf(source)
    if (when?.index === source) {
      if (status !== "completed" || values[source] !== when.branch) return reject(index, status, because)
      facts[index]! &= ~undecided
    }
    if (when?.index !== source || needs.some((need) => need.index === source)) {
      if (status === "completed") note(index, succeeded)
      if (bad) note(index, sawFailure)
      if (because === "stop") note(index, sawStop)
      if (join === "allSucceeded" && status !== "completed") return reject(index, status, because)
      if (join === "noneFailed" && (bad || status === "cancelled")) return reject(index, status, because)
    }
    if (missing[index] === 0) {
      if (join === "anySucceeded" && needs.length > 0 && !is(index, succeeded)) {
        return reject(index, status, is(index, sawFailure) ? "failure" : is(index, sawStop) ? "stop" : because)
      }
      return queue(index)
    }
    if (join === "anySucceeded" && is(index, succeeded) && !is(index, undecided)) queue(index)
  }

  const settled: Joins["settled"] = (index) => {
    // without recursion: what is settled settles others in turn, along chains of any length
    work.push(index)
    if (draining) return
    draining = true
    for (let source = work.pop(); source !== undefined; source = work.pop()) {
      const status = statusOf(source)
      for (let d = plan.dependantsFrom[source]!; d < plan.dependantsFrom[source + 1]!; d++) {
        const dependant = plan.dependants[d]!
        if (!is(dependant, decided) && isOpen(dependant)) follow(dependant, source, status)
      }
    }
    draining = false
  }

  return {
    settled,
    begin: () => {
      const before: Array<number> = []
      for (let index = 0; index < size; index++) {
        if (plan.modules[index]!.when !== undefined) note(index, undecided)
        if (isFinal(statusOf(index))) before.push(index)
      }
      for (const index of before) settled(index)
      for (let index = 0; index < size; index++) {
        if (plan.inDegree[index] === 0 && isOpen(index)) queue(index)
      }
    }
  }
}
