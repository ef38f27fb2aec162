import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Schedule, Schema, Stream, TestClock } from "effect"
import { Dag, Engine, Heddle, Module, ModuleError, Run, RunId, Shared } from "heddle"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  eventually,
  historyOf,
  id,
  reaches,
  store,
  storedRun,
  withTime
} from "./Harness.js"

const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0), ticks: Shared.live(Schema.Int, 0) })
const bump = Shared.update(stats, ({ seen }) => ({ seen: seen + 1 }))
const tick = Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))

const settle = TestClock.adjust("1 second")

/** What is told of the module that asks. */
const whoAmI = Effect.all({ id: Run.id, attempt: Run.attempt, key: Run.idempotencyKey })
type Who = Effect.Effect.Success<typeof whoAmI>

/** Notes who asks, under a name. */
const makeLog = () => {
  const log: Array<readonly [string, Who]> = []
  return {
    log,
    note: (name: string) => Effect.map(whoAmI, (who) => void log.push([name, who])),
    keys: () => log.map(([, { key }]) => key)
  }
}

describe("what a module may call", () => {
  it.effect("is nothing outside of one, also where the type, which forbids it, is ignored", () =>
    Effect.gen(function* () {
      const calls = [Run.emit(1), Run.progress(1, 2), Run.stop, Run.id, Run.attempt, Run.idempotencyKey]
      for (const call of calls) {
        // test/types/definition.ts has that this does not compile without the cast
        const outside = Effect.provide(call, Heddle.layerMemory) as Effect.Effect<unknown, unknown>
        assert.isTrue(Exit.isFailure(yield* Effect.exit(outside)))
      }
    })
  )

  it.effect("leaves nothing in the requirements and the errors of its Dag", () =>
    Effect.gen(function* () {
      const all = Effect.zipRight(Run.emit(1), Effect.zipRight(Run.progress(1, 2), whoAmI))
      const made = Module.make("made", { output: Schema.Unknown, run: () => all })
      const mapped = Module.map("mapped", { over: () => [1], output: Schema.Unknown, run: () => all })
      const route = Module.route("route", { branches: ["a"], choose: () => Effect.as(all, "a" as const) })
      const a = Module.make("a", {
        when: route.is("a"),
        output: Schema.Unknown,
        run: () => new Bad({ why: "on purpose" }),
        onFailure: () => all
      })
      const dag: Dag.Dag<unknown, {}> = Dag.make("all", { outputs: { made, mapped, a } })
      yield* Engine.execute(dag, {})
    }).pipe(Effect.provide(alone()))
  )
})

