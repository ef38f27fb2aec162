import { assert, describe, it } from "@effect/vitest"
import {
  DateTime,
  Deferred,
  Duration,
  Effect,
  FastCheck as fc,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, RunSnapshot, Shared, Timeline } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { numRuns } from "../numRuns.js"
import { Bad, id, withTime } from "./Harness.js"
import * as VirtualClock from "./VirtualClock.js"

const lease = { heartbeat: Duration.infinity, expiry: Duration.infinity }

const within =
  (options: Partial<Engine.Options> = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, Layer.fresh(Heddle.layer({ engine: { poll: Duration.infinity, ...options }, lease })))

const memory = Timeline.layer.pipe(Layer.provideMerge(RunStoreMemory.layer()))
const sqlite = Timeline.layer.pipe(Layer.provideMerge(RunStoreSqlite.layer({ filename: ":memory:" })))
const stores = { memory, SQLite: sqlite }

const settle = TestClock.adjust("1 second")

const cellsOf = (snapshot: RunSnapshot.RunSnapshot): unknown => Object.fromEntries(snapshot.shared)

const stored = Effect.map(
  Effect.flatMap(Timeline.Timeline, ({ get }) => get(id)),
  (run) => Option.getOrThrow(run).snapshot
)

/** What the history says of the cells, as every viewer folds it. */
const folded = Effect.gen(function* () {
  const { history } = yield* Timeline.Timeline
  const run = { runId: id, dag: "d", fingerprint: "f", total: 0, startedAt: 0 }
  return (yield* history(id, { limit: 100_000 })).reduce(RunSnapshot.evolve, RunSnapshot.make(run))
})

/** The cells are the same live, in the store and in the history. */
const agrees = Effect.gen(function* () {
  const live = cellsOf(yield* Engine.get(id))
  assert.deepStrictEqual(cellsOf(yield* stored), live)
  assert.deepStrictEqual(cellsOf(yield* folded), live)
  return live
})

const stats = Shared.make("stats", {
  seen: Shared.cell(Schema.Int, 0),
  twin: Shared.cell(Schema.Int, 0),
  best: Shared.cell(Schema.Int, 0, { merge: Math.max }),
  log: Shared.cell(Schema.Array(Schema.String), []),
  ticks: Shared.live(Schema.Int, 0)
})

const bump = Shared.update(stats, ({ seen, twin }) => ({ seen: seen + 1, twin: twin + 1 }))
const tick = Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))

