/** Nothing that a registry gives can be changed, at any depth, by anybody. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, Stream } from "effect"
import { Flow, FlowAdmission, FlowRegistry, Plan } from "heddle"
import * as ToolSchema from "heddle/plan/ToolSchema"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { dagOf, foundAs, kinds } from "./FlowFixtures.js"

/** Every object that can be reached, with the way there. */
const reach = (root: unknown): ReadonlyArray<readonly [path: string, value: object]> => {
  const found = new Map<object, string>()
  const visit = (value: unknown, path: string): void => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null || found.has(value)) return
    found.set(value, path)
    for (const key of Reflect.ownKeys(value)) {
      const { value: item } = Object.getOwnPropertyDescriptor(value, key) ?? {}
      visit(item, `${path}.${String(key)}`)
    }
  }
  visit(root, "")
  return Array.from(found, ([value, path]) => [path, value] as const)
}

/** Whether something of it was changed by any means; each attempt may throw. */
const changed = (value: object): ReadonlyArray<string> => {
  const text = (): string => JSON.stringify([Reflect.ownKeys(value), value, Object.getPrototypeOf(value) === prototype])
  const prototype: unknown = Object.getPrototypeOf(value)
  const before = text()
  const keys = [...Reflect.ownKeys(value), "new"]
  const attempts: ReadonlyArray<readonly [string, () => unknown]> = [
    ...keys.flatMap((key) => [
      [`assign ${String(key)}`, (): unknown => ((value as Record<PropertyKey, unknown>)[key] = "changed")] as const,
      [`set ${String(key)}`, () => Reflect.set(value, key, "changed")] as const,
      [`delete ${String(key)}`, () => Reflect.deleteProperty(value, key)] as const,
      [`define ${String(key)}`, () => Reflect.defineProperty(value, key, { value: "changed" })] as const
    ]),
    ...(["push", "unshift", "pop", "shift", "reverse", "sort", "fill", "splice", "copyWithin"] as const).map(
      (method) =>
        [method, () => (Array.prototype[method] as (...args: Array<unknown>) => unknown).call(value, 0, 1)] as const
    ),
    ["length", () => Reflect.set(value, "length", 0)],
    ["setPrototypeOf", () => Object.setPrototypeOf(value, { changed: true })],
    ["__proto__", () => ((value as { __proto__: unknown }).__proto__ = { changed: true })],
    ["assign", () => Object.assign(value, { changed: true })]
  ]
  return attempts.flatMap(([name, attempt]): ReadonlyArray<string> => {
    try {
      attempt()
    } catch {
      // refused
    }
    return text() === before ? [] : [name]
  })
}

const assertImmutable = (name: string, value: unknown) => {
  const objects = reach(value)
  for (const [path, object] of objects) {
    assert.deepStrictEqual(changed(object), [], `${name}${path}`)
    assert.isTrue(Object.isFrozen(object), `${name}${path} is frozen`)
  }
  return objects.length
}

