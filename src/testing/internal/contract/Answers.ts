/**
 * Whether two stores give the same answers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import type { StoreError } from "../../../model/StoreError.js"
import { type RunRow, RunStore } from "../../../store/RunStore.js"
import { equal, type Mismatch, some } from "./Expect.js"
import { anyOperation, keys, modules, perform } from "./Operation.js"
import { type Options, property } from "./Property.js"
import { all, sorted } from "./Rows.js"

type Store = typeof RunStore.Service

const build = <E, R>(layer: Layer.Layer<RunStore, E, R>) => Effect.map(Layer.build(layer), Context.get(RunStore))

const ofRun = (store: Store, run: RunRow) =>
  Effect.gen(function* () {
    const stored = yield* some(yield* store.get(run.runId), `get of ${run.runId}`)
    yield* equal(stored.run, run, "get and list")
    yield* equal(yield* some(yield* store.run(run.runId)), run, "run and list")
    return {
      run,
      modules: sorted(stored.modules, ({ module }) => module),
      counts: sorted(stored.items, ({ module, status }) => `${status} ${module}`),
      shared: sorted(stored.shared, ({ cell }) => cell),
      items: sorted(yield* store.items(run.runId, modules), ({ index, module }) => `${index} ${module}`),
      signals: sorted(yield* store.signals([run.runId]), ({ module }) => module),
      outputs: new Map([...(yield* store.outputs(run.runId, modules))].sort()),
      history: yield* store.history(run.runId, all)
    }
  })

/** All that is stored, without its size, which each store has in its own way. */
export const contents = (store: Store): Effect.Effect<unknown, Mismatch | StoreError> =>
  Effect.gen(function* () {
    const { bytes: _, freeBytes: __, spilled: ___, ...storage } = yield* store.storage
    return {
      runs: yield* Effect.forEach(yield* store.list({ limit: 99 }), (run) => ofRun(store, run)),
      states: yield* Effect.forEach(keys, (key) =>
        Effect.map(store.state(key), (fields) => new Map([...fields].sort()))
      ),
      letters: yield* store.deadLetters({ limit: 99 }),
      storage
    }
  })

/** Whatever is asked of the two stores, in whatever order, they give the same answers and store the same. */
export const sameAnswers = <E1, R1, E2, R2>(
  reference: Layer.Layer<RunStore, E1, R1>,
  layer: Layer.Layer<RunStore, E2, R2>,
  options: Options
): Effect.Effect<void, Mismatch, R1 | R2> =>
  property(options, FastCheck.array(anyOperation, { maxLength: 40, size: "max" }), (operations) =>
    Effect.gen(function* () {
      const expected = yield* build(reference)
      const actual = yield* build(layer)
      for (const operation of operations) {
        yield* equal(yield* perform(actual, operation), yield* perform(expected, operation), operation._tag)
      }
      yield* equal(yield* contents(actual), yield* contents(expected), "what is stored")
    }).pipe(Effect.scoped)
  )
