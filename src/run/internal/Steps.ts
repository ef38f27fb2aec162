import { isFinal } from "../../model/ModuleStatus.js"
import { outermost } from "../../model/RunSnapshot.js"
import type { Cell, Evidence, Fact } from "./Evidence.js"

export type Decision = "keep" | "runAgain"

export interface Step {
  readonly path: string
  readonly of: "module" | "cell"
  readonly action: "reuse" | "run" | "runAgain" | "conflict" | "orphan"
  readonly because: string
  readonly decisions: ReadonlyArray<Decision>
}

/** The steps, and which modules of the Dag itself, and which cells, they forget. */
export interface Steps {
  readonly steps: ReadonlyArray<Step>
  readonly removed: ReadonlyArray<string>
  readonly reset: ReadonlyArray<string>
  readonly cells: ReadonlyArray<string>
}

/** What becomes of a module of the Dag itself. */
interface Fate {
  readonly action: Step["action"]
  readonly because: string
  readonly decisions?: ReadonlyArray<Decision>
  /** Whether what is stored of it is forgotten. */
  readonly reset?: boolean
  /** Whether what needs it may take it as it was. */
  readonly stable: boolean
}

const inputOf = ({ fault, keepable, known, row, same }: Fact, decision: Decision | undefined): Fate => {
  if (fault !== undefined)
    return { action: "conflict", because: `what was given does not fit: ${fault}`, stable: false }
  if (!known) return { action: "run", because: "it is new, and may be left out", stable: false }
  if (same) return { action: row === undefined ? "run" : "reuse", because: "it is the same", stable: true }
  if (decision === "keep") return { action: "reuse", because: "it was decided", decisions: ["keep"], stable: true }
  return {
    action: "conflict",
    because: "its schema is another one now",
    decisions: keepable ? ["keep"] : [],
    stable: false
  }
}

const fateOf = (fact: Fact, isStable: (need: string) => boolean, decision: Decision | undefined): Fate => {
  const { delivered, fault, inside, keepable, once, row, same, worked } = fact
  if (fact.kind === "input") return inputOf(fact, decision)
  const unstable = fact.needs.find((need) => !isStable(need))
  const isSame = same && unstable === undefined && fault === undefined
  const why =
    fault !== undefined
      ? `what is stored does not decode: ${fault}`
      : same
        ? `it needs "${unstable}", which is not reused`
        : "it is another one now"
  const again: Fate = { action: "runAgain", because: why, reset: true, stable: false }
  const isPending = row === undefined || row.status === "pending"
  const allowed: ReadonlyArray<Decision> = keepable ? ["keep", "runAgain"] : ["runAgain"]

  if (isPending && inside.length === 0 && !worked) {
    const attempted = row !== undefined && row.attempt > 0
    const waits: Fate = attempted
      ? { action: "runAgain", because: "it is to run again", stable: isSame }
      : { action: "run", because: "it has not begun", stable: isSame }
    if (!delivered || (same && fault === undefined)) return waits
    // a signal that came before its module
    if (decision === "keep" && keepable) return { ...waits, decisions: allowed }
    if (decision === "runAgain") return { ...waits, decisions: allowed, reset: true, stable: false }
    return { action: "conflict", because: `a signal was delivered, and ${why}`, decisions: allowed, stable: false }
  }
  if (isSame) {
    if (decision === "runAgain") return { ...again, because: "it was decided", decisions: allowed }
    const decided = decision === undefined ? {} : { decisions: allowed }
    if (!isPending && (isFinal(row.status) || row.status === "suspended")) {
      const because = row.status === "suspended" ? "it waits, and goes on waiting" : `it is ${row.status}, and the same`
      return { action: "reuse", because, stable: true, ...decided }
    }
    return { action: "runAgain", because: "it was under way, and goes on as in any resume", stable: true, ...decided }
  }
  if (worked || once || delivered) {
    if (decision === "keep" && keepable) {
      return { action: "reuse", because: "it was decided", decisions: allowed, stable: true }
    }
    if (decision === "runAgain") return { ...again, because: "it was decided", decisions: allowed }
    const what = worked
      ? "it completed, or something inside of it did"
      : once
        ? "it may be made only once"
        : "it was told"
    return { action: "conflict", because: `${what}, and ${why}`, decisions: allowed, stable: false }
  }
  return row?.begun === true ? again : { ...again, action: "run", because: "it has not begun" }
}

const insideOf = ({ inside, path }: Fact, { action, reset, stable }: Fate): ReadonlyArray<Step> =>
  inside.map((row) => {
    const goesOn = isFinal(row.status) || row.status === "suspended" ? "reuse" : row.begun ? "runAgain" : "run"
    return {
      path: row.path,
      of: "module",
      action: reset === true ? "runAgain" : stable ? goesOn : action,
      because: `it goes with "${path}"`,
      decisions: []
    }
  })

/** Pure: the same evidence and decisions give the same steps. */
export const make = (evidence: Evidence, decisions: { readonly [path: string]: Decision }): Steps => {
  const decisionOf = (path: string) => (Object.hasOwn(decisions, path) ? decisions[path] : undefined)
  const fates = new Map<string, Fate>()
  const steps: Array<Step> = []
  for (const fact of evidence.facts) {
    const fate = fateOf(fact, (need) => fates.get(need)?.stable === true, decisionOf(fact.path))
    fates.set(fact.path, fate)
    const { action, because, decisions = [] } = fate
    steps.push({ path: fact.path, of: "module", action, because, decisions }, ...insideOf(fact, fate))
  }
  const removed = new Set<string>()
  for (const { path } of evidence.orphans) {
    removed.add(outermost(path))
    steps.push({ path, of: "module", action: "orphan", because: "the new Dag does not have it", decisions: [] })
  }
  for (const path of evidence.signals) if (!fates.has(outermost(path))) removed.add(outermost(path))

  const forgotten: Array<string> = []
  const cellOf = ({ fault, known, path }: Cell): Omit<Step, "path" | "of"> => {
    const outer = fates.get(outermost(path))
    const isInside = path.split("/").length > 2
    if (!known || (isInside && outer === undefined)) {
      forgotten.push(path)
      return { action: "orphan", because: "the new Dag does not have it", decisions: [] }
    }
    if (isInside && outer !== undefined && (outer.reset === true || !outer.stable)) {
      if (outer.reset === true) forgotten.push(path)
      return { action: outer.action, because: `it goes with "${outermost(path)}"`, decisions: [] }
    }
    if (fault === undefined) return { action: "reuse", because: "it decodes", decisions: [] }
    if (decisionOf(path) === "runAgain") {
      forgotten.push(path)
      return { action: "runAgain", because: "it was decided", decisions: ["runAgain"] }
    }
    return { action: "conflict", because: `what is stored does not decode: ${fault}`, decisions: ["runAgain"] }
  }
  for (const cell of evidence.cells) steps.push({ path: cell.path, of: "cell", ...cellOf(cell) })

  return {
    steps,
    removed: Array.from(removed),
    reset: Array.from(fates).flatMap(([path, { reset }]) => (reset === true ? [path] : [])),
    cells: forgotten
  }
}
