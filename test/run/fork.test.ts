import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, FastCheck as fc, Fiber, Layer, Option, Schema, TestClock } from "effect"
import { Dag, Engine, Module, Run, RunError, RunId, RunStore, Shared, Timeline, type Transition } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { numRuns } from "../numRuns.js"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  historyOf,
  id,
  isStored,
  reaches,
  stateOf,
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"
import { isWhole, rowsOf } from "./Rows.js"

const again = RunId.make("again")

/** What had completed: the paths of modules, and of items as in `items#1`. */
const completedIn = (history: ReadonlyArray<Transition.Transition>) =>
  new Set(
    history.flatMap((transition) => {
      if (transition._tag === "ModuleTransition" && transition.status === "completed") return [transition.module]
      if (transition._tag === "ItemTransition" && transition.status === "completed")
        return [`${transition.module}#${transition.index}`]
      return []
    })
  )

const stats = Shared.make("stats", { sum: Shared.cell(Schema.Int, 0), ticks: Shared.live(Schema.Int, 0) })
const own = Shared.make("own", { count: Shared.cell(Schema.Int, 0) })

/** A Dag of every kind that runs without anybody; what runs is noted by its path. `waits`: how often each yields. */
const everyKind = (waits: ReadonlyArray<number>, ran: Array<string>) => {
  let made = 0
  const work = <A>(path: string, value: A) => {
    const yields = waits[made++ % waits.length]!
    return Effect.gen(function* () {
      ran.push(path)
      for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
      return value
    })
  }
  const step = <A>(path: string, value: A) =>
    Effect.zipLeft(
      work(path, value),
      Shared.update(stats, ({ sum }) => ({ sum: sum + path.length }))
    )
  const n = Module.input("n", Schema.DateFromString)
  const first = Module.make("first", {
    needs: { n },
    output: Schema.Number,
    run: ({ n }) => step("first", n.getTime())
  })
  const computed = Module.pure("computed", { needs: { first }, run: ({ first }) => first * 2 })
  const kept = Module.pure("kept", { needs: { computed }, output: Schema.Number, run: ({ computed }) => computed + 1 })
  const items = Module.map("items", {
    needs: { kept },
    over: ({ kept }) => [kept, kept + 1, kept + 2, kept + 3],
    concurrency: 2,
    output: Schema.Number,
    error: Bad,
    onItemFailure: "collect",
    run: (item, _, index) =>
      Effect.flatMap(step(`items#${index}`, item), (item) =>
        index === 2 ? new Bad({ why: "odd" }) : Effect.succeed(item)
      )
  })
  const leafOf = (path: string) => {
    const at = Module.input("at", Schema.String)
    const leaf = Module.make("leaf", {
      needs: { at },
      output: Schema.String,
      run: ({ at }) =>
        Effect.zipRight(
          Shared.update(own, ({ count }) => ({ count: count + 1 })),
          work(`${at}/leaf`, at)
        )
    })
    const end = Module.make("end", {
      needs: { leaf, at },
      output: Schema.String,
      run: ({ at, leaf }) =>
        Effect.zipWith(work(`${at}/end`, leaf), Shared.get(own, "count"), (leaf, count) => `${leaf} ${count}`)
    })
    return Dag.make(path, { outputs: { end }, shared: [own] })
  }
  const child = Module.dag("child", { dag: leafOf("inner"), needs: { first }, input: () => ({ at: "child" }) })
  const children = Module.map("children", {
    needs: { first },
    over: () => ["children/0", "children/1", "children/2"],
    dag: leafOf("each"),
    input: (at) => ({ at })
  })
  const lenient = Module.make("lenient", {
    needs: { first },
    output: Schema.Void,
    onFailure: "skip",
    run: () => Effect.zipRight(step("lenient", undefined), new Bad({ why: "skipped" }))
  })
  const below = Module.make("below", { needs: { lenient }, output: Schema.Void, run: () => step("below", undefined) })
  const route = Module.route("route", {
    needs: { kept },
    branches: ["a", "b"],
    choose: ({ kept }) => (kept % 2 === 0 ? "a" : "b")
  })
  const branch = <const B extends "a" | "b">(name: B) =>
    Module.make(name, { when: route.is(name), output: Schema.String, run: () => step(name, name) })
  const last = Module.make("last", {
    needs: { kept, items, child, children },
    output: Schema.String,
    run: ({ child, children, items, kept }) =>
      Effect.map(step("last", kept), (kept) =>
        [kept, items.filter(Exit.isSuccess).length, child.end, ...children.map(({ end }) => end)].join(" ")
      )
  })
  return Dag.make("every kind", {
    outputs: { last, below, a: branch("a"), b: branch("b") },
    shared: [stats]
  })
}

