/** Maps whose run is cut off and goes on in another engine. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FastCheck as fc, Layer, Option, Ref, Schema } from "effect"
import { Dag, Engine, Failed, Module, ModuleError, Shared, Timeline } from "heddle"
import { numRuns } from "../numRuns.js"
import {
  cutOffWhen,
  engine,
  eventually,
  historyOf,
  id,
  stateOf,
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"

class Bad extends Schema.TaggedError<Bad>()("Bad", { item: Schema.Int }) {}

const range = (size: number) => Array.from({ length: size }, (_, i) => i)

const kinds = ["effects", "children"] as const

const number = Module.input("number", Schema.Int)
const input = (number: number) => ({ number })

const childOf = <E>(effect: (number: number) => Effect.Effect<number, E>) => {
  const step = Module.make("step", { needs: { number }, output: Schema.Int, run: ({ number }) => effect(number) })
  return Dag.make("child", { outputs: { after: Module.pure("after", { needs: { step }, run: ({ step }) => step }) } })
}

/** The store has the ends of so many items. */
const endedItems = (count: number) =>
  eventually(
    Effect.gen(function* () {
      const run = yield* (yield* Timeline.Timeline).get(id)
      const items = Option.isSome(run) ? stateOf(run.value.snapshot, "mapped").items : undefined
      return items !== undefined && items.completed + items.failed === count
    }),
    `${count} items have ended`
  )

