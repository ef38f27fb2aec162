/** A run that several start at once, that is cut off and carried on, with shared state; and what must hold all the while. */
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, Random, Schema, Stream } from "effect"
import { Dag, Engine, Heddle, Module, RunId, RunStore, Shared, type RunSnapshot, type Transition } from "heddle"
import { checkStored, within } from "./WriterScenario.js"
import { check, Violation } from "./Violation.js"
import * as Witness from "./Witness.js"

const runId = RunId.make("run")

const pause = Effect.flatMap(Random.nextIntBetween(0, 5), (n) => Effect.repeatN(Effect.yieldNow(), n))

const stats = Shared.make("stats", { completed: Shared.cell(Schema.Int, 0) })

/** How often a step ends that counts itself. */
const steps = 6

export const scenario = Effect.gen(function* () {
  const witness = yield* Witness.make({ transient: 0.05, permanent: 0, poison: "" })
  const { store } = witness
  const active = new Set<string>()
  let wrong: string | undefined

  /** Counts itself, and sees that it runs alone, once, and after what it needs. */
  const step = <A>(name: string, value: A, needs: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const completed = witness.completed.get(runId)
      if (active.has(name)) wrong ??= `${name} runs twice at once`
      if (completed?.has(name) === true) wrong ??= `${name} runs although its completion is committed`
      const missing = needs.filter((need) => completed?.has(need) !== true)
      if (missing.length > 0) wrong ??= `${name} runs before ${missing.join(", ")} is committed`
      active.add(name)
      yield* Shared.update(stats, ({ completed }) => ({ completed: completed + 1 }))
      yield* pause
      return value
    }).pipe(Effect.ensuring(Effect.sync(() => active.delete(name))))

  const a = Module.make("a", { output: Schema.Int, run: () => step("a", 1, []) })
  const b = Module.make("b", { output: Schema.Int, run: () => step("b", 2, []) })
  const sum = Module.pure("sum", { needs: { a, b }, output: Schema.Int, run: ({ a, b }) => a + b })
  const items = Module.map("items", {
    needs: { sum },
    over: ({ sum }) => [sum, sum + 1, sum + 2],
    output: Schema.Int,
    run: (item, _, index) => step(`items ${index}`, item * 2, ["sum"])
  })
  const last = Module.make("last", {
    needs: { items, a },
    output: Schema.Int,
    run: ({ a, items }) =>
      step(
        "last",
        items.reduce((x, y) => x + y, a),
        ["items", "a"]
      )
  })
  const dag = Dag.make("d", { outputs: { last, items }, shared: [stats] })

  const engine = () =>
    Layer.fresh(
      Heddle.layer({
        engine: { poll: Duration.infinity },
        lease: { heartbeat: Duration.infinity, expiry: Duration.infinity },
        writer: { interval: "50 millis" }
      })
    ).pipe(Layer.provide(Layer.succeed(RunStore.RunStore, store)))

  // two at once, of which one or the other is let go of
  yield* Effect.gen(function* () {
    const seen: Array<RunSnapshot.RunSnapshot | Transition.Transition> = []
    const ends: Array<Exit.Exit<unknown, unknown>> = []
    const begin = <A, E, R>(start: Effect.Effect<A, E, R>) =>
      Effect.fork(Effect.onExit(start, (exit) => Effect.sync(() => ends.push(exit))))
    const first = yield* begin(Engine.execute(dag, {}, { runId }))
    yield* begin(Engine.start(dag, {}, { runId }))
    yield* begin(Engine.start(dag, {}, { runId }))
    const second = yield* begin(
      Effect.flatMap(Engine.start(dag, {}, { runId }), ({ await: ended, changes }) =>
        Effect.zipRight(
          Effect.fork(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change)))),
          ended
        )
      )
    )
    yield* Effect.repeatN(pause, yield* Random.nextIntBetween(0, 12))
    if (yield* Random.nextBoolean) yield* Fiber.interrupt(first)
    if (yield* Random.nextBoolean) yield* Fiber.interrupt(second)
    yield* Effect.repeatN(pause, yield* Random.nextIntBetween(0, 8))
    // nobody is told anything but the outputs, or that it was let go of
    for (const end of ends) {
      if (Exit.isSuccess(end) || Cause.isInterruptedOnly(end.cause)) continue
      return yield* new Violation({ what: `a start of the run ended with ${Cause.pretty(end.cause)}` })
    }
    const numbers = seen.map(({ seq }) => seq)
    const reordered = numbers.find((seq, i) => i > 0 && seq <= numbers[i - 1]!)
    if (reordered !== undefined) return yield* new Violation({ what: `the changes came as ${numbers.join(", ")}` })
    const early = seen.find(
      (change) => change._tag !== "RunSnapshot" && witness.transitions.get(runId)?.has(change.seq) !== true
    )
    if (early !== undefined) return yield* new Violation({ what: `change ${early.seq} came before its commit` })
  }).pipe(Effect.provide(engine()), (work) => within(work, "the first engine"))
  yield* check(wrong === undefined, () => wrong ?? "")

  const outputs = yield* Engine.execute(dag, {}, { runId }).pipe(
    Effect.provide(engine()),
    Effect.catchAllCause((cause) => new Violation({ what: `the run cannot be carried on: ${String(cause)}` })),
    (work) => within(work, "the second engine")
  )
  yield* check(wrong === undefined, () => wrong ?? "")
  yield* check(
    outputs.last === 25 && outputs.items.join() === "6,8,10",
    () => `the outputs are ${JSON.stringify(outputs)}`
  )
  const { snapshot } = yield* checkStored(store, runId)
  yield* check(snapshot.status === "completed", () => `the run is stored as ${snapshot.status}`)
  const stored = Option.getOrThrow(yield* store.get(runId)).shared.map(({ value }) => value)
  yield* check(stored.join() === `${steps}`, () => `${steps} steps counted themselves as ${stored.join()}`)
}).pipe(Effect.scoped)
