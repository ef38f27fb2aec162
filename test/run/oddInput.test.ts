/** What a definition may not be, and functions of the user that give or throw what nobody expects. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Option, Schema, type Duration } from "effect"
import { Dag, Engine, Module } from "heddle"
import {
  alone,
  engine,
  id,
  isStored,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  stepsOf,
  store,
  storedRun,
  withTime
} from "./Harness.js"

const failuresOf = <A, E>(exit: Exit.Exit<A, E>) => (Exit.isFailure(exit) ? [...Cause.failures(exit.cause)] : [])

/** Values that `JSON.stringify` or `String` may throw for: no type lets them in, data from outside may. */
const unprintable: ReadonlyArray<readonly [string, () => unknown]> = [
  ["a bigint", () => 1n],
  ["a symbol", () => Symbol("odd")],
  [
    "a cycle",
    () => {
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      return cycle
    }
  ],
  [
    "what cannot be rendered",
    () => ({
      toJSON: () => {
        throw new Error("toJSON")
      }
    })
  ],
  ["what has no prototype", () => Object.create(null) as unknown],
  ["nothing", () => undefined]
]

describe("a pure module that runs at the first success", () => {
  const parents = (gate: Deferred.Deferred<void>) => ({
    a: Module.make("a", { output: Schema.String, run: () => Effect.as(Deferred.await(gate), "a") }),
    b: Module.make("b", { output: Schema.String, run: () => Effect.succeed("b") })
  })
  const first = ({ a, b }: { readonly a: Option.Option<string>; readonly b: Option.Option<string> }) =>
    Option.getOrThrow(Option.orElse(a, () => b))

  it.effect("is refused without an output: computed again it would be another value", () =>
    Effect.gen(function* () {
      const needs = parents(yield* Deferred.make<void>())
      const pick = Module.pure("pick", { needs, join: "anySucceeded", run: first })
      const error = yield* Effect.flip(Engine.execute(Dag.make("d", { outputs: { pick } }), {}, { runId: id }))
      assert.strictEqual(error._tag, "PlanInvalid")
      assert.include(error.message, `"pick"`)
      assert.include(error.message, "must be stored")
      assert.strictEqual((yield* Effect.flip(Engine.get(id)))._tag, "UnknownRun")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("gives those that come after a resume what it gave those before", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const { a, b } = parents(gate)
      const pick = Module.pure("pick", { needs: { a, b }, join: "anySucceeded", output: Schema.String, run: first })
      const sees = (name: string, pick: string) => Effect.sync(() => void seen.push(`${name} ${pick}`))
      const ship = Module.make("ship", { needs: { pick }, output: Schema.Void, run: ({ pick }) => sees("ship", pick) })
      const later = Module.signal("later", { value: Schema.Int })
      const notify = Module.make("notify", {
        needs: { pick, later, a },
        output: Schema.Void,
        run: ({ pick }) => sees("notify", pick)
      })
      const dag = Dag.make("d", { outputs: { ship, notify } })
      const running = Effect.gen(function* () {
        const handle = yield* Engine.start(dag, {}, { runId: id })
        yield* isStored("ship", "completed")
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* Effect.flip(handle.await))._tag, "RunSuspended")
      })
      yield* running.pipe(withTime, Effect.provide(engine()))
      yield* Engine.signal(id, later, 1).pipe(Effect.provide(engine()))
      yield* Engine.resume(dag, id).pipe(Effect.provide(engine()))
      assert.deepStrictEqual(seen, ["ship b", "notify b"])
    }).pipe(Effect.provide(store))
  )
})

