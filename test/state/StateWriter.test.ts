import { assert, describe, it } from "@effect/vitest"
import { Array, Chunk, Effect, Exit, FastCheck as fc, Fiber, Logger, Metric, Schedule, TestClock } from "effect"
import { ModuleStatus, RunError, RunSnapshot, RunStore, StateWriter } from "heddle"
import type { Transition } from "heddle"
import type { StoreError } from "heddle/model/StoreError"
import * as Telemetry from "heddle/model/Telemetry"
import type { RunUpdate } from "heddle/state/Update"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import {
  closable,
  errorOf,
  has,
  isDone,
  observer,
  openRun,
  quiet,
  resultOf,
  rows,
  seqs,
  sizes,
  stored,
  updatesOf,
  writerOf,
  type Fate
} from "./Writers.js"

describe("StateWriter", () => {
  describe("accepted and acknowledged", () => {
    it.scoped("an update is accepted when it is queued, and acknowledged when it is committed", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        control.commit = (_, commit) => gate.whenOpen(commit)
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        const { offer } = observer(writer)

        yield* writer.update(a.module("m", "running", { durable: true }))
        const waiting = yield* Effect.fork(writer.updateDurable(a.module("m", "completed")))
        yield* quiet
        const fate = offer(a.module("n", "running", { durable: true }))
        assert.strictEqual(fate.accepted, 1)
        yield* quiet
        assert.deepStrictEqual(yield* stored("a"), [])
        assert.isFalse(yield* isDone(waiting))
        assert.deepStrictEqual(fate.results, [])

        yield* gate.open
        yield* Fiber.join(waiting)
        yield* quiet
        assert.strictEqual(resultOf(fate), "written")
        assert.deepStrictEqual(yield* stored("a"), [1, 2, 3])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("an acknowledgement is for everything that was accepted before, too", () =>
      Effect.gen(function* () {
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        yield* writer.update(a.module("m", "running"))
        yield* writer.update(b.module("m", "running"))
        yield* writer.updateDurable(a.module("m", "completed"))
        assert.deepStrictEqual(yield* stored("a"), [1, 2])
        assert.deepStrictEqual(yield* stored("b"), [1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("an updateDurable that is interrupted after its acceptance is written all the same", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        control.commit = (_, commit) => gate.whenOpen(commit)
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        const committing = yield* Effect.fork(writer.updateDurable(a.module("m", "running")))
        yield* quiet
        const queued = yield* Effect.fork(writer.updateDurable(a.module("m", "completed")))
        yield* quiet
        yield* Fiber.interruptAll([committing, queued])
        yield* gate.open
        yield* writer.flush
        assert.deepStrictEqual(yield* stored("a"), [1, 2])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("batches", () => {
    it.scoped("a durable update is written at once when the writer is free", () =>
      Effect.gen(function* () {
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        for (const status of ["scheduled", "running", "completed"] as const) {
          yield* writer.updateDurable(a.module("m", status))
        }
        assert.deepStrictEqual(sizes(yield* ControlledStore.ControlledStore), [1, 1, 1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("other updates are written together after the interval", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ interval: "100 millis" })
        const a = yield* openRun("a")
        yield* writer.update(a.module("m", "running"))
        yield* TestClock.adjust("40 millis")
        yield* writer.update(a.module("n", "running"))
        yield* TestClock.adjust("59 millis")
        assert.deepStrictEqual(control.tried, [])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(sizes(control), [2])
        yield* writer.update(a.module("m", "completed"))
        yield* TestClock.adjust("99 millis")
        assert.deepStrictEqual(sizes(control), [2])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(sizes(control), [2, 1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("other updates are written at once when they fill a batch, and no batch has more", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ batchSize: 3, interval: "1 second" })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        offer(a.module("m0", "running"))
        yield* quiet
        offer(a.module("m1", "running"))
        yield* quiet
        assert.deepStrictEqual(sizes(control), [])
        for (let i = 2; i < 7; i++) offer(a.module(`m${i}`, "running"))
        yield* quiet
        assert.deepStrictEqual(sizes(control), [3, 3])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(sizes(control), [3, 3, 1])
        for (let i = 7; i < 18; i++) offer(a.module(`m${i}`, "running", { durable: true }))
        yield* writer.flush
        assert.deepStrictEqual(sizes(control), [3, 3, 1, 3, 3, 3, 2])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("other updates go with a durable one", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        yield* writer.update(a.module("m", "running"))
        yield* quiet
        yield* writer.update(a.module("n", "running"))
        yield* writer.updateDurable(a.module("m", "completed"))
        assert.deepStrictEqual(sizes(control), [3])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("a full queue does not wait for the interval, however large a batch may be", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ capacity: 2, batchSize: 100, interval: "1 hour" })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const fates = Array.makeBy(5, (i) => offer(a.module(`m${i}`, "running", { durable: i === 4 })))
        yield* quiet
        assert.deepStrictEqual(fates.map(resultOf), Array.replicate("written", 5))
        assert.strictEqual(
          sizes(control).reduce((sum, size) => sum + size, 0),
          5
        )
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("durable updates that come while a batch is committed share the next one", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        control.commit = (_, commit) => gate.whenOpen(commit)
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        const first = yield* Effect.fork(writer.updateDurable(a.module("m0", "running")))
        yield* quiet
        const others = yield* Effect.fork(
          Effect.forEach(Array.range(1, 500), (i) => writer.updateDurable(a.module(`m${i}`, "running")), {
            concurrency: "unbounded"
          })
        )
        yield* quiet
        yield* gate.open
        yield* Fiber.join(first)
        yield* Fiber.join(others)
        assert.deepStrictEqual(sizes(control), [1, 500])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("the transitions of a module share its row, and none is lost to the history", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const store = yield* RunStore.RunStore
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        yield* writer.update(a.module("m", "scheduled"))
        yield* writer.update(a.module("m", "running"))
        yield* writer.updateDurable(a.module("m", "completed", { output: "42" }))

        assert.lengthOf(control.written, 1)
        const [changes] = control.written[0]!
        const row = {
          module: "m",
          status: "completed",
          attempt: 1,
          failure: null,
          because: null,
          until: null,
          items: null
        } as const
        const times = { scheduledAt: 1001, startedAt: 1002, finishedAt: 1003 }
        assert.deepStrictEqual(changes!.modules, [{ ...row, ...times, output: "42" }])
        assert.deepStrictEqual(yield* rows("a"), [{ ...row, ...times }])
        assert.deepStrictEqual(
          (yield* store.history(a.runId, { after: 0, limit: 10 })).map((transition) => [
            transition.seq,
            transition.at,
            transition._tag === "ModuleTransition" ? transition.status : undefined
          ]),
          [
            [1, 1001, "scheduled"],
            [2, 1002, "running"],
            [3, 1003, "completed"]
          ]
        )
        assert.deepStrictEqual([...(yield* store.outputs(a.runId, ["m"]))], [["m", "42"]])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("items, shared cells and the run's own status are folded into their rows, and counted", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const store = yield* RunStore.RunStore
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        const failure = { kind: "error", message: "no", cause: "no" } as const
        const bodies = [
          { _tag: "ModuleTransition", module: "m", status: "running", attempt: 1, items: 3 },
          { _tag: "ItemTransition", module: "m", index: 0, status: "failed", failure },
          { _tag: "ItemTransition", module: "m", index: 2, status: "completed", shared: { c: 1, d: [null] } },
          { _tag: "SharedTransition", shared: { c: 2 } },
          { _tag: "ModuleTransition", module: "ask", status: "suspended", attempt: 1, until: 60 },
          { _tag: "ModuleTransition", module: "nap", status: "suspended", attempt: 1, until: 50 },
          { _tag: "ModuleTransition", module: "nap", status: "completed", attempt: 1, shared: { c: 3 } },
          { _tag: "RunTransition", status: "suspended", epoch: 1, until: 40 },
          { _tag: "RunTransition", status: "running", epoch: 1 },
          { _tag: "RunTransition", status: "suspended", epoch: 1, until: 60 }
        ] as const
        const transitions = bodies.map((body, i): Transition.Transition => ({ ...body, seq: i + 1, at: i }))
        const output = (transition: Transition.Transition) =>
          transition._tag === "ItemTransition" && transition.status === "completed" ? "7" : null
        const before = yield* Metric.value(Telemetry.writerCoalesced)
        for (const transition of transitions) {
          yield* writer.update({ claim: a.claim, transition, output: output(transition), durability: "buffered" })
        }
        yield* writer.flush

        const times = { scheduledAt: null, startedAt: null, finishedAt: null }
        const none = { ...times, attempt: 1, failure: null, because: null, until: null, items: null, output: null }
        assert.deepStrictEqual(control.written, [
          [
            {
              runId: a.runId,
              epoch: 1,
              modules: [
                { ...none, module: "m", status: "running", startedAt: 0, items: 3 },
                { ...none, module: "ask", status: "suspended", until: 60 },
                { ...none, module: "nap", status: "completed", finishedAt: 6 }
              ],
              items: [
                { module: "m", index: 0, seq: 2, status: "failed", output: null, failure: JSON.stringify(failure) },
                { module: "m", index: 2, seq: 3, status: "completed", output: "7", failure: null }
              ],
              shared: [
                { cell: "c", value: "3" },
                { cell: "d", value: "[null]" }
              ],
              transitions,
              status: "suspended",
              wakeAt: 60
            }
          ]
        ])
        assert.deepStrictEqual(yield* store.history(a.runId, { after: 0, limit: 99 }), transitions)
        // the live cell's, the nap's first one and the run's first two
        const after = yield* Metric.value(Telemetry.writerCoalesced)
        assert.strictEqual(after.count - before.count, 4)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("a run that is not suspended has no time to wake", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        const run = (seq: number, status: Transition.RunStatus, until?: number): RunUpdate => ({
          claim: a.claim,
          transition: {
            _tag: "RunTransition",
            seq,
            at: seq,
            status,
            epoch: 1,
            ...(until === undefined ? undefined : { until })
          },
          output: null,
          durability: "committed"
        })
        yield* writer.updateDurable(run(1, "suspended"))
        yield* writer.updateDurable(run(2, "suspended", 0))
        yield* writer.updateDurable(run(3, "running", 5))
        yield* writer.updateDurable(run(4, "failed", 5))
        assert.deepStrictEqual(
          control.written.map(([changes]) => changes?.wakeAt),
          [null, 0, null, null]
        )
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("a transition that may not follow changes nothing, in the batch of the other or in a later one", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const writer = yield* writerOf()
        for (const name of ["together", "apart"]) {
          const run = yield* openRun(name)
          const late = [run.module("m", "completed", { output: "1" }), run.module("m", "completed", { output: "2" })]
          for (const update of late) {
            yield* writer.update(update)
            if (name === "apart") yield* writer.flush
          }
          yield* writer.flush
          assert.deepStrictEqual([...(yield* store.outputs(run.runId, ["m"]))], [["m", "1"]], name)
          assert.deepStrictEqual(yield* stored(name), [1, 2])
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("a full queue", () => {
    /** A writer with room for two, of which the first batch is being committed. */
    const full = Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf({ capacity: 2 })
      const a = yield* openRun("a")
      const observed = observer(writer)
      observed.offer(a.module("m0", "running", { durable: true }))
      yield* quiet
      for (const i of [1, 2]) observed.offer(a.module(`m${i}`, "running", { durable: true }))
      return { ...observed, a, control, gate, writer }
    })

    it.scoped("makes updates wait until there is room", () =>
      Effect.gen(function* () {
        const { a, control, gate, offer, writer } = yield* full
        const update = yield* Effect.fork(writer.update(a.module("m3", "running", { durable: true })))
        yield* quiet
        const fate = offer(a.module("m4", "running", { durable: true }))
        yield* quiet
        assert.isFalse(yield* isDone(update))
        assert.strictEqual(fate.accepted, 0)
        yield* gate.open
        yield* Fiber.join(update)
        yield* writer.flush
        assert.strictEqual(fate.accepted, 1)
        assert.strictEqual(resultOf(fate), "written")
        assert.deepStrictEqual(control.written.flatMap(seqs), [1, 2, 3, 4, 5])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("keeps the order of those that wait, and reports each accepted before it is settled", () =>
      Effect.gen(function* () {
        const { a, control, events, gate, offer, writer } = yield* full
        for (let i = 3; i < 50; i++) offer(a.module(`m${i}`, "running", { durable: i % 2 === 0 }))
        yield* quiet
        yield* gate.open
        yield* writer.flush
        assert.deepStrictEqual(control.written.flatMap(seqs), Array.range(1, 50))
        for (const kind of ["accepted", "settled"]) {
          assert.deepStrictEqual(
            events.filter((event) => event.startsWith(kind)),
            Array.makeBy(50, (i) => `${kind} ${i + 1}`)
          )
        }
        for (let i = 1; i <= 50; i++) {
          assert.isBelow(events.indexOf(`accepted ${i}`), events.indexOf(`settled ${i}`))
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("forgets an update that is interrupted while it waits", () =>
      Effect.gen(function* () {
        const { a, control, gate, writer } = yield* full
        const updates = yield* Effect.forEach(Array.range(3, 8), (i) => {
          const update = a.module(`m${i}`, "running", { durable: true })
          return Effect.fork(i % 2 === 0 ? writer.update(update) : writer.updateDurable(update))
        })
        yield* quiet
        // seq 6 and 7
        yield* Fiber.interruptAll([updates[2]!, updates[3]!])
        yield* quiet
        yield* gate.open
        yield* writer.flush
        assert.deepStrictEqual(control.written.flatMap(seqs), [1, 2, 3, 4, 5, 8, 9])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("makes a flush wait its turn", () =>
      Effect.gen(function* () {
        const { a, gate, offer, writer } = yield* full
        for (const i of [3, 4]) offer(a.module(`m${i}`, "running"))
        const flush = yield* Effect.fork(writer.flush)
        yield* quiet
        offer(a.module("m5", "running"))
        yield* quiet
        assert.isFalse(yield* isDone(flush))
        yield* gate.open
        yield* Fiber.join(flush)
        assert.includeMembers(yield* stored("a"), [1, 2, 3, 4, 5])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("a busy store", () => {
    it.scoped("is tried again; the updates behind wait, then all are acknowledged", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        let busy = 8
        control.commit = (_, commit) =>
          Effect.suspend(() => (busy-- > 0 ? Effect.fail(ControlledStore.broken("busy")) : commit))
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        const { offer } = observer(writer)
        const first = offer(a.module("m", "running", { durable: true }))
        yield* quiet
        const second = offer(b.module("m", "running", { durable: true }))
        yield* TestClock.adjust("300 millis")
        assert.isAbove(control.tried.length, 4)
        assert.isTrue(control.tried.every((batch) => has(batch, "a") && !has(batch, "b")))
        assert.deepStrictEqual([first.results, second.results], [[], []])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([first, second].map(resultOf), ["written", "written"])
        assert.lengthOf(control.tried, 10)
        assert.deepStrictEqual(yield* stored("b"), [1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("is tried at least every 250 ms or so, at whole milliseconds", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        control.commit = () => Effect.fail(ControlledStore.broken("busy"))
        const writer = yield* writerOf({ retry: Schedule.upTo(StateWriter.defaults.retry, "2 seconds") })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const fate = offer(a.module("m", "running", { durable: true }))
        while (fate.results.length === 0) {
          yield* quiet
          const [next] = yield* TestClock.sleeps()
          if (next === undefined) break
          const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
          assert.isTrue(Number.isInteger(next), `${next}`)
          assert.isAtMost(next - now, 300)
          yield* TestClock.setTime(next)
        }
        assert.strictEqual(resultOf(fate), "WriteFailed")
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("that stays busy is given up on once for all runs of the batch", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        control.commit = () => Effect.fail(ControlledStore.broken("busy"))
        const writer = yield* writerOf({ retry: Schedule.upTo(StateWriter.defaults.retry, "1 second") })
        const runs = yield* Effect.forEach(Array.range(1, 5), (i) => openRun(`r${i}`))
        const { offer } = observer(writer)
        const fates = runs.map((run) => offer(run.module("m", "running", { durable: true })))
        yield* TestClock.adjust("900 millis")
        assert.isTrue(fates.every(({ results }) => results.length === 0))
        yield* TestClock.adjust("600 millis")
        for (const [i, fate] of fates.entries()) {
          const error = errorOf(fate.results[0])
          assert(error._tag === "WriteFailed")
          assert.deepStrictEqual([error.runId, error.cause.reason], [runs[i]!.runId, "busy"])
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("a store that fails", () => {
    const failsFor =
      (name: string, error: StoreError): ControlledStore.Control["commit"] =>
      (batch, commit) =>
        has(batch, name) ? Effect.fail(error) : commit

    it.scoped("for one run fails the updates of that run, with the cause; the others are written", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const full = ControlledStore.broken("full")
        control.commit = failsFor("b", full)
        const writer = yield* writerOf()
        const [a, b, c] = [yield* openRun("a"), yield* openRun("b"), yield* openRun("c")]
        const { offer } = observer(writer)
        const updates = [a, b, c, a, b, c].map((run, i) => run.module(`m${i}`, "running", { durable: true }))
        const fates = updates.map(offer)
        yield* quiet
        assert.deepStrictEqual(fates.map(resultOf), [
          "written",
          "WriteFailed",
          "written",
          "written",
          "WriteFailed",
          "written"
        ])
        const error = errorOf(fates[1]!.results[0])
        assert(error._tag === "WriteFailed")
        assert.strictEqual(error.runId, b.runId)
        assert.strictEqual(error.cause, full)
        assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c"], stored), [[1, 2], [], [1, 2]])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("refuses the later updates of that run with the same error, also when it works again", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        const { offer } = observer(writer)
        yield* writer.updateDurable(a.module("m", "running"))
        control.commit = failsFor("a", ControlledStore.broken("failed"))
        const refused = yield* Effect.flip(writer.updateDurable(a.module("m", "completed")))
        control.commit = undefined
        const tried = control.tried.length

        const fates = [a.module("n", "running", { durable: true }), b.module("m", "running"), a.run("completed")].map(
          offer
        )
        yield* writer.flush
        assert.deepStrictEqual(fates.map(resultOf), ["WriteFailed", "written", "WriteFailed"])
        assert.strictEqual(errorOf(fates[0]!.results[0]), refused)
        assert.strictEqual(errorOf(fates[2]!.results[0]), refused)
        assert.strictEqual(yield* Effect.flip(writer.updateDurable(a.run("completed"))), refused)
        assert.isFalse(control.tried.slice(tried).some((batch) => has(batch, "a")))
        assert.deepStrictEqual(yield* stored("a"), [1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("takes the updates of the next driver of that run", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const a = yield* openRun("a")
        control.commit = failsFor("a", ControlledStore.broken("failed"))
        yield* Effect.flip(writer.updateDurable(a.module("m", "running")))
        control.commit = undefined
        const again = updatesOf({ runId: a.runId, epoch: 1 })
        yield* writer.updateDurable(again.module("m", "running"))
        assert.deepStrictEqual(yield* stored("a"), [1])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("refuses a driver that was taken over, and no other run of its batch", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        yield* writer.updateDurable(a.module("m", "running"))
        yield* store.claim({ runId: a.runId, owner: "other", now: 10, expiredBefore: 10, reopen: false })
        const next = updatesOf({ runId: a.runId, epoch: 2 })
        const { offer } = observer(writer)
        const updates = [
          a.module("m", "completed", { durable: true }),
          b.module("m", "running"),
          ...[next.module("x", "running"), next.module("x", "running")],
          a.module("n", "running")
        ]
        const fates = updates.map(offer)
        yield* writer.flush
        assert.deepStrictEqual(fates.map(resultOf), ["RunLost", "written", "written", "written", "RunLost"])
        const error = errorOf(fates[0]!.results[0])
        assert.deepStrictEqual(error, new RunError.RunLost({ runId: a.runId, epoch: 1 }))
        assert.strictEqual(yield* Effect.flip(writer.updateDurable(a.run("completed"))), error)
        assert.deepStrictEqual(
          (yield* rows("a")).map(({ module, status }) => [module, status]),
          [
            ["m", "running"],
            ["x", "running"]
          ]
        )
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    const defects: Record<string, ControlledStore.Control["commit"]> = {
      dies: () => Effect.die(new Error("broken")),
      throws: () => {
        throw new Error("broken")
      },
      "interrupts itself": () => Effect.interrupt
    }
    for (const [title, commit] of Object.entries(defects)) {
      it.scoped(`and ${title} does not end the writer`, () =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          const writer = yield* writerOf()
          const [a, b, c] = [yield* openRun("a"), yield* openRun("b"), yield* openRun("c")]
          control.commit = commit
          const { offer } = observer(writer)
          const fates = [a, b].map((run) => offer(run.module("m", "running", { durable: true })))
          yield* quiet
          for (const [i, fate] of fates.entries()) {
            const error = errorOf(fate.results[0])
            assert(error._tag === "WriteFailed")
            assert.strictEqual(error.runId, [a, b][i]!.runId)
            assert.strictEqual(error.cause.reason, "failed")
          }
          control.commit = undefined
          const later = offer(c.module("m", "running", { durable: true }))
          yield* quiet
          assert.strictEqual(resultOf(later), "written")
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }

    it.scoped("and a listener that throws do not end the writer", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ capacity: 1 })
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        const { offer } = observer(writer)
        const broken = () => {
          throw new Error("broken")
        }
        control.commit = failsFor("a", ControlledStore.broken("failed"))
        for (let i = 0; i < 3; i++) {
          for (const run of [a, b]) {
            writer.unsafeUpdate(run.module(`m${i}`, "running"), { accepted: broken, settled: broken })
          }
        }
        const fates = [a, b].map((run) => offer(run.module("m", "running")))
        yield* writer.flush
        assert.deepStrictEqual(fates.map(resultOf), ["WriteFailed", "written"])
        assert.deepStrictEqual(yield* stored("b"), [1, 2, 3, 4])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("is not asked to keep what JSON cannot hold: that run is refused, the others are written", () =>
      Effect.gen(function* () {
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        const { offer } = observer(writer)
        const failure = { kind: "error", message: "no", cause: "no", error: 1n } as const
        const fates = [
          a.module("m", "running", { durable: true }),
          b.module("m", "running", { durable: true }),
          a.module("m", "failed", { durable: true, failure }),
          b.module("m", "completed", { durable: true })
        ].map(offer)
        yield* quiet
        assert.deepStrictEqual(fates.map(resultOf), ["WriteFailed", "written", "WriteFailed", "written"])
        yield* writer.updateDurable(b.run("completed"))
        assert.deepStrictEqual(yield* stored("a"), [])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("flush", () => {
    it.scoped("returns at once when there is nothing to write", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        yield* writer.flush
        yield* writer.updateDurable((yield* openRun("a")).module("m", "running"))
        yield* Effect.all([writer.flush, writer.flush, writer.flush], { concurrency: "unbounded" })
        assert.lengthOf(control.tried, 1)
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("waits for what was accepted before, written or refused, and not for the interval", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        control.commit = (batch, commit) =>
          Effect.yieldNow().pipe(
            Effect.zipRight(has(batch, "b") ? Effect.fail(ControlledStore.broken("full")) : commit)
          )
        const { offer } = observer(writer)
        const fates = [a.module("m", "running"), b.module("m", "running")].map(offer)
        yield* writer.flush
        assert.deepStrictEqual(fates.map(resultOf), ["written", "WriteFailed"])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("close", () => {
    it.scoped("writes what is queued, without waiting for the interval", () =>
      Effect.gen(function* () {
        const { close, writer } = yield* closable({ interval: "1 hour", capacity: 10, batchSize: 4 })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const fates = Array.makeBy(25, (i) => offer(a.module(`m${i}`, "running")))
        yield* close
        assert.deepStrictEqual(fates.map(resultOf), Array.replicate("written", 25))
        assert.deepStrictEqual(yield* stored("a"), Array.range(1, 25))
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("refuses every update after it; there is nothing left to flush", () =>
      Effect.gen(function* () {
        const { close, writer } = yield* closable()
        const a = yield* openRun("a")
        yield* close
        const closed = new RunError.WriterClosed({ runId: a.runId })
        assert.deepStrictEqual(yield* Effect.flip(writer.update(a.module("m", "running"))), closed)
        assert.deepStrictEqual(yield* Effect.flip(writer.updateDurable(a.module("m", "running"))), closed)
        const fate = observer(writer).offer(a.module("m", "running"))
        assert.strictEqual(resultOf(fate), "WriterClosed")
        assert.strictEqual(fate.accepted, 0)
        yield* writer.flush
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("refuses updates from its beginning; a flush meanwhile waits for what was accepted before", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        control.commit = (_, commit) => gate.whenOpen(commit)
        const { close, writer } = yield* closable()
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const before = offer(a.module("m", "running"))
        const closing = yield* Effect.fork(close)
        yield* quiet
        assert.strictEqual(resultOf(offer(a.module("m", "completed"))), "WriterClosed")
        const flush = yield* Effect.fork(writer.flush)
        yield* quiet
        assert.isFalse(yield* isDone(flush))
        yield* gate.open
        yield* Fiber.joinAll([flush, closing])
        assert.strictEqual(resultOf(before), "written")
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    const hanging: Record<string, Effect.Effect<never>> = {
      hangs: Effect.never,
      "hangs and cannot be interrupted": Effect.uninterruptible(Effect.never)
    }
    for (const [title, hang] of Object.entries(hanging)) {
      it.scoped(`gives up after its time on a store that ${title}, and settles all that waits`, () =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          control.commit = () => hang
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => void lines.push(Array.ensure(message).join(" ")))
          const { close, writer } = yield* closable({ capacity: 2, close: "10 seconds" }).pipe(
            Effect.provide(Logger.add(logger))
          )
          const a = yield* openRun("a")
          const { offer } = observer(writer)
          const committing = offer(a.module("m0", "running", { durable: true }))
          yield* quiet
          // two in the queue, the others wait for room
          const waiting = Array.makeBy(7, (i) => offer(a.module(`m${i + 1}`, "running", { durable: true })))
          const fibers = [
            yield* Effect.fork(Effect.exit(writer.update(a.module("m8", "running")))),
            yield* Effect.fork(Effect.exit(writer.updateDurable(a.module("m9", "running"))))
          ]
          const flush = yield* Effect.fork(writer.flush)
          yield* quiet
          // as where layers are provided
          const closing = yield* Effect.fork(Effect.uninterruptible(close))
          yield* TestClock.adjust("9999 millis")
          assert.isFalse(yield* isDone(closing))
          assert.isTrue([committing, ...waiting].every(({ results }) => results.length === 0))
          yield* TestClock.adjust("1 millis")
          assert.deepStrictEqual([committing, ...waiting].map(resultOf), Array.replicate("WriterClosed", 8))
          for (const fiber of fibers) {
            assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail(new RunError.WriterClosed({ runId: a.runId })))
          }
          yield* Fiber.join(flush)
          yield* TestClock.adjust("10 seconds")
          assert.isTrue(yield* isDone(closing))
          assert.include(lines, "closed before 3 updates were written: a (3)")
          assert.deepStrictEqual(yield* stored("a"), [])
        }).pipe(Effect.provide(ControlledStore.layer))
      )
    }

    it.scoped("settles nothing a second time", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const { close, writer } = yield* closable()
        const [a, b, c] = [yield* openRun("a"), yield* openRun("b"), yield* openRun("c")]
        const { offer } = observer(writer)
        // c is refused from now on
        control.commit = () => Effect.fail(ControlledStore.broken("failed"))
        yield* Effect.flip(writer.updateDurable(c.module("m", "running")))
        // the batch fails, a alone is written, b alone hangs
        control.commit = (batch, commit) =>
          batch.length > 1 ? Effect.fail(ControlledStore.broken("failed")) : has(batch, "b") ? Effect.never : commit
        const fates = [c, a, b].map((run) => offer(run.module("m", "running", { durable: true })))
        yield* quiet
        const closing = yield* Effect.fork(close)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(fates.map(resultOf), ["WriteFailed", "written", "WriterClosed"])
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("without any time settles all the same what waits for others to share its batch", () =>
      Effect.gen(function* () {
        const { close, writer } = yield* closable({ close: 0 })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const fate = offer(a.module("m", "running"))
        yield* quiet
        yield* close
        assert.lengthOf(fate.results, 1)
        assert.strictEqual(resultOf(fate) === "written", (yield* stored("a")).length === 1)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })

  describe("whatever happens", () => {
    type Fault = "commits" | "yields" | "busy" | "is busy after it committed" | "fails" | "dies"
    type Way = "unsafeUpdate" | "update" | "updateDurable"
    type Action =
      | {
          readonly _tag: "Update"
          readonly run: number
          readonly way: Way
          readonly durable: boolean
          readonly of: Step
        }
      | { readonly _tag: "Flush" | "Interrupt" }
      | { readonly _tag: "Yield"; readonly times: number }
      | { readonly _tag: "Poison" | "TakeOver" | "End"; readonly run: number }
      | { readonly _tag: "Wait"; readonly millis: number }
    interface Step {
      readonly module: number
      readonly status: ModuleStatus.ModuleStatus
      readonly again: boolean
    }

    const names = ["a", "b", "c"]
    const run = fc.nat(names.length - 1)
    const step: fc.Arbitrary<Step> = fc.record({
      module: fc.nat(3),
      status: fc.constantFrom("scheduled", "running", "running", "suspended", "completed", "failed", "cancelled"),
      again: fc.boolean()
    })
    const action: fc.Arbitrary<Action> = fc.oneof(
      {
        weight: 40,
        arbitrary: fc.record({
          _tag: fc.constant("Update" as const),
          run,
          way: fc.constantFrom<Array<Way>>("unsafeUpdate", "unsafeUpdate", "update", "updateDurable"),
          durable: fc.boolean(),
          of: step
        })
      },
      {
        weight: 6,
        arbitrary: fc.record({ _tag: fc.constant("Yield" as const), times: fc.integer({ min: 1, max: 20 }) })
      },
      { weight: 2, arbitrary: fc.record({ _tag: fc.constantFrom("Flush" as const, "Interrupt" as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({ _tag: fc.constantFrom("Poison" as const, "TakeOver" as const, "End" as const), run })
      },
      { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Wait" as const), millis: fc.nat(30) }) }
    )
    const faults: fc.Arbitrary<ReadonlyArray<Fault>> = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom<Array<Fault>>("commits", "yields") },
        {
          weight: 1,
          arbitrary: fc.constantFrom<Array<Fault>>("busy", "is busy after it committed", "fails", "dies")
        }
      ),
      { maxLength: 12 }
    )
    const size = fc.integer({ min: 1, max: 6 })

    it.effect.prop(
      "a run's store holds the first of its updates in their order, the acknowledged among them; all are settled once",
      [fc.array(action, { maxLength: 60 }), faults, size, size, fc.boolean()],
      ([actions, faults, capacity, batchSize, hangs]) =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          const store = yield* RunStore.RunStore
          const { close, writer } = yield* closable({ capacity, batchSize, interval: "20 millis", close: "1 second" })
          const poisoned = new Set<string>()
          let commits = 0
          control.commit = (batch, commit) =>
            Effect.suspend(() => {
              if (batch.some(({ runId }) => poisoned.has(runId))) return Effect.fail(ControlledStore.broken("full"))
              const busy = Effect.fail(ControlledStore.broken("busy"))
              switch (faults[commits++]) {
                case "yields":
                  return Effect.zipRight(Effect.replicateEffect(Effect.yieldNow(), 5), commit)
                case "busy":
                  return busy
                case "is busy after it committed":
                  return Effect.zipRight(commit, busy)
                case "fails":
                  return Effect.fail(ControlledStore.broken("failed"))
                case "dies":
                  return Effect.die("broken")
                default:
                  return commit
              }
            })

          interface Offered {
            readonly way: Way
            readonly fate: Fate
            /** Of those that a fiber waits for. */
            fiber?: Fiber.RuntimeFiber<void, StateWriter.WriteError>
            withdrawn: boolean
          }
          const runs = yield* Effect.forEach(names, (name) =>
            Effect.map(openRun(name), (updates) => ({
              ...updates,
              offered: [] as Array<Offered>,
              modules: new Map<string, RunSnapshot.ModuleState>()
            }))
          )
          type Run = (typeof runs)[number]

          const offer = (run: Run, way: Way, update: RunUpdate) =>
            Effect.gen(function* () {
              const fate: Fate = { seq: update.transition.seq, accepted: 0, results: [] }
              const offered: Offered = { way, fate, withdrawn: false }
              run.offered.push(offered)
              if (way === "unsafeUpdate") {
                return writer.unsafeUpdate(update, {
                  accepted: () => fate.accepted++,
                  settled: (result) => fate.results.push(result)
                })
              }
              offered.fiber = yield* Effect.fork(
                way === "update"
                  ? writer.update(update)
                  : Effect.onExit(writer.updateDurable(update), (exit) => Effect.sync(() => fate.results.push(exit)))
              )
              yield* Effect.yieldNow()
            })

          const check = Effect.forEach(
            runs,
            ({ offered, runId }) =>
              Effect.gen(function* () {
                const kept = yield* stored(runId)
                // one that was accepted in the turn in which its fiber was interrupted is written
                const wanted = offered
                  .filter(({ fate, withdrawn }) => !withdrawn || kept.includes(fate.seq))
                  .map(({ fate }) => fate)
                assert.deepStrictEqual(
                  kept,
                  wanted.slice(0, kept.length).map(({ seq }) => seq),
                  "a prefix of what was offered"
                )
                const known = wanted.filter(({ results }) => results.length > 0)
                for (const { results, seq } of known) {
                  assert.lengthOf(results, 1, "settled once")
                  if (Exit.isSuccess(results[0]!)) assert.include(kept, seq, "what is acknowledged is stored")
                }
                const written = known.map(({ results }) => Exit.isSuccess(results[0]!))
                assert.isFalse(
                  written.some((is, i) => is && written[i - 1] === false),
                  "nothing is acknowledged after a refusal"
                )
              }),
            { discard: true }
          )

          const flushes: Array<Fiber.RuntimeFiber<void>> = []
          const perform = (action: Action) =>
            Effect.gen(function* () {
              switch (action._tag) {
                case "Update": {
                  const run = runs[action.run]!
                  const name = `m${action.of.module}`
                  const before = run.modules.get(name) ?? { status: "pending", attempt: 0 }
                  const attempt = before.attempt + (action.of.again || before.attempt === 0 ? 1 : 0)
                  const next = { status: action.of.status, attempt }
                  if (!ModuleStatus.canFollow(before, next)) return
                  run.modules.set(name, next)
                  return yield* offer(run, action.way, {
                    ...run.module(name, next.status, { attempt, durable: action.durable })
                  })
                }
                case "End": {
                  const run = runs[action.run]!
                  return yield* offer(run, "unsafeUpdate", run.run("completed", { durable: true }))
                }
                case "Flush":
                  return flushes.push(yield* Effect.fork(writer.flush))
                case "Interrupt": {
                  const waiting = runs
                    .flatMap(({ offered }) => offered)
                    .find(({ fiber, way }) => way === "update" && fiber?.unsafePoll() === null)
                  if (waiting === undefined) return
                  waiting.withdrawn = Exit.isInterrupted(yield* Fiber.interrupt(waiting.fiber!))
                  return
                }
                case "Yield":
                  return yield* Effect.replicateEffect(Effect.yieldNow(), action.times)
                case "Poison":
                  return poisoned.add(names[action.run]!)
                case "TakeOver": {
                  const { runId } = runs[action.run]!
                  return yield* store.claim({ runId, owner: "other", now: 1, expiredBefore: 1, reopen: false })
                }
                case "Wait":
                  return yield* TestClock.adjust(action.millis)
              }
            })

          for (const action of actions) {
            yield* perform(action)
            yield* check
          }
          if (hangs) control.commit = () => Effect.never
          const closing = yield* Effect.fork(close)
          while (!(yield* isDone(closing))) yield* TestClock.adjust("1 second")
          yield* quiet
          yield* check
          for (const { offered } of runs) {
            for (const { fate, fiber } of offered) {
              if (fiber === undefined) assert.lengthOf(fate.results, 1)
              else assert.isTrue(yield* isDone(fiber))
              assert.isAtMost(fate.accepted, 1)
            }
          }
          for (const flush of flushes) assert.isTrue(yield* isDone(flush))
          // the rows are what the transitions say, however these were spread over batches
          for (const { runId } of runs) {
            const history = yield* store.history(runId, { after: 0, limit: Infinity })
            const empty = RunSnapshot.make({ ...ControlledStore.newRun(runId), startedAt: 0 })
            const { modules } = history.reduce(RunSnapshot.evolve, empty)
            const times = (state: RunSnapshot.ModuleState | RunStore.ModuleRow) => [
              state.status,
              state.attempt,
              ...[state.scheduledAt, state.startedAt, state.finishedAt].map((at) => at ?? null)
            ]
            assert.deepStrictEqual(
              Object.fromEntries((yield* rows(runId)).map((row) => [row.module, times(row)])),
              Object.fromEntries(Array.fromIterable(modules).map(([name, state]) => [name, times(state)]))
            )
          }
        }).pipe(Effect.scoped, Effect.provide(ControlledStore.layer)),
      { fastCheck: { numRuns } }
    )
  })

  it.scoped("has no timer while there is nothing to write", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      const timers = Effect.map(Effect.zipRight(quiet, TestClock.sleeps()), Chunk.size)
      assert.strictEqual(yield* timers, 0)
      yield* writer.updateDurable(a.module("m", "running"))
      assert.strictEqual(yield* timers, 0)
      yield* writer.update(a.module("m", "completed"))
      assert.strictEqual(yield* timers, 1)
      yield* TestClock.adjust(StateWriter.defaults.interval)
      assert.deepStrictEqual(yield* stored("a"), [1, 2])
      assert.strictEqual(yield* timers, 0)
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})
