/** Which version of its flow a run says that it is. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Dag, Engine, Module, RunId, Timeline } from "heddle"
import { alone, id } from "./Harness.js"

const n = Module.input("n", Schema.Number)
const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
const Versioned = Dag.make("doubling", { outputs: { double }, version: 3 })
const Plain = Dag.make("doubling", { outputs: { double } })

/** Wherever a run is shown: stored, in a list, at its beginning and at its end. */
const versionsOf = (runId: RunId) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline.Timeline
    const stored = Option.getOrThrow(yield* timeline.get(runId)).snapshot
    const listed = (yield* timeline.list()).filter((run) => run.runId === runId)
    const first = Option.getOrThrow(yield* timeline.stateAt(runId, { seq: 0 }))
    const last = Option.getOrThrow(yield* timeline.stateAt(runId, { seq: stored.seq }))
    return [(yield* Engine.get(runId)).version, stored.version, ...listed.map((run) => run.version)].concat([
      first.version,
      last.version
    ])
  })

describe("the version of a run", () => {
  it.effect("is that of its Dag, wherever the run is shown", () =>
    Effect.gen(function* () {
      const handle = yield* Engine.start(Versioned, { n: 1 }, { runId: id })
      assert.strictEqual((yield* handle.snapshot).version, "3")
      yield* handle.await
      assert.deepStrictEqual(yield* versionsOf(id), ["3", "3", "3", "3", "3"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is not there where the Dag has none", () =>
    Effect.gen(function* () {
      const handle = yield* Engine.start(Plain, { n: 1 }, { runId: id })
      assert.notProperty(yield* handle.snapshot, "version")
      yield* handle.await
      assert.deepStrictEqual(
        yield* versionsOf(id),
        Array.from({ length: 5 }, () => undefined)
      )
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is recorded by every way to begin a run", () =>
    Effect.gen(function* () {
      const [rerun, fork, submitted] = [RunId.make("rerun"), RunId.make("fork"), RunId.make("submitted")]
      yield* Engine.execute(Versioned, { n: 1 }, { runId: id })
      yield* Engine.rerun(Versioned, id, { from: [double], runId: rerun })
      yield* Engine.fork(Versioned, id, { at: 0, runId: fork })
      yield* Engine.submit(Versioned, { n: 2 }, { runId: submitted })
      for (const runId of [rerun, fork, submitted]) {
        assert.strictEqual((yield* Engine.get(runId)).version, "3", runId)
      }
      const unstored = yield* Engine.start(Versioned, { n: 1 }, { runId: RunId.make("m"), durability: "memory" })
      assert.strictEqual((yield* unstored.snapshot).version, "3")
      yield* unstored.await
    }).pipe(Effect.provide(alone()))
  )
})