describe("Run.id, Run.attempt and Run.idempotencyKey", () => {
  it.effect("tell every kind of module, item and child apart, and every run", () =>
    Effect.gen(function* () {
      const { keys, log, note } = makeLog()
      const noted = <const Name extends string>(name: Name) =>
        Module.make(name, { output: Schema.Void, run: () => note(name) })
      const inner = Dag.make("inner", { outputs: { leaf: noted("leaf") } })
      const child = Module.dag("child", { dag: inner, input: () => ({}) })
      const children = Module.map("children", { over: () => [0, 1], dag: inner, input: () => ({}) })
      const items = Module.map("items", {
        over: () => ["x", "y", "x"],
        output: Schema.Void,
        run: (item) => note(`item ${item}`)
      })
      const route = Module.route("route", { branches: ["a"], choose: () => Effect.as(note("route"), "a" as const) })
      const a = Module.make("a", { when: route.is("a"), output: Schema.Void, run: () => note("a") })
      const dag = Dag.make("keys", { outputs: { leaf: noted("leaf"), child, children, items, a } })
      const ids = ["one", "two", 'with "quotes"', "one/leaf"].map((name) => RunId.make(name))
      for (const runId of ids) yield* Engine.execute(dag, {}, { runId })
      assert.lengthOf(log, ids.length * 9)
      assert.lengthOf(new Set(keys()), ids.length * 9)
      assert.deepStrictEqual(
        log.map(([, { id }]) => id),
        ids.flatMap((runId) => Array.from({ length: 9 }, () => runId))
      )
      assert.deepStrictEqual([...new Set(log.map(([, { attempt }]) => attempt))], [1])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("keep the key over retries, the fallback and resumes, while attempts count", () =>
    Effect.gen(function* () {
      const { keys, log, note } = makeLog()
      let cutOffs = 0
      const patient = Module.make("patient", {
        output: Schema.Void,
        retry: Schedule.recurs(5),
        run: () =>
          Effect.gen(function* () {
            yield* note("patient")
            if ((yield* Run.attempt) % 2 === 1) return yield* new Bad({ why: "odd" })
            if (cutOffs < 2) return yield* Effect.never
            return yield* new Bad({ why: "last" })
          }),
        onFailure: () => note("fallback")
      })
      const dag = Dag.make("patient", { outputs: { patient } })
      const execute = Effect.asVoid(Effect.exit(Engine.execute(dag, {}, { runId: id })))
      for (; cutOffs < 2; cutOffs++) {
        const before = log.length
        const waits = eventually(
          Effect.sync(() => log.length > before && log.at(-1)![1].attempt % 2 === 0),
          "an even attempt"
        )
        yield* Effect.provide(cutOffWhen(execute, waits), engine())
      }
      yield* Effect.provide(execute, engine())
      assert.strictEqual((yield* storedRun()).status, "completed")
      assert.deepStrictEqual(
        log.map(([name, { attempt }]) => `${name} ${attempt}`),
        [...[1, 2, 3, 4, 5, 6].map((attempt) => `patient ${attempt}`), "fallback 6"]
      )
      assert.lengthOf(new Set(keys()), 1)
    }).pipe(Effect.provide(store))
  )

  it.effect("keep the key of an item over its retries and resumes; its attempts begin again with the run", () =>
    Effect.gen(function* () {
      const { log, note } = makeLog()
      let isLast = false
      const items = Module.map("items", {
        over: () => ["a", "b"],
        output: Schema.Void,
        retry: Schedule.recurs(1),
        run: (item) =>
          Effect.gen(function* () {
            yield* note(item)
            if ((yield* Run.attempt) === 1) return yield* new Bad({ why: "first" })
            if (!isLast) return yield* Effect.never
          })
      })
      const dag = Dag.make("items", { outputs: { items } })
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => log.length === 4))).pipe(
        Effect.provide(engine())
      )
      isLast = true
      yield* Effect.provide(Engine.resume(dag, id), engine())
      for (const name of ["a", "b"]) {
        const mine = log.flatMap(([item, who]) => (item === name ? [who] : []))
        assert.deepStrictEqual(
          mine.map(({ attempt }) => attempt),
          [1, 2, 1, 2]
        )
        assert.lengthOf(new Set(mine.map(({ key }) => key)), 1)
      }
      assert.lengthOf(new Set(log.map(([, { key }]) => key)), 2)
    }).pipe(Effect.provide(store))
  )

  it.effect("a new run has keys of its own, also a rerun", () =>
    Effect.gen(function* () {
      const { keys, note } = makeLog()
      const noted = Module.make("noted", { output: Schema.Void, run: () => note("noted") })
      const dag = Dag.make("rerun", { outputs: { noted } })
      yield* Engine.execute(dag, {}, { runId: id })
      yield* Engine.rerun(dag, id, { from: [noted], runId: RunId.make("again") })
      yield* Engine.execute(dag, {})
      assert.lengthOf(new Set(keys()), 3)
    }).pipe(Effect.provide(alone()))
  )
})

describe("Run.emit and Run.progress", () => {
  it.effect("carry the path, the item and the order, and are numbered between what is stored; nothing of it is", () =>
    Effect.gen(function* () {
      const talk = <const Name extends string>(name: Name) =>
        Module.make(name, {
          output: Schema.Void,
          run: () => Effect.zipRight(Run.emit({ from: name }), Run.progress(1, 2))
        })
      const child = Module.dag("child", {
        dag: Dag.make("inner", { outputs: { leaf: talk("leaf") } }),
        input: () => ({})
      })
      const items = Module.map("items", { over: () => ["x", "y"], output: Schema.Void, run: (item) => Run.emit(item) })
      const route = Module.route("route", { branches: ["a"], choose: () => Effect.as(Run.emit("?"), "a" as const) })
      const a = Module.make("a", {
        when: route.is("a"),
        output: Schema.Void,
        run: () => new Bad({ why: "on purpose" }),
        onFailure: () => Run.emit("repaired")
      })
      const dag = Dag.make("talks", { outputs: { own: talk("own"), child, items, a } })
      const events = Chunk.toArray(yield* Stream.runCollect(Engine.stream(dag, {}, { runId: id })))
      const said = events.flatMap((event) =>
        event._tag === "Token"
          ? [[event.module, event.index, event.value]]
          : event._tag === "Progressed"
            ? [[event.module, event.index, `${event.done}/${event.total}`]]
            : []
      )
      assert.sameDeepMembers(said, [
        ["own", undefined, { from: "own" }],
        ["own", undefined, "1/2"],
        ["child/leaf", undefined, { from: "leaf" }],
        ["child/leaf", undefined, "1/2"],
        ["items", 0, "x"],
        ["items", 1, "y"],
        ["route", undefined, "?"],
        ["a", undefined, "repaired"]
      ])
      const order = (module: string) => said.findIndex(([of, , value]) => of === module && typeof value === "object")
      assert.deepStrictEqual(said[order("own") + 1], ["own", undefined, "1/2"])
      for (const module of ["own", "child/leaf", "items", "route", "a"]) {
        const isOf = (event: (typeof events)[number]) => "module" in event && event.module === module
        const mine = events.filter(isOf)
        assert.strictEqual(mine.at(-1)!._tag, "ModuleTransition", `${module} talks before it ends`)
      }
      const seqs = (yield* historyOf()).map(({ seq }) => seq)
      assert.deepStrictEqual(
        seqs,
        seqs.map((_, i) => i + 1)
      )
      assert.lengthOf(seqs, events.length - said.length)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of an attempt that is made again are said again", () =>
    Effect.gen(function* () {
      const again = Module.make("again", {
        output: Schema.Void,
        retry: Schedule.recurs(1),
        run: () =>
          Effect.flatMap(Run.attempt, (attempt) =>
            Effect.zipRight(Run.emit(attempt), attempt === 1 ? new Bad({ why: "first" }) : Effect.void)
          )
      })
      const events = Chunk.toArray(
        yield* Stream.runCollect(Engine.stream(Dag.make("again", { outputs: { again } }), {}))
      )
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "Token" ? [event.value] : [])),
        [1, 2]
      )
    }).pipe(Effect.provide(alone()))
  )

  it.effect("are heard by nobody where nobody listens, and do not hold the module up", () =>
    Effect.gen(function* () {
      const talks = Module.make("talks", {
        output: Schema.Int,
        run: () => Effect.as(Effect.forEach(Array.from({ length: 5000 }), Run.emit, { discard: true }), 5000)
      })
      assert.deepStrictEqual(yield* Engine.execute(Dag.make("talks", { outputs: { talks } }), {}), { talks: 5000 })
    }).pipe(Effect.provide(alone()))
  )
})

