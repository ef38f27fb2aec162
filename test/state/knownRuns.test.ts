/** What `run` gives: runs as they are written, accepted transitions and all, and what is kept of them. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, FastCheck as fc, Fiber, HashMap, Layer, Option } from "effect"
import { ModuleStatus, RunId, RunSnapshot, RunStore, Timeline } from "heddle"
import type { Transition } from "heddle"
import type { Claim } from "heddle/state/Update"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import { has, killable, openRun, quiet, updatesOf, writerOf, type Writer } from "./Writers.js"

const plain = ({ modules, shared, ...snapshot }: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(HashMap.toEntries(modules)),
  shared: Object.fromEntries(HashMap.toEntries(shared))
})

/** A run as it is known; undefined when there is none. */
const known = (writer: Writer, runId: RunId) =>
  Effect.map(writer.run(runId), (run) => Option.getOrUndefined(Option.map(run, plain)))

/** A run as it is stored. */
const storedRun = (runId: RunId) =>
  Effect.flatMap(Timeline.Timeline, (timeline) =>
    Effect.map(timeline.get(runId), (run) => Option.getOrUndefined(Option.map(run, ({ snapshot }) => plain(snapshot))))
  )

const layer = Layer.provideMerge(Timeline.layer, ControlledStore.layer)

/** The status of one module, if the run is known at all. */
const statusOf = (writer: Writer, runId: RunId, module: string) =>
  Effect.map(
    writer.run(runId),
    Option.map((run) => RunSnapshot.module(run, module).status)
  )

const modules = ["m", "n", "n/1/o"]

/** Transitions that an engine may make, one after the other, of a run that was just created. */
const transitions = fc
  .array(
    fc.record({
      kind: fc.constantFrom("module", "module", "module", "item", "shared", "suspend", "run"),
      module: fc.constantFrom(...modules),
      choice: fc.nat(99),
      fails: fc.boolean(),
      shared: fc.option(fc.dictionary(fc.constantFrom("c", "d"), fc.jsonValue({ maxDepth: 1 })), { nil: undefined })
    }),
    { maxLength: 25 }
  )
  .map((steps) => {
    const states = new Map<string, RunSnapshot.ModuleState>()
    return steps.flatMap(({ choice, fails, kind, module, shared }, i): ReadonlyArray<Body> => {
      const before = states.get(module) ?? { status: "pending", attempt: 0 }
      const values = shared === undefined ? {} : { shared }
      switch (kind) {
        case "item":
          // each index once: an item ends once
          return before.items === undefined
            ? []
            : [{ _tag: "ItemTransition", module, index: i, status: fails ? "failed" : "completed", ...values }]
        case "shared":
          return shared === undefined ? [] : [{ _tag: "SharedTransition", shared }]
        case "suspend":
          return [{ _tag: "RunTransition", status: "suspended", epoch: 1, ...(fails ? { until: choice } : {}) }]
        case "run":
          return [{ _tag: "RunTransition", status: "running", epoch: 1 }]
        default: {
          const next = ModuleStatus.ModuleStatus.literals
            .flatMap((status) => [before.attempt, before.attempt + 1].map((attempt) => ({ status, attempt })))
            .filter((next) => next.status !== "pending" && next.attempt > 0 && ModuleStatus.canFollow(before, next))
          const taken = next[choice % next.length]
          if (taken === undefined) return []
          const failure: Transition.Failure = { kind: "error", message: "no", cause: "no", error: [7] }
          const body: Body = {
            _tag: "ModuleTransition",
            module,
            ...taken,
            ...(taken.status === "failed" ? { failure } : {}),
            ...(taken.status === "suspended" && fails ? { until: choice } : {}),
            ...(taken.status === "running" && fails ? { items: choice } : {}),
            ...(taken.status === "completed" ? values : {})
          }
          states.set(module, RunSnapshot.evolveModule(before, { ...body, seq: i, at: i }))
          return [body]
        }
      }
    })
  })

type Body = Transition.Transition extends infer T ? (T extends unknown ? Omit<T, "seq" | "at"> : never) : never

