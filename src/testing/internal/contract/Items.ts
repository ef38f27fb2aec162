/**
 * The items of maps, and the cells that modules share.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import type { Transition } from "../../../model/Transition.js"
import { type ModuleChange, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, sameMembers } from "./Expect.js"
import { all, changesOf, commit, item, moduleChange, newRun, runId, stored } from "./Rows.js"

const items = Check.group("items", {
  "of the named modules, and their counts": Effect.gen(function* () {
    const store = yield* RunStore
    for (const id of ["a", "b"]) yield* store.open(newRun(id))
    const items = [item("m", 0, "completed"), item("m", 2, "failed"), item("m", 10, "completed", { output: null })]
    const other = item("n", 0, "failed")
    yield* commit(changesOf("a", { items: [...items, other] }), changesOf("b", { items: [item("m", 7, "completed")] }))
    yield* sameMembers(yield* store.items(runId("a"), ["m", "m", "missing"]), items)
    yield* sameMembers(yield* store.items(runId("a"), ["m", "n"]), [...items, other])
    yield* equal(yield* store.items(runId("a"), []), [])
    yield* equal(yield* store.items(runId("none"), ["m"]), [])
    yield* sameMembers((yield* stored("a")).items, [
      { module: "m", status: "completed", count: 2 },
      { module: "m", status: "failed", count: 1 },
      { module: "n", status: "failed", count: 1 }
    ])
  }),

  "that completed stay, and those that failed give way": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const kinds = [item("m", 0, "completed"), item("m", 0, "failed")]
    const others = [item("m", 0, "completed", { output: '"two"' }), item("m", 0, "failed", { failure: "{}" })]
    const cases = [true, false].flatMap((apart) =>
      kinds.flatMap((first) => others.map((second) => ({ apart, first, second })))
    )
    for (const [index, { apart, first, second }] of cases.entries()) {
      const [left, right] = [
        { ...first, index },
        { ...second, index }
      ]
      if (apart) {
        yield* commit(changesOf("a", { items: [left] }))
        yield* commit(changesOf("a", { items: [right] }))
      } else yield* commit(changesOf("a", { items: [left, right] }))
      const found = (yield* store.items(runId("a"), ["m"])).filter((row) => row.index === index)
      yield* equal(found, [left.status === "completed" ? left : right])
    }
  }),

  "by the thousands": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const items = Array.makeBy(3001, (i) => item("m", i, i % 3 === 0 ? "failed" : "completed"))
    const transitions = items.map(({ index, module, status }, i): Transition => ({
      _tag: "ItemTransition",
      seq: i + 1,
      at: i,
      module,
      index,
      status
    }))
    yield* commit(changesOf("a", { items, transitions }))
    const rows = [...(yield* store.items(runId("a"), ["m"]))].sort((a, b) => a.index - b.index)
    yield* equal(rows, items)
    yield* equal(yield* store.history(runId("a"), all), transitions)
  })
})

const rows = Check.group("rows", {
  "the rows of a module keep how many items it has, and never until when it waits": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const steps: ReadonlyArray<readonly [Partial<ModuleChange>, number | null, number | null]> = [
      [{ status: "running", attempt: 1, items: 7 }, 7, null],
      [{ status: "suspended", attempt: 1, until: 50 }, 7, 50],
      [{ status: "running", attempt: 2 }, 7, null],
      [{ status: "suspended", attempt: 2, until: 0.5, items: 8 }, 8, 0.5],
      [{ status: "completed", attempt: 2 }, 8, null]
    ]
    for (const [fields, items, until] of steps) {
      yield* commit(changesOf("a", { modules: [moduleChange("m", fields)] }))
      const [row] = (yield* stored("a")).modules
      yield* equal([row?.items, row?.until], [items, until])
    }
  }),

  "shared cells have their latest value": Effect.gen(function* () {
    const store = yield* RunStore
    for (const id of ["a", "b"]) yield* store.open(newRun(id))
    const other = { cell: "orders/stats/n", value: "null" }
    const cell = (value: string) => ({ cell: "stats/n", value })
    yield* commit(
      changesOf("a", { shared: [cell("1"), other] }),
      changesOf("b", { shared: [cell("7")] }),
      changesOf("a", { shared: [cell('"two"')] })
    )
    yield* sameMembers((yield* stored("a")).shared, [cell('"two"'), other])
    yield* commit(changesOf("a", { shared: [cell("[3]")] }))
    yield* sameMembers((yield* stored("a")).shared, [cell("[3]"), other])
    yield* equal((yield* stored("b")).shared, [cell("7")])
  })
})

export const checks = [...items, ...rows]
