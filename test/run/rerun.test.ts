import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  DateTime,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Schema,
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Module, Run, RunError, RunId, Shared, Timeline, type Failed } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { numRuns } from "../numRuns.js"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  id,
  isStored,
  quiet,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"
import { isWhole, rowsOf } from "./Rows.js"
import * as VirtualClock from "./VirtualClock.js"

const again = RunId.make("again")

/** Modules that give their name and what they were given, and note when they run. */
const noted = () => {
  const ran: Array<string> = []
  const step = <const Name extends string, N extends Module.Needs = {}, E = never>(
    name: Name,
    needs: N = {} as N,
    effect: Effect.Effect<unknown, E> = Effect.void
  ) =>
    Module.make(name, {
      needs,
      output: Schema.String,
      run: (values) =>
        Effect.suspend(() => {
          ran.push(name)
          return Effect.as(effect, [name, ...Object.values(values).map(String)].join(" "))
        })
    })
  /** What has run since it was asked. */
  const since = () => ran.splice(0).sort()
  return { ran, since, step }
}

const sqlite = Layer.provideMerge(Timeline.layer, RunStoreSqlite.layer({ filename: ":memory:" }))

for (const [name, stored] of Object.entries({ memory: store, SQLite: sqlite })) {
  describe(`a rerun, over ${name}`, () => {
    it.effect("takes over what does not depend on the chosen modules, and runs the rest", () =>
      Effect.gen(function* () {
        const { since, step } = noted()
        const n = Module.input("n", Schema.DateFromString)
        const first = step("first", { n: Module.pure("day", { needs: { n }, run: ({ n }) => n.getTime() }) })
        const left = step("left", { first })
        const right = step("right", { first })
        const last = step("last", { left, right })
        const beside = step("beside")
        const dag = Dag.make("diamond", { outputs: { last, beside } })
        const input = { n: DateTime.toDateUtc(DateTime.unsafeMake(5)) }
        yield* Effect.gen(function* () {
          const outputs = yield* Engine.execute(dag, input, { runId: id })
          since()
          const before = yield* rowsOf(id)
          yield* TestClock.adjust("1 hour")
          assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [left], runId: again }), outputs)
          assert.deepStrictEqual(since(), ["last", "left"])
          assert.deepStrictEqual(yield* rowsOf(id), before)
          yield* isWhole(again)
          assert.deepStrictEqual(statusesOf(yield* storedRun(again)), statusesOf(yield* storedRun(id)))
          assert.strictEqual((yield* storedRun(again)).startedAt, Duration.toMillis("1 hour"))
          // it is a run like any other
          assert.deepStrictEqual(yield* Engine.execute(dag, input, { runId: again }), outputs)
          const twice = Engine.rerun(dag, again, { from: [right, beside], runId: RunId.make("twice") })
          assert.deepStrictEqual(yield* twice, outputs)
          assert.deepStrictEqual(since(), ["beside", "last", "right"])
          yield* Engine.rerun(dag, id, { from: [first] })
          assert.deepStrictEqual(since(), ["first", "last", "left", "right"])
          yield* Engine.rerun(dag, id, { from: [n] })
          assert.deepStrictEqual(since(), ["first", "last", "left", "right"])
          assert.lengthOf(yield* Engine.list(), 5)
        }).pipe(Effect.provide(engine()))
      }).pipe(Effect.provide(stored))
    )

    it.effect("takes over maps with their items, and child Dags with what is in them", () =>
      Effect.gen(function* () {
        const { ran, since, step } = noted()
        const inner = Dag.make("inner", { outputs: { leaf: step("leaf") } })
        const child = Module.dag("child", { dag: inner, input: () => ({}) })
        const children = Module.map("children", { over: () => [0, 1], dag: inner, input: () => ({}) })
        const items = Module.map("items", {
          over: () => [0, 1, 2],
          output: Schema.Number,
          error: Bad,
          onItemFailure: "collect",
          run: (item) =>
            Effect.suspend(() => {
              ran.push(`item ${item}`)
              return item === 1 ? new Bad({ why: "odd" }) : Effect.succeed(item)
            })
        })
        const all = Module.make("all", {
          needs: { child, children, items },
          output: Schema.Number,
          run: ({ items }) => Effect.sync(() => (ran.push("all"), items.filter(Exit.isSuccess).length))
        })
        const dag = Dag.make("nested", { outputs: { all, child, children, items } })
        yield* Effect.gen(function* () {
          const outputs = yield* Engine.execute(dag, {}, { runId: id })
          since()
          assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [all], runId: again }), outputs)
          assert.deepStrictEqual(since(), ["all"])
          yield* isWhole(again)
          assert.deepStrictEqual(statusesOf(yield* storedRun(again)), statusesOf(yield* storedRun(id)))
          assert.deepStrictEqual(stateOf(yield* storedRun(again), "items").items, { total: 3, completed: 2, failed: 1 })
          const rerun = Engine.rerun(dag, again, { from: [items, child] })
          assert.deepStrictEqual(yield* rerun, outputs)
          assert.deepStrictEqual(since(), ["all", "item 0", "item 1", "item 2", "leaf"])
          yield* Engine.rerun(dag, again, { from: [children] })
          assert.deepStrictEqual(since(), ["all", "leaf", "leaf"])
        }).pipe(Effect.provide(engine()))
      }).pipe(Effect.provide(stored))
    )
  })
}