describe("Run.stop", () => {
  it.effect("twice, and from several modules, is one stop; who calls it goes on", () =>
    Effect.gen(function* () {
      const [begun, gate] = [yield* Effect.makeLatch(false), yield* Effect.makeLatch(false)]
      const stops = <const Name extends string>(name: Name) =>
        Module.make(name, {
          output: Schema.String,
          run: () =>
            Effect.gen(function* () {
              yield* begun.await
              yield* Run.stop
              yield* gate.await
              yield* Run.stop
              return name
            })
        })
      const [a, b] = [stops("a"), stops("b")]
      const after = Module.make("after", { needs: { a, b }, output: Schema.Void, run: () => Effect.void })
      const handle = yield* Engine.start(Dag.make("stops", { outputs: { a, b, after } }), {})
      yield* reaches(handle, "b", "running")
      yield* begun.open
      yield* reaches(handle, "after", "skipped")
      yield* gate.open
      const error = yield* Effect.flip(handle.await)
      assert(error._tag === "RunStopped")
      assert.deepStrictEqual(error.outputs, { a: "a", b: "b" })
    }).pipe(Effect.provide(alone()))
  )
})

describe("a handle that outlives its attempt", () => {
  /** All of it, each with how it ended. */
  const all = Effect.all(
    [Run.emit("late"), Run.progress(1, 2), Run.stop, Shared.get(stats, "seen"), bump, tick].map((call) =>
      Effect.exit(Effect.asVoid(call))
    )
  )

  /** A fiber that outlives its module, and tries all of it when it is told to. */
  const outliving = (go: Deferred.Deferred<void>, late: Deferred.Deferred<ReadonlyArray<Exit.Exit<void, unknown>>>) =>
    Effect.forkDaemon(Effect.zipRight(Deferred.await(go), Effect.intoDeferred(all, late)))

  const isRefused = (exits: ReadonlyArray<Exit.Exit<void, unknown>>, module: string, attempt: number) => {
    for (const exit of exits) {
      assert.deepStrictEqual(exit, Exit.fail(new ModuleError.ModuleEnded({ module, attempt })))
    }
  }

  const make = Effect.all([
    Deferred.make<void>(),
    Deferred.make<ReadonlyArray<Exit.Exit<void, unknown>>>(),
    Deferred.make<void>()
  ])

  const ends = (name: string, end: (attempt: number) => Effect.Effect<void, Bad>, attempts: number) =>
    it.effect(`fails once its attempt has ${name}`, () =>
      Effect.gen(function* () {
        const [go, late, done] = yield* make
        const fork = (attempt: number) => Effect.when(outliving(go, late), () => attempt === attempts)
        const body = Effect.gen(function* () {
          const attempt = yield* Run.attempt
          yield* fork(attempt)
          yield* end(attempt)
        })
        const attempted = { output: Schema.Void, retry: Schedule.spaced("1 minute"), timeout: "1 minute" } as const
        const gone = Module.make("gone", {
          ...attempted,
          retry: Schedule.intersect(attempted.retry, Schedule.recurs(1)),
          run: () => body,
          onFailure: "skip"
        })
        const mapped = Module.map("mapped", {
          output: Schema.Void,
          over: () => [0],
          retry: Schedule.recurs(1),
          onItemFailure: "collect",
          run: () => Effect.zipRight(Effect.flatMap(Run.attempt, fork2), Effect.flatMap(Run.attempt, end))
        })
        const [go2, late2] = yield* make
        function fork2(attempt: number) {
          return Effect.when(outliving(go2, late2), () => attempt === attempts)
        }
        const stays = Module.make("stays", { output: Schema.Void, run: () => Deferred.await(done) })
        const dag = Dag.make("late", { outputs: { gone, mapped, stays }, shared: [stats] })
        const handle = yield* Engine.start(dag, {}, { runId: id })
        yield* TestClock.adjust("10 minutes")
        const before = yield* handle.snapshot
        yield* Deferred.succeed(go, undefined)
        yield* Deferred.succeed(go2, undefined)
        isRefused(yield* Deferred.await(late), "gone", attempts)
        isRefused(yield* Deferred.await(late2), "mapped", attempts)
        yield* settle
        assert.deepStrictEqual(yield* handle.snapshot, before)
        yield* Deferred.succeed(done, undefined)
        const exit = yield* withTime(Effect.exit(handle.await))
        assert.isTrue(Exit.isSuccess(exit), "nothing has stopped the run")
      }).pipe(Effect.provide(alone()))
    )

  ends("completed", () => Effect.void, 1)
  ends("failed, at the last attempt", () => new Bad({ why: "always" }), 2)
  ends("failed, and another was made", (attempt) => (attempt === 1 ? new Bad({ why: "first" }) : Effect.void), 1)

  it.effect("fails while the next attempt is waited for", () =>
    Effect.gen(function* () {
      const [go, late] = yield* make
      const gone = Module.make("gone", {
        output: Schema.Void,
        retry: Schedule.spaced("1 hour"),
        run: () => Effect.zipRight(outliving(go, late), new Bad({ why: "always" }))
      })
      const handle = yield* Engine.start(Dag.make("wait", { outputs: { gone }, shared: [stats] }), {}, { runId: id })
      yield* settle
      yield* Deferred.succeed(go, undefined)
      isRefused(yield* Deferred.await(late), "gone", 1)
      assert.strictEqual((yield* handle.snapshot).status, "running")
      yield* handle.cancel.pipe(withTime)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("fails when the run was cut off, and writes nothing", () =>
    Effect.gen(function* () {
      const [go, late] = yield* make
      const gone = Module.make("gone", {
        output: Schema.Void,
        run: () => Effect.zipRight(outliving(go, late), Effect.never)
      })
      const dag = Dag.make("cut", { outputs: { gone }, shared: [stats] })
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
        yield* settle
        yield* withTime(Fiber.interrupt(run))
        const before = yield* storedRun()
        yield* Deferred.succeed(go, undefined)
        isRefused(yield* Deferred.await(late), "gone", 1)
        yield* settle
        assert.deepStrictEqual((yield* storedRun()).seq, before.seq)
      }).pipe(Effect.provide(engine()))
    }).pipe(Effect.provide(store))
  )

  it.effect("fails while it waits for a consumer, once its attempt has ended", () =>
    Effect.gen(function* () {
      const late = yield* Deferred.make<Exit.Exit<void, unknown>>()
      const told = yield* Deferred.make<void>()
      const gone = Module.make("gone", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(
            Effect.forkDaemon(
              Effect.repeatN(Run.emit("x"), 5000).pipe(
                Effect.exit,
                Effect.flatMap((exit) => Deferred.succeed(late, exit))
              )
            ),
            Deferred.await(told)
          )
      })
      const after = Module.make("after", { needs: { gone }, output: Schema.Void, run: () => Effect.void })
      const dag = Dag.make("waits", { outputs: { after }, shared: [stats] })
      const gate = yield* Deferred.make<void>()
      const events = yield* Engine.stream(dag, {}, { runId: id }).pipe(
        Stream.tap(() => Deferred.await(gate)),
        Stream.runCollect,
        Effect.fork
      )
      yield* settle
      yield* Deferred.succeed(told, undefined)
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      const seen = Chunk.toArray(yield* withTime(Fiber.join(events)))
      const end = seen.findIndex((event) => event._tag === "ModuleTransition" && event.status === "completed")
      assert.isEmpty(seen.slice(end).filter(({ _tag }) => _tag === "Token"))
      assert.deepStrictEqual(
        yield* Deferred.await(late),
        Exit.fail(new ModuleError.ModuleEnded({ module: "gone", attempt: 1 }))
      )
    }).pipe(Effect.provide(alone()))
  )
})