describe("a map that is cut off", () => {
  for (const kind of kinds) {
    for (const size of [1, 5]) {
      it.effect(`after each number of ${size} ${kind} does not run again what was acknowledged`, () =>
        Effect.forEach(range(size + 1), (done) =>
          Effect.gen(function* () {
            const open = yield* Ref.make(done)
            const ran: Array<number> = []
            const does = (item: number) =>
              Effect.zipRight(
                Effect.sync(() => ran.push(item)),
                Effect.flatMap(Ref.get(open), (limit) => (item < limit ? Effect.succeed(item * 2) : Effect.never))
              )
            const options = { over: () => range(size), concurrency: 2 }
            const mapped =
              kind === "effects"
                ? Module.map("mapped", { ...options, output: Schema.Int, run: does })
                : Module.map("mapped", { ...options, dag: childOf(does), input })
            let isHeld = false
            const held = Module.make("held", {
              needs: { mapped },
              output: Schema.Void,
              run: () => {
                isHeld = true
                return Effect.flatMap(Ref.get(open), (limit) => (limit > size ? Effect.void : Effect.never))
              }
            })
            const dag = Dag.make("cut", { outputs: { mapped, held } })
            const begun = Math.min(size, done + 2)
            const reached = Effect.zipRight(
              eventually(Effect.sync(() => (done === size ? isHeld : ran.length === begun))),
              done === 0 ? Effect.void : endedItems(done)
            )
            yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), reached).pipe(Effect.provide(engine()))
            assert.deepStrictEqual(ran.splice(0), range(begun))
            yield* Ref.set(open, size + 1)
            const outputs = yield* Effect.provide(Engine.resume(dag, id), engine())
            assert.deepStrictEqual<ReadonlyArray<unknown>>(
              outputs.mapped,
              range(size).map((item) => (kind === "effects" ? item * 2 : { after: item * 2 }))
            )
            assert.deepStrictEqual(ran, range(size).slice(done))
            assert.deepStrictEqual(yield* stepsOf("mapped"), ["running 1", "completed 1"])
          }).pipe(Effect.provide(Layer.fresh(store)))
        )
      )
    }
  }

  /** In which of its lives an item ends, and whether it fails then. */
  const item = fc.record({ life: fc.nat(2), fails: fc.boolean() })

  it.effect(
    "any number of times, with items in any order, ends as if it had not been: failures and cells included",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.constantFrom(...kinds),
            fc.array(item, { maxLength: 6 }),
            fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
            fc.boolean(),
            (kind, given, concurrency, alwaysDecode) => {
              // with a limit what is not to end yet must not stand before what is
              const items = concurrency === undefined ? given : [...given].sort((a, b) => a.life - b.life)
              const stats = Shared.make("stats", { sum: Shared.cell(Schema.Int, 0) })
              const begun: Array<{ readonly life: number; readonly item: number }> = []
              const last = items.reduce((life, { life: other }) => Math.max(life, other), 0)
              let life = 0
              const does = (index: number) =>
                Effect.gen(function* () {
                  begun.push({ life, item: index })
                  yield* Shared.update(stats, ({ sum }) => ({ sum: sum + 10 ** index }))
                  const { fails, life: mine } = items[index]!
                  if (mine > life) return yield* Effect.never
                  return fails ? yield* new Bad({ item: index }) : index
                })
              const options = {
                over: () => range(items.length),
                concurrency: concurrency ?? "unbounded",
                onItemFailure: "collect"
              } as const
              const step = Module.make("step", {
                needs: { number },
                output: Schema.Int,
                error: Bad,
                run: ({ number }) => does(number)
              })
              const mapped =
                kind === "effects"
                  ? Module.map("mapped", { ...options, output: Schema.Int, error: Bad, run: does })
                  : Module.map("mapped", {
                      ...options,
                      dag: Dag.make("child", { shared: [stats], outputs: { step } }),
                      input
                    })
              const dag = Dag.make("lives", { shared: [stats], outputs: { mapped } })
              const run = Effect.gen(function* () {
                for (; life < last; life++) {
                  const ended = items.filter((item) => item.life <= life).length
                  const reached = Effect.zipRight(
                    eventually(Effect.sync(() => begun.some((_) => _.life === life))),
                    ended === 0 ? Effect.void : endedItems(ended)
                  )
                  yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), reached).pipe(
                    Effect.provide(engine({ alwaysDecode }))
                  )
                }
                const { mapped } = yield* Effect.provide(
                  Engine.execute(dag, {}, { runId: id }),
                  engine({ alwaysDecode })
                )
                const expected = items.map(({ fails }, index) =>
                  fails
                    ? Exit.fail(
                        kind === "effects"
                          ? new Bad({ item: index })
                          : new Failed({ module: "mapped", message: new Bad({ item: index }).message })
                      )
                    : Exit.succeed(kind === "effects" ? index : { step: index })
                )
                assert.deepStrictEqual<ReadonlyArray<Exit.Exit<unknown, unknown>>>(mapped, expected)
                const again = yield* Effect.provide(Engine.execute(dag, {}, { runId: id }), engine())
                assert.deepStrictEqual<ReadonlyArray<Exit.Exit<unknown, unknown>>>(again.mapped, expected)

                for (const [index, { life }] of items.entries()) {
                  const lives = begun.flatMap((_) => (_.item === index ? [_.life] : []))
                  assert.strictEqual(lives.at(-1), life, "once it had ended it did not run again")
                  assert.strictEqual(new Set(lives).size, lives.length, "once in each life")
                }
                const snapshot = yield* storedRun()
                const completed = items.filter(({ fails }) => !fails).length
                assert.deepStrictEqual(stateOf(snapshot, "mapped").items, {
                  total: items.length,
                  completed,
                  failed: items.length - completed
                })
                const sum = items.reduce((sum, { fails }, index) => (fails ? sum : sum + 10 ** index), 0)
                assert.deepStrictEqual(Object.fromEntries(snapshot.shared), sum === 0 ? {} : { "stats/sum": sum })
                const history = yield* historyOf()
                assert.deepStrictEqual(
                  history.map(({ seq }) => seq),
                  history.map((_, i) => i + 1)
                )
                assert.deepStrictEqual(
                  history.flatMap((_) => (_._tag === "ItemTransition" ? [_.index] : [])).sort(),
                  range(items.length)
                )
              })
              return Effect.runPromise(Effect.provide(run, Layer.fresh(store)))
            }
          ),
          { numRuns: Math.ceil(numRuns / 2) }
        )
      )
  )

  for (const kind of kinds) {
    it.effect(`after a failure and resumed runs the ${kind} that failed and did not end, and no others`, () =>
      Effect.gen(function* () {
        const ran: Array<number> = []
        const mended = yield* Ref.make(false)
        const does = (item: number) =>
          Effect.gen(function* () {
            ran.push(item)
            if (item < 2 || (yield* Ref.get(mended))) return item
            return item === 3 ? yield* Effect.zipRight(Effect.yieldNow(), new Bad({ item })) : yield* Effect.never
          })
        const over = () => range(5)
        const mapped =
          kind === "effects"
            ? Module.map("mapped", { over, output: Schema.Int, run: does })
            : Module.map("mapped", { over, dag: childOf(does), input })
        const dag = Dag.make("mended", { outputs: { mapped } })
        yield* Effect.provide(Effect.flip(Engine.execute(dag, {}, { runId: id })), engine())
        assert.deepStrictEqual(ran.splice(0), range(5))
        yield* Ref.set(mended, true)
        const outputs = yield* Effect.provide(Engine.resume(dag, id), engine())
        assert.deepStrictEqual<ReadonlyArray<unknown>>(
          outputs.mapped,
          range(5).map((item) => (kind === "effects" ? item : { after: item }))
        )
        assert.deepStrictEqual(ran, [2, 3, 4])
        assert.deepStrictEqual(stateOf(yield* storedRun(), "mapped").items, { total: 5, completed: 5, failed: 0 })
        assert.deepStrictEqual(yield* stepsOf("mapped"), ["running 1", "failed 1", "running 2", "completed 2"])
      }).pipe(Effect.provide(store))
    )
  }

  it.effect("between two failures of it fails for the one that came first", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const mapped = Module.map("mapped", {
        over: () => range(3),
        output: Schema.Int,
        error: Bad,
        run: (item) =>
          item === 2
            ? Effect.zipRight(Effect.yieldNow(), new Bad({ item }))
            : item === 0
              ? Effect.onInterrupt(Effect.never, () => Effect.die("as it is interrupted"))
              : Effect.uninterruptible(gate.await).pipe(Effect.as(item))
      })
      const dag = Dag.make("two", { outputs: { mapped } })
      yield* Effect.gen(function* () {
        const cutting = yield* Effect.fork(cutOffWhen(Engine.execute(dag, {}, { runId: id }), endedItems(2)))
        yield* endedItems(2)
        yield* gate.open
        yield* cutting.await
      }).pipe(Effect.provide(engine()))
      assert.strictEqual(statusOf(yield* storedRun(), "mapped"), "running")
      const error = yield* Effect.provide(Effect.flip(Engine.resume(dag, id)), engine())
      assert.deepStrictEqual(error, new Bad({ item: 2 }))
    }).pipe(Effect.provide(store))
  )

  it.effect("inside of a map goes on in each of them where it was", () =>
    Effect.gen(function* () {
      const open = yield* Ref.make(false)
      const ran: Array<string> = []
      const inner = Module.map("inner", {
        needs: { number },
        over: ({ number }) => range(number),
        output: Schema.Int,
        run: (item, { number }) =>
          Effect.gen(function* () {
            ran.push(`${number}.${item}`)
            return item % 2 === 0 || (yield* Ref.get(open)) ? item : yield* Effect.never
          })
      })
      const mapped = Module.map("mapped", {
        over: () => range(4),
        dag: Dag.make("inner", { outputs: { inner } }),
        input
      })
      const dag = Dag.make("nested", { outputs: { mapped } })
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.zipRight(
          endedItems(2),
          eventually(Effect.map(storedRun(), (snapshot) => stateOf(snapshot, "mapped/3/inner").items?.completed === 2))
        )
      ).pipe(Effect.provide(engine()))
      assert.sameMembers(ran.splice(0), ["1.0", "2.0", "2.1", "3.0", "3.1", "3.2"])
      yield* Ref.set(open, true)
      const outputs = yield* Effect.provide(Engine.resume(dag, id), engine())
      assert.deepStrictEqual(
        outputs.mapped,
        range(4).map((size) => ({ inner: range(size) }))
      )
      assert.sameMembers(ran, ["2.1", "3.1"])
    }).pipe(Effect.provide(store))
  )
})

