/**
 * What modules gave, and the names that they may have.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, sameMembers } from "./Expect.js"
import { all, changesOf, commit, moduleChange, modulesOf, moduleTransition, newRun, runId } from "./Rows.js"

const completed = (module: string, output: string | null) => moduleChange(module, { status: "completed", output })

const outputs = Check.group("outputs", {
  "of those of the named modules that have one": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* store.open(newRun("b"))
    const modules = [
      completed("none", null),
      completed("empty", '""'),
      completed("null", "null"),
      completed("other", "1")
    ]
    yield* commit(changesOf("a", { modules }), changesOf("b", { modules: [completed("foreign", "1")] }))
    const found = yield* store.outputs(runId("a"), ["none", "empty", "null", "null", "missing", "foreign"])
    yield* equal(
      new Map(found),
      new Map([
        ["empty", '""'],
        ["null", "null"]
      ])
    )
    yield* equal((yield* store.outputs(runId("a"), [])).size, 0)
  }),

  "of more modules than a statement has parameters": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const modules = Array.range(1, 41_000).map((i) => `m${i}`)
    yield* commit(changesOf("a", { modules: modules.map((module) => completed(module, `"${module}"`)) }))
    const found = yield* store.outputs(runId("a"), modules)
    yield* equal(found.size, modules.length)
    yield* isTrue(
      modules.every((module) => found.get(module) === `"${module}"`),
      "each module has its own output"
    )
  })
})

const names = [
  'it\'s "quoted"; DROP TABLE runs; --',
  "nul\u0000inside",
  "nul\u0000other",
  "ünïcödé 模块 👩‍👩‍👧",
  " leading and trailing ",
  "line\nbreak",
  "%_*?",
  "é",
  "e\u0301",
  "CASE",
  "case",
  "null",
  "1",
  "01",
  "x".repeat(10_000)
]

const texts = Check.group("texts", {
  "any text may name a module or stand in it": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const transitions = names.map((module, i) =>
      moduleTransition(i + 1, module, "failed", { failure: { kind: "defect", message: module, cause: module } })
    )
    const modules = names.map((module) =>
      moduleChange(module, { status: "failed", failure: JSON.stringify(module), output: module })
    )
    yield* commit(changesOf("a", { modules, transitions }))
    yield* sameMembers(
      (yield* modulesOf(store, runId("a"))).map(({ failure, module }) => ({ failure, module })),
      names.map((module) => ({ failure: JSON.stringify(module), module }))
    )
    const outputs = yield* store.outputs(runId("a"), names)
    for (const module of names) yield* equal(outputs.get(module), module)
    yield* equal(yield* store.history(runId("a"), all), transitions)
  })
})

export const checks = [...outputs, ...texts]
