import { it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Schema, TestClock, Clock } from "effect"
import { Dag, Engine, Heddle, Module, RunStore } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
const one = Module.make("one", { output: Schema.Number, run: () => Effect.succeed(1) })
const Counting = Dag.make("counting", { outputs: { one } })
for (let i = 0; i < 40; i++)
it.effect("busy " + i, () => Effect.gen(function* () {
  let busy = 2
  const log: any[] = []
  const store = Layer.map(RunStoreMemory.layer(), (c) => { const s = Context.get(c, RunStore.RunStore); return Context.make(RunStore.RunStore, { ...s, commit: (b) => Effect.flatMap(Clock.currentTimeMillis, (t) => { log.push([t, busy]); return busy-- > 0 ? Effect.fail(new StoreError({ reason: "busy", location: "", operation: "", message: "" })) : s.commit(b) }) }) })
  const run = Engine.execute(Counting, {}, { durability: "buffered" }).pipe(Effect.provide(Layer.provide(Heddle.layer(), store)))
  const f = yield* Effect.fork(run)
  for (let j = 0; j < 100; j++) { yield* TestClock.adjust("100 millis"); if (Option.isSome(yield* Fiber.poll(f))) return }
  console.log("HANG", JSON.stringify(log), yield* Clock.currentTimeMillis, yield* TestClock.sleeps())
}))
