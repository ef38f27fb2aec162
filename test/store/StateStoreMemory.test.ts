import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, FastCheck, HashMap, Layer, Option, SortedSet } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as MemoryEntries from "../../src/store/internal/MemoryEntries.js"
import { numRuns } from "../numRuns.js"
import { stateContract } from "./stateContract.js"

stateContract("StateStoreMemory", () => StateStoreMemory.layer())

describe("StateStoreMemory", () => {
  it.scoped("is empty for each layer that is built, and each call of `layer` is another store", () =>
    Effect.gen(function* () {
      const layer = StateStoreMemory.layer()
      for (const _ of [1, 2]) {
        const put = Effect.flatMap(StateStore, (store) => store.compareAndSet("k", 0, "a"))
        assert.deepStrictEqual(yield* Effect.provide(put, layer), Option.some(1))
      }
      class Other extends Context.Tag("Other")<Other, typeof StateStore.Service>() {}
      const both = Layer.merge(
        StateStoreMemory.layer(),
        Layer.project(StateStoreMemory.layer(), StateStore, Other, (store) => store)
      )
      const context = yield* Layer.build(both)
      yield* Context.get(context, StateStore).set("k", "a")
      assert.deepStrictEqual(yield* Context.get(context, Other).get("k"), Option.none())
    })
  )

  const keys = ["a", "b", "c"]
  const anyStep = FastCheck.oneof(
    FastCheck.record({
      _tag: FastCheck.constant("set" as const),
      key: FastCheck.oneof(FastCheck.constantFrom(...keys), FastCheck.string()),
      ttl: FastCheck.option(FastCheck.integer({ min: 1, max: 30 }), { nil: undefined })
    }),
    FastCheck.record({ _tag: FastCheck.constant("remove" as const), key: FastCheck.constantFrom(...keys) }),
    FastCheck.record({ _tag: FastCheck.constant("wait" as const), millis: FastCheck.integer({ min: 1, max: 40 }) })
  )

  it.prop(
    "knows what expires, in its order, and each set removes up to 16 that have expired",
    { steps: FastCheck.array(anyStep, { maxLength: 120, size: "max" }) },
    ({ steps }) => {
      let entries = MemoryEntries.empty
      let now = 0
      const expired = (except: string) =>
        Array.fromIterable(HashMap.values(entries.stored)).filter(
          ({ expiresAt, key }) => expiresAt <= now && key !== except
        ).length
      for (const step of steps) {
        if (step._tag === "wait") now += step.millis
        else if (step._tag === "remove") entries = MemoryEntries.remove(entries, step.key)
        else {
          const before = expired(step.key)
          entries = MemoryEntries.set(entries, step.key, "v", step.ttl ?? Infinity, now)
          assert.strictEqual(expired(step.key), Math.max(0, before - 16))
        }
        const expiring = Array.fromIterable(HashMap.values(entries.stored))
          .filter(({ expiresAt }) => expiresAt !== Infinity)
          .sort((a, b) => a.expiresAt - b.expiresAt || a.version - b.version)
        assert.deepStrictEqual(Array.fromIterable(entries.expiring), expiring)
      }
    },
    { fastCheck: { numRuns } }
  )

  it("keeps nothing of what has expired once enough has been set", () => {
    const put = (entries: MemoryEntries.Entries, key: string, now: number) =>
      MemoryEntries.set(entries, key, "v", 100, now)
    const many = Array.range(1, 1000).reduce((entries, i) => put(entries, `k${i}`, 0), MemoryEntries.empty)
    assert.strictEqual(HashMap.size(many.stored), 1000)
    const later = Array.range(1, 63).reduce((entries, i) => put(entries, `l${i}`, 100), many)
    assert.strictEqual(HashMap.size(later.stored), 63)
    assert.strictEqual(SortedSet.size(later.expiring), 63)
  })
})