const input = { n: new Date(5) }

const sqlite = Layer.provideMerge(Timeline.layer, RunStoreSqlite.layer({ filename: ":memory:" }))

/** Forks the run `id` and drives the fork on: the same end as the first time, and nothing twice. */
const check = <O>(dag: Dag.Dag<O, { readonly n: Date }, unknown, never>, ran: Array<string>, outputs: O, at: number) =>
  Effect.gen(function* () {
    const before = yield* rowsOf(id)
    const leaves = new Set(ran.splice(0))
    const done = completedIn(before.history.slice(0, at))
    const endedBy = Option.getOrThrow(yield* (yield* Timeline.Timeline).stateAt(id, { seq: at }))
    const fork = RunId.make(`fork ${at}`)
    assert.deepStrictEqual(yield* Engine.fork(dag, id, { at, runId: fork }), outputs)
    const expected = [...leaves].filter(
      // of a map that has ended, also what failed in it
      (leaf) =>
        !done.has(leaf) &&
        !(leaf === "lenient" && statusOf(endedBy, leaf) === "skipped") &&
        !(leaf.includes("#") && done.has(leaf.slice(0, leaf.indexOf("#"))))
    )
    assert.deepStrictEqual(ran.splice(0).sort(), expected.sort(), `forked at ${at}`)
    ran.push(...leaves)
    yield* isWhole(fork)
    const forked = yield* rowsOf(fork)
    const statuses = ({ snapshot }: typeof before) =>
      Object.fromEntries(Object.entries(snapshot.modules).map(([path, { status }]) => [path, status]))
    assert.deepStrictEqual(statuses(forked), statuses(before))
    assert.deepStrictEqual(forked.snapshot.shared, before.snapshot.shared)
    assert.deepStrictEqual(Object.fromEntries(forked.outputs), Object.fromEntries(before.outputs))
    assert.deepStrictEqual(yield* rowsOf(id), before)
  })

for (const [name, stored, every] of [
  ["memory", store, 1],
  ["SQLite", sqlite, 6]
] as const) {
  it.effect(`a fork of a run at its transitions ends as that did, and repeats nothing, over ${name}`, () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const dag = everyKind([0, 2, 1], ran)
      const outputs = yield* Engine.execute(dag, input, { runId: id })
      const { length } = yield* historyOf(id)
      assert.isAbove(length, 40)
      for (let at = 0; at <= length; at += every) yield* check(dag, ran, outputs, at)
    }).pipe(Effect.provide(engine({ durability: "buffered" })), Effect.provide(stored))
  )
}

it.effect.prop(
  "a fork ends as its run did, and repeats nothing, in whatever order its modules ran",
  [fc.array(fc.nat(6), { minLength: 1, maxLength: 9 }), fc.nat(3), fc.array(fc.nat(999), { maxLength: 2 })],
  ([waits, concurrency, points]) =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const dag = everyKind(waits, ran)
      const outputs = yield* Engine.execute(dag, input, {
        runId: id,
        concurrency: concurrency === 0 ? "unbounded" : concurrency
      })
      const { length } = yield* historyOf(id)
      for (const at of new Set(points.map((point) => point % (length + 1)))) yield* check(dag, ran, outputs, at)
    }).pipe(Effect.provide(alone({ durability: "buffered" }))),
  { fastCheck: { numRuns: Math.ceil(numRuns / 8) } }
)

