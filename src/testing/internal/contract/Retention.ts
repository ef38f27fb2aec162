/**
 * What is deleted of runs that have ended.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { RunStatus } from "../../../model/Transition.js"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch, sameMembers } from "./Expect.js"
import { all, become, commit, moduleTransition, newRun, runId, runTransition, signal, step } from "./Rows.js"
import { counts, nothing, openAll, whole } from "./Storage.js"

/** Runs of this name that ended at this time. */
const ended = (runs: Readonly<Record<string, number>>): Effect.Effect<void, StoreError, RunStore> =>
  Effect.zipRight(
    openAll(Object.keys(runs)),
    commit(
      ...Object.entries(runs).map(([name, at]) =>
        become(name, 1, "completed", { transitions: [{ ...runTransition(1, "completed"), at }] })
      )
    )
  )

const prune = (request: { readonly keep?: number; readonly endedBefore?: number; readonly limit?: number }) =>
  Effect.flatMap(RunStore, (store) => store.prune({ keep: 0, endedBefore: Infinity, limit: Infinity, ...request }))

const has = (...names: ReadonlyArray<string>): Effect.Effect<void, Mismatch | StoreError, RunStore> =>
  Effect.flatMap(RunStore, (store) =>
    Effect.flatMap(store.list({ limit: Infinity }), (rows) =>
      sameMembers(
        rows.map(({ runId }): string => runId),
        names
      )
    )
  )

export const checks = Check.group("prune", {
  "of no runs deletes none": Effect.gen(function* () {
    yield* equal(yield* prune({}), 0)
    yield* equal(yield* prune({ keep: 3 }), 0)
  }),

  "never deletes a run that has not ended": Effect.gen(function* () {
    const others = RunStatus.literals.filter((status) => status !== "running" && status !== "suspended")
    yield* openAll(["running", "let go", "suspended", ...others])
    yield* (yield* RunStore).release({ runId: runId("let go"), epoch: 1 })
    yield* commit(become("suspended", 1, "suspended"), ...others.map((status) => become(status, 1, status)))
    yield* equal(yield* prune({}), others.length)
    yield* has("running", "let go", "suspended")
  }),

  "never deletes a run that had ended and is driven again": Effect.gen(function* () {
    yield* openAll(["a"])
    yield* commit(become("a", 1, "failed"))
    yield* (yield* RunStore).claim({ runId: runId("a"), owner: "two", now: 9, expiredBefore: 0, reopen: true })
    yield* equal(yield* prune({}), 0)
    yield* commit(become("a", 2, "completed", { epoch: 2 }))
    yield* equal(yield* prune({}), 1)
    yield* has()
  }),

  "keeps those that ended last": Effect.gen(function* () {
    yield* ended({ a: 30, b: 10, c: 20, d: 40 })
    yield* equal(yield* prune({ keep: 4 }), 0)
    yield* equal(yield* prune({ keep: Infinity }), 0)
    yield* equal(yield* prune({ keep: 3 }), 1)
    yield* has("a", "c", "d")
    yield* equal(yield* prune({ keep: 1 }), 2)
    yield* has("d")
  }),

  "keeps those that ended at the time or later": Effect.gen(function* () {
    yield* ended({ a: 30, b: 10, c: 20.5, d: 40 })
    yield* equal(yield* prune({ endedBefore: 10 }), 0)
    yield* equal(yield* prune({ endedBefore: 20.5 }), 1)
    yield* has("a", "c", "d")
    yield* equal(yield* prune({ endedBefore: 40 }), 2)
    yield* has("d")
  }),

  "keeps what either of the two keeps": Effect.gen(function* () {
    yield* ended({ a: 10, b: 20, c: 30, d: 40 })
    yield* equal(yield* prune({ keep: 1, endedBefore: 30 }), 2)
    yield* has("c", "d")
    yield* equal(yield* prune({ keep: 2, endedBefore: 50 }), 0)
    yield* equal(yield* prune({ keep: 1, endedBefore: 50 }), 1)
    yield* has("d")
  }),

  "deletes those that ended first, and no more than it may": Effect.gen(function* () {
    yield* ended({ a: 30, b: 10, c: 20, d: 40, e: 10 })
    yield* equal(yield* prune({ limit: 0 }), 0)
    // of equal times, the first by id
    yield* equal(yield* prune({ keep: 1, limit: 1 }), 1)
    yield* has("a", "c", "d", "e")
    yield* equal(yield* prune({ keep: 1, limit: 2 }), 2)
    yield* has("a", "d")
    yield* equal(yield* prune({ keep: 1, limit: 2 }), 1)
    yield* has("d")
  }),

  "deletes all that is stored of a run, and nothing of another": Effect.gen(function* () {
    const store = yield* RunStore
    yield* openAll(["a", "b"])
    for (const name of ["a", "b"]) yield* store.signal(signal(name, "ask"))
    yield* commit(whole("a", 10), whole("b", 20))
    const of = (name: string) =>
      Effect.gen(function* () {
        const id = runId(name)
        return {
          run: yield* store.get(id),
          items: yield* store.items(id, ["orders"]),
          outputs: yield* store.outputs(id, ["m", "n"]),
          history: yield* store.history(id, all),
          signals: yield* store.signals([id])
        }
      })
    const other = yield* of("b")
    yield* isTrue(Option.isSome(other.run) && other.signals.length === 1, "there is another run")
    const both = yield* counts
    yield* equal(yield* prune({ keep: 1 }), 1)
    yield* equal(yield* of("a"), { run: Option.none(), items: [], outputs: new Map(), history: [], signals: [] })
    yield* equal(yield* of("b"), other)
    const left = yield* counts
    yield* equal(left.outputBytes * 2, both.outputBytes)
    yield* equal(yield* prune({}), 1)
    yield* equal(yield* counts, nothing)
  }),

  "leaves nothing for a new run of the same id": Effect.gen(function* () {
    const store = yield* RunStore
    yield* openAll(["a"])
    yield* store.signal(signal("a", "ask"))
    yield* commit(whole("a", 10))
    yield* prune({})
    yield* equal(yield* store.open(newRun("a")), { _tag: "Created" })
    yield* commit(step("a", 1, "m", "completed", { output: "2" }))
    yield* equal(yield* store.outputs(runId("a"), ["m"]), new Map([["m", "2"]]))
    yield* equal(yield* store.items(runId("a"), ["orders"]), [])
    yield* equal(yield* store.signals([runId("a")]), [])
    yield* equal(yield* store.history(runId("a"), all), [moduleTransition(1, "m", "completed")])
  }),

  "deletes many at once": Effect.gen(function* () {
    yield* ended(Object.fromEntries(Array.makeBy(600, (i) => [`r${i}`, i])))
    yield* equal(yield* prune({ keep: 2, endedBefore: 598 }), 598)
    yield* has("r598", "r599")
  })
})
