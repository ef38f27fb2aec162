/** What a registry does over every store. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Layer, type Scope, Stream } from "effect"
import { FlowAdmission, FlowRegistry, type Flow } from "heddle"
import type { FlowStore } from "heddle/store/FlowStore"
import { dagOf, definitionOf, kinds } from "./FlowFixtures.js"

type Registry = FlowRegistry.FlowRegistry["Type"]

/** A store that can be opened several times: what is kept is kept. */
export type Reopened = Effect.Effect<Layer.Layer<FlowStore, unknown>, unknown, Scope.Scope>

const opened = (store: Layer.Layer<FlowStore, unknown>, options: Partial<FlowRegistry.Options> = {}) =>
  Layer.build(Layer.fresh(FlowRegistry.layer(options).pipe(Layer.provide(Layer.fresh(store)))))

const registryOf = (store: Layer.Layer<FlowStore, unknown>, options?: Partial<FlowRegistry.Options>) =>
  Effect.map(Effect.orDie(opened(store, options)), (context) => ({
    registry: Effect.runSync(Effect.provide(FlowRegistry.FlowRegistry, context)),
    admission: Effect.runSync(Effect.provide(FlowAdmission.FlowAdmission, context))
  }))

const textOf = (value: unknown) => JSON.stringify(value)
const found = { "node:test/Rate": definitionOf(dagOf("orders", kinds[1]!)).tools["node:test/Rate"]! }

/** Every kind of change, each with what the registry has to say from then on. */
const transitions: ReadonlyArray<
  readonly [string, (registry: Registry, dag: ReturnType<typeof dagOf>) => Effect.Effect<unknown, unknown>]
> = [
  ["register", (registry, dag) => registry.register(dag, { version: "1.0.0", actor: "ann", reason: "first" })],
  ["reportDrift", (registry) => registry.reportDrift(found, { actor: "ben" })],
  ["acceptDrift", (registry) => registry.acceptDrift("orders", { version: "1.0.0", reason: "as planned" })],
  ["setFlowStatus", (registry) => registry.setFlowStatus("orders", { version: "1.0.0", status: "needsReview" })],
  [
    "updateFlowState",
    (registry) =>
      registry.updateFlowState("orders", {
        version: "1.0.0",
        status: "active",
        toolSchemaHashes: { total: "a".repeat(64) }
      })
  ],
  ["annotate", (registry) => registry.annotate("orders", { version: "1.0.0", lifecycle: "beta", governance: "ann" })],
  ["remove", (registry) => registry.remove("orders", { version: "1.0.0" })],
  ["register", (registry, dag) => registry.register(dag, { version: "1.0.0" })]
]