describe("run", () => {
  it.effect.prop(
    "is the fold of what is accepted, and what is stored once that is written",
    [transitions, fc.infiniteStream(fc.nat(5)), fc.integer({ min: 1, max: 9 })],
    ([bodies, choices, batchSize]) =>
      Effect.gen(function* () {
        const writer = yield* writerOf({ batchSize, interval: "1 hour" })
        const { claim, runId } = yield* openRun("a")
        let expected = RunSnapshot.make({ ...ControlledStore.newRun("a"), startedAt: 0 })
        for (const [i, body] of bodies.entries()) {
          // a fold of the type: one of its members with its number and time
          const transition = { ...body, seq: i + 1, at: i } as Transition.Transition
          yield* writer.update({ claim, transition, output: null, durability: "buffered" })
          expected = RunSnapshot.evolve(expected, transition)
          switch (choices.next().value) {
            case 0:
              yield* Effect.yieldNow()
              break
            case 1:
              assert.deepStrictEqual(yield* known(writer, runId), plain(expected), "as it is accepted")
              break
            case 2:
              yield* writer.flush
              assert.deepStrictEqual(yield* known(writer, runId), yield* storedRun(runId), "as it is stored")
          }
        }
        assert.deepStrictEqual(yield* known(writer, runId), plain(expected))
        yield* writer.flush
        assert.deepStrictEqual(yield* storedRun(runId), plain(expected))
        assert.deepStrictEqual(yield* known(writer, runId), plain(expected))
      }).pipe(Effect.scoped, Effect.provide(layer)),
    { fastCheck: { numRuns } }
  )

  it.scoped("has what is queued and in flight", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.update(a.module("m", "running", { durable: true }))
      yield* quiet
      yield* writer.update(a.module("m", "completed"))
      assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some("completed"))
      yield* writer.update(a.module("n", "running"))
      assert.deepStrictEqual(yield* statusOf(writer, a.runId, "n"), Option.some("running"))
      assert.deepStrictEqual((yield* storedRun(a.runId))?.modules, {})
      yield* gate.open
    }).pipe(Effect.provide(layer))
  )

  it.scoped("misses nothing that is accepted or committed while it is read", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const store = yield* RunStore.RunStore
      const arrives = yield* Effect.makeLatch(false)
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.update(a.module("l", "running"))
      const { get } = store
      control.get = (runId) =>
        Effect.zipLeft(
          Effect.suspend(() => read(runId)),
          arrives.await
        )
      const read = (runId: RunId) => {
        control.get = undefined
        return get(runId)
      }
      const reading = yield* Effect.fork(writer.run(a.runId))
      yield* quiet
      yield* writer.updateDurable(a.module("m", "running"))
      yield* writer.update(a.module("n", "running"))
      yield* arrives.open
      const run = Option.getOrThrow(yield* Fiber.join(reading))
      assert.deepStrictEqual(
        ["l", "m", "n"].map((name) => RunSnapshot.module(run, name).status),
        ["running", "running", "running"]
      )
      assert.strictEqual(run.seq, 3)
    }).pipe(Effect.provide(layer))
  )

  it.scoped("is none when nobody opened it, and is read each time when others drive it", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      assert.deepStrictEqual(yield* writer.run(RunId.make("none")), Option.none())
      yield* writer.run(a.runId)
      const other = yield* writerOf()
      yield* other.updateDurable(a.module("m", "running"))
      assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some("running"))
      assert.deepStrictEqual(control.reads, ["none", "a", "a"])
    }).pipe(Effect.provide(layer))
  )

  it.scoped("is read once while this writer drives it", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      for (const status of ["scheduled", "running", "completed"] as const) {
        yield* writer.update(a.module("m", status))
        assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some(status))
        yield* writer.flush
        assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some(status))
      }
      assert.deepStrictEqual(control.reads, ["a"])
    }).pipe(Effect.provide(layer))
  )

  const ends = {
    "when it has ended": (writer: Writer, run: ReturnType<typeof updatesOf>) =>
      writer.updateDurable(run.run("completed")),
    "when its driver lets go of it": (writer: Writer, { claim }: { readonly claim: Claim }) => writer.release(claim)
  }
  for (const [when, end] of Object.entries(ends)) {
    it.scoped(`is forgotten ${when}`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ cache: 1000 })
        const runs = yield* Effect.forEach(Array.range(1, 20), (i) => openRun(`r${i}`))
        for (const run of runs) {
          yield* writer.update(run.module("m", "running"))
          yield* writer.run(run.runId)
          yield* end(writer, run)
        }
        const before = control.reads.length
        for (const { runId } of runs) {
          assert.deepStrictEqual(yield* known(writer, runId), yield* storedRun(runId))
          assert.deepStrictEqual(yield* writer.statsOf(runId), Option.none())
        }
        // and one of each by `storedRun`
        assert.strictEqual(control.reads.length - before, 2 * runs.length)
      }).pipe(Effect.provide(layer))
    )
  }

  it.scoped("is known for as many runs as it is told, those that were asked for last", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ cache: 2 })
      const runs = yield* Effect.forEach(["a", "b", "c"], openRun)
      for (let i = 0; i < 3; i++) {
        for (const { module, runId } of runs) {
          yield* writer.update(module(`m${i}`, "running"))
          assert.deepStrictEqual(yield* statusOf(writer, runId, `m${i}`), Option.some("running"))
        }
      }
      assert.isAtLeast(control.reads.length, 7)
      yield* writer.flush
      for (const { runId } of runs) assert.deepStrictEqual(yield* known(writer, runId), yield* storedRun(runId))
    }).pipe(Effect.provide(layer))
  )

  it.scoped("is what is stored once another process has taken it over, however busy this one is with others", () =>
    Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const writer = yield* writerOf({ cache: 1 })
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* writer.updateDurable(a.module("m", "running"))
      yield* writer.run(a.runId)
      // a is idle, and one run is all that is kept
      yield* writer.updateDurable(b.module("m", "running"))
      yield* store.claim({ runId: a.runId, owner: "other", now: 9, expiredBefore: 9, reopen: false })
      const other = yield* writerOf()
      yield* other.updateDurable(updatesOf({ runId: a.runId, epoch: 2 }).run("stopped"))
      assert.strictEqual((yield* known(writer, a.runId))?.status, (yield* storedRun(a.runId))?.status)
    }).pipe(Effect.provide(layer))
  )

  const losses = {
    "another driver has it": (_: ControlledStore.Control, runId: RunId) =>
      Effect.flatMap(RunStore.RunStore, (store) =>
        store.claim({ runId, owner: "other", now: 9, expiredBefore: 9, reopen: false })
      ),
    "it cannot be written": (control: ControlledStore.Control) =>
      Effect.sync(() => {
        control.commit = (runs, commit) => (has(runs, "a") ? Effect.fail(ControlledStore.broken("full")) : commit)
      })
  }
  for (const [why, lose] of Object.entries(losses)) {
    it.scoped(`has nothing that was refused since ${why}`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const burial = yield* Effect.makeLatch(false)
        control.bury = (bury) => burial.whenOpen(bury)
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        yield* writer.updateDurable(a.module("m", "running"))
        yield* writer.run(a.runId)
        yield* lose(control, a.runId)
        yield* writer.update(a.module("m", "completed"))
        assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some("completed"), "it is accepted")
        const refused = yield* Effect.fork(Effect.flip(writer.updateDurable(a.module("n", "running"))))
        yield* quiet
        assert.deepStrictEqual(yield* statusOf(writer, a.runId, "m"), Option.some("running"), "it is refused")
        yield* burial.open
        yield* Fiber.join(refused)
        yield* writer.update(a.module("n", "running"))
        assert.deepStrictEqual(yield* known(writer, a.runId), yield* storedRun(a.runId))
        yield* writer.flush
        assert.deepStrictEqual(yield* known(writer, a.runId), yield* storedRun(a.runId))
      }).pipe(Effect.provide(layer))
    )
  }

  it.scoped("is what is stored once the writer's fiber was killed", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const { kill, writer } = yield* killable()
      const a = yield* openRun("a")
      yield* writer.updateDurable(a.module("m", "running"))
      yield* writer.run(a.runId)
      control.commit = () => Effect.never
      yield* writer.update(a.module("m", "completed", { durable: true }))
      yield* quiet
      yield* writer.update(a.module("n", "running"))
      yield* kill
      assert.deepStrictEqual(yield* known(writer, a.runId), yield* storedRun(a.runId))
    }).pipe(Effect.provide(layer))
  )
})
