/** Those who look at a run that somebody else started. */
import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  Duration,
  Effect,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Queue,
  Ref,
  Schema,
  Stream,
  Supervisor,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId } from "heddle"
import { numRuns } from "../numRuns.js"
import { alone, Bad, engine, eventually, historyOf, id, quiet, reaches, store, storedRun } from "./Harness.js"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as VirtualClock from "./VirtualClock.js"

const isSaid = (event: Engine.RunEvent) => event._tag === "Token" || event._tag === "Progressed"

const persisted = (events: ReadonlyArray<Engine.RunEvent>) => events.filter((event) => !isSaid(event))

const collect = <E, R>(stream: Stream.Stream<Engine.RunEvent, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** What is stored, from a number on, as events have it. */
const storedFrom = (from: number, runId = id) =>
  Effect.map(historyOf(runId), (history) => history.slice(Math.max(0, from - 1)).map(({ seq }) => seq))

const sees = (events: ReadonlyArray<Engine.RunEvent>, from: number, runId = id) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(
      persisted(events).map(({ seq }) => seq),
      yield* storedFrom(from, runId)
    )
    isInOrder(events)
  })

/** By number, then by what was said since. */
const isInOrder = (events: ReadonlyArray<Engine.RunEvent>) => {
  let before: readonly [number, number] = [-1, 0]
  for (const event of events) {
    const now = [event.seq, event._tag === "Token" || event._tag === "Progressed" ? event.sub : 0] as const
    assert.isTrue(
      now[0] > before[0] || (now[0] === before[0] && now[1] > before[1]),
      `${before.join(".")}, ${now.join(".")}`
    )
    before = now
  }
}

/** A viewer that takes as many events as it is allowed to. */
const slowly = (stream: Stream.Stream<Engine.RunEvent, unknown, Engine.Engine>) =>
  Effect.gen(function* () {
    const permits = yield* Queue.unbounded<void>()
    const seen: Array<Engine.RunEvent> = []
    const fiber = yield* stream.pipe(
      Stream.runForEach((event) => Effect.as(Queue.take(permits), void seen.push(event))),
      Effect.fork
    )
    return {
      seen,
      fiber,
      allow: (events: number) =>
        Queue.offerAll(
          permits,
          Array.from({ length: events }, () => undefined)
        )
    }
  })

const one = Module.make("one", { output: Schema.Int, run: () => Effect.succeed(1) })
const two = Module.make("two", { needs: { one }, output: Schema.Int, run: ({ one }) => Effect.succeed(one + 1) })
const numbers = Dag.make("numbers", { outputs: { two } })

