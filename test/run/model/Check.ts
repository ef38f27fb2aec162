/** What holds for every run of a random graph, and what it is compared with. */
import { assert } from "@effect/vitest"
import { Exit, HashMap, Option } from "effect"
import { ModuleStatus, RunSnapshot } from "heddle"
import { isEnded } from "heddle/model/Transition"
import type { Case, Driven } from "./Drive.js"
import type { Expected } from "./Expected.js"
import * as RandomGraph from "./RandomGraph.js"
import * as Values from "./Values.js"

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

/** Where plain data differs. */
const differences = (actual: unknown, expected: unknown, at: string): ReadonlyArray<string> => {
  if (Object.is(actual, expected)) return []
  if (!isObject(actual) || !isObject(expected) || Array.isArray(actual) !== Array.isArray(expected)) {
    return [`${at} is ${JSON.stringify(actual)} and should be ${JSON.stringify(expected)}`]
  }
  const keys = new Set([...Object.keys(actual), ...Object.keys(expected)])
  return Array.from(keys).flatMap((key) => differences(actual[key], expected[key], `${at} / ${key}`))
}

/** What differs is part of the message, which is all that a shrunk counterexample shows. */
const same = (actual: unknown, expected: unknown, what: string) => {
  const found = differences(actual, expected, what)
  if (found.length > 0) assert.fail(found.slice(0, 8).join("\n"))
}

const plainSnapshot = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  // a crash right after a reopening loses the transition that says when that was
  startedAt: 0,
  modules: Object.fromEntries(snapshot.modules),
  shared: Object.fromEntries(snapshot.shared)
})

/** One number after the other, one final status for each module and item, and a fold that gives what is stored. */
const checkHistory = ({ history, snapshot }: Driven) => {
  same(
    history.map(({ seq }) => seq),
    history.map((_, i) => i + 1),
    "transitions are numbered without gaps"
  )
  let hasEnded = false
  const finals = new Map<string, { readonly status: string; readonly stays: boolean }>()
  for (const transition of history) {
    if (transition._tag === "RunTransition") {
      if (hasEnded && transition.status === "running") {
        for (const [path, { stays }] of finals) if (!stays) finals.delete(path)
      }
      hasEnded = isEnded(transition.status)
    } else if ("module" in transition) {
      const { failure, module, status } = transition
      const path = transition._tag === "ItemTransition" ? `${module}#${transition.index}` : module
      assert.isFalse(hasEnded, `the run has ended, and ${path} becomes ${status}`)
      assert.isFalse(finals.has(path), `${path} is ${finals.get(path)?.status} and becomes ${status}`)
      const stays = status === "completed" || (status === "skipped" && failure !== undefined)
      if (ModuleStatus.isFinal(status)) finals.set(path, { status, stays })
    }
  }
  const empty = RunSnapshot.make({ ...snapshot, startedAt: 0 })
  same(plainSnapshot(history.reduce(RunSnapshot.evolve, empty)), plainSnapshot(snapshot), "the fold")
}

/** How a run ends follows from how its modules do: nobody cancels it, or lets it time out, at last. */
const endingOf = (graph: RandomGraph.Graph, snapshot: RunSnapshot.RunSnapshot) => {
  const may = RandomGraph.maySkip(graph)
  const statusOf = (index: number) => RunSnapshot.module(snapshot, RandomGraph.nameOf(index)).status
  if (graph.vertices.some((_, index) => statusOf(index) === "failed")) return "failed"
  const isWhole = RandomGraph.outputsOf(graph).every((index) => statusOf(index) === "completed" || may[index])
  return isWhole ? "completed" : "stopped"
}

/** The own errors of a child's modules are not told again. */
const hasFailedChild = ({ vertices }: RandomGraph.Graph, snapshot: RunSnapshot.RunSnapshot) =>
  vertices.some(
    (vertex, index) =>
      "child" in vertex &&
      vertex.child !== undefined &&
      RunSnapshot.module(snapshot, RandomGraph.nameOf(index)).status === "failed"
  )

const checkInvariants = (graph: RandomGraph.Graph, driven: Driven) => {
  const { again, exit, snapshot, ticked, violations } = driven
  same(violations, [], "what was noticed")
  checkHistory(driven)
  assert.strictEqual(snapshot.status, endingOf(graph, snapshot), "how the run ended")
  assert.strictEqual(Exit.isSuccess(again), snapshot.status === "completed", "whether there are outputs")
  if (exit !== undefined && !hasFailedChild(graph, snapshot))
    same(Values.plain(again), Values.plain(exit), "the result")
  const ticks = Option.getOrElse(HashMap.get(snapshot.shared, "stats/ticks"), () => 0)
  const completed = Array.from(ticked).filter((path) => RunSnapshot.module(snapshot, path).status === "completed")
  assert.isAtLeast(Number(ticks), completed.length, "what was added to the live cell")
}

/** Whether more than the invariants can be told of a run. */
const isTold = (expected: Expected, { history }: Driven) =>
  // an attempt that is made at most once and was cut off is another failure
  !expected.isChance && !history.some((entry) => "failure" in entry && entry.failure?.kind === "cutOff")

const checkExpected = (expected: Expected, { policy }: Case, { again, snapshot }: Driven) => {
  assert.strictEqual(snapshot.status, expected.status, "the status of the run")
  for (const [path, { items, status }] of snapshot.modules) {
    if (expected.isLoose(path)) {
      if (status === "completed" || status === "failed") assert.strictEqual(status, expected.statuses.get(path), path)
      continue
    }
    assert.strictEqual(status, expected.statuses.get(path), path)
    if (expected.items.has(path)) same(items, expected.items.get(path), `the items of ${path}`)
  }
  for (const [path, status] of expected.statuses) {
    if (expected.isLoose(path)) continue
    assert.strictEqual(RunSnapshot.module(snapshot, path).status, status, path)
  }
  if (expected.status === "completed") {
    same(Values.plain(again), Values.plain(Exit.succeed(expected.outputs)), "the outputs")
  } else if (policy.onFailure === "failFast") return
  const cells = Array.from(snapshot.shared).filter(([cell]) => cell !== "stats/ticks" && !expected.isLoose(cell))
  same(Object.fromEntries(cells), expected.shared, "the shared cells")
}

export const check = (given: Case, expected: Expected, driven: Driven) => {
  checkInvariants(given.graph, driven)
  if (isTold(expected, driven)) checkExpected(expected, given, driven)
}