export const registryContract = (name: string, reopened: Reopened, options: { readonly isShared: boolean }) => {
  describe(`FlowRegistry over ${name}`, () => {
    it.scopedLive("a flow that somebody holds stays as it is, and the registry gives the new one", () =>
      Effect.gen(function* () {
        const { admission, registry } = yield* registryOf(yield* reopened)
        const dag = dagOf("orders", kinds[0]!)
        const original = yield* registry.register(dag, { version: "1.0.0", actor: "ann" })
        const before = textOf(original)
        const [drifted] = yield* registry.reportDrift(found)
        assert.deepInclude(drifted, { status: "needsReview", revision: 2 })
        assert.deepStrictEqual(Object.keys(drifted!.drift), ["node:test/Rate"])
        const refused = yield* Effect.flip(admission.admit({ dag: "orders", fingerprint: original.fingerprint }))
        assert.strictEqual(refused._tag, "FlowRefused")
        const withDrift = textOf(drifted)
        const accepted = yield* registry.acceptDrift("orders", { version: "1.0.0" })
        assert.deepInclude(accepted, { status: "active", revision: 3, drift: {} })
        assert.deepStrictEqual(accepted.tools["node:test/Rate"], found["node:test/Rate"])
        assert.deepStrictEqual(yield* registry.get("orders"), accepted)
        assert.strictEqual(yield* admission.admit({ dag: "orders", fingerprint: original.fingerprint }), "1.0.0")
        const disabled = yield* registry.setFlowStatus("orders", { version: "1.0.0", status: "disabled" })
        assert.deepInclude(disabled, { status: "disabled", revision: 4 })
        assert.deepStrictEqual(yield* registry.get("orders", "1.0.0"), disabled)
        assert.strictEqual(textOf(original), before)
        assert.strictEqual(textOf(drifted), withDrift)
        assert.deepInclude(original, { status: "active", revision: 1 })
        assert.strictEqual(yield* admission.versionOf(original.fingerprint), "1.0.0")
      })
    )

    it.scopedLive("has every transition after a restart", () =>
      Effect.gen(function* () {
        const store = yield* reopened
        const dag = dagOf("orders", kinds[0]!)
        const seen: Array<Flow.Flow | undefined> = []
        for (const [action, transition] of transitions) {
          const told = yield* Effect.scoped(
            Effect.gen(function* () {
              const { registry } = yield* registryOf(store)
              yield* transition(registry, dag)
              return yield* registry.list()
            })
          )
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { registry } = yield* registryOf(store)
              assert.deepStrictEqual(yield* registry.list(), told, action)
              const audit = Chunk.toReadonlyArray(yield* Stream.runCollect(registry.audit()))
              assert.strictEqual(audit.at(-1)?.action, action)
              assert.deepStrictEqual(audit.at(-1)?.flow, told[0])
              assert.strictEqual(audit.length, seen.push(told[0]))
              assert.deepStrictEqual(
                audit.map(({ flow }) => flow),
                seen
              )
              assert.deepStrictEqual(
                audit.map(({ revision }) => revision),
                audit.map((_, i) => i + 1)
              )
            })
          )
        }
      })
    )

    if (!options.isShared) return

    it.scopedLive("two executors that share it see one state", () =>
      Effect.gen(function* () {
        const store = yield* reopened
        const [one, two] = [
          yield* registryOf(store, { poll: "20 millis" }),
          yield* registryOf(store, { poll: "20 millis" })
        ]
        const dag = dagOf("orders", kinds[0]!)
        yield* one.registry.register(dagOf("already", kinds[1]!), { version: "1.0.0" })
        const began = yield* Deferred.make<void>()
        const watching = yield* two.registry.changes.pipe(
          Stream.tap(() => Deferred.succeed(began, undefined)),
          Stream.drop(1),
          Stream.take(4),
          Stream.runCollect,
          Effect.fork
        )
        yield* Deferred.await(began)
        const registered = yield* Effect.all(
          [one, two, one, two].map(({ registry }) => registry.register(dag, { version: "1.0.0" })),
          { concurrency: "unbounded" }
        )
        for (const flow of registered) assert.deepStrictEqual(flow, registered[0])
        const drifted = yield* one.registry.reportDrift(found)
        assert.deepStrictEqual([yield* two.registry.get("orders")], drifted)
        // what one decided for the revision before is refused
        const late = yield* Effect.flip(
          two.registry.setFlowStatus("orders", { version: "1.0.0", status: "disabled", revision: 1 })
        )
        assert.deepInclude(late, { _tag: "FlowConflict", expected: 1, actual: 2 })
        const accepted = yield* two.registry.acceptDrift("orders", { version: "1.0.0" })
        assert.deepStrictEqual(yield* one.registry.get("orders"), accepted)
        yield* one.registry.remove("orders", { version: "1.0.0" })
        assert.strictEqual((yield* Effect.flip(two.registry.get("orders")))._tag, "UnknownFlow")
        assert.deepStrictEqual(yield* two.admission.versionOf(accepted.fingerprint), undefined)
        const told = Chunk.toReadonlyArray(yield* Fiber.join(watching))
        assert.deepStrictEqual(told, [
          { _tag: "Present", flow: registered[0]! },
          { _tag: "Present", flow: drifted[0]! },
          { _tag: "Present", flow: accepted },
          { _tag: "Removed", name: "orders", version: "1.0.0", revision: 4 }
        ])
      })
    )
  })
}