describe("a list that changes before the resume", () => {
  const build = (kind: (typeof kinds)[number], list: Ref.Ref<ReadonlyArray<number>>, held: Effect.Effect<void>) => {
    // a list that does not follow from the needs, as it must not be
    const over = () => Effect.runSync(Ref.get(list))
    const does = (item: number) => Effect.as(item === 0 ? Effect.void : held, item)
    const mapped: Module.Any =
      kind === "effects"
        ? Module.map("mapped", { over, output: Schema.Int, run: does })
        : Module.map("mapped", { over, dag: childOf(does), input })
    return mapped
  }

  for (const kind of kinds) {
    for (const now of [[], [0], [0, 1, 2, 3]]) {
      it.effect(`to ${now.length} of 3 ${kind} fails the map with ItemsChanged, and nothing runs`, () =>
        Effect.gen(function* () {
          const list = yield* Ref.make<ReadonlyArray<number>>([0, 1, 2])
          const ran = yield* Ref.make(0)
          const mapped = build(
            kind,
            list,
            Effect.zipRight(
              Ref.update(ran, (_) => _ + 1),
              Effect.never
            )
          )
          const dag = Dag.make("changed", { outputs: { mapped } }) as Dag.Dag<unknown, {}, unknown>
          yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), endedItems(1)).pipe(Effect.provide(engine()))
          assert.strictEqual(yield* Ref.get(ran), 2)
          yield* Ref.set(list, now)
          const exit = yield* Effect.exit(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
          assert.isTrue(Exit.isFailure(exit))
          assert.strictEqual(yield* Ref.get(ran), 2)
          const { failure } = stateOf(yield* storedRun(), "mapped")
          const changed = new ModuleError.ItemsChanged({ module: "mapped", before: 3, now: now.length })
          assert.deepStrictEqual([failure?.kind, failure?.message], ["refused", changed.message])
        }).pipe(Effect.provide(store))
      )
    }

    it.effect(`once all ${kind} have completed changes no result: it is told, or not asked for`, () =>
      Effect.gen(function* () {
        const list = yield* Ref.make<ReadonlyArray<number>>([0, 1, 2])
        const open = yield* Effect.makeLatch(false)
        const mapped = build(kind, list, Effect.void)
        let begun = false
        const after = Module.make("after", {
          needs: { mapped },
          output: Schema.String,
          run: ({ mapped }) => {
            begun = true
            return Effect.as(open.await, JSON.stringify(mapped))
          }
        })
        const dag = Dag.make("changed", { outputs: { after } }) as Dag.Dag<unknown, {}, unknown>
        yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => begun))).pipe(
          Effect.provide(engine())
        )
        yield* open.open
        yield* Ref.set(list, [0])
        const exit = yield* Effect.exit(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
        if (kind === "effects") assert.deepStrictEqual(exit, Exit.succeed({ after: "[0,1,2]" }))
        else assert.isTrue(Exit.isFailure(exit), JSON.stringify(exit))
      }).pipe(Effect.provide(store))
    )
  }
})