describe("a rerun of a run that", () => {
  /** Four modules behind each other and one beside them; the third ends the run in some way, the first time. */
  const chain = <E>(ends: Effect.Effect<unknown, E>) => {
    const { since, step } = noted()
    let isFirst = true
    const first = step("first")
    const second = step("second", { first })
    const third = step(
      "third",
      { second },
      Effect.suspend(() => {
        if (!isFirst) return Effect.void
        isFirst = false
        return ends
      })
    )
    const last = step("last", { third })
    return { since, first, second, last, dag: Dag.make("chain", { outputs: { last } }) }
  }

  const last = "last third second first"

  const check = <E>({ dag, first, second, since }: ReturnType<typeof chain<E>>, status: string) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* storedRun()).status, status)
      since()
      const before = yield* rowsOf(id)
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [second], runId: again }), { last })
      assert.deepStrictEqual(since(), ["last", "second", "third"])
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [first] }), { last })
      assert.deepStrictEqual(since(), ["first", "last", "second", "third"])
      yield* isWhole(again)
      assert.deepStrictEqual(yield* rowsOf(id), before)
    })

  it.effect("failed", () =>
    Effect.gen(function* () {
      const made = chain(new Bad({ why: "third" }))
      yield* Effect.flip(Engine.execute(made.dag, {}, { runId: id }))
      yield* check(made, "failed")
      const { dag, last: module, since } = made
      // also what the chosen modules do not lead to, where it did not complete
      yield* Engine.rerun(dag, id, { from: [module] })
      assert.deepStrictEqual(since(), ["last", "third"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("was cancelled", () =>
    Effect.gen(function* () {
      const made = chain(Effect.never)
      const handle = yield* Engine.start(made.dag, {}, { runId: id })
      yield* reaches(handle, "third", "running")
      yield* handle.cancel
      yield* check(made, "cancelled")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("timed out", () =>
    Effect.gen(function* () {
      const made = chain(Effect.never)
      const run = yield* Effect.fork(Effect.flip(Engine.execute(made.dag, {}, { runId: id, timeout: "1 hour" })))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(run)
      yield* check(made, "timedOut")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("was stopped", () =>
    Effect.gen(function* () {
      const { since, step } = noted()
      let stops = true
      const first = step("first")
      const stop = Module.make("stop", {
        needs: { first },
        output: Schema.Void,
        run: () => Effect.when(Run.stop, () => stops)
      })
      const last = step("last", { stop })
      const dag = Dag.make("stops", { outputs: { last } })
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.strictEqual((yield* storedRun()).status, "stopped")
      since()
      stops = false
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [last], runId: again }), { last: "last undefined" })
      assert.deepStrictEqual(since(), ["last"])
      assert.deepStrictEqual(yield* stepsOf("stop", again), ["completed 1"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("was cut off, or is driven just now", () =>
    Effect.gen(function* () {
      const made = chain(Effect.never)
      yield* cutOffWhen(
        Engine.execute(made.dag, {}, { runId: id }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("third", "running"))
      )
      yield* check(made, "running")
      const live = chain(Effect.never)
      const handle = yield* Engine.start(live.dag, {}, { runId: RunId.make("live") })
      yield* reaches(handle, "third", "running")
      assert.deepStrictEqual(yield* Engine.rerun(live.dag, handle.id, { from: [live.second] }), { last })
      assert.strictEqual(statusOf(yield* handle.snapshot, "third"), "running")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is suspended: delivered signals are values like others, and a chosen one waits again", () =>
    Effect.gen(function* () {
      const { since, step } = noted()
      const ask = Module.signal("ask", { value: Schema.String })
      const other = Module.signal("other", { value: Schema.String })
      const asked = step("asked", { ask })
      const dag = Dag.make("signals", { outputs: { asked, both: step("both", { asked, other }) } })
      const suspends = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.flip(effect), (error) => assert.instanceOf(error, RunError.RunSuspended))
      yield* suspends(Engine.execute(dag, {}, { runId: id }))
      yield* Engine.signal(id, ask, "yes")
      const run = yield* Effect.fork(Effect.exit(Engine.execute(dag, {}, { runId: id })))
      yield* Fiber.join(run)
      assert.strictEqual((yield* storedRun()).status, "suspended")
      assert.deepStrictEqual(since(), ["asked"])

      yield* suspends(Engine.rerun(dag, id, { from: [other], runId: again }))
      assert.deepStrictEqual(since(), [])
      assert.strictEqual(statusOf(yield* storedRun(again), "ask"), "completed")
      yield* isWhole(again)
      yield* Engine.signal(again, other, "no")
      assert.strictEqual((yield* Effect.flip(Engine.signal(again, ask, "late")))._tag, "SignalClosed")
      assert.deepStrictEqual(yield* Engine.resume(dag, again), { asked: "asked yes", both: "both asked yes no" })
      assert.strictEqual((yield* storedRun()).status, "suspended")

      const anew = RunId.make("anew")
      yield* suspends(Engine.rerun(dag, again, { from: [ask], runId: anew }))
      assert.strictEqual(statusOf(yield* storedRun(anew), "ask"), "suspended")
      yield* Engine.signal(anew, ask, "perhaps")
      const outputs = yield* Engine.resume(dag, anew)
      assert.deepStrictEqual(outputs, { asked: "asked perhaps", both: "both asked perhaps no" })
    }).pipe(Effect.provide(alone()))
  )
})

describe("a rerun", () => {
  it.effect("follows the choice of a route that is taken over, and chooses anew where the route is chosen", () =>
    Effect.gen(function* () {
      const { since, step } = noted()
      let choice: "a" | "b" = "a"
      const route = Module.route("route", { branches: ["a", "b"], choose: () => choice })
      const branch = <const B extends "a" | "b">(name: B) =>
        Module.make(name, { when: route.is(name), output: Schema.String, run: () => Effect.succeed(name) })
      const [a, b] = [branch("a"), branch("b")]
      const joined = Module.make("joined", {
        needs: { a, b },
        join: "noneFailed",
        output: Schema.String,
        run: ({ a, b }) => Effect.succeed(Option.getOrThrow(Option.orElse(a, () => b)))
      })
      const beside = step("beside")
      const dag = Dag.make("routed", { outputs: { a, b, joined, beside } })
      yield* Engine.execute(dag, {}, { runId: id })
      since()
      choice = "b"
      const kept = { a: Option.some("a"), b: Option.none(), joined: "a", beside: "beside" }
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [beside], runId: again }), kept)
      assert.deepStrictEqual(statusesOf(yield* storedRun(again)), statusesOf(yield* storedRun(id)))
      yield* isWhole(again)
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [a] }), kept)
      const rerun = yield* Engine.rerun(dag, id, { from: [route] })
      assert.deepStrictEqual(rerun, { a: Option.none(), b: Option.some("b"), joined: "b", beside: "beside" })
      assert.deepStrictEqual(since(), ["beside"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("knows of every module inside of what it took over how it ended", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const n = Module.input("n", Schema.Int)
      const route = Module.route("route", {
        needs: { n },
        branches: ["a", "b"],
        choose: ({ n }) => (n === 0 ? "a" : "b")
      })
      const a = Module.make("a", { when: route.is("a"), output: Schema.String, run: () => Effect.succeed("a") })
      const b = Module.make("b", { when: route.is("b"), output: Schema.String, run: () => new Bad({ why: "b" }) })
      const inner = Dag.make("inner", { outputs: { a, b } })
      const child = Module.dag("child", { dag: inner, input: () => ({ n: 0 }) })
      const items = Module.map("items", {
        over: () => [0, 1],
        dag: inner,
        input: (n) => ({ n }),
        onItemFailure: "collect"
      })
      const last = step("last", { child, items })
      const dag = Dag.make("inside", { outputs: { last, child, items } })
      const outputs = yield* Engine.execute(dag, {}, { runId: id })
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [last], runId: again }), outputs)
      assert.deepStrictEqual(statusesOf(yield* storedRun(again)), statusesOf(yield* storedRun(id)))
      yield* isWhole(again)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("runs again what was skipped for its own failure, and what depends on it", () =>
    Effect.gen(function* () {
      const { since, step } = noted()
      let mended = false
      const lenient = Module.make("lenient", {
        output: Schema.String,
        onFailure: "skip",
        run: () => Effect.suspend(() => (mended ? Effect.succeed("mended") : new Bad({ why: "first" })))
      })
      const below = step("below", { lenient })
      const beside = step("beside")
      const dag = Dag.make("lenient", { outputs: { below, beside } })
      yield* Engine.execute(dag, {}, { runId: id })
      since()
      mended = true
      const outputs = yield* Engine.rerun(dag, id, { from: [beside], runId: again })
      assert.deepStrictEqual(outputs, { below: Option.some("below mended"), beside: "beside" })
      assert.deepStrictEqual(since(), ["below", "beside"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("begins with the first values of the shared cells", () =>
    Effect.gen(function* () {
      const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0), ticks: Shared.live(Schema.Int, 0) })
      const bump = Effect.zipRight(
        Shared.update(stats, ({ seen }) => ({ seen: seen + 1 })),
        Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))
      )
      const first = Module.make("first", { output: Schema.Void, run: () => bump })
      const items = Module.map("items", { over: () => [0, 1], output: Schema.Void, run: () => bump })
      const last = Module.make("last", {
        needs: { first, items },
        output: Schema.Array(Schema.Int),
        run: () => Effect.zipRight(bump, Effect.all([Shared.get(stats, "seen"), Shared.get(stats, "ticks")]))
      })
      const dag = Dag.make("stats", { outputs: { last }, shared: [stats] })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}, { runId: id }), { last: [4, 4] })
      assert.deepStrictEqual(yield* Engine.rerun(dag, id, { from: [last], runId: again }), { last: [1, 1] })
      assert.deepStrictEqual(Object.fromEntries((yield* storedRun(again)).shared), {
        "stats/seen": 1,
        "stats/ticks": 1
      })
      yield* isWhole(again)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("inherits the policy, except for what its own options say", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const one = step("one")
      const dag = Dag.make("policy", { outputs: { one, two: step("two", {}, new Bad({ why: "two" })) } })
      const policy = { concurrency: 3, onFailure: "continue", durability: "buffered", timeout: "1 hour" } as const
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id, ...policy }))
      yield* Effect.flip(Engine.rerun(dag, id, { from: [one], runId: again }))
      const inherited = { ...policy, timeout: Duration.toMillis(policy.timeout) }
      assert.deepStrictEqual((yield* rowsOf(again)).policy, inherited)
      const other = RunId.make("other")
      yield* Effect.flip(Engine.rerun(dag, id, { from: [one], runId: other, onFailure: "failFast", concurrency: 1 }))
      assert.deepStrictEqual((yield* rowsOf(other)).policy, { ...inherited, onFailure: "failFast", concurrency: 1 })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("has the whole time of its timeout, from its own start", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const slow = step("slow", {}, Effect.sleep("59 minutes"))
      const dag = Dag.make("slow", { outputs: { slow } })
      const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id, timeout: "1 hour" }))
      yield* TestClock.adjust("2 hours")
      yield* Fiber.join(run)
      const rerun = yield* Effect.fork(Engine.rerun(dag, id, { from: [slow] }))
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* Fiber.join(rerun), { slow: "slow" })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that is interrupted is cut off, and can be resumed", () =>
    Effect.gen(function* () {
      const { since, step } = noted()
      const gate = yield* Effect.makeLatch(true)
      const first = step("first")
      const second = step("second", { first }, gate.await)
      const dag = Dag.make("cut", { outputs: { second } })
      const outputs = yield* Engine.execute(dag, {}, { runId: id })
      yield* gate.close
      yield* cutOffWhen(
        Engine.rerun(dag, id, { from: [second], runId: again }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("second", "running", again))
      )
      yield* gate.open
      assert.deepStrictEqual(since(), ["first", "second", "second"])
      assert.deepStrictEqual(yield* Engine.resume(dag, again).pipe(Effect.provide(engine())), outputs)
      assert.deepStrictEqual(since(), ["second"])
      yield* isWhole(again)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("shows what it took over to its viewers, numbered like everything else", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const first = step("first")
      const items = Module.map("items", { over: () => [0, 1], output: Schema.Void, run: () => Effect.void })
      const last = step("last", { first, items })
      const dag = Dag.make("viewed", { outputs: { last } })
      yield* Engine.execute(dag, {}, { runId: id })
      yield* Engine.rerun(dag, id, { from: [last], runId: again })
      yield* quiet
      const events = Chunk.toArray(yield* Stream.runCollect(Engine.watch(again)))
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        events.map((_, i) => i + 1)
      )
      assert.strictEqual(events.at(-1)!._tag, "Finished")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a rerun is refused, and nothing is stored", () => {
  const first = Module.make("first", { output: Schema.Void, run: () => Effect.void })
  const inner = Module.make("inner", { output: Schema.Void, run: () => Effect.void })
  const child = Module.dag("child", { dag: Dag.make("child", { outputs: { inner } }), input: () => ({}) })
  const of = (version: number) => Dag.make("refused", { outputs: { first, child }, version })
  const dag = of(1)
  const stranger = Module.make("stranger", { output: Schema.Void, run: () => Effect.void })

  const refusal = <E>(rerun: Effect.Effect<unknown, E, Engine.Engine>) =>
    Effect.gen(function* () {
      yield* Engine.execute(dag, {}, { runId: id })
      const before = yield* rowsOf(id)
      const error = yield* Effect.flip(rerun)
      assert.deepStrictEqual(yield* rowsOf(id), before)
      assert.deepStrictEqual(
        (yield* Engine.list()).map(({ runId }) => runId),
        [id]
      )
      return error
    }).pipe(Effect.provide(alone()))

  it.effect("of a run that does not exist", () =>
    Effect.gen(function* () {
      const error = yield* refusal(Engine.rerun(dag, RunId.make("none"), { from: [first] }))
      assert.deepInclude(error, { _tag: "UnknownRun", runId: RunId.make("none") })
    })
  )

  it.effect("with another version of the Dag", () =>
    Effect.gen(function* () {
      const error = yield* refusal(Engine.rerun(of(2), id, { from: [first] }))
      assert.deepInclude(error, { _tag: "DagChanged", runId: id })
    })
  )

  it.effect("from a module that is not in the Dag, or only inside of a child", () =>
    Effect.gen(function* () {
      for (const module of [stranger, inner]) {
        const error = yield* refusal(Engine.rerun(dag, id, { from: [first, module] }))
        assert.deepInclude(error, { _tag: "UnknownModule", dag: "refused", module: module.name })
      }
    })
  )

  it.effect("under an id that exists: its own, another one, one that is live", () =>
    Effect.gen(function* () {
      const error = yield* refusal(Engine.rerun(dag, id, { from: [first], runId: id }))
      assert.deepInclude(error, { _tag: "RunConflict", runId: id })
      yield* Effect.gen(function* () {
        const other = RunId.make("other")
        yield* Engine.execute(dag, {}, { runId: id })
        yield* Engine.execute(dag, {}, { runId: other })
        const never = Module.make("never", { output: Schema.Void, run: () => Effect.never })
        const live = yield* Engine.start(Dag.make("live", { outputs: { never } }), {}, { durability: "memory" })
        for (const runId of [other, live.id]) {
          const error = yield* Effect.flip(Engine.rerun(dag, id, { from: [first], runId }))
          assert.deepInclude(error, { _tag: "RunConflict", runId })
        }
        assert.lengthOf(yield* Engine.list(), 2)
      }).pipe(Effect.provide(alone()))
    })
  )

  it.effect("when a stored value that it takes over does not decode any more", () =>
    Effect.gen(function* () {
      let isStrict = false
      let ran = 0
      const Checked = Schema.String.pipe(Schema.filter(() => !isStrict, { identifier: "Checked" }))
      const kept = Module.make("kept", { output: Checked, run: () => Effect.succeed("kept") })
      const last = Module.make("last", {
        needs: { kept },
        output: Schema.Void,
        run: () => Effect.sync(() => void ran++)
      })
      const dag = Dag.make("strict", { outputs: { last } })
      yield* Engine.execute(dag, {}, { runId: id })
      isStrict = true
      const error = yield* Effect.flip(Engine.rerun(dag, id, { from: [last], runId: again }))
      assert.deepInclude(error, { _tag: "StoredValueInvalid", module: "kept" })
      assert.strictEqual(ran, 1)
    }).pipe(Effect.provide(alone()))
  )
})

describe("over random Dags", () => {
  const vertex = fc.record({
    needs: fc.array(fc.nat(20), { maxLength: 3 }),
    kind: fc.constantFrom("effect", "pure", "map", "child"),
    fails: fc.nat(9).map((n) => n === 0)
  })
  type Step = Module.Of<string, Bad, never, never, Failed>

  it.effect.prop(
    "runs exactly what is behind the chosen module or had not completed, and gives what a whole run gives",
    [fc.array(vertex, { minLength: 1, maxLength: 10 }), fc.nat(9), fc.boolean()],
    ([vertices, chosen, mends]) =>
      VirtualClock.test(({ until }) =>
        Effect.gen(function* () {
          let ran: Array<string> = []
          let mended = false
          const needsOf = (i: number) => (i === 0 ? [] : [...new Set(vertices[i]!.needs.map((need) => need % i))])
          const modules: Array<Step> = []
          vertices.forEach(({ fails, kind }, i) => {
            const name = `m${i}`
            const needs = Object.fromEntries(needsOf(i).map((need) => [`m${need}`, modules[need]!]))
            const work = (values: { readonly [key: string]: string }) =>
              Effect.suspend(() => {
                ran.push(name)
                if (fails && !mended) return new Bad({ why: name })
                return Effect.succeed([name, ...Object.values(values).map((value) => value.length)].join(" "))
              })
            const text = Module.input("text", Schema.Record({ key: Schema.String, value: Schema.String }))
            const leaf = Module.make("leaf", { needs: { text }, output: Schema.String, run: ({ text }) => work(text) })
            const inner = Dag.make("inner", { outputs: { leaf } })
            modules.push(
              kind === "effect"
                ? Module.make(name, { needs, output: Schema.String, run: work })
                : kind === "pure"
                  ? Module.pure(name, {
                      needs,
                      run: (values) => [name, ...Object.values(values)].join(" ").slice(0, 9)
                    })
                  : Module.pure(name, {
                      needs: {
                        inside:
                          kind === "map"
                            ? Module.map(`${name}-inside`, {
                                needs,
                                over: (values) => [values],
                                output: Schema.String,
                                run: work
                              })
                            : Module.dag(`${name}-inside`, { needs, dag: inner, input: (values) => ({ text: values }) })
                      },
                      run: ({ inside }) => (inside instanceof Array ? inside[0]! : (inside as { leaf: string }).leaf)
                    })
            )
          })
          const dag = Dag.make("random", {
            outputs: Object.fromEntries(modules.map((module) => [module.name, module]))
          })
          const options = { runId: id, onFailure: "continue" } as const
          yield* until(Effect.exit(Engine.execute(dag, {}, options)))
          const before = yield* storedRun()
          ran = []
          mended = mends
          const from = chosen % vertices.length
          const behind = new Set([from])
          vertices.forEach((_, i) => needsOf(i).some((need) => behind.has(need)) && behind.add(i))
          const exit = yield* until(Effect.exit(Engine.rerun(dag, id, { from: [modules[from]!], runId: again })))
          const after = yield* storedRun(again)
          yield* isWhole(again)

          const failing = new Set<number>()
          vertices.forEach(({ fails, kind }, i) => {
            if ((fails && kind !== "pure" && !mends) || needsOf(i).some((need) => failing.has(need))) failing.add(i)
          })
          const runs = vertices.flatMap(({ kind }, i) => {
            if (kind === "pure" || needsOf(i).some((need) => failing.has(need))) return []
            // of a map and a child the chosen module is the one that unwraps their output
            const isWrapped = kind === "map" || kind === "child"
            const isBehind = isWrapped ? needsOf(i).some((need) => behind.has(need)) : behind.has(i)
            const worker = isWrapped ? `m${i}-inside` : `m${i}`
            return isBehind || statusOf(before, worker) !== "completed" ? [`m${i}`] : []
          })
          assert.sameMembers(ran, runs)
          assert.strictEqual(Exit.isSuccess(exit), failing.size === 0)
          vertices.forEach((_, i) =>
            assert.strictEqual(statusOf(after, `m${i}`) === "completed", !failing.has(i), `m${i}`)
          )
          const fresh = yield* until(Effect.exit(Engine.execute(dag, {}, { ...options, runId: RunId.make("fresh") })))
          assert.deepStrictEqual(
            Exit.getOrElse(exit, () => "failed"),
            Exit.getOrElse(fresh, () => "failed")
          )
        }).pipe(Effect.provide(Layer.fresh(alone({ durability: "buffered" }))))
      ),
    { fastCheck: { numRuns: Math.ceil(numRuns / 4) } }
  )
})
