/** Holds docs/guarantees.md against the tests that it names, so that no row can lie. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Dag, Engine, Heddle, Module, Run, Timeline } from "heddle"
import * as Evidence from "./Evidence.js"
import * as Page from "./Page.js"

const page = Page.read("docs/guarantees.md")
const [introduction] = page.split("\n## ")
const promises = Page.rows(Page.sections(page, 2).get("What is promised")!)

describe("docs/guarantees.md", () => {
  it("has rows of a promise, what it is with, known failures and tests", () => {
    const failures = Page.rows(introduction!).map(([name]) => name!)
    assert.isAbove(failures.length, 10)
    assert.isAbove(promises.length, 40)
    const against = new Set<string>()
    for (const row of promises) {
      assert.lengthOf(row, 4, row.join(" | "))
      const [promise, failure, shown] = [row[0], row[2], row[3]]
      assert.isNotEmpty(promise)
      assert.isNotEmpty(shown)
      for (const name of failure!.split(", ")) {
        assert.include(failures, name, promise)
        against.add(name)
      }
    }
    assert.sameMembers([...against], failures)
  })

  it("names tests that there are, and that run", () => {
    const known = Evidence.check(promises.map((row) => ({ what: row[0]!, shownBy: row[3]! })))
    assert.isAbove(known.size, 20)
  })
})

describe("a run", () => {
  it.live("is stored before anything of it runs", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Int)
      const look = Module.make("look", {
        needs: { n },
        output: Schema.Unknown,
        run: () =>
          Effect.gen(function* () {
            const timeline = yield* Timeline.Timeline
            const { input, policy } = Option.getOrThrow(yield* timeline.get(yield* Run.id))
            return { input, durability: policy.durability }
          })
      })
      const Looking = Dag.make("looking", { outputs: { look } })
      for (const durability of ["buffered", "committed", "fsynced"] as const) {
        const outputs = yield* Engine.execute(Looking, { n: 7 }, { durability })
        assert.deepStrictEqual(outputs, { look: { input: '{"n":"7"}', durability } })
        const handle = yield* Engine.start(Looking, { n: 8 }, { durability })
        const timeline = yield* Timeline.Timeline
        assert.strictEqual(Option.getOrThrow(yield* timeline.get(handle.id)).input, '{"n":"8"}')
      }
    }).pipe(Effect.provide(Heddle.layerSqlite({ filename: ":memory:" })))
  )
})
