import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { EventStore } from "heddle/store/EventStore"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import { event } from "../../src/testing/internal/contract/EventLog.js"
import { eventContract } from "./eventContract.js"

eventContract("EventStoreMemory", () => EventStoreMemory.layer())

describe("EventStoreMemory", () => {
  it.effect("is empty for each layer that is built, and a subscription hears of its own store", () =>
    Effect.gen(function* () {
      const layer = EventStoreMemory.layer()
      const program = Effect.gen(function* () {
        const store = yield* EventStore
        assert.deepStrictEqual(yield* store.readAll({ limit: 9 }), [])
        const fiber = yield* Effect.fork(Stream.runHead(store.subscribe()))
        // a subscription that has nothing to read waits, and does not keep the process busy
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        const append = store.append({ aggregateId: "a", expected: 0, events: [event("e1")] })
        assert.strictEqual((yield* append)._tag, "Appended")
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(fiber)).eventId, "e1")
      })
      for (const _ of [1, 2]) yield* Effect.provide(program, Layer.fresh(layer))
    })
  )
})
