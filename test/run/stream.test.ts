/** The stream of whoever starts a run. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Option, Queue, Ref, Schema, Stream, Supervisor, TestClock } from "effect"
import { Dag, Engine, Module, Run, RunId, Shared, Timeline } from "heddle"
import {
  alone,
  Bad,
  engine,
  eventually,
  historyOf,
  id,
  quiet,
  reaches,
  statusesOf,
  statusOf,
  store,
  storedRun,
  withTime
} from "./Harness.js"

const bad = new Bad({ why: "bad" })

const isSaid = (event: Engine.RunEvent) => event._tag === "Token" || event._tag === "Progressed"

const numbersOf = (events: ReadonlyArray<Engine.RunEvent>) =>
  events.flatMap((event) => (isSaid(event) ? [] : [event.seq]))

/** Persisted ones from the number on without gaps; what is said right after its number, counted from 1. */
const isOrdered = (events: ReadonlyArray<Engine.RunEvent>, from = 1) => {
  let seq = from - 1
  let sub = 0
  for (const event of events) {
    if (event._tag === "Token" || event._tag === "Progressed") {
      assert.deepStrictEqual([event.seq, event.sub], [seq, ++sub])
    } else {
      assert.strictEqual(event.seq, ++seq)
      sub = 0
    }
  }
}

