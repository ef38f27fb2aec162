import type { Claim } from "../Update.js"
import { tally, type RunUnit, type Unit } from "./Entry.js"

/** The runs and the keyed states that have updates, or had some a short while ago. */
export interface Units {
  readonly ofRun: (claim: Claim) => RunUnit
  /** The same, of a claim in whose name something was offered. */
  readonly known: (claim: Claim) => RunUnit | undefined
  readonly ofState: (key: string) => Extract<Unit, { _tag: "State" }>
  /** The unit of the present driver of a run. */
  readonly find: (runId: string) => RunUnit | undefined
  readonly enter: (unit: Unit) => void
  /** One of its entries was settled: a state that has no other is forgotten. */
  readonly leave: (unit: Unit) => void
  /** A run's driver writes no more; that it was refused is remembered for as long as somebody has the claim. */
  readonly forget: (unit: Unit) => void
}

/** Of the runs that are idle, at most `capacity` are found. */
export const make = (capacity: number): Units => {
  const byClaim = new WeakMap<Claim, RunUnit>()
  const runs = new Map<string, RunUnit>()
  const states = new Map<string, Extract<Unit, { _tag: "State" }>>()

  const add = (unit: RunUnit) => {
    runs.delete(unit.key)
    runs.set(unit.key, unit)
    if (runs.size <= capacity) return
    for (const [key, other] of runs) {
      if (other.left > 0) continue
      runs.delete(key)
      return
    }
  }

  return {
    known: (claim) => byClaim.get(claim),
    ofRun: (claim) => {
      const known = byClaim.get(claim)
      if (known !== undefined) return known
      const present = runs.get(claim.runId)
      // the same driver, and one order for all that it does
      if (present !== undefined && present.claim.epoch === claim.epoch && present.refused === undefined) {
        byClaim.set(claim, present)
        return present
      }
      const { runId: key } = claim
      const unit: RunUnit = { _tag: "Run", key, claim, tally: tally(), left: 0, keepAt: 0, refused: undefined }
      byClaim.set(claim, unit)
      add(unit)
      return unit
    },
    ofState: (key) => {
      const known = states.get(key)
      if (known !== undefined) return known
      const unit: Extract<Unit, { _tag: "State" }> = { _tag: "State", key, tally: tally(), left: 0, refused: undefined }
      states.set(key, unit)
      return unit
    },
    find: (runId) => runs.get(runId),
    enter: (unit) => {
      unit.left++
      if (unit._tag === "State") return
      const present = runs.get(unit.key)
      // it was idle, and others were found in its place
      if (present === undefined || present.claim.epoch < unit.claim.epoch) add(unit)
    },
    leave: (unit) => {
      unit.left--
      if (unit._tag === "State" && unit.left === 0) states.delete(unit.key)
    },
    forget: (unit) => {
      if (unit._tag === "Run" && runs.get(unit.key) === unit) runs.delete(unit.key)
    }
  }
}