const live = FlowRegistry.layer().pipe(Layer.provide(FlowStoreMemory.layer()))
const first = { version: "1.0.0" } as const
const [dag, other] = [dagOf("orders", kinds[0]!), dagOf("other", kinds[1]!)]
const tools = { "node:test/Rate": foundAs("node:test/Rate")[1]! }
const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** A call of every function, one after the other over one store. */
const calls: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, FlowRegistry.FlowRegistry>]> = [
  ["register", FlowRegistry.register(dag, { ...first, lifecycle: "new" })],
  ["register again", FlowRegistry.register(dag, first)],
  [
    "registerAll",
    FlowRegistry.registerAll([
      { dag, ...first },
      { dag: other, ...first }
    ])
  ],
  ["get", FlowRegistry.get("orders")],
  ["get a version", FlowRegistry.get("orders", "1.0.0")],
  ["list", FlowRegistry.list()],
  ["list none", FlowRegistry.list({ name: "none" })],
  ["versions", FlowRegistry.versions("orders")],
  ["reportDrift", FlowRegistry.reportDrift(tools)],
  ["reportDrift of nothing", FlowRegistry.reportDrift({})],
  ["get with drift", FlowRegistry.get("orders")],
  ["acceptDrift", FlowRegistry.acceptDrift("orders", first)],
  ["acceptDrift of nothing", FlowRegistry.acceptDrift("orders", first)],
  ["setFlowStatus", FlowRegistry.setFlowStatus("orders", { ...first, status: "needsReview" })],
  [
    "updateFlowState",
    FlowRegistry.updateFlowState("orders", { ...first, status: "active", toolSchemaHashes: { n: "a".repeat(64) } })
  ],
  ["annotate", FlowRegistry.annotate("orders", { ...first, governance: "ann" })],
  ["remove", FlowRegistry.remove("other", first)],
  ["changes", collect(Stream.take(FlowRegistry.changes, 1)).pipe(Effect.map(([change]) => change))],
  ["audit", Effect.map(collect(FlowRegistry.audit()), (entries) => Object.freeze([...entries]))],
  ["exportAudit", Effect.map(collect(FlowRegistry.exportAudit()), (lines) => Object.freeze([...lines]))]
]

describe("nothing that a registry gives can be changed", () => {
  it.effect("what its functions give", () =>
    Effect.gen(function* () {
      let objects = 0
      for (const [name, call] of calls) {
        const before = yield* FlowRegistry.list()
        const text = JSON.stringify(before)
        const result = yield* call
        objects += assertImmutable(name, result)
        assert.strictEqual(JSON.stringify(before), text, `${name} leaves what was given before`)
      }
      assert.isAbove(objects, 500)
      // all of the functions
      const called = calls.map(([name]) => name.split(" ")[0])
      const functions = Object.entries(FlowRegistry).flatMap(([name, value]) =>
        name === "layer" || name === "FlowRegistry" || name === "defaults" || value === undefined ? [] : [name]
      )
      assert.deepStrictEqual(
        functions.filter((name) => !called.includes(name)),
        []
      )
    }).pipe(Effect.provide(live))
  )

  it.effect("the faults of its errors", () =>
    Effect.gen(function* () {
      yield* FlowRegistry.register(dag, first)
      yield* FlowRegistry.reportDrift(tools)
      const context = yield* Effect.context<FlowAdmission.FlowAdmission>()
      const errors: ReadonlyArray<Effect.Effect<unknown, object, FlowRegistry.FlowRegistry>> = [
        FlowRegistry.register(dag, { version: "1" }),
        FlowRegistry.register(dagOf("orders", kinds[2]!), first),
        FlowRegistry.setFlowStatus("orders", { ...first, status: "active" }),
        FlowRegistry.acceptDrift("orders", { ...first, tools: ["none"] }),
        Context.get(context, FlowAdmission.FlowAdmission).admit(
          yield* Effect.map(FlowRegistry.get("orders"), ({ fingerprint }) => ({ dag: "orders", fingerprint }))
        )
      ]
      for (const failing of errors) {
        const error = yield* Effect.flip(failing)
        for (const [key, value] of Object.entries(error)) {
          if (Array.isArray(value)) assert.isAbove(assertImmutable(key, value), 0)
        }
      }
    }).pipe(Effect.provide(live))
  )

  it.effect("what its functions are, the lifecycle, the defaults, and what a Dag takes and gives", () =>
    Effect.gen(function* () {
      assertImmutable("allowed", Flow.allowed)
      assertImmutable("defaults", FlowRegistry.defaults)
      assert.isAbove(assertImmutable("ToolSchema", yield* ToolSchema.of(yield* Plan.make(dag))), 30)
      const registry = yield* FlowRegistry.FlowRegistry
      const keys = Object.keys(registry)
      assert.throws(() => Object.assign(registry, { get: () => Effect.die("changed") }))
      assert.deepStrictEqual(Object.keys(registry), keys)
    }).pipe(Effect.provide(live))
  )
})
