import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { RunStore } from "heddle"
import * as Signals from "heddle/state/Signals"
import * as ControlledStore from "./ControlledStore.js"

const layer = Layer.provideMerge(Signals.layer, ControlledStore.layer)

const { runId } = ControlledStore.newRun("a")

const openRun = (name: string) =>
  Effect.flatMap(RunStore.RunStore, (store) =>
    store.open({ ...ControlledStore.newRun(name), owner: "me", createdAt: 0 })
  )

describe("Signals", () => {
  it.effect("are settled once: the first counts, and the others are told what it was", () =>
    Effect.gen(function* () {
      const signals = yield* Signals.Signals
      yield* openRun("a")
      const delivered = { runId, module: "ask", closed: false, value: '"yes"' }
      const closed = { runId, module: "orders/3/ask", closed: true, value: null }
      for (const signal of [delivered, closed]) {
        assert.deepStrictEqual(yield* signals.settle(signal), { _tag: "Settled", was: undefined })
        assert.deepStrictEqual(yield* signals.settle({ ...signal, closed: !signal.closed, value: "7" }), {
          _tag: "Settled",
          was: signal
        })
      }
      assert.sameDeepMembers([...(yield* signals.of([runId]))], [delivered, closed])
    }).pipe(Effect.provide(layer))
  )

  it.effect("are those of the runs that were asked for", () =>
    Effect.gen(function* () {
      const signals = yield* Signals.Signals
      for (const name of ["a", "b", "c"]) {
        yield* openRun(name)
        yield* signals.settle({
          runId: ControlledStore.newRun(name).runId,
          module: "ask",
          closed: false,
          value: `"${name}"`
        })
      }
      const ids = ["a", "c", "none"].map((name) => ControlledStore.newRun(name).runId)
      const values = (yield* signals.of(ids)).map(({ value }) => value)
      assert.sameMembers(values, ['"a"', '"c"'])
      assert.deepStrictEqual(yield* signals.of([]), [])
    }).pipe(Effect.provide(layer))
  )

  it.effect("that nobody can take are told apart", () =>
    Effect.gen(function* () {
      const signals = yield* Signals.Signals
      const store = yield* RunStore.RunStore
      const signal = { runId, module: "ask", closed: false, value: "1" }
      assert.deepStrictEqual(yield* signals.settle(signal), { _tag: "Unknown" })
      yield* openRun("a")
      assert.deepStrictEqual(yield* signals.settle({ ...signal, module: "orders" }), { _tag: "UnknownSignal" })
      const ended = { _tag: "RunTransition", seq: 1, at: 5, status: "stopped", epoch: 1 } as const
      const changes = { modules: [], items: [], shared: [], transitions: [ended], wakeAt: null }
      yield* store.commit({ runs: [{ runId, epoch: 1, ...changes, status: "stopped" }], states: [], synced: false })
      const run = Option.getOrThrow(yield* store.run(runId))
      assert.deepStrictEqual(yield* signals.settle(signal), { _tag: "Finished", run })
      assert.deepStrictEqual(yield* signals.of([runId]), [])
    }).pipe(Effect.provide(layer))
  )
})