describe("a route", () => {
  for (const [what, odd] of unprintable) {
    it.effect(`that chooses ${what} is unmatched, and so is it for who asks again`, () =>
      Effect.gen(function* () {
        const route = Module.route("route", { branches: ["a"], choose: () => odd() as "a" })
        const a = Module.pure("a", { when: route.is("a"), run: () => 1 })
        const dag = Dag.make("d", { outputs: { a } })
        const error = yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
        assert.strictEqual(error._tag, "RunFailed")
        const snapshot = yield* storedRun()
        assert.strictEqual(snapshot.status, "failed")
        assert.include(stateOf(snapshot, "route").failure?.message, `route "route" chose`)
        assert.deepStrictEqual(statusesOf(snapshot), { a: "skipped", route: "failed" })
        assert.strictEqual((yield* Effect.flip(Engine.execute(dag, {}, { runId: id })))._tag, "RunFailed")
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("that chooses what cannot be rendered takes its default", () =>
    Effect.gen(function* () {
      const route = Module.route("route", { branches: ["a", "b"], default: "b", choose: () => 1n as never })
      const b = Module.pure("b", { when: route.is("b"), run: () => 1 })
      const outputs = yield* Engine.execute(Dag.make("d", { outputs: { b } }), {}, { runId: id })
      assert.deepStrictEqual(outputs.b, Option.some(1))
    }).pipe(Effect.provide(alone()))
  )
})

describe("a sleep", () => {
  // a bigint is a duration in nanoseconds
  for (const [what, odd] of unprintable.filter(([what]) => what !== "a bigint")) {
    it.effect(`whose duration is ${what} fails, and the run with it`, () =>
      Effect.gen(function* () {
        const pause = Module.sleep("pause", { duration: () => odd() as Duration.DurationInput })
        const exit = yield* Effect.exit(Engine.execute(Dag.make("d", { outputs: { pause } }), {}, { runId: id }))
        const snapshot = yield* storedRun()
        assert.strictEqual(snapshot.status, "failed")
        assert.strictEqual(statusOf(snapshot, "pause"), "failed")
        assert.deepStrictEqual(
          failuresOf(exit).map((error) => error._tag),
          ["RunFailed"]
        )
      }).pipe(Effect.provide(alone()))
    )
  }
})

describe("a map over a list that the engine refuses", () => {
  it.effect("fails once when its list throws as it is closed: the others run to their ends", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let ran = 0
      const mapped = Module.map("mapped", {
        over: () => ({
          [Symbol.iterator]: () => ({
            next: () => ({ done: false, value: 1 }),
            return: () => {
              throw new Error("closing")
            }
          })
        }),
        output: Schema.Int,
        run: (n) => Effect.succeed(n)
      })
      const slow = Module.make("slow", { output: Schema.Int, run: () => Effect.as(Deferred.await(gate), 1) })
      const third = Module.make("third", { needs: { slow }, output: Schema.Int, run: () => Effect.sync(() => ++ran) })
      const dag = Dag.make("d", { outputs: { mapped, third } })
      const handle = yield* Engine.start(dag, {}, { runId: id, onFailure: "continue" })
      yield* reaches(handle, "mapped", "failed")
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Exit.isFailure(yield* withTime(Effect.exit(handle.await))))
      assert.strictEqual(ran, 1)
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        mapped: "failed",
        slow: "completed",
        third: "completed"
      })
      assert.deepStrictEqual(yield* stepsOf("mapped"), ["failed 1"])
    }).pipe(Effect.provide(alone({ maxItems: 2 })))
  )

  it.effect("reads one item too many, of a list without an end, and closes it", () =>
    Effect.gen(function* () {
      let given = 0
      let isClosed = false
      const mapped = Module.map("mapped", {
        over: function* () {
          try {
            for (;;) yield ++given
          } finally {
            isClosed = true
          }
        },
        output: Schema.Int,
        run: (n) => Effect.succeed(n)
      })
      yield* Effect.flip(Engine.execute(Dag.make("d", { outputs: { mapped } }), {}, { runId: id }))
      assert.include(stateOf(yield* storedRun(), "mapped").failure?.message, "more than 3 items")
      assert.strictEqual(given, 4)
      assert.isTrue(isClosed)
    }).pipe(Effect.provide(alone({ maxItems: 3 })))
  )

  it.effect("takes as many items as the engine allows", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", { over: () => [1, 2, 3], output: Schema.Int, run: (n) => Effect.succeed(n) })
      const outputs = yield* Engine.execute(Dag.make("d", { outputs: { mapped } }), {})
      assert.deepStrictEqual(outputs.mapped, [1, 2, 3])
    }).pipe(Effect.provide(alone({ maxItems: 3 })))
  )
})
