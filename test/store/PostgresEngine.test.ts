import { assert, describe, it } from "@effect/vitest"
import { Deferred, type Duration, Effect, Fiber, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, Shared, StateWriter } from "heddle"
import * as PostgresStore from "../../src/store/PostgresStore.js"
import { RunStore } from "../../src/store/RunStore.js"
import { newRun, runId } from "../../src/testing/internal/contract/Rows.js"
import * as Server from "../services/Server.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "./PostgresSchema.js"

const start = Module.input("start", Schema.Int)

/** Twenty items and their sum; `began` hears what begins, each with a name of its own. */
const sumOf = (began: (name: string) => void, pause: Duration.DurationInput) => {
  const note = (name: string) => Effect.map(Run.id, (runId) => began(`${runId} ${name}`))
  const items = Module.map("items", {
    needs: { start },
    over: ({ start }) => Array.from({ length: 20 }, (_, i) => start + i),
    output: Schema.Int,
    run: (item: number) => Effect.delay(Effect.as(note(`item ${item}`), item * 2), pause)
  })
  const total = Module.make("total", {
    needs: { items },
    output: Schema.Int,
    run: ({ items }) =>
      Effect.as(
        note("total"),
        items.reduce((sum, item) => sum + item, 0)
      )
  })
  return Dag.make("sum", { outputs: { total } })
}
const Sum = sumOf(() => {}, 0)
const expected = (start: number) => 2 * (20 * start + 190)

const engineOn = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: PostgresStore.Options,
  engine: Partial<Engine.Options<D>> = {}
) => Heddle.layer({ engine }).pipe(Layer.provideMerge(PostgresStore.layerRunStore(options)))

withPostgres((url) =>
  describe("PostgreSQL, with its own clock", () => {
    it.scopedLive("does not take a run over for a clock that is ahead, and does for a driver that is gone", () =>
      Effect.gen(function* () {
        const options = { url: Redacted.make(url), schema: yield* PostgresSchema.freshSchema(url) }
        yield* Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const claim = (now: number, age: number) =>
            store.claim({ runId: runId("a"), owner: "two", now, expiredBefore: now - age, reopen: false })
          for (const now of [0, 1e15]) assert.strictEqual((yield* claim(now, 60_000))._tag, "Held")
          const held = yield* claim(5000, 60_000)
          assert.isTrue(held._tag === "Held" && Math.abs(held.run.heartbeatAt - 5000) < 30_000)
          assert.strictEqual((yield* claim(0, -60_000))._tag, "Claimed")
          const long = `${"é".repeat(5000)}/"\u0000`
          yield* store.commit({
            runs: [],
            states: [{ key: long, set: new Map([[long, "1"]]), clear: new Set() }],
            synced: false
          })
          assert.deepStrictEqual(yield* store.state(long), new Map([[long, "1"]]))
        }).pipe(Effect.provide(PostgresStore.layerRunStore(options)))
      })
    )

    it.scopedLive("keeps the runs of an engine", () =>
      Effect.gen(function* () {
        const options = { url: Redacted.make(url), schema: yield* PostgresSchema.freshSchema(url) }
        const id = RunId.make("sum-1")
        const run = Effect.provide(Engine.execute(Sum, { start: 1 }, { runId: id }), engineOn(options))
        assert.deepStrictEqual(yield* run, { total: expected(1) })
        // from another process, as it were: nothing runs again
        assert.deepStrictEqual(yield* run, { total: expected(1) })
        const stored = yield* Effect.flatMap(RunStore, (store) => store.run(id)).pipe(
          Effect.provide(PostgresStore.layerRunStore(options))
        )
        assert.strictEqual(Option.getOrThrow(stored).status, "completed")
      })
    )

    it.scopedLive(
      "lets another engine go on with a run that was cut off, and runs nothing again that had completed",
      () =>
        Effect.gen(function* () {
          const options = { url: Redacted.make(url), schema: yield* PostgresSchema.freshSchema(url) }
          const runId = RunId.make("cut-off")
          const executions: Array<number> = []
          let isHeld = true
          const half = yield* Deferred.make<void>()
          const counts = Shared.make("counts", { done: Shared.cell(Schema.Int, 0) })
          const start = Module.input("start", Schema.Int)
          const begun = Module.make("begun", {
            needs: { start },
            output: Schema.Int,
            run: ({ start }) =>
              Effect.zipRight(
                Shared.update(counts, ({ done }) => ({ done: done + 1 })),
                Effect.sync(() => (executions.push(-1), start))
              )
          })
          const squares = Module.map("squares", {
            needs: { begun },
            over: () => Array.from({ length: 10 }, (_, i) => i),
            output: Schema.Int,
            concurrency: 2,
            run: (n: number, { begun }) =>
              Effect.suspend(() => {
                executions.push(n)
                // those that are under way then are cut off
                const wait = isHeld && n >= 6
                return wait
                  ? Effect.zipRight(Deferred.succeed(half, undefined), Effect.never)
                  : Effect.succeed(begun * n * n)
              })
          })
          const approval = Module.signal("approval", { needs: { squares }, value: Schema.Int })
          const result = Module.make("result", {
            needs: { squares, approval },
            output: Schema.Tuple(Schema.Int, Schema.Int, Schema.Int),
            run: ({ approval, squares }) =>
              Effect.zipRight(
                Shared.update(counts, ({ done }) => ({ done: done + 1 })),
                Effect.map(
                  Shared.get(counts, "done"),
                  (done) => [squares.reduce((sum, n) => sum + n, 0), approval, done] as const
                )
              )
          })
          const Approved = Dag.make("approved", { outputs: { result }, shared: [counts] })
          const completed = Effect.flatMap(RunStore, (store) => store.items(runId, ["squares"])).pipe(
            Effect.map((rows) => rows.filter(({ status }) => status === "completed").map(({ index }) => index)),
            Effect.provide(PostgresStore.layerRunStore(options))
          )

          yield* Effect.scoped(
            Effect.gen(function* () {
              const first = yield* Layer.build(engineOn(options))
              yield* Effect.fork(Effect.provide(Engine.execute(Approved, { start: 2 }, { runId }), first))
              yield* Deferred.await(half)
            })
          )
          const before = yield* completed
          assert.includeMembers([0, 1, 2, 3, 4, 5], before)
          const already = executions.length
          isHeld = false

          const second = yield* Layer.build(engineOn(options, { dags: [Approved], poll: "50 millis" }))
          yield* Effect.repeat(Effect.provide(Engine.get(runId), second), {
            until: ({ status }) => status === "suspended",
            schedule: Schedule.spaced("20 millis")
          })
          const again = executions.slice(already)
          assert.notInclude(again, -1)
          for (const n of before) assert.notInclude(again, n)
          assert.lengthOf(again, 10 - before.length)
          assert.lengthOf(yield* completed, 10)

          // by a third one, which does not drive the run
          yield* Engine.signal(runId, approval, 7).pipe(Effect.provide(engineOn(options)))
          yield* Stream.runDrain(Engine.watch(runId)).pipe(Effect.provide(second))
          const outputs = yield* Effect.provide(Engine.execute(Approved, { start: 2 }, { runId }), second)
          assert.deepStrictEqual(outputs, { result: [2 * 285, 7, 2] })
          assert.lengthOf(executions, already + again.length)
          const shared = yield* Effect.provide(Engine.get(runId), second)
          assert.deepStrictEqual(Array.from(shared.shared), [["counts/done", 2]])
        })
    )
  })
)