const collect = <E, R>(stream: Stream.Stream<Engine.RunEvent, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** Pulls the stream into a queue, one event for each permit. */
const slowly = <E, R>(stream: Stream.Stream<Engine.RunEvent, E, R>) =>
  Effect.gen(function* () {
    const permits = yield* Queue.unbounded<void>()
    const seen: Array<Engine.RunEvent> = []
    const fiber = yield* stream.pipe(
      Stream.rechunk(1),
      Stream.mapEffect((event) => Effect.as(Queue.take(permits), event), { concurrency: 1 }),
      Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
      Effect.exit,
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

const stats = Shared.make("stats", { seen: Shared.live(Schema.Int, 0), sum: Shared.cell(Schema.Int, 0) })

/** One of everything that there is to see. */
const talks = () => {
  const speaks = Module.make("speaks", {
    output: Schema.Void,
    run: () =>
      Effect.gen(function* () {
        yield* Run.emit({ any: "value" })
        yield* Run.progress(1, 2)
        yield* Shared.updateLive(stats, ({ seen }) => ({ seen: seen + 1 }))
        yield* Run.emit("last")
      })
  })
  const items = Module.map("items", {
    needs: { speaks },
    over: () => [1, 2],
    concurrency: 1,
    output: Schema.Int,
    run: (item) =>
      Effect.gen(function* () {
        yield* Run.emit(item)
        yield* Run.progress(item, 2)
        yield* Shared.update(stats, ({ sum }) => ({ sum: sum + item }))
        return item
      })
  })
  return Dag.make("talks", { shared: [stats], outputs: { items } })
}

const shapeOf = (event: Engine.RunEvent) => {
  switch (event._tag) {
    case "Token":
      return ["Token", event.module, event.index, event.value]
    case "Progressed":
      return ["Progressed", event.module, event.index, event.done, event.total]
    case "ModuleTransition":
      return [event._tag, event.module, event.status]
    case "ItemTransition":
      return [event._tag, event.module, event.index, event.status, event.shared]
    case "SharedTransition":
      return [event._tag, event.shared]
    case "DagTransition":
      return [event._tag, event.fingerprint]
    case "Started":
      return [event._tag, event.epoch]
    case "Finished":
      return [event._tag, event.status]
    case "Suspended":
      return [event._tag, event.until]
  }
}

describe("Engine.stream", () => {
  it.effect("has all that happens, in one order", () =>
    Effect.gen(function* () {
      const events = yield* collect(Engine.stream(talks(), {}, { runId: id, durability: "memory" }))
      assert.deepStrictEqual(events.map(shapeOf), [
        ["Started", 1],
        ["ModuleTransition", "speaks", "running"],
        ["Token", "speaks", undefined, { any: "value" }],
        ["Progressed", "speaks", undefined, 1, 2],
        ["SharedTransition", { "stats/seen": 1 }],
        ["Token", "speaks", undefined, "last"],
        ["ModuleTransition", "speaks", "completed"],
        ["ModuleTransition", "items", "running"],
        ["Token", "items", 0, 1],
        ["Progressed", "items", 0, 1, 2],
        ["ItemTransition", "items", 0, "completed", { "stats/sum": 1 }],
        ["Token", "items", 1, 2],
        ["Progressed", "items", 1, 2, 2],
        ["ItemTransition", "items", 1, "completed", { "stats/sum": 3 }],
        ["ModuleTransition", "items", "completed"],
        ["Finished", "completed"]
      ])
      isOrdered(events)
    }).pipe(Effect.provide(alone()))
  )

  for (const durability of ["committed", "buffered"] as const) {
    it.effect(`publishes what is persisted after its commit, in the order in which it is stored: ${durability}`, () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const events: Array<Engine.RunEvent> = []
        yield* Engine.stream(talks(), {}, { runId: id, durability }).pipe(
          Stream.runForEach((event) =>
            Effect.gen(function* () {
              events.push(event)
              const [stored] = yield* timeline.history(id, { after: event.seq - 1, limit: 1 })
              if (event.seq > 0) assert.strictEqual(stored?.seq, event.seq)
              if (event._tag === "Finished") {
                const run = Option.getOrThrow(yield* timeline.get(id))
                assert.strictEqual(run.snapshot.status, event.status)
              }
            })
          )
        )
        isOrdered(events)
        const history = yield* historyOf()
        assert.deepStrictEqual(
          numbersOf(events),
          history.map(({ seq }) => seq)
        )
        assert.strictEqual(events.filter(isSaid).length, 7)
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("ends as execute would, after the last event: failed, stopped, cancelled, suspended", () =>
    Effect.gen(function* () {
      const fails = Module.make("fails", { output: Schema.Void, run: () => bad })
      const stops = Module.make("stops", { output: Schema.Void, run: () => Run.stop })
      const never = Module.pure("never", { needs: { stops }, run: () => 1 })
      const waits = Module.sleep("waits", { duration: "1 day" })
      const long = Module.make("long", { output: Schema.Void, run: () => Effect.never })
      const cases = [
        ["failed", Dag.make("fails", { outputs: { fails } }), "Bad"],
        ["stopped", Dag.make("stops", { outputs: { never } }), "RunStopped"],
        ["cancelled", Dag.make("long", { outputs: { long } }), "RunCancelled"],
        [undefined, Dag.make("waits", { outputs: { waits } }), "RunSuspended"]
      ] as const
      for (const [status, dag, tag] of cases) {
        const runId = RunId.make(tag)
        const events: Array<Engine.RunEvent> = []
        const running = yield* Effect.fork(
          Effect.flip(
            Stream.runForEach(Engine.stream<unknown, {}, Bad, never>(dag, {}, { runId }), (event) =>
              Effect.sync(() => events.push(event))
            )
          )
        )
        if (status === "cancelled") {
          yield* eventually(
            Effect.map(
              Effect.option(Engine.get(runId)),
              (_) => Option.isSome(_) && statusOf(_.value, "long") === "running"
            )
          )
          yield* Engine.cancel<unknown, {}, unknown, never>(dag, runId)
        }
        const error = yield* Fiber.join(running)
        assert.strictEqual(error._tag, tag)
        const last = events.at(-1)!
        assert.deepStrictEqual(shapeOf(last), status === undefined ? ["Suspended", 86_400_000] : ["Finished", status])
        isOrdered(events)
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("fails with what the start fails with, and runs nothing", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Int)
      const dag = Dag.make("input", { outputs: { m: Module.pure("m", { needs: { n }, run: ({ n }) => n }) } })
      const error = yield* Effect.flip(Stream.runDrain(Engine.stream(dag, { n: 1.5 }, { runId: id })))
      assert.strictEqual(error._tag, "InputInvalid")
      assert.strictEqual((yield* Effect.flip(Engine.get(id)))._tag, "UnknownRun")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a starter that is behind", () => {
  for (const durability of ["committed", "memory"] as const) {
    it.effect(
      `by 256 events holds up Run.emit and Run.progress, and each event that it takes lets one more: ${durability}`,
      () =>
        Effect.gen(function* () {
          let said = 0
          const speaks = Module.make("speaks", {
            output: Schema.Void,
            run: () =>
              Effect.forEach(
                Array.from({ length: 2000 }, (_, i) => i),
                (i) =>
                  Effect.zipRight(
                    i % 2 === 0 ? Run.emit(i) : Run.progress(i, 2000),
                    Effect.sync(() => said++)
                  ),
                { discard: true }
              )
          })
          const dag = Dag.make("speaks", { outputs: { speaks } })
          const { allow, fiber, seen } = yield* slowly(Engine.stream(dag, {}, { runId: id, durability }))
          yield* quiet
          yield* quiet
          const first = said
          assert.isAtLeast(first, 256 - 3)
          assert.isAtMost(first, 2 * 256 + 3, "what was taken at once, and as much again")
          yield* quiet
          assert.strictEqual(said, first, "it waits")
          for (let i = 0; said < 2000 && i < 100; i++) {
            yield* allow(256)
            yield* quiet
            assert.isAtMost(said, seen.length + 2 * 256 + 3)
          }
          yield* allow(2000)
          assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
          assert.deepStrictEqual(
            seen.flatMap((event) => (event._tag === "Token" ? [event.value] : [])),
            Array.from({ length: 1000 }, (_, i) => 2 * i)
          )
          assert.strictEqual(seen.filter(isSaid).length, 2000)
        }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("keeps everything new from starting, until it has caught up; what runs finishes", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      let finished = false
      let began = false
      const speaks = Module.make("speaks", {
        output: Schema.Void,
        run: () => Effect.forEach(Array.from({ length: 1000 }), () => Run.emit("token"), { discard: true })
      })
      const runs = Module.make("runs", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(
            gate.await,
            Effect.sync(() => void (finished = true))
          )
      })
      const next = Module.make("next", {
        needs: { runs },
        output: Schema.Void,
        run: () => Effect.sync(() => void (began = true))
      })
      const pure = Module.pure("pure", { needs: { runs }, run: () => (began = true) })
      const dag = Dag.make("behind", { outputs: { speaks, next, pure } })
      const { allow, fiber } = yield* slowly(Engine.stream(dag, {}, { runId: id }))
      yield* quiet
      yield* gate.open
      yield* quiet
      assert.isTrue(finished)
      assert.isFalse(began)
      yield* allow(900)
      yield* eventually(Effect.sync(() => began))
      yield* allow(1000)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
    }).pipe(Effect.provide(alone()))
  )

  it.effect("does not keep the run from being cancelled", () =>
    Effect.gen(function* () {
      const speaks = Module.make("speaks", {
        output: Schema.Void,
        run: () => Effect.forever(Run.emit("token"))
      })
      const dag = Dag.make("forever", { outputs: { speaks } })
      const { allow, fiber } = yield* slowly(Engine.stream(dag, {}, { runId: id }))
      yield* quiet
      yield* Engine.cancel(dag, id)
      assert.strictEqual((yield* storedRun()).status, "cancelled")
      yield* allow(10_000)
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(alone()))
  )

  /** A module that says more than anybody may be behind, once it is allowed to. */
  const noisy = (speak: Effect.Effect<void> = Effect.void) =>
    Module.make("noisy", {
      output: Schema.Void,
      run: () => Effect.zipRight(speak, Effect.repeatN(Run.emit("token"), 2000))
    })
  /** Takes one event, and never another. */
  const stall = <E, R>(stream: Stream.Stream<Engine.RunEvent, E, R>) =>
    Effect.fork(Stream.runForEach(stream, () => Effect.never))

  for (const end of ["is cancelled", "times out"] as const) {
    it.effect(`does not keep a run that ${end} from being cleaned up`, () =>
      Effect.gen(function* () {
        let isClean = false
        const cleanup = Module.make("cleanup", {
          needs: { noisy: noisy() },
          join: "always",
          output: Schema.Void,
          run: () => Effect.sync(() => void (isClean = true))
        })
        const dag = Dag.make("d", { outputs: { cleanup } })
        const fiber = yield* stall(Engine.stream(dag, {}, { runId: id, timeout: "1 minute" }))
        yield* quiet
        assert.strictEqual(statusOf(yield* Engine.get(id), "noisy"), "running")
        if (end === "is cancelled") yield* Engine.cancel(dag, id).pipe(withTime)
        else yield* TestClock.adjust("1 minute")
        yield* quiet
        assert.isTrue(isClean)
        const snapshot = yield* storedRun()
        assert.strictEqual(snapshot.status, end === "is cancelled" ? "cancelled" : "timedOut")
        assert.deepStrictEqual(statusesOf(snapshot), { cleanup: "completed", noisy: "cancelled" })
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("keeps no permit of a limit that others wait for, and gets one when it has caught up", () =>
    Effect.gen(function* () {
      const limited = <const Name extends string>(name: Name, effect: Effect.Effect<void>) =>
        Module.make(name, { output: Schema.Void, limit: "one", run: () => effect })
      const [gate, speak] = yield* Effect.all([Effect.makeLatch(), Effect.makeLatch()])
      const blocker = Dag.make("blocker", { outputs: { blocks: limited("blocks", gate.await) } })
      const wants = limited("wants", Effect.void)
      const behind = Dag.make("behind", { outputs: { noisy: noisy(speak.await), wants } })
      const free = Dag.make("free", { outputs: { takes: limited("takes", Effect.void) } })
      const blocking = yield* Engine.start(blocker, {})
      yield* reaches(blocking, "blocks", "running")
      const { allow, fiber } = yield* slowly(Engine.stream(behind, {}, { runId: id }))
      yield* quiet
      yield* speak.open
      yield* quiet
      const taking = yield* Effect.fork(Engine.execute(free, {}))
      yield* quiet
      assert.isTrue(Option.isNone(yield* Fiber.poll(taking)))
      yield* gate.open
      yield* Fiber.join(taking).pipe(withTime)
      assert.strictEqual(statusOf(yield* Engine.get(id), "wants"), "scheduled")
      yield* allow(3000)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      assert.strictEqual(statusOf(yield* storedRun(), "wants"), "completed")
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )
})

describe("a starter's stream that is closed", () => {
  const build = (open: Ref.Ref<boolean>, ran: Array<string>, finalized: Array<string>) => {
    const first = Module.make("first", {
      output: Schema.Int,
      run: () => Effect.sync(() => (ran.push("first"), 1))
    })
    const second = Module.make("second", {
      needs: { first },
      output: Schema.Int,
      run: ({ first }) =>
        Effect.gen(function* () {
          ran.push("second")
          yield* Run.emit("second")
          if (!(yield* Ref.get(open))) {
            return yield* Effect.onInterrupt(Effect.never, () => Effect.sync(() => finalized.push("second")))
          }
          return first + 1
        })
    })
    return Dag.make("closed", { outputs: { second } })
  }

  it.effect("cuts the run off: finalizers are awaited, nobody holds it, and it goes on in another engine", () =>
    Effect.gen(function* () {
      const open = yield* Ref.make(false)
      const ran: Array<string> = []
      const finalized: Array<string> = []
      const dag = build(open, ran, finalized)
      yield* Effect.gen(function* () {
        const events = yield* collect(
          Stream.takeUntil(Engine.stream(dag, {}, { runId: id }), ({ _tag }) => _tag === "Token")
        )
        assert.strictEqual(events.at(-1)?._tag, "Token")
        assert.deepStrictEqual(finalized, ["second"])
        assert.strictEqual((yield* storedRun()).status, "running")
      }).pipe(Effect.provide(engine()))
      yield* Ref.set(open, true)
      const events = yield* Effect.provide(collect(Engine.stream(dag, {}, { runId: id })), engine())
      assert.deepStrictEqual(ran, ["first", "second", "second"])
      const started = events.find((event) => event._tag === "Started")!
      assert.strictEqual(started.epoch, 2)
      isOrdered(events, started.seq)
      const history = yield* historyOf()
      assert.deepStrictEqual(
        history.map(({ seq }) => seq),
        history.map((_, i) => i + 1)
      )
      assert.strictEqual(history.at(-1)?.seq, events.at(-1)?.seq)
    }).pipe(Effect.provide(store))
  )

  it.effect("while it is behind lets go of modules that wait for it", () =>
    Effect.gen(function* () {
      const finalized = yield* Ref.make(false)
      const speaks = Module.make("speaks", {
        output: Schema.Void,
        run: () => Effect.onExit(Effect.forever(Run.emit("token")), () => Ref.set(finalized, true))
      })
      const dag = Dag.make("forever", { outputs: { speaks } })
      const { fiber } = yield* slowly(Engine.stream(dag, {}, { runId: id }))
      yield* quiet
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* Ref.get(finalized))
      assert.strictEqual((yield* storedRun()).status, "running")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a run that was there already leaves it alone: it is a view from the first event", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const first = Module.make("first", { output: Schema.Void, run: () => Effect.void })
      const last = Module.make("last", { needs: { first }, output: Schema.Void, run: () => gate.await })
      const dag = Dag.make("there", { outputs: { last } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "last", "running")
      const one = yield* collect(Stream.take(Engine.stream(dag, {}, { runId: id }), 1))
      assert.deepStrictEqual(one.map(shapeOf), [["Started", 1]])
      yield* quiet
      assert.deepStrictEqual(statusesOf(yield* handle.snapshot), { first: "completed", last: "running" })
      const viewing = yield* Effect.fork(collect(Engine.stream(dag, {}, { runId: id })))
      yield* quiet
      yield* gate.open
      yield* handle.await
      const all = yield* Fiber.join(viewing)
      isOrdered(all)
      assert.strictEqual(all.at(-1)?._tag, "Finished")
      assert.deepStrictEqual(yield* collect(Engine.stream(dag, {}, { runId: id })), all)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("leaves no fiber behind, however often", () =>
    Effect.gen(function* () {
      const speaks = Module.make("speaks", { output: Schema.Void, run: () => Effect.forever(Run.emit("token")) })
      const dag = Dag.make("forever", { outputs: { speaks } })
      const supervisor = yield* Supervisor.track
      let during = 0
      const runs = (times: number) =>
        Effect.forEach(
          Array.from({ length: times }),
          () =>
            Engine.stream(dag, {}, { durability: "memory" }).pipe(
              Stream.take(3),
              Stream.runForEach(() => Effect.map(supervisor.value, ({ length }) => void (during = length)))
            ),
          { discard: true }
        )
      const count = Effect.gen(function* () {
        yield* quiet
        return (yield* supervisor.value).length
      })
      const [before, after] = yield* Effect.gen(function* () {
        yield* runs(1)
        const before = yield* count
        yield* runs(30)
        return [before, yield* count] as const
      }).pipe(Effect.provide(alone()), Effect.supervised(supervisor))
      assert.strictEqual(after, before)
      assert.isAbove(during, before, "it sees those of a run")
    })
  )
})
