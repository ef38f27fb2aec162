import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Layer } from "effect"
import { type Flow, FlowRegistry } from "heddle"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { numRuns } from "../numRuns.js"
import { dagOf, foundAs, kinds, toolNames } from "./FlowFixtures.js"

/** `writes`: how many flows each transition has changed. */
const live = (writes: Array<number> = []) => {
  const counted = Layer.effect(
    FlowStore,
    Effect.map(FlowStore, (store) => ({
      ...store,
      write: (changes: Parameters<typeof store.write>[0]) => {
        writes.push(changes.length)
        return store.write(changes)
      }
    }))
  )
  return FlowRegistry.layer().pipe(Layer.provide(counted), Layer.provide(Layer.fresh(FlowStoreMemory.layer())))
}

const name = fc.constantFrom("a", "b", "c")
const flows = fc.uniqueArray(
  fc.record({ name, version: fc.constantFrom("1.0.0", "1.1.0", "2.0.0"), kind: fc.constantFrom(...kinds) }),
  { selector: ({ name, version }) => `${name} ${version}`, minLength: 1, maxLength: 6 }
)
const found = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...toolNames), fc.nat(3)), { selector: ([tool]) => tool, maxLength: 4 })
  .map((tools): Flow.Tools => Object.fromEntries(tools.map(([tool, i]) => [tool, foundAs(tool)[i]!])))

describe("FlowRegistry.reportDrift", () => {
  it.effect(
    "marks exactly the versions that it concerns and that have something else accepted, in one transition",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(flows, found, name, (flows, found, of) => {
            const writes: Array<number> = []
            return Effect.runPromise(
              Effect.gen(function* () {
                for (const { kind, name, version } of flows)
                  yield* FlowRegistry.register(dagOf(name, kind), { version })
                const before = yield* FlowRegistry.list()
                const changed = yield* FlowRegistry.reportDrift(found, { flow: of, reason: "found" })
                // names of nodes are those of all flows, and paths those of one
                const expected = before.flatMap((flow) => {
                  const drift = Object.entries(found).filter(
                    ([tool, { hash }]) =>
                      (tool === "node:test/Rate" || flow.name === of) &&
                      flow.tools[tool] &&
                      flow.tools[tool].hash !== hash
                  )
                  return drift.length === 0
                    ? []
                    : [{ key: `${flow.name} ${flow.version}`, drift: Object.fromEntries(drift), status: "needsReview" }]
                })
                assert.deepStrictEqual(
                  changed.map(({ drift, name, status, version }) => ({ key: `${name} ${version}`, drift, status })),
                  expected
                )
                const after = yield* FlowRegistry.list()
                for (const flow of after) {
                  const marked = changed.find(({ name, version }) => name === flow.name && version === flow.version)
                  const was = before.find(({ name, version }) => name === flow.name && version === flow.version)
                  assert.deepStrictEqual(flow, marked ?? was!)
                }
                assert.deepStrictEqual(writes.slice(flows.length), expected.length === 0 ? [] : [expected.length])
                assert.deepStrictEqual(yield* FlowRegistry.reportDrift(found, { flow: of }), [], "once")
              }).pipe(Effect.provide(live(writes)))
            )
          }),
          { numRuns }
        )
      )
  )

  it.effect("names the modules that are of no flow in particular, and changes nothing", () =>
    Effect.gen(function* () {
      yield* FlowRegistry.register(dagOf("a", kinds[0]!), { version: "1.0.0" })
      const before = yield* FlowRegistry.list()
      const tools = { total: foundAs("total")[3]!, n: foundAs("n")[3]!, "node:test/Rate": foundAs("rate")[3]! }
      const error = yield* Effect.flip(FlowRegistry.reportDrift(tools))
      assert(error._tag === "FlowInvalid")
      assert.deepStrictEqual(
        error.faults.map(({ path }) => path),
        ["n", "total"]
      )
      assert.match(error.message, /give the name of that as `flow`/)
      assert.deepStrictEqual(yield* FlowRegistry.list(), before)
      assert.deepStrictEqual(
        yield* FlowRegistry.reportDrift(tools, { flow: "none" }).pipe(
          Effect.map((flows) => flows.map(({ name }) => name))
        ),
        ["a"]
      )
    }).pipe(Effect.provide(live()))
  )
})
