/** What is in one transaction, and when it is written: the examples by which the writer is known. */
import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Clock,
  Context,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Schedule,
  Schema,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, RunId, RunStore, StateWriter } from "heddle"
import type { Level } from "heddle/state/Update"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import { observer, openRun, quiet, resultOf, rows, sizes, stored, storedState, updatesOf, writerOf } from "./Writers.js"

/** The path of a database that is deleted with the scope. */
const temporary = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => path.join(directory, "runs.db")
)

describe("a batch", () => {
  it.scoped("of scheduled, running and completed: three are queued, one row is written, with three timestamps", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const store = yield* RunStore.RunStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      for (const status of ["scheduled", "running", "completed"] as const) yield* writer.update(a.module("m", status))
      assert.strictEqual((yield* writer.stats).depth, 3)
      yield* writer.flush
      assert.lengthOf(control.written, 1)
      assert.lengthOf(control.written[0]![0]!.modules, 1)
      const [row, ...others] = yield* rows("a")
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(
        [row?.status, row?.scheduledAt, row?.startedAt, row?.finishedAt],
        ["completed", 1001, 1002, 1003]
      )
      assert.deepStrictEqual(
        (yield* store.history(a.runId, { after: 0, limit: 9 })).map(({ at }) => at),
        [1001, 1002, 1003]
      )
      const { batches, coalesced, processed, queued } = yield* writer.stats
      assert.deepStrictEqual([queued, processed, coalesced, batches], [3, 3, 2, 1])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("that is full is written before the interval is over", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ batchSize: 10, interval: "1 day" })
      const a = yield* openRun("a")
      for (let i = 0; i < 9; i++) yield* writer.update(a.module(`m${i}`, "running"))
      yield* quiet
      assert.deepStrictEqual(sizes(control), [])
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* quiet
      assert.deepStrictEqual(sizes(control), [9])
      assert.deepStrictEqual(yield* storedState("k"), { x: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.effect.prop(
    "of one update that nobody follows is written within the interval, at whatever time it comes",
    [fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 300 })],
    ([pauses, interval]) =>
      Effect.gen(function* () {
        const writer = yield* writerOf({ interval })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const pending: Array<{ readonly at: number; readonly fate: ReturnType<typeof offer> }> = []
        for (const [i, pause] of pauses.entries()) {
          pending.push({ at: yield* TestClock.currentTimeMillis, fate: offer(a.module(`m${i}`, "running")) })
          yield* TestClock.adjust(pause)
          const now = yield* TestClock.currentTimeMillis
          for (const { at, fate } of pending) if (now >= at + interval) assert.strictEqual(resultOf(fate), "written")
        }
        yield* TestClock.adjust(interval)
        for (const { fate } of pending) assert.strictEqual(resultOf(fate), "written")
      }).pipe(Effect.scoped, Effect.provide(ControlledStore.layer)),
    { fastCheck: { numRuns: Math.ceil(numRuns / 5) } }
  )

  it.scoped("of one update is written within the interval although the clock is set back meanwhile", () =>
    Effect.gen(function* () {
      const test = yield* Effect.clock
      let offset = 0
      const clock: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        sleep: (duration) => test.sleep(duration),
        unsafeCurrentTimeMillis: () => test.unsafeCurrentTimeMillis() + offset,
        unsafeCurrentTimeNanos: () => test.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.map(test.currentTimeMillis, (now) => now + offset),
        currentTimeNanos: test.currentTimeNanos
      }
      const context = yield* Effect.withClock(Layer.build(StateWriter.layer({ interval: "100 millis" })), clock)
      const writer = Context.get(context, StateWriter.StateWriter)
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* TestClock.adjust("60 millis")
      offset = -3_600_000
      assert.strictEqual((yield* writer.stats).oldestAge, 0)
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(yield* storedState("k"), { x: 1 })
      yield* writer.update({ key: "k", set: { x: 2 } })
      yield* TestClock.adjust("60 millis")
      assert.deepStrictEqual([(yield* writer.stats).oldestAge, yield* storedState("k")], [60, { x: 1 }])
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(yield* storedState("k"), { x: 2 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  const levels: ReadonlyArray<ReadonlyArray<Level>> = [
    ["buffered"],
    ["committed"],
    ["fsynced"],
    ["buffered", "committed", "buffered"],
    ["buffered", "fsynced", "committed"],
    ["fsynced", "buffered"]
  ]
  for (const mixed of levels) {
    it.scoped(`of ${mixed.join(", ")} is ${mixed.includes("fsynced") ? "" : "not "}synced`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const runs = yield* Effect.forEach(mixed, (_, i) => openRun(`r${i}`))
        for (const [i, level] of mixed.entries()) yield* writer.update(runs[i]!.module("m", "running", { level }))
        yield* writer.flush
        for (const [i, durability] of mixed.entries()) {
          yield* writer.update({ key: `${i}`, set: { x: 1 }, durability })
        }
        yield* writer.flush
        assert.deepStrictEqual(
          control.batches.map(({ synced }) => synced),
          [mixed.includes("fsynced"), mixed.includes("fsynced")]
        )
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }

  it.scoped(
    "that is tried in parts is synced where it has to be; a durable update of a buffered one is committed",
    () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        control.commit = (_, commit, { runs, states }) =>
          runs.length + states.length > 1 ? Effect.fail(ControlledStore.broken("failed")) : commit
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        yield* writer.update(a.module("m", "running"))
        yield* writer.update({ key: "k", set: { x: 1 }, durability: "fsynced" })
        yield* writer.update(a.module("m", "completed", { level: "committed" }))
        yield* writer.flush
        yield* writer.updateDurable({ key: "k", set: { x: 2 } })
        yield* writer.updateDurable({ key: "k", set: { x: 3 }, durability: "fsynced" })
        assert.deepStrictEqual(
          control.batches.map(({ runs, states, synced }) => [runs.length, states.length, synced]),
          [
            [1, 0, false],
            [0, 1, true],
            [0, 1, false],
            [0, 1, true]
          ]
        )
      }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("keeps the order of a run's transitions, whichever object says who drives it", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      const { offer } = observer(writer)
      const fates = Array.makeBy(9, (i) => {
        const update = a.module(`m${i}`, "running")
        return offer(i % 3 === 0 ? update : { ...update, claim: { runId: a.runId, epoch: 1 } })
      })
      yield* writer.flush
      assert.deepStrictEqual(fates.map(resultOf), Array.replicate("written", 9))
      assert.deepStrictEqual(yield* stored("a"), Array.range(1, 9))
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("keeps the order of updates that are offered by the listeners of others", () =>
    Effect.gen(function* () {
      for (const capacity of [1, 3, 1000]) {
        const writer = yield* writerOf({ capacity, interval: 0 })
        const a = yield* openRun(`a${capacity}`)
        const offered: Array<number> = []
        const settled: Array<number> = []
        const offer = (left: number) => {
          if (left === 0) return
          const update = a.module(`m${offered.length}`, "running", { durable: left % 3 === 0 })
          offered.push(update.transition.seq)
          writer.unsafeUpdate(update, {
            accepted: () => left % 2 === 0 && offer(left - 1),
            settled: (exit) => {
              assert.isTrue(Exit.isSuccess(exit))
              settled.push(update.transition.seq)
              if (left % 2 === 1) offer(left - 1)
            }
          })
        }
        offer(30)
        offer(31)
        offer(32)
        while (settled.length < 93) yield* quiet
        assert.deepStrictEqual(yield* stored(`a${capacity}`), offered)
        assert.deepStrictEqual(settled, offered)
      }
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("has the parts of two drivers of one run apart, each with its epoch", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const store = yield* RunStore.RunStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.updateDurable(a.module("m", "running"))
      yield* store.claim({ runId: a.runId, owner: "next", now: 9, expiredBefore: 9, reopen: false })
      const next = updatesOf({ runId: a.runId, epoch: 2 })
      yield* writer.update(a.module("n", "running"))
      const [first, second] = [next.module("m", "running"), next.module("n", "running", { attempt: 2 })]
      yield* writer.update({ ...second, transition: { ...second.transition, seq: 2 } })
      yield* writer.update(a.module("o", "running"))
      yield* writer.flush
      assert.notStrictEqual(first.transition.seq, second.transition.seq)
      assert.deepStrictEqual(
        control.tried.at(-1)?.map(({ epoch, transitions }) => [epoch, transitions.length]),
        [
          [1, 2],
          [2, 1]
        ]
      )
      assert.deepStrictEqual(
        (yield* rows("a")).map(({ attempt, module }) => [module, attempt]),
        [
          ["m", 1],
          ["n", 2]
        ]
      )
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("over a SQLite file", () => {
  const modules = 300

  it.scopedLive(`${modules} fibers with four updates each meet no lock error, and lose nothing`, () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const context = yield* Layer.build(
        Layer.provideMerge(StateWriter.layer(), RunStoreSqlite.layer({ filename, lockTimeout: "10 seconds" }))
      )
      const writer = Context.get(context, StateWriter.StateWriter)
      const store = Context.get(context, RunStore.RunStore)
      // somebody else writes to the file at the same time
      const other = yield* Layer.build(
        Layer.provideMerge(StateWriter.layer(), RunStoreSqlite.layer({ filename, lockTimeout: "10 seconds" }))
      )
      const busy = yield* Effect.fork(
        Effect.forEach(
          Array.range(1, 100),
          (x) => Context.get(other, StateWriter.StateWriter).updateDurable({ key: "k", set: { x } }),
          { discard: true }
        )
      )
      const run = ControlledStore.newRun("a")
      yield* store.open({ ...run, owner: "me", createdAt: 0 })
      const a = updatesOf({ runId: run.runId, epoch: 1 })
      const exits = yield* Effect.forEach(
        Array.makeBy(modules, (i) => `m${i}`),
        (module, i) =>
          Effect.gen(function* () {
            const durable = i % 2 === 0
            for (const status of ["scheduled", "running", "suspended"] as const) {
              const update = a.module(module, status, { durable })
              yield* durable ? writer.updateDurable(update) : writer.update(update)
              yield* Effect.yieldNow()
            }
            yield* writer.updateDurable(a.module(module, "completed", { output: `${i}` }))
          }).pipe(Effect.exit),
        { concurrency: "unbounded" }
      )
      assert.isTrue(exits.every(Exit.isSuccess))
      yield* Fiber.join(busy)
      const history = yield* store.history(run.runId, { after: 0, limit: 10_000 })
      assert.deepStrictEqual(
        history.map(({ seq }) => seq),
        Array.range(1, 4 * modules)
      )
      const { modules: stored } = Option.getOrThrow(yield* store.get(run.runId))
      assert.lengthOf(stored, modules)
      assert.isTrue(
        stored.every(
          ({ finishedAt, scheduledAt, startedAt, status }) =>
            status === "completed" && scheduledAt !== null && startedAt !== null && finishedAt !== null
        )
      )
      const outputs = yield* store.outputs(
        run.runId,
        stored.map(({ module }) => module)
      )
      assert.isTrue(Array.makeBy(modules, (i) => outputs.get(`m${i}`) === `${i}`).every(Boolean))
      const { batches, failed, processed } = yield* writer.stats
      assert.deepStrictEqual([processed, failed], [4 * modules, 0])
      assert.isBelow(batches, 4 * modules)
      assert.deepStrictEqual([...(yield* store.state("k"))], [["x", "100"]])
    })
  )

  it.scopedLive(`a run of ${modules} parallel modules, each of them tried twice, meets no lock error`, () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const tried = new Set<string>()
      const names = Array.makeBy(modules, (i) => `m${i}`)
      const outputs = Object.fromEntries(
        names.map((name) => [
          name,
          Module.make(name, {
            output: Schema.String,
            retry: Schedule.recurs(1),
            run: () =>
              Effect.suspend(() => {
                if (tried.has(name)) return Effect.succeed(name)
                tried.add(name)
                return Effect.fail("again")
              })
          })
        ])
      )
      const dag = Dag.make("wide", { outputs })
      const runId = RunId.make("wide")
      const result = yield* Engine.execute(dag, {}, { runId, durability: "committed" }).pipe(
        Effect.provide(Heddle.layerSqlite({ filename }))
      )
      assert.deepStrictEqual(result, Object.fromEntries(names.map((name) => [name, name])))
    })
  )
})