describe("Engine.watch", () => {
  it.effect("of a run that has ended gives exactly what is stored from each number on, then ends", () =>
    Effect.gen(function* () {
      yield* Engine.execute(numbers, {}, { runId: id })
      const total = (yield* historyOf()).length
      for (let from = -1; from <= total + 2; from++) {
        yield* sees(yield* collect(Engine.watch(id, { fromSequence: from })), from)
      }
      const all = yield* collect(Engine.watch(id))
      assert.deepStrictEqual([all[0]?._tag, all.at(-1)?._tag], ["Started", "Finished"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run that there is not is an UnknownRun, as is one of a memory run that is over", () =>
    Effect.gen(function* () {
      for (const runId of [RunId.make("none"), id]) {
        yield* Engine.execute(numbers, {}, { runId: id, durability: "memory" })
        const error = yield* Effect.flip(Stream.runDrain(Engine.watch(runId)))
        assert(error._tag === "UnknownRun")
        assert.strictEqual(error.runId, runId)
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run with more events than are read at once has them all", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 2500 }, (_, i) => i)
      const mapped = Module.map("mapped", { over: () => items, output: Schema.Int, run: Effect.succeed<number> })
      yield* Engine.execute(Dag.make("many", { outputs: { mapped } }), {}, { runId: id })
      for (const from of [1, 2, 999, 1000, 1001, 1002, 2001, 2503]) {
        yield* sees(yield* collect(Engine.watch(id, { fromSequence: from })), from)
      }
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("of a live run joins late: what was before is stored, what is said is seen from then on", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const speaks = Module.make("speaks", {
        needs: { two },
        output: Schema.Void,
        run: () =>
          Effect.gen(function* () {
            yield* Run.emit("before")
            yield* gate.await
            yield* Run.emit("after")
            yield* Run.progress(1, 1)
          })
      })
      const handle = yield* Engine.start(Dag.make("late", { outputs: { speaks } }), {}, { runId: id })
      yield* reaches(handle, "speaks", "running")
      yield* quiet
      const viewers = yield* Effect.forEach([1, 2, 4, 5, 6, 7, 8, 100], (from) =>
        Effect.map(Effect.fork(collect(Engine.watch(id, { fromSequence: from }))), (fiber) => ({ from, fiber }))
      )
      yield* quiet
      yield* gate.open
      yield* handle.await
      const spoken = ["Token", "Progressed"]
      for (const { fiber, from } of viewers) {
        const events = yield* Fiber.join(fiber)
        yield* sees(events, from)
        const said = events.filter(isSaid)
        for (const { seq } of said) assert.isAtLeast(seq, from - 1)
        if (from <= 5) {
          assert.deepStrictEqual(
            said.map(({ _tag }) => _tag),
            spoken
          )
        }
        if (from === 100) assert.deepStrictEqual(events, [])
      }
    }).pipe(Effect.provide(alone()))
  )

  for (const durability of ["committed", "buffered", "memory"] as const) {
    it.effect(`holds up no run: a viewer that falls far behind has all that is stored, in order: ${durability}`, () =>
      Effect.gen(function* () {
        const gate = yield* Effect.makeLatch(false)
        const waits = Module.make("waits", { output: Schema.Void, run: () => gate.await })
        const mapped = Module.map("mapped", {
          needs: { waits },
          over: () => Array.from({ length: 3000 }, (_, i) => i),
          concurrency: 10,
          output: Schema.Int,
          run: (item) => Effect.as(Run.emit(item), item)
        })
        const dag = Dag.make("behind", { outputs: { mapped } })
        const handle = yield* Engine.start(dag, {}, { runId: id, durability })
        yield* reaches(handle, "waits", "running")
        const { allow, fiber, seen } = yield* slowly(Engine.watch(id))
        yield* allow(1)
        yield* quiet
        yield* gate.open
        assert.strictEqual((yield* handle.await).mapped.length, 3000)
        yield* allow(10_000)
        yield* Fiber.join(fiber)
        isInOrder(seen)
        const total = (yield* handle.snapshot).seq
        const first = durability === "memory" ? total - persisted(seen).length + 1 : 1
        assert.deepStrictEqual(
          persisted(seen).map(({ seq }) => seq),
          Array.from({ length: total - first + 1 }, (_, i) => first + i)
        )
        assert.isAtLeast(persisted(seen).length, 3000)
        assert.isBelow(seen.filter(isSaid).length, 3000, "what is said is not kept for it")
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("of a memory run has all that happens from when it comes, without gaps, and ends with it", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const waits = Module.make("waits", { needs: { two }, output: Schema.Void, run: () => gate.await })
      const handle = yield* Engine.start(
        Dag.make("memory", { outputs: { waits } }),
        {},
        { runId: id, durability: "memory" }
      )
      yield* reaches(handle, "waits", "running")
      const at = (yield* handle.snapshot).seq
      const viewer = yield* Effect.fork(collect(Engine.watch(id)))
      yield* quiet
      yield* gate.open
      yield* handle.await
      assert.deepStrictEqual(
        (yield* Fiber.join(viewer)).map(({ seq }) => seq),
        [at + 1, at + 2]
      )
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that is closed is forgotten: no fiber stays, and nothing is kept for it", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const waits = Module.make("waits", { needs: { two }, output: Schema.Void, run: () => gate.await })
      const handle = yield* Engine.start(Dag.make("closed", { outputs: { waits } }), {}, { runId: id })
      yield* reaches(handle, "waits", "running")
      const supervisor = yield* Supervisor.track
      const looks = (times: number) =>
        Effect.gen(function* () {
          const viewers = yield* Effect.forEach(Array.from({ length: times }), () =>
            Effect.fork(Stream.runDrain(Engine.watch(id)))
          )
          yield* Stream.runDrain(Stream.take(Engine.watch(id), 2))
          yield* quiet
          const during = (yield* supervisor.value).length
          yield* Fiber.interruptAll(viewers)
          yield* quiet
          return [during, (yield* supervisor.value).length] as const
        })
      const [[during, before], [many, after]] = yield* Effect.supervised(Effect.all([looks(1), looks(20)]), supervisor)
      assert.isAbove(during, before)
      assert.isAbove(many, after)
      assert.strictEqual(after, before)
      yield* gate.open
      yield* handle.await
    }).pipe(Effect.provide(alone()))
  )
})

describe("a viewer of a run that goes on elsewhere", () => {
  it.effect("does not grow while it waits, however often it looks", () =>
    VirtualClock.test((time) =>
      Effect.gen(function* () {
        setFlagsFromString("--expose-gc")
        const collectGarbage = runInNewContext("gc") as () => void
        const heap = Effect.sync(() => {
          collectGarbage()
          return process.memoryUsage().heapUsed
        })
        const pause = Module.sleep("pause", { duration: "100 days" })
        yield* Effect.flip(Engine.execute(Dag.make("long", { outputs: { pause } }), {}, { runId: id }))
        const viewer = yield* Engine.watch(id).pipe(
          Stream.runDrain,
          Effect.provide(engine({ poll: "1 second" })),
          Effect.fork
        )
        // what is compiled on the way is not what grows
        yield* time.advance(4_000_000)
        const before = yield* heap
        yield* time.advance(10_000_000)
        assert.isBelow(((yield* heap) - before) / 10_000, 200, "bytes for each look")
        yield* Fiber.interrupt(viewer)
      }).pipe(Effect.provide(alone()))
    )
  )

  const answer = Module.signal("answer", { value: Schema.Int })
  const pause = Module.sleep("pause", { needs: { answer }, duration: "10 seconds" })
  const asked = Module.make("asked", {
    needs: { two, answer, pause },
    output: Schema.Int,
    run: ({ answer, two }) =>
      // those who followed the run have to find it again
      Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 50), Effect.as(Run.emit("token"), answer + two))
  })
  const asks = Dag.make("asks", { outputs: { asked } })

  const owner = (poll: Duration.DurationInput) =>
    Layer.fresh(
      Heddle.layer({
        engine: { dags: [asks], poll },
        lease: { heartbeat: Duration.infinity, expiry: Duration.infinity }
      })
    )

  it.effect("in the same engine follows it through each suspension to its end", () =>
    Effect.gen(function* () {
      yield* Effect.flip(Engine.execute(asks, {}, { runId: id }))
      const viewer = yield* Effect.fork(collect(Engine.watch(id)))
      yield* quiet
      yield* Engine.signal(id, answer, 40)
      yield* eventually(Effect.map(storedRun(), ({ status, until }) => status === "suspended" && until !== undefined))
      yield* TestClock.adjust("10 seconds")
      for (let i = 0; Option.isNone(yield* Fiber.poll(viewer)) && i < 100; i++) yield* TestClock.adjust("100 millis")
      const events = yield* Fiber.join(viewer)
      yield* sees(events, 1)
      assert.deepStrictEqual(
        events.flatMap((_) =>
          _._tag === "Started" || _._tag === "Suspended" || _._tag === "Finished" ? [_._tag] : []
        ),
        ["Started", "Suspended", "Started", "Suspended", "Started", "Finished"]
      )
      assert.strictEqual(events.filter(isSaid).length, 1)
    }).pipe(Effect.provide(Layer.provideMerge(owner(Duration.infinity), store)))
  )

  it.effect("in another engine over the same store looks at it each `poll`, and misses what is only said", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        yield* Effect.flip(Engine.execute(asks, {}, { runId: id }))
        const seen: Array<Engine.RunEvent> = []
        const viewer = yield* Engine.watch(id).pipe(
          Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
          Effect.provide(engine({ poll: "1 second" })),
          Effect.fork
        )
        yield* eventually(Effect.sync(() => seen.at(-1)?._tag === "Suspended"))
        const before = seen.length
        yield* Engine.signal(id, answer, 40)
        yield* eventually(Effect.map(storedRun(), ({ status, until }) => status === "suspended" && until !== undefined))
        assert.strictEqual(seen.length, before, "it has not looked yet")
        yield* TestClock.adjust("1 second")
        yield* eventually(Effect.sync(() => seen.filter(({ _tag }) => _tag === "Suspended").length === 2))
        yield* TestClock.adjust("10 seconds")
        for (let i = 0; Option.isNone(yield* Fiber.poll(viewer)) && i < 100; i++) yield* TestClock.adjust("1 second")
        yield* Fiber.join(viewer)
        yield* sees(seen, 1)
        assert.strictEqual(seen.filter(isSaid).length, 0)
      }).pipe(Effect.provide(owner(Duration.infinity)))
    }).pipe(Effect.provide(store))
  )

  it.effect("waits for one that was cut off, and follows whoever takes it over", () =>
    Effect.gen(function* () {
      const open = yield* Ref.make(false)
      let begun = false
      const holds = Module.make("holds", {
        needs: { two },
        output: Schema.Void,
        run: () => {
          begun = true
          return Effect.flatMap(Ref.get(open), (open) => (open ? Effect.void : Effect.never))
        }
      })
      const dag = Dag.make("holds", { outputs: { holds } })
      yield* Effect.gen(function* () {
        const viewer = yield* Effect.gen(function* () {
          const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
          yield* eventually(Effect.sync(() => begun))
          const viewer = yield* Effect.fork(collect(Engine.watch(id)))
          yield* quiet
          yield* Fiber.interrupt(run)
          yield* quiet
          assert.isTrue(Option.isNone(yield* Fiber.poll(viewer)))
          return viewer
        })
        yield* Ref.set(open, true)
        yield* Engine.resume(dag, id)
        yield* sees(yield* Fiber.join(viewer), 1)
      }).pipe(Effect.provide(engine()))
    }).pipe(Effect.provide(store))
  )

  for (const how of ["that is stored", "that is live"] as const) {
    it.effect(`does not take an end that a resume made up for as the end: of a run ${how}`, () =>
      Effect.gen(function* () {
        const open = yield* Ref.make(false)
        const gate = yield* Effect.makeLatch(how === "that is stored")
        const fails = Module.make("fails", {
          output: Schema.Void,
          run: () => Effect.flatMap(Ref.get(open), (open) => (open ? Effect.void : new Bad({ why: "not yet" })))
        })
        const holds = Module.make("holds", { needs: { fails }, output: Schema.Void, run: () => gate.await })
        const dag = Dag.make("reopened", { outputs: { holds } })
        yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
        const first = yield* collect(Engine.watch(id))
        assert.strictEqual(first.at(-1)?._tag, "Finished")
        yield* Ref.set(open, true)
        const resumed = yield* Effect.fork(Engine.resume(dag, id))
        if (how === "that is stored") yield* Fiber.join(resumed)
        else yield* eventually(Effect.map(Engine.get(id), ({ status }) => status === "running"))
        const viewer = yield* Effect.fork(collect(Engine.watch(id)))
        yield* quiet
        yield* gate.open
        yield* Fiber.join(resumed)
        yield* sees(yield* Fiber.join(viewer), 1)
      }).pipe(Effect.provide(alone()))
    )
  }
})

describe("all who look at a run", () => {
  const item = Module.input("item", Schema.Int)

  /** Speaks, waits, fans out, and is suspended in between, as often as told. */
  const build = (steps: number, width: number) => {
    const speaks = (item: number) =>
      Effect.gen(function* () {
        for (let i = 0; i <= item % 3; i++) {
          yield* Run.emit(i)
          yield* Effect.sleep(`${7 * (item % 2)} millis`)
        }
        return item
      })
    const make = (level: number): Module.Module<string, unknown, never, never, Module.Input<"item", number>> => {
      const before = level === 0 ? item : make(level - 1)
      const pause = Module.sleep(`pause ${level}`, { needs: { before }, duration: "150 millis" })
      return Module.map(`map ${level}`, {
        needs: { before, pause },
        over: () => Array.from({ length: width }, (_, i) => i),
        concurrency: 3,
        output: Schema.Int,
        run: speaks
      })
    }
    return Dag.make("watched", { outputs: { last: make(steps) } })
  }

  const viewer = fc.record({
    from: fc.integer({ min: 0, max: 40 }),
    comes: fc.nat(600),
    pause: fc.constantFrom(0, 1, 20, 100),
    elsewhere: fc.boolean()
  })

  it.effect("see the same: each exactly what is stored from its number on, whatever its speed and wherever it is", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.nat(2),
          fc.integer({ min: 0, max: 12 }),
          fc.constantFrom("committed" as const, "buffered" as const),
          fc.array(viewer, { minLength: 1, maxLength: 5 }),
          (steps, width, durability, viewers) => {
            const dag = build(steps, width)
            const lease = { heartbeat: Duration.infinity, expiry: Duration.infinity }
            const owner = Layer.fresh(Heddle.layer({ engine: { dags: [dag], poll: "50 millis", durability }, lease }))
            const run = VirtualClock.test((time) =>
              Effect.gen(function* () {
                const views = yield* Effect.forEach(viewers, ({ comes, elsewhere, from, pause }) =>
                  Effect.fork(
                    Effect.gen(function* () {
                      yield* Effect.sleep(`${comes} millis`)
                      const seen: Array<Engine.RunEvent> = []
                      const look = Engine.watch(id, { fromSequence: from }).pipe(
                        Stream.runForEach((event) =>
                          Effect.zipRight(
                            Effect.sync(() => seen.push(event)),
                            Effect.sleep(`${pause} millis`)
                          )
                        )
                      )
                      yield* elsewhere ? Effect.provide(look, engine({ poll: "30 millis" })) : look
                      return { seen, from }
                    })
                  )
                )
                const started = yield* Effect.fork(Effect.exit(Engine.execute(dag, { item: 1 }, { runId: id })))
                const all = yield* time.until(Effect.forEach(views, Fiber.join))
                yield* Fiber.join(started)
                for (const { from, seen } of all) yield* sees(seen, from)
                assert.strictEqual((yield* storedRun()).status, "completed")
              }).pipe(Effect.provide(owner), Effect.provide(Layer.fresh(store)))
            )
            return Effect.runPromise(run)
          }
        ),
        { numRuns: Math.ceil(numRuns / 4) }
      )
    )
  )

  it.effect("of a memory run see the same from when they came, and the starter sees all of it", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.nat(2),
          fc.integer({ min: 0, max: 12 }),
          fc.array(viewer, { minLength: 1, maxLength: 5 }),
          (steps, width, viewers) => {
            const dag = build(steps, width)
            const run = VirtualClock.test((time) =>
              Effect.gen(function* () {
                const all: Array<Engine.RunEvent> = []
                const started = yield* Engine.stream(dag, { item: 1 }, { runId: id, durability: "memory" }).pipe(
                  Stream.runForEach((event) => Effect.sync(() => all.push(event))),
                  Effect.fork
                )
                const views = yield* Effect.forEach(viewers, ({ comes, from, pause }) =>
                  Effect.fork(
                    Effect.gen(function* () {
                      yield* Effect.sleep(`${comes % (150 * (steps + 1))} millis`)
                      const at = all.length
                      const seen: Array<Engine.RunEvent> = []
                      yield* Engine.watch(id, { fromSequence: from }).pipe(
                        Stream.runForEach((event) =>
                          Effect.zipRight(
                            Effect.sync(() => seen.push(event)),
                            Effect.sleep(`${pause} millis`)
                          )
                        ),
                        Effect.catchTag("UnknownRun", () => Effect.void)
                      )
                      return { at, from, seen }
                    })
                  )
                )
                const seen = yield* time.until(Effect.forEach(views, Fiber.join))
                yield* Fiber.join(started)
                assert.deepStrictEqual(
                  persisted(all).map(({ seq }) => seq),
                  Array.from({ length: persisted(all).length }, (_, i) => i + 1)
                )
                isInOrder(all)
                for (const view of seen) {
                  const key = ({ seq, ...rest }: Engine.RunEvent) => `${seq}.${"sub" in rest ? rest.sub : 0}`
                  const expected = all.filter(({ seq, ...rest }) =>
                    "sub" in rest ? seq >= view.from - 1 : seq >= view.from
                  )
                  const first = view.seen[0]
                  const from = first === undefined ? expected.length : expected.findIndex((_) => key(_) === key(first))
                  assert.deepStrictEqual(view.seen.map(key), expected.slice(from).map(key))
                }
              }).pipe(Effect.provide(alone()))
            )
            return Effect.runPromise(run)
          }
        ),
        { numRuns: Math.ceil(numRuns / 4) }
      )
    )
  )
})
