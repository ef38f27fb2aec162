/** What throws when it is looked at is a typed error, too, whatever it throws. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FlowRegistry } from "heddle"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { dagOf, kinds } from "./FlowFixtures.js"

const RegistryLive = FlowRegistry.layer().pipe(Layer.provide(FlowStoreMemory.layer()))
const dag = dagOf("orders", kinds[0]!)

const throwing = (key: string, thrown: unknown): object =>
  Object.defineProperty({}, key, {
    enumerable: true,
    get: () => {
      throw thrown
    }
  })

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
}

/** What comes from JavaScript has any type. */
type Wild = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, { readonly _tag: string }>

const cases: ReadonlyArray<readonly [string, (set: Wild, registerAll: Wild) => ReturnType<Wild>]> = [
  ["a thing without a text", (set) => set("orders", throwing("version", Object.create(null)))],
  ["a symbol", (set) => set("orders", throwing("version", Symbol("no")))],
  ["a thing whose text throws", (set) => set("orders", throwing("version", throwing("toString", "no")))],
  ["a Dag that throws", (_, registerAll) => registerAll([throwing("dag", Object.create(null))])],
  ["an array that throws", (_, registerAll) => registerAll(new Proxy([{}], { get: () => assert.fail("no") }))],
  ["a revoked array", (_, registerAll) => registerAll(revoked())],
  [
    "an array with holes",
    (_, registerAll) => registerAll(Object.assign(new Array(2), { 1: { dag, version: "2.0.0" } }))
  ]
]

describe("FlowRegistry", () => {
  for (const [name, call] of cases) {
    it.effect(`refuses ${name}, and changes nothing`, () =>
      Effect.gen(function* () {
        const registry = yield* FlowRegistry.FlowRegistry
        yield* registry.register(dag, { version: "1.0.0" })
        const before = yield* registry.list()
        // the very point: types do not hold there
        const [set, all] = [registry.setFlowStatus, registry.registerAll] as unknown as readonly [Wild, Wild]
        const error = yield* Effect.flip(call(set, all))
        assert.strictEqual(error._tag, "FlowInvalid")
        assert.deepStrictEqual(yield* registry.list(), before)
      }).pipe(Effect.provide(RegistryLive))
    )
  }
})