describe("a fork", () => {
  const attempts = (module: string) => stepsOf(module, again)

  const chain = <E>(ends: Effect.Effect<unknown, E>, execution: "atMostOnce" | "atLeastOnce" = "atLeastOnce") => {
    const ran: Array<string> = []
    let isFirst = true
    const first = Module.make("first", { output: Schema.Void, run: () => Effect.sync(() => void ran.push("first")) })
    const second = Module.make("second", {
      needs: { first },
      output: Schema.Void,
      execution,
      run: () =>
        Effect.suspend(() => {
          ran.push("second")
          const effect = isFirst ? ends : Effect.void
          isFirst = false
          return Effect.asVoid(effect)
        })
    })
    const third = Module.make("third", {
      needs: { second },
      output: Schema.Literal("end"),
      run: () => Effect.sync(() => (ran.push("third"), "end" as const))
    })
    return { ran, dag: Dag.make("chain", { outputs: { third } }) }
  }
  const end = { third: "end" as const }
  const lastOf = Effect.map(historyOf(), (history) => history.length)

  it.effect("at the end of a run that failed runs what is unfinished, and what was brought down", () =>
    Effect.gen(function* () {
      const { dag, ran } = chain(new Bad({ why: "second" }))
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.strictEqual((yield* storedRun()).status, "failed")
      assert.deepStrictEqual(yield* Engine.fork(dag, id, { at: yield* lastOf, runId: again }), end)
      assert.deepStrictEqual(ran, ["first", "second", "second", "third"])
      assert.deepStrictEqual(yield* attempts("second"), ["running 1", "completed 1"])
      yield* isWhole(again)
      assert.strictEqual((yield* storedRun()).status, "failed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run that was resumed can begin before the failure or after it", () =>
    Effect.gen(function* () {
      const { dag, ran } = chain(new Bad({ why: "second" }))
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      const failedAt = yield* lastOf
      yield* Engine.resume(dag, id)
      for (const [at, expected] of [
        [failedAt - 1, ["second", "third"]],
        [failedAt, ["second", "third"]],
        [failedAt + 1, ["second", "third"]],
        [yield* lastOf, []]
      ] as const) {
        ran.splice(0)
        assert.deepStrictEqual(yield* Engine.fork(dag, id, { at }), end)
        assert.deepStrictEqual(ran, [...expected], `${at}`)
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("runs again a module that is made at most once and was running: a fork is a run of its own", () =>
    Effect.gen(function* () {
      const { dag, ran } = chain(Effect.never, "atMostOnce")
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("second", "running"))
      )
      assert.deepStrictEqual(yield* Engine.fork(dag, id, { at: yield* lastOf, runId: again }), end)
      assert.deepStrictEqual(ran, ["first", "second", "second", "third"])
      // the run itself does not
      const error = yield* Effect.flip(Engine.resume(dag, id))
      assert.instanceOf(error, RunError.RunFailed)
      assert.strictEqual(stateOf(yield* storedRun(), "second").failure?.kind, "cutOff")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run that is driven just now leaves it alone", () =>
    Effect.gen(function* () {
      const { dag } = chain(Effect.never)
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "second", "running")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Engine.fork(dag, id, { at: yield* lastOf, runId: again }), end)
      assert.strictEqual(statusOf(yield* handle.snapshot, "second"), "running")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run that was stopped goes on", () =>
    Effect.gen(function* () {
      let stops = true
      const stop = Module.make("stop", { output: Schema.Void, run: () => Effect.when(Run.stop, () => stops) })
      const last = Module.make("last", { needs: { stop }, output: Schema.String, run: () => Effect.succeed("done") })
      const dag = Dag.make("stops", { outputs: { last } })
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.strictEqual((yield* storedRun()).status, "stopped")
      stops = false
      assert.deepStrictEqual(yield* Engine.fork(dag, id, { at: yield* lastOf }), { last: "done" })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("waits for signals of its own and sleeps anew, and has those that were delivered by then", () =>
    Effect.gen(function* () {
      const ask = Module.signal("ask", { value: Schema.String })
      const other = Module.signal("other", { value: Schema.String })
      const pause = Module.sleep("pause", { needs: { ask }, duration: "1 hour" })
      const both = Module.make("both", {
        needs: { ask, other, pause },
        output: Schema.String,
        run: ({ ask, other }) => Effect.succeed(`${ask} ${other}`)
      })
      const dag = Dag.make("signals", { outputs: { both } })
      const suspends = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.flip(effect), (error) => assert.instanceOf(error, RunError.RunSuspended))
      yield* suspends(Engine.execute(dag, {}, { runId: id }))
      yield* Engine.signal(id, ask, "yes")
      yield* suspends(Engine.resume(dag, id))
      const waiting = yield* lastOf
      yield* Engine.signal(id, other, "no")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Engine.resume(dag, id), { both: "yes no" })

      yield* suspends(Engine.fork(dag, id, { at: waiting, runId: again }))
      const forked = yield* storedRun(again)
      assert.deepStrictEqual(
        ["ask", "other", "pause"].map((name) => statusOf(forked, name)),
        ["completed", "suspended", "suspended"]
      )
      assert.strictEqual(stateOf(forked, "pause").until, Duration.toMillis("2 hours"))
      yield* Engine.signal(again, other, "perhaps")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Engine.resume(dag, again), { both: "yes perhaps" })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("inherits the policy, and begins at its own time", () =>
    Effect.gen(function* () {
      const { dag } = chain(Effect.never)
      const run = yield* Effect.fork(
        Effect.flip(Engine.execute(dag, {}, { runId: id, timeout: "1 hour", concurrency: 7 }))
      )
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(run)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Engine.fork(dag, id, { at: 2, runId: again, concurrency: 3 }), end)
      const { policy, snapshot } = Option.getOrThrow(yield* (yield* Timeline.Timeline).get(again))
      assert.deepStrictEqual([policy.timeout, policy.concurrency], [Duration.toMillis("1 hour"), 3])
      assert.strictEqual(snapshot.startedAt, Duration.toMillis("2 hours"))
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is refused, and nothing has run, of a run that is unknown, has another Dag or no such transition", () =>
    Effect.gen(function* () {
      const { dag, ran } = chain(Effect.void)
      yield* Engine.execute(dag, {}, { runId: id })
      const last = yield* lastOf
      ran.splice(0)
      const fork = <O, I, E>(dag: Dag.Dag<O, I, E, never>, from: RunId, at: number, runId = again) =>
        Effect.flip(Engine.fork(dag, from, { at, runId }))
      assert.instanceOf(yield* fork(dag, RunId.make("other"), 0), RunError.UnknownRun)
      assert.instanceOf(yield* fork(everyKind([0], ran), id, 0), RunError.DagChanged)
      for (const at of [last + 1, -1, 0.5, NaN, Infinity]) {
        const error = yield* fork(dag, id, at)
        assert(error instanceof Timeline.UnknownSequence)
        assert.deepStrictEqual([error.of, error.id, error.last], ["run", id, last])
        assert.include(error.message, `run "run" has no number ${at}: it goes from 0 to ${last}`)
      }
      const taken = yield* fork(dag, id, 0, id)
      assert(taken instanceof RunError.RunConflict)
      assert.strictEqual(taken.differs, "origin")
      assert.deepStrictEqual(ran, [])
      assert.lengthOf(yield* Engine.list(), 1)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("fails where the output of a module that had completed is missing", () =>
    Effect.gen(function* () {
      const { dag, ran } = chain(Effect.void)
      yield* Engine.execute(dag, {}, { runId: id })
      const at = yield* lastOf
      ran.splice(0)
      const there = yield* RunStore.RunStore
      const without = Layer.succeed(RunStore.RunStore, { ...there, outputs: () => Effect.succeed(new Map()) })
      const exit = yield* Effect.exit(Effect.provide(Engine.fork(dag, id, { at }), Layer.provide(engine(), without)))
      assert(Exit.isFailure(exit))
      const error = Option.getOrThrow(Cause.failureOption(exit.cause))
      assert.instanceOf(error, RunError.StoredValueInvalid)
      assert.deepStrictEqual(ran, [])
    }).pipe(Effect.provide(engine()), Effect.provide(store))
  )
})
