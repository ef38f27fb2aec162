/** How a writer ends: it is closed, or its fiber is killed. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Cause, Effect, Exit, Fiber, Layer, Logger, Option, Schema, TestClock } from "effect"
import { Dag, Engine, Module, RunId, RunStore } from "heddle"
import { alone } from "../run/Harness.js"
import * as ControlledStore from "./ControlledStore.js"
import {
  checkCounts,
  errorOf,
  has,
  hasState,
  isDone,
  killable,
  observer,
  openRun,
  quiet,
  stored,
  storedState,
  withFiber,
  writerOf,
  type Fate,
  type Writer
} from "./Writers.js"

/** The lines that are logged, and a logger that keeps them. */
const logged = () => {
  const lines: Array<string> = []
  return { lines, logger: Logger.add(Logger.make(({ message }) => void lines.push(Array.ensure(message).join(" ")))) }
}

const reportOf = (writer: Writer) => Effect.map(writer.close, ({ unwritten }) => Object.fromEntries(unwritten))

describe("close", () => {
  it.scoped("reports what it could not write, by key, to whoever closes", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.never
      const { lines, logger } = logged()
      const writer = yield* writerOf({ close: "1 second", capacity: 4 }).pipe(Effect.provide(logger))
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* writer.update(a.module("m", "running", { durable: true }))
      yield* quiet
      yield* writer.update(a.module("n", "running"))
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* writer.update({ key: "k", set: { x: 2 } })
      yield* writer.update(b.module("m", "running"))
      // it was never accepted
      const waiting = yield* Effect.fork(Effect.flip(writer.update(b.module("n", "running"))))
      yield* quiet
      const closing = yield* Effect.forEach(Array.range(1, 3), () => Effect.fork(reportOf(writer)))
      yield* quiet
      // it is closed all the same
      yield* Fiber.interrupt(closing[0])
      yield* TestClock.adjust("1 second")
      const unwritten = { a: 2, k: 2, b: 1 }
      for (const fiber of closing.slice(1)) assert.deepStrictEqual(yield* Fiber.join(fiber), unwritten)
      assert.deepStrictEqual(yield* reportOf(writer), unwritten)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "WriterClosed")
      assert.lengthOf(
        lines.filter((line) => line.startsWith("closed before 5 updates were written: ")),
        1
      )
      assert.deepStrictEqual(yield* storedState("k"), undefined)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("reports nothing when everything was written, and what was refused is no part of it", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = (runs, commit) => (has(runs, "a") ? Effect.fail(ControlledStore.broken("full")) : commit)
      const writer = yield* writerOf()
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* writer.update(a.module("m", "running"))
      yield* writer.update(b.module("m", "running"))
      assert.deepStrictEqual(yield* reportOf(writer), {})
      assert.deepStrictEqual(yield* stored("b"), [1])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("refuses updates from then on, with errors of their kind", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.updateDurable({ key: "k", set: { x: 1 } })
      yield* writer.close
      for (const write of [writer.update, writer.updateDurable]) {
        const error = yield* Effect.flip(write({ key: "k", set: { x: 2 } }))
        assert.deepStrictEqual([error._tag, error.key, error.reason], ["StateNotWritten", "k", "closed"])
        assert.strictEqual((yield* Effect.flip(write(a.module("m", "running"))))._tag, "WriterClosed")
        // what is not valid is told first
        assert.strictEqual((yield* Effect.flip(write({ key: "k" }))).reason, "invalid")
      }
      yield* writer.flush
      yield* writer.release(a.claim)
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ x: 1 }))
      assert.strictEqual((yield* writer.stats).queued, 1)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("ends although it cannot be logged", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.never
      const broken = Logger.make(() => {
        throw new Error("broken")
      })
      const writer = yield* writerOf({ close: "1 second" }).pipe(Effect.provide(Logger.add(broken)))
      yield* writer.update({ key: "k", set: { x: 1 } })
      const closing = yield* Effect.fork(reportOf(writer))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(closing), { k: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("settles what is being dropped, too, and all of it alike", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.fail(ControlledStore.broken("full"))
      control.bury = () => Effect.never
      const writer = yield* writerOf({ close: "1 second", batchSize: 1 })
      yield* quiet
      const fibers = yield* Effect.forEach([1, 2, 3], (x) =>
        Effect.fork(Effect.exit(writer.updateDurable({ key: "k", set: { x } })))
      )
      yield* TestClock.adjust("500 millis")
      const closing = yield* Effect.fork(reportOf(writer))
      yield* TestClock.adjust("499 millis")
      assert.isFalse(yield* isDone(closing))
      yield* TestClock.adjust("1 minute")
      const reasons = yield* Effect.forEach(fibers, (fiber) =>
        Effect.map(Fiber.join(fiber), (exit) => errorOf(exit).reason)
      )
      assert.deepStrictEqual([reasons, yield* Fiber.join(closing)], [["failed", "failed", "failed"], {}])
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("a layer that is built twice", () => {
  it.scoped("is two writers over one store: the end of one is nothing to the other", () =>
    Effect.gen(function* () {
      const { kill, writer: one } = yield* killable()
      const other = yield* writerOf()
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* one.update(a.module("m", "running"))
      yield* other.update(b.module("m", "running"))
      yield* other.updateDurable({ key: "k", set: { x: 1 } })
      assert.deepStrictEqual([yield* stored("a"), yield* stored("b")], [[], [1]])
      yield* kill
      yield* other.updateDurable({ key: "k", set: { y: 2 } })
      yield* other.close
      const third = yield* writerOf()
      assert.deepStrictEqual(yield* third.get("k"), Option.some({ x: 1, y: 2 }))
      yield* third.updateDurable(a.module("n", "running"))
      assert.deepStrictEqual(yield* stored("a"), [2])
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("the writer's fiber that is killed", () => {
  /** What it does when it is killed, and the updates that were accepted before: run "a" and key "k", and "bad". */
  const moments: Record<string, (control: ControlledStore.Control) => Effect.Effect<void>> = {
    "while it waits for the interval": () => Effect.void,
    "while it commits": (control) => {
      control.commit = () => Effect.never
      return quiet
    },
    "while it commits and cannot be interrupted": (control) => {
      const slow = Effect.replicateEffect(Effect.yieldNow(), 50)
      control.commit = (_, commit) => Effect.uninterruptible(Effect.zipRight(slow, commit))
      return Effect.yieldNow()
    },
    "when its commit has taken effect": (control) => {
      control.commit = (_, commit) => Effect.zipLeft(commit, Effect.never)
      return quiet
    },
    "while it waits to try again": (control) => {
      control.commit = () => Effect.fail(ControlledStore.broken("busy"))
      return quiet
    },
    "while it tries each alone": (control) => {
      control.commit = (runs, commit, batch) =>
        runs.length + batch.states.length > 1
          ? Effect.fail(ControlledStore.broken("full"))
          : has(runs, "a")
            ? commit
            : Effect.never
      return quiet
    },
    "while it keeps a dead letter": (control) => {
      control.commit = (_, commit, batch) =>
        hasState(batch, "bad") ? Effect.fail(ControlledStore.broken("full")) : commit
      control.bury = () => Effect.never
      return quiet
    }
  }
  for (const [when, prepare] of Object.entries(moments)) {
    it.scoped(`${when} fails all that waits, or has written it; nothing hangs`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const { lines, logger } = logged()
        const { kill, writer } = yield* killable({ capacity: 5 }).pipe(Effect.provide(logger))
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        const durable = when !== "while it waits for the interval"
        const fates: Array<Fate> = [offer(a.module("m", "running", { durable }))]
        const forked = <E>(write: Effect.Effect<void, E>) => Effect.fork(Effect.exit(write))
        yield* writer.update({ key: "bad", set: { x: 1 } })
        const fibers = durable ? [yield* forked(writer.updateDurable({ key: "k", set: { x: 1 } }))] : []
        yield* prepare(control)
        for (let i = 0; i < 4; i++) {
          fates.push(offer(a.module(`m${i}`, "running")))
          yield* writer.update({ key: "bad", set: { x: i } }).pipe(Effect.fork)
        }
        fibers.push(yield* forked(writer.update({ key: "l", set: { x: 1 } })))
        fibers.push(yield* forked(writer.updateDurable({ key: "bad", set: { x: 9 } })))
        const flushing = yield* Effect.fork(writer.flush)
        yield* Effect.yieldNow()

        yield* kill
        yield* quiet
        const kept = yield* stored("a")
        for (const { results, seq } of fates) {
          assert.lengthOf(results, 1)
          if (Exit.isSuccess(results[0]!)) assert.include(kept, seq)
          else {
            const error = errorOf(results[0])
            assert(error._tag === "WriterClosed")
            assert(Cause.isCause(error.cause) && Cause.isInterruptedOnly(error.cause))
          }
        }
        const isWritten = fates.map(({ results }) => Exit.isSuccess(results[0]!))
        assert.deepStrictEqual(isWritten, [...isWritten].sort().reverse(), "a prefix")
        for (const fiber of fibers) {
          const exit = yield* Fiber.join(fiber)
          if (Exit.isFailure(exit)) assert.include(["closed", "failed"], errorOf(exit).reason)
        }
        yield* Fiber.join(flushing)
        assert.include(lines, "the writer's fiber has ended, and nothing is written any more")

        // it has ended for good
        const error = yield* Effect.flip(writer.updateDurable({ key: "k", set: { x: 2 } }))
        assert.strictEqual(error.reason, "closed")
        assert(Cause.isCause(error.cause) && Cause.isInterruptedOnly(error.cause))
        assert.strictEqual((yield* Effect.flip(writer.update(a.run("completed"))))._tag, "WriterClosed")
        yield* writer.flush
        yield* writer.release(a.claim)
        const stats = yield* writer.stats
        checkCounts(stats, "at the end")
        assert.deepStrictEqual([stats.depth, stats.inFlight, stats.waiting], [0, 0, 0])
        const unwritten = yield* reportOf(writer)
        assert.isAtMost(
          Object.values(unwritten).reduce((sum, count) => sum + count, 0),
          stats.failed
        )
        for (const key of ["k", "l", "bad"]) {
          assert.deepStrictEqual(Option.getOrUndefined(yield* writer.get(key)), yield* storedState(key), key)
        }
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }

  it.scoped("while there is nothing to write fails what comes later", () =>
    Effect.gen(function* () {
      const { kill, writer } = yield* killable()
      const a = yield* openRun("a")
      yield* writer.updateDurable(a.module("m", "running"))
      yield* kill
      const error = yield* Effect.flip(writer.updateDurable(a.module("n", "running")))
      assert.strictEqual(error._tag, "WriterClosed")
      assert.deepStrictEqual(yield* reportOf(writer), {})
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("while it closes is the end of that", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.never
      const { kill, writer } = yield* killable({ close: "1 hour" })
      yield* writer.update({ key: "k", set: { x: 1 } })
      const closing = yield* Effect.fork(reportOf(writer))
      yield* quiet
      yield* kill
      assert.deepStrictEqual(yield* Fiber.join(closing), { k: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  describe("under an engine", () => {
    /** A run of two modules whose writer is killed while the first of them runs, and how it ends. */
    const execute = (durability: "memory" | "buffered" | "committed" | "fsynced") =>
      Effect.gen(function* () {
        const { built, fiber } = yield* withFiber(Layer.build(alone()))
        const begun = yield* Effect.makeLatch(false)
        const goesOn = yield* Effect.makeLatch(false)
        const first = Module.make("first", {
          output: Schema.Int,
          run: () => Effect.as(Effect.zipRight(begun.open, goesOn.await), 1)
        })
        const second = Module.make("second", { needs: { first }, output: Schema.Int, run: () => Effect.succeed(2) })
        const dag = Dag.make("d", { outputs: { second } })
        const run = (name: string) =>
          Effect.fork(Effect.exit(Engine.execute(dag, {}, { runId: RunId.make(name), durability })))
        const endOf = (running: Effect.Effect.Success<ReturnType<typeof run>>) =>
          Effect.zipRight(TestClock.adjust("1 second"), Fiber.join(running))
        return yield* Effect.gen(function* () {
          const one = yield* run("one")
          yield* begun.await
          yield* Fiber.interrupt(fiber)
          yield* goesOn.open
          const ends = [yield* endOf(one), yield* endOf(yield* run("two"))]
          const store = yield* RunStore.RunStore
          return { ends, rows: yield* Effect.forEach(["one", "two"], (name) => store.run(RunId.make(name))) }
        }).pipe(Effect.provide(built))
      })

    for (const durability of ["buffered", "committed", "fsynced"] as const) {
      it.scoped(`fails its runs, also those that begin later, and hangs none: ${durability}`, () =>
        Effect.gen(function* () {
          const { ends, rows } = yield* execute(durability)
          for (const end of ends) {
            assert(Exit.isFailure(end))
            const error = Option.getOrThrow(Cause.failureOption(end.cause))
            assert(error._tag === "WriterClosed")
            assert(error.cause !== undefined && Cause.isInterruptedOnly(error.cause))
          }
          // they can be taken over
          for (const row of rows) assert.deepInclude(Option.getOrThrow(row), { status: "running", owner: "" })
        })
      )
    }

    it.scoped("is nothing to runs of which nothing is stored", () =>
      Effect.gen(function* () {
        const { ends, rows } = yield* execute("memory")
        for (const end of ends) assert.deepStrictEqual(end, Exit.succeed({ second: 2 }))
        assert.deepStrictEqual(rows, [Option.none(), Option.none()])
      })
    )
  })
})