describe.skipIf(Server.programOf("postgres") === undefined)("a PostgreSQL server that is stopped and started", () => {
  it.scopedLive("again and again, while runs go on: they all end, and nothing that was acknowledged is lost", () =>
    Effect.gen(function* () {
      const server = yield* Server.postgres(["fsync=off"])
      const options = { url: Redacted.make(server.url) }
      const executions = new Map<string, number>()
      const acknowledged = new Map<string, number>()
      const Counted = sumOf((name) => executions.set(name, (executions.get(name) ?? 0) + 1), "100 millis")
      const live = yield* Layer.build(engineOn(options))
      // none of them is opened while there is no server: that would fail
      const handles = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (start) => Engine.start(Counted, { start }, { runId: RunId.make(`sum-${start}`), concurrency: 1 })
      ).pipe(Effect.provide(live))
      const ledger = yield* Effect.flatMap(StateWriter.StateWriter, ({ updateDurable }) =>
        Effect.forever(
          Effect.suspend(() => {
            const key = `k${acknowledged.size % 7}`
            const n = (acknowledged.get(key) ?? 0) + 1
            return Effect.zipRight(
              updateDurable({ key, set: { n } }),
              Effect.sync(() => acknowledged.set(key, n))
            )
          })
        )
      ).pipe(Effect.provide(live), Effect.fork)
      const isThere = Effect.gen(function* () {
        const { state } = yield* RunStore
        const before = Array.from(acknowledged)
        assert.isNotEmpty(before)
        for (const [key, n] of before) assert.isAtLeast(Number((yield* state(key)).get("n")), n)
      }).pipe(Effect.provide(live))
      const isUnderWay = Effect.map(
        Effect.forEach(handles, ({ snapshot }) => snapshot),
        (all) => all.some(({ status }) => status === "running")
      )
      for (const end of [server.stop, server.signal("SIGKILL"), server.stop]) {
        yield* Effect.sleep("300 millis")
        assert.isTrue(yield* isUnderWay)
        yield* end
        // of a server that was killed there are processes for a moment, and then it does not start
        yield* Effect.retry(server.start, Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(100)))
        yield* isThere
      }
      const results = yield* Effect.forEach(handles, (handle) => handle.await)
      yield* Fiber.interrupt(ledger)
      yield* isThere
      assert.deepStrictEqual(
        results,
        Array.from({ length: 20 }, (_, i) => ({ total: expected(i) }))
      )
      const {
        deadLetters,
        items,
        runs: counts
      } = yield* Effect.flatMap(RunStore, ({ storage }) => storage).pipe(Effect.provide(live))
      assert.deepStrictEqual([counts.completed, items, deadLetters], [20, 400, 0])
      // whatever was written had begun once; nothing was cut off
      assert.strictEqual(executions.size, 20 + 20 * 20)
      for (const [name, count] of executions) assert.strictEqual(count, 1, name)
    })
  )
})
