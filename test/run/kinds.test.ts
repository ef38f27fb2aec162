import { assert, describe, it } from "@effect/vitest"
import { Chunk, Duration, Effect, Exit, Fiber, Option, Ref, Schedule, Schema, Stream, TestClock } from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, RunSnapshot, Shared } from "heddle"

import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { Bad } from "./Harness.js"
const memory = RunStoreMemory.layer()
const id = RunId.make("run")

describe("map", () => {
  it.effect("gives results in order, peaks at its concurrency, and of an empty list gives none", () =>
    Effect.gen(function* () {
      const running = yield* Ref.make(0)
      const peak = yield* Ref.make(0)
      const list = Module.pure("list", { run: () => Array.from({ length: 1000 }, (_, i) => i) })
      const mapped = Module.map("mapped", {
        needs: { list },
        over: ({ list }) => list,
        output: Schema.Number,
        concurrency: 5,
        run: (item) =>
          Effect.acquireUseRelease(
            Effect.tap(
              Ref.updateAndGet(running, (_) => _ + 1),
              (now) => Ref.update(peak, (_) => Math.max(_, now))
            ),
            () => Effect.as(Effect.yieldNow(), item * 2),
            () => Ref.update(running, (_) => _ - 1)
          )
      })
      const empty = Module.map("empty", { over: () => [] as Array<number>, output: Schema.Number, run: Effect.succeed })
      const { empty: none, mapped: all } = yield* Engine.execute(Dag.make("m", { outputs: { mapped, empty } }), {})
      assert.deepStrictEqual(
        all,
        Array.from({ length: 1000 }, (_, i) => i * 2)
      )
      assert.deepStrictEqual(none, [])
      assert.strictEqual(yield* Ref.get(peak), 5)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("collects failures, and runs a child Dag for each item", () =>
    Effect.gen(function* () {
      const collected = Module.map("collected", {
        over: () => [1, 2, 3],
        output: Schema.Number,
        error: Bad,
        onItemFailure: "collect",
        run: (item) => (item === 2 ? new Bad({ why: "two" }) : Effect.succeed(item))
      })
      const n = Module.input("n", Schema.Number)
      const twice = Module.make("twice", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
      const child = Dag.make("child", { outputs: { twice } })
      const nested = Module.map("nested", { over: () => [1, 2, 3], dag: child, input: (n) => ({ n }) })
      const one = Module.dag("one", { dag: child, input: () => ({ n: 21 }) })
      const outputs = yield* Engine.execute(Dag.make("m", { outputs: { collected, nested, one } }), {}, { runId: id })
      assert.deepStrictEqual(outputs.collected, [Exit.succeed(1), Exit.fail(new Bad({ why: "two" })), Exit.succeed(3)])
      assert.deepStrictEqual(outputs.nested, [{ twice: 2 }, { twice: 4 }, { twice: 6 }])
      assert.deepStrictEqual(outputs.one, { twice: 42 })
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(RunSnapshot.module(snapshot, "nested/1/twice").status, "completed")
      assert.deepStrictEqual(RunSnapshot.module(snapshot, "collected").items, { total: 3, completed: 2, failed: 1 })
      const again = yield* Engine.execute(Dag.make("m", { outputs: { collected, nested, one } }), {}, { runId: id })
      assert.deepStrictEqual(again, outputs)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})

describe("route", () => {
  it.effect("skips the branches not taken, and joins see what is there", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Number)
      const size = Module.route("size", {
        needs: { n },
        branches: ["small", "big"],
        choose: ({ n }) => (n < 10 ? "small" : "big")
      })
      const small = Module.pure("small", { needs: { n }, when: size.is("small"), run: ({ n }) => n })
      const big = Module.pure("big", { needs: { n }, when: size.is("big"), run: ({ n }) => n * 100 })
      const after = Module.pure("after", { needs: { big }, run: ({ big }) => big })
      const either = Module.pure("either", {
        needs: { small, big },
        join: "anySucceeded",
        output: Schema.Number,
        run: ({ big, small }) =>
          Option.getOrElse(
            Option.orElse(small, () => big),
            () => 0
          )
      })
      const all = Module.pure("all", { needs: { small, after }, join: "noneFailed", run: (needs) => needs })
      const dag = Dag.make("r", { outputs: { either, all, after } })
      assert.deepStrictEqual(yield* Engine.execute(dag, { n: 1 }), {
        either: Option.some(1),
        all: { small: Option.some(1), after: Option.none() },
        after: Option.none()
      })
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})

describe("signals and timers", () => {
  const approval = Module.signal("approval", {
    value: Schema.Literal("yes", "no"),
    timeout: "3 days",
    onTimeout: () => "no" as const
  })
  const decided = Module.make("decided", {
    needs: { approval },
    output: Schema.String,
    run: ({ approval }) => Effect.succeed(`it is ${approval}`)
  })
  const Approval = Dag.make("approval", { outputs: { decided } })

  const suspends = Effect.gen(function* () {
    const error = yield* Effect.flip(Engine.execute(Approval, {}, { runId: id }))
    assert.strictEqual(error._tag, "RunSuspended")
    assert.strictEqual((yield* Engine.get(id)).status, "suspended")
  })

  it.effect("suspends, and is carried on by a signal in the same process", () =>
    Effect.gen(function* () {
      yield* suspends
      yield* Engine.signal(id, approval, "yes")
      const events = yield* Stream.runCollect(Engine.watch(id))
      assert.deepStrictEqual(
        Chunk.toArray(events).map((_) => _.seq),
        Chunk.toArray(events).map((_, i) => i + 1)
      )
      assert.deepStrictEqual(yield* Engine.execute(Approval, {}, { runId: id }), { decided: "it is yes" })
      assert.strictEqual((yield* Effect.flip(Engine.signal(id, approval, "yes")))._tag, "RunFinished")
    }).pipe(
      Effect.provide(
        Heddle.layer({
          engine: { dags: [Approval], poll: Duration.infinity, durability: "buffered" },
          lease: { heartbeat: Duration.infinity }
        })
      ),
      Effect.provide(memory)
    )
  )

  it.effect("is carried on by its deadline", () =>
    Effect.gen(function* () {
      yield* suspends
      yield* TestClock.adjust("4 days")
      const fiber = yield* Effect.fork(Stream.runCollect(Engine.watch(id)))
      for (let i = 0; i < 10; i++) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* Engine.execute(Approval, {}, { runId: id }), { decided: "it is no" })
    }).pipe(
      Effect.provide(
        Heddle.layer({
          engine: { dags: [Approval], poll: Duration.infinity, durability: "buffered" },
          lease: { heartbeat: Duration.infinity }
        })
      ),
      Effect.provide(memory)
    )
  )
})

describe("shared cells and streams", () => {
  it.effect("take effect once, also when an attempt is retried", () =>
    Effect.gen(function* () {
      const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0) })
      const tries = yield* Ref.make(0)
      const bump = Shared.update(stats, ({ seen }) => ({ seen: seen + 1 }))
      const flaky = Module.make("flaky", {
        output: Schema.Int,
        retry: Schedule.recurs(3),
        run: () =>
          Effect.gen(function* () {
            yield* bump
            yield* Run.emit("token")
            if ((yield* Ref.updateAndGet(tries, (_) => _ + 1)) < 3) return yield* new Bad({ why: "again" })
            return yield* Shared.get(stats, "seen")
          })
      })
      const many = Module.map("many", { over: () => [1, 2, 3, 4], output: Schema.Void, run: () => bump })
      const last = Module.make("last", {
        needs: { flaky, many },
        output: Schema.Int,
        run: () => Shared.get(stats, "seen")
      })
      const dag = Dag.make("s", { outputs: { last, flaky }, shared: [stats] })
      const events = Chunk.toArray(yield* Stream.runCollect(Engine.stream(dag, {}, { runId: id })))
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Token").length, 3)
      assert.strictEqual(events.at(-1)?._tag, "Finished")
      const { last: seen } = yield* Engine.execute(dag, {}, { runId: id })
      assert.strictEqual(seen, 5)
      assert.deepStrictEqual(Object.fromEntries((yield* Engine.get(id)).shared), { "stats/seen": 5 })
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})