describe("updates", () => {
  it.effect("are seen by their own module at once, and by others when it completes: together", () =>
    Effect.gen(function* () {
      const [half, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const writer = Module.make("writer", {
        output: Schema.Array(Schema.Int),
        run: () =>
          Effect.gen(function* () {
            const before = yield* Shared.get(stats, "seen")
            yield* bump
            const after = yield* Shared.get(stats, "seen")
            yield* Deferred.succeed(half, undefined)
            yield* Deferred.await(go)
            yield* Shared.update(stats, ({ seen }) => ({ seen: seen * 10 }))
            return [before, after, yield* Shared.get(stats, "seen"), yield* Shared.get(stats, "twin")]
          })
      })
      const other = Module.make("other", {
        output: Schema.Array(Schema.Int),
        run: () =>
          Effect.gen(function* () {
            yield* Deferred.await(half)
            const seen = yield* Shared.get(stats, "seen")
            yield* Deferred.succeed(go, undefined)
            return [seen]
          })
      })
      const last = Module.make("last", {
        needs: { writer, other },
        output: Schema.Array(Schema.Int),
        run: () => Effect.all([Shared.get(stats, "seen"), Shared.get(stats, "twin")])
      })
      const dag = Dag.make("see", { outputs: { writer, other, last }, shared: [stats] })
      const outputs = yield* withTime(Engine.execute(dag, {}, { runId: id }))
      assert.deepStrictEqual(outputs, { writer: [0, 1, 10, 1], other: [0], last: [10, 1] })
      assert.deepStrictEqual(yield* agrees, { "stats/seen": 10, "stats/twin": 1 })
      const history = yield* (yield* Timeline.Timeline).history(id)
      assert.deepStrictEqual(
        history.flatMap((change) => ("shared" in change && change.shared ? [change] : [])),
        history.flatMap((change) =>
          change._tag === "ModuleTransition" && change.module === "writer" && change.status === "completed"
            ? [{ ...change, shared: { "stats/seen": 10, "stats/twin": 1 } }]
            : []
        )
      )
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("of a cell with merge are merged into what it is at the commit", () =>
    Effect.gen(function* () {
      const offers = [3, 9, 4]
      const gate = yield* Deferred.make<void>()
      const mapped = Module.map("mapped", {
        over: () => offers,
        output: Schema.Int,
        run: (offer) =>
          Effect.gen(function* () {
            yield* Shared.update(stats, () => ({ best: offer }))
            const mine = yield* Shared.get(stats, "best")
            if (offer === 4) yield* Deferred.succeed(gate, undefined)
            yield* Deferred.await(gate)
            return mine
          })
      })
      const dag = Dag.make("merge", { outputs: { mapped }, shared: [stats] })
      assert.deepStrictEqual(yield* withTime(Engine.execute(dag, {}, { runId: id })), { mapped: offers })
      assert.deepStrictEqual(yield* agrees, { "stats/best": 9 })
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("that throw fail their module, and nothing else", () =>
    Effect.gen(function* () {
      const broken = Module.make("broken", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(
            bump,
            Shared.update(stats, () => {
              throw new Error("no")
            })
          )
      })
      const items = Module.map("items", {
        over: () => [0, 1, 2],
        output: Schema.Int,
        onItemFailure: "collect",
        run: (item) =>
          Effect.as(
            Shared.update(stats, ({ seen }) => {
              if (item === 1) throw new Error("no item")
              return { seen: seen + 1 }
            }),
            item
          )
      })
      const fine = Module.make("fine", { output: Schema.Void, run: () => bump })
      const dag = Dag.make("throws", { outputs: { broken, items, fine }, shared: [stats] })
      const error = yield* withTime(Effect.flip(Engine.execute(dag, {}, { runId: id, onFailure: "continue" })))
      assert(error._tag === "RunFailed")
      assert.deepStrictEqual(
        error.failures.map(({ failure: { kind, message }, module }) => ({ kind, message, module })),
        [{ kind: "defect", message: "no", module: "broken" }]
      )
      assert.deepStrictEqual(yield* agrees, { "stats/seen": 3, "stats/twin": 1 })
      const { items: counts, status } = RunSnapshot.module(yield* stored, "items")
      assert.deepStrictEqual({ counts, status }, { counts: { total: 3, completed: 2, failed: 1 }, status: "completed" })
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("with a value that does not encode fail their module with its path, and leave nothing", () =>
    Effect.gen(function* () {
      const wrong = Shared.update(stats, ({ seen }) => ({ seen: seen + 0.5, twin: 1, log: ["a", 1 as never] }))
      const broken = Module.make("broken", { output: Schema.Void, run: () => wrong })
      const items = Module.map("items", {
        over: () => [0, 1],
        output: Schema.Int,
        onItemFailure: "collect",
        run: (item) =>
          Effect.as(
            Effect.when(wrong, () => item === 1),
            item
          )
      })
      const dag = Dag.make("encode", { outputs: { broken, items }, shared: [stats] })
      const error = yield* withTime(Effect.flip(Engine.execute(dag, {}, { runId: id, onFailure: "continue" })))
      assert(error._tag === "RunFailed")
      const [failed] = error.failures
      assert.strictEqual(failed!.failure.kind, "output")
      for (const path of ["stats/seen", "stats/log.1"]) assert.include(failed!.failure.message, path)
      assert.deepStrictEqual(yield* agrees, {})
      assert.strictEqual(RunSnapshot.module(yield* stored, "items").items?.failed, 1)
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("of attempts that did not succeed leave no trace: retried, timed out, fallen back, skipped", () =>
    Effect.gen(function* () {
      const tries = yield* Ref.make(0)
      const add = (entry: string) => Shared.update(stats, ({ log }) => ({ log: [...log, entry] }))
      const retried = Module.make("retried", {
        output: Schema.Void,
        retry: Schedule.spaced("1 second"),
        timeout: "1 second",
        run: () =>
          Effect.gen(function* () {
            const attempt = yield* Run.attempt
            yield* add(`retried ${attempt}`)
            yield* Ref.update(tries, (_) => _ + 1)
            if (attempt === 1) return yield* new Bad({ why: "first" })
            if (attempt === 2) return yield* Effect.never
          })
      })
      const fallen = Module.make("fallen", {
        output: Schema.Void,
        run: () => Effect.zipRight(add("lost"), new Bad({ why: "always" })),
        onFailure: () => add("fallback")
      })
      const skipped = Module.make("skipped", {
        output: Schema.Void,
        run: () => Effect.zipRight(add("skipped"), new Bad({ why: "always" })),
        onFailure: "skip"
      })
      const items = Module.map("items", {
        over: () => [0],
        output: Schema.Void,
        retry: Schedule.recurs(3),
        run: () =>
          Effect.gen(function* () {
            const attempt = yield* Run.attempt
            yield* add(`item ${attempt}`)
            if (attempt < 3) return yield* new Bad({ why: "again" })
          })
      })
      const dag = Dag.make("traces", { outputs: { retried, fallen, skipped, items }, shared: [stats] })
      yield* withTime(Engine.execute(dag, {}, { runId: id }))
      assert.strictEqual(yield* Ref.get(tries), 3)
      const cells = (yield* agrees) as { readonly "stats/log": ReadonlyArray<string> }
      assert.sameMembers([...cells["stats/log"]], ["retried 3", "fallback", "item 3"])
    }).pipe(within(), Effect.provide(memory))
  )

  /** How an attempt of a module or an item ends. */
  const ending = fc.constantFrom("ok", "ok", "ok", "error", "die", "never", "slow")
  const script = fc.record({
    ends: fc.array(ending, { minLength: 1, maxLength: 3 }),
    times: fc.integer({ min: 1, max: 3 })
  })

  it.effect.prop(
    "add up to what completed, are never seen torn, and survive interruptions",
    [
      fc.array(script, { minLength: 1, maxLength: 5 }),
      fc.array(script, { maxLength: 8 }),
      fc.array(fc.nat(1000), { maxLength: 3 }),
      fc.constantFrom("buffered" as const, "committed" as const)
    ],
    ([modules, items, cuts, durability]) =>
      VirtualClock.test(({ advance, until }) =>
        Effect.gen(function* () {
          const torn = yield* Ref.make(0)
          /** What an attempt does: it counts before it fails, and looks at both cells meanwhile. */
          const attempt = ({ ends, times }: { readonly ends: ReadonlyArray<string>; readonly times: number }) =>
            Effect.gen(function* () {
              const number = yield* Run.attempt
              const end = ends[number - 1] ?? "ok"
              const [seen, twin] = [yield* Shared.get(stats, "seen"), yield* Shared.get(stats, "twin")]
              if (seen !== twin) yield* Ref.update(torn, (_) => _ + 1)
              yield* Effect.repeatN(bump, times - 1)
              yield* Effect.sleep(end === "slow" ? 150 : 5)
              if (end === "error") return yield* new Bad({ why: "script" })
              if (end === "die") return yield* Effect.die("script")
              if (end === "never") return yield* Effect.never
            })
          const attempted = { output: Schema.Void, timeout: "100 millis", retry: Schedule.recurs(2) } as const
          const made = modules.map((script, i) =>
            Module.make(`m${i}`, { ...attempted, run: () => attempt(script), onFailure: "skip" })
          )
          const mapped = Module.map("mapped", {
            ...attempted,
            over: () => items,
            onItemFailure: "collect",
            concurrency: 3,
            run: (script) => attempt(script)
          })
          const outputs = { ...Object.fromEntries(made.map((module) => [module.name, module])), mapped }
          const dag = Dag.make("sum", { outputs, shared: [stats] })
          const run = { runId: id, durability }
          for (const cut of cuts) {
            yield* Effect.gen(function* () {
              yield* Effect.forkScoped(Effect.exit(Engine.execute(dag, {}, run)))
              yield* advance(cut)
            }).pipe(Effect.scoped, within())
          }
          yield* Effect.gen(function* () {
            yield* until(Effect.exit(Engine.execute(dag, {}, run)))
            const snapshot = yield* Engine.get(id)
            assert.strictEqual(snapshot.status, "completed")
            const completed = modules.filter((_, i) => RunSnapshot.module(snapshot, `m${i}`).status === "completed")
            const ended = yield* (yield* Timeline.Timeline).items(id, ["mapped"])
            const done = ended.flatMap(({ index, status }) => (status === "completed" ? [items[index]!] : []))
            const expected = [...completed, ...done].reduce((sum, { times }) => sum + times, 0)
            assert.deepStrictEqual(
              yield* agrees,
              expected === 0 ? {} : { "stats/seen": expected, "stats/twin": expected }
            )
            assert.strictEqual(yield* Ref.get(torn), 0)
          }).pipe(within())
        }).pipe(Effect.provide(Layer.fresh(memory)))
      ),
    { fastCheck: { numRuns } }
  )
})

describe("live cells", () => {
  it.effect("change at once, are seen by others, are stored, and are not undone", () =>
    Effect.gen(function* () {
      const [told, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const fails = Module.make("fails", {
        output: Schema.Void,
        onFailure: "skip",
        run: () => tick.pipe(Effect.zipRight(Deferred.succeed(told, undefined)), Effect.zipRight(new Bad({ why: "" })))
      })
      const looks = Module.make("looks", {
        output: Schema.Int,
        run: () =>
          Effect.gen(function* () {
            yield* Deferred.await(told)
            yield* tick
            const ticks = yield* Shared.get(stats, "ticks")
            yield* Deferred.await(go)
            return ticks
          })
      })
      const dag = Dag.make("ticks", { outputs: { fails, looks }, shared: [stats] })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* settle
      assert.deepStrictEqual(cellsOf(yield* stored), { "stats/ticks": 2 })
      assert.deepStrictEqual(cellsOf(yield* handle.snapshot), { "stats/ticks": 2 })
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(yield* withTime(handle.await), { fails: Option.none(), looks: 2 })
      assert.deepStrictEqual(yield* agrees, { "stats/ticks": 2 })
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("are changed in one transaction, or the update is a defect and changes nothing", () =>
    Effect.gen(function* () {
      const pair = Shared.make("pair", { a: Shared.live(Schema.Int, 0), b: Shared.live(Schema.Int, 0) })
      const bad = Module.make("bad", {
        output: Schema.Void,
        run: () => Shared.updateLive(pair, ({ a }) => ({ a: a + 1, b: 0.5 }))
      })
      const good = Module.make("good", {
        output: Schema.Void,
        run: () => Shared.updateLive(pair, ({ a, b }) => ({ a: a + 1, b: b + 1 }))
      })
      const dag = Dag.make("pair", { outputs: { bad, good }, shared: [pair] })
      const error = yield* withTime(Effect.flip(Engine.execute(dag, {}, { runId: id, onFailure: "continue" })))
      assert(error._tag === "RunFailed")
      assert.strictEqual(error.failures[0]!.failure.kind, "defect")
      assert.deepStrictEqual(yield* agrees, { "pair/a": 1, "pair/b": 1 })
    }).pipe(within(), Effect.provide(memory))
  )
})

for (const [name, store] of Object.entries(stores)) {
  describe(`a resume, over ${name}`, () => {
    it.effect("finds the cells as they were committed: those of the run, of a child and of items", () =>
      Effect.gen(function* () {
        const isLast = yield* Ref.make(false)
        const own = Shared.make("own", { log: Shared.cell(Schema.Array(Schema.DateFromString), []) })
        const note = (at: number) => Shared.update(own, ({ log }) => ({ log: [...log, new Date(at)] }))
        const noted = Module.make("noted", { output: Schema.Void, run: () => note(1).pipe(Effect.zipRight(bump)) })
        const stays = Module.make("stays", {
          needs: { noted },
          output: Schema.Array(Schema.Number),
          run: () =>
            Effect.gen(function* () {
              yield* tick
              yield* note(2)
              yield* bump
              if (!(yield* Ref.get(isLast))) return yield* Effect.never
              return (yield* Shared.get(own, "log")).map((date) => date.getTime())
            })
        })
        const child = Dag.make("child", { outputs: { stays }, shared: [own, stats] })
        const one = Module.dag("one", { dag: child, input: () => ({}) })
        const many = Module.map("many", { over: () => [0, 1], dag: child, input: () => ({}) })
        const seen = Module.make("seen", {
          needs: { one, many },
          output: Schema.Int,
          run: () => Shared.get(stats, "seen")
        })
        const dag = Dag.make("parent", { outputs: { one, many, seen }, shared: [stats] })
        yield* Effect.gen(function* () {
          yield* Engine.start(dag, {}, { runId: id })
          yield* settle
          yield* agrees
        }).pipe(within())
        const one1970 = [DateTime.formatIso(DateTime.unsafeMake(1))]
        assert.deepStrictEqual(cellsOf(yield* stored), {
          "stats/seen": 3,
          "stats/twin": 3,
          "stats/ticks": 3,
          "one/own/log": one1970,
          "many/0/own/log": one1970,
          "many/1/own/log": one1970
        })
        yield* Ref.set(isLast, true)
        yield* Effect.gen(function* () {
          const item = { stays: [1, 2] }
          const outputs = yield* withTime(Engine.resume(dag, id))
          assert.deepStrictEqual(outputs, { one: item, many: [item, item], seen: 6 })
          assert.deepInclude(yield* agrees, { "stats/seen": 6, "stats/ticks": 6 })
        }).pipe(within())
      }).pipe(Effect.provide(store))
    )

    it.effect("refuses a stored value that does not decode any more, before anything runs", () =>
      Effect.gen(function* () {
        let isStrict = false
        const ran = yield* Ref.make(0)
        const Checked = Schema.Int.pipe(Schema.filter(() => !isStrict, { identifier: "Checked" }))
        const strict = Shared.make("strict", { count: Shared.cell(Checked, 0) })
        const first = Module.make("first", {
          output: Schema.Void,
          run: () => Shared.update(strict, ({ count }) => ({ count: count + 1 }))
        })
        const second = Module.make("second", {
          needs: { first },
          output: Schema.Void,
          run: () =>
            Effect.zipRight(
              Ref.update(ran, (_) => _ + 1),
              Effect.never
            )
        })
        const child = Dag.make("child", { outputs: { second }, shared: [strict] })
        const dag = Dag.make("parent", { outputs: { one: Module.dag("one", { dag: child, input: () => ({}) }) } })
        yield* Effect.zipRight(Engine.start(dag, {}, { runId: id }), settle).pipe(within())
        assert.strictEqual(yield* Ref.get(ran), 1)
        isStrict = true
        yield* Effect.gen(function* () {
          const error = yield* withTime(Effect.flip(Engine.resume(dag, id)))
          assert(error._tag === "StoredValueInvalid")
          assert.strictEqual(error.module, "one/strict/count")
          isStrict = false
          assert.strictEqual(yield* Ref.get(ran), 1)
          // and it can still be resumed by who can read it
          yield* Effect.fork(Engine.resume(dag, id))
          yield* settle
          assert.strictEqual(yield* Ref.get(ran), 2)
        }).pipe(within())
      }).pipe(Effect.provide(store))
    )
  })
}

describe("a group", () => {
  it.effect("that an enclosing Dag declares as well is one group, otherwise each child has its own", () =>
    Effect.gen(function* () {
      const count = Module.make("count", {
        output: Schema.Int,
        run: () => Effect.zipRight(bump, Shared.get(stats, "seen"))
      })
      const leaf = Dag.make("leaf", { outputs: { count }, shared: [stats] })
      const leaves = Module.map("leaves", { over: () => [0, 1], concurrency: 1, dag: leaf, input: () => ({}) })
      const middle = Dag.make("middle", { outputs: { leaves } })
      const first = Module.dag("first", { dag: middle, input: () => ({}) })
      const second = Module.dag("second", { needs: { first }, dag: middle, input: () => ({}) })
      const apart = Dag.make("apart", { outputs: { second } })
      const other = Module.make("other", {
        needs: { second },
        output: Schema.Int,
        run: () => Shared.get(stats, "seen")
      })
      const together = Dag.make("together", { outputs: { first, second, other }, shared: [stats] })
      const counts = (...of: ReadonlyArray<number>) => ({ leaves: of.map((count) => ({ count })) })

      assert.deepStrictEqual(yield* withTime(Engine.execute(apart, {}, { runId: id })), { second: counts(1, 1) })
      assert.deepStrictEqual(
        yield* agrees,
        Object.fromEntries(
          ["first/leaves/0", "first/leaves/1", "second/leaves/0", "second/leaves/1"].flatMap((path) => [
            [`${path}/stats/seen`, 1],
            [`${path}/stats/twin`, 1]
          ])
        )
      )
      const run = Engine.execute(together, {}, { runId: RunId.make("together") })
      assert.deepStrictEqual(yield* withTime(run), { first: counts(1, 2), second: counts(3, 4), other: 4 })
      assert.deepStrictEqual(cellsOf(yield* Engine.get(RunId.make("together"))), { "stats/seen": 4, "stats/twin": 4 })
    }).pipe(within(), Effect.provide(memory))
  )
})
