/**
 * The list of runs.
 */
import * as Effect from "effect/Effect"
import { type RunRow, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, commit, newRun, run } from "./Rows.js"

export const checks = Check.group("list", {
  "list filters, pages and breaks ties by id": Effect.gen(function* () {
    const store = yield* RunStore
    // ascending in code points: "\uffee" is before "😀", whose code units are lower
    const ids = ["A", "a", "a1", "b", "é", "\uffee", "😀"]
    for (const [i, id] of ids.entries()) {
      yield* store.open(newRun(id, { createdAt: 2000, dag: i % 2 === 0 ? "even" : "odd" }))
    }
    yield* store.open(newRun("old", { createdAt: 1000, dag: "even" }))
    yield* store.open(newRun("new", { createdAt: 3000.5, dag: "odd" }))
    yield* commit(become("a", 1, "failed"), become("old", 1, "failed"))
    const expected = ["new", ...[...ids].reverse(), "old"]
    type Filter = Parameters<typeof store.list>[0]
    const filtered: ReadonlyArray<readonly [Filter, ReadonlyArray<string>]> = [
      [{ limit: Infinity }, expected],
      [{ limit: 0 }, []],
      [{ limit: 3 }, expected.slice(0, 3)],
      [{ limit: 9, status: "failed" }, ["a", "old"]],
      [{ limit: 9, dag: "even" }, ["😀", "é", "a1", "A", "old"]],
      [{ limit: 9, dag: "even", status: "running" }, ["😀", "é", "a1", "A"]],
      [{ limit: 9, dag: "none" }, []]
    ]
    for (const [filter, names] of filtered) {
      const listed = (yield* store.list(filter)).map((row): string => row.runId)
      yield* equal(listed, names, JSON.stringify(filter))
    }
    for (const filter of [{}, { dag: "odd" }, { status: "running" as const }]) {
      const whole = yield* store.list({ ...filter, limit: 99 })
      const pages: Array<RunRow> = []
      for (;;) {
        const page = yield* store.list({ ...filter, limit: 2, before: pages.at(-1) })
        if (page.length === 0 || pages.length > whole.length) break
        pages.push(...page)
      }
      yield* equal(pages, whole, JSON.stringify(filter))
    }
    yield* equal(yield* store.list({ limit: 1, status: "failed" }), [yield* run("a")])
  })
})