describe("a collected failure", () => {
  it.effect("is given to dependants as a resume would give it, where the engine always decodes", () =>
    Effect.gen(function* () {
      class Precise extends Schema.TaggedError<Precise>()("Precise", {
        amount: Schema.transform(Schema.Number, Schema.Number, {
          decode: (stored) => stored,
          encode: Math.round
        }).annotations({ identifier: "Rounded" })
      }) {}
      const open = yield* Effect.makeLatch(false)
      const mapped = Module.map("mapped", {
        over: () => [1],
        output: Schema.Int,
        error: Precise,
        onItemFailure: "collect",
        run: () => new Precise({ amount: 1.4 })
      })
      const seen: Array<unknown> = []
      const after = Module.make("after", {
        needs: { mapped },
        output: Schema.Void,
        run: ({ mapped }) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(mapped[0])),
            open.await
          )
      })
      const dag = Dag.make("precise", { outputs: { after } })
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => seen.length === 1))).pipe(
        Effect.provide(engine({ alwaysDecode: true }))
      )
      yield* open.open
      yield* Effect.provide(Engine.resume(dag, id), engine({ alwaysDecode: true }))
      assert.deepStrictEqual(seen[1], Exit.fail(new Precise({ amount: 1 })))
      assert.deepStrictEqual(seen[0], seen[1])
    }).pipe(Effect.provide(store))
  )
})
