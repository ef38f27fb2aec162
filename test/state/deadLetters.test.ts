/** What is kept of updates that could not be written. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Fiber, Layer, Logger, Option, TestClock } from "effect"
import { RunStore, Timeline } from "heddle"
import type { Transition } from "heddle"
import * as ControlledStore from "./ControlledStore.js"
import {
  errorOf,
  has,
  hasState,
  isDone,
  killable,
  observer,
  openRun,
  quiet,
  resultOf,
  storedState,
  updatesOf,
  writerOf
} from "./Writers.js"

const layer = Layer.provideMerge(Timeline.layer, ControlledStore.layer)

const letters = Effect.flatMap(Timeline.Timeline, ({ deadLetters }) => deadLetters())

interface Written {
  readonly transition: Transition.Transition
  readonly output: string | null
}

const updatesIn = (letter: RunStore.DeadLetter) => JSON.parse(letter.updates) as ReadonlyArray<Written>

/** The lines that are logged, and a logger that keeps them. */
const logged = () => {
  const lines: Array<string> = []
  return { lines, logger: Logger.add(Logger.make(({ message }) => void lines.push(Array.ensure(message).join(" ")))) }
}

describe("a dead letter", () => {
  it.scoped(
    "has the transitions and outputs that were queued of a run, in their order, whatever batch they were in",
    () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ batchSize: 2 })
        const [a, b] = [yield* openRun("a"), yield* openRun("b")]
        control.commit = (runs, commit) => (has(runs, "a") ? Effect.fail(ControlledStore.broken("full")) : commit)
        yield* TestClock.setTime(5000)
        const { offer } = observer(writer)
        const updates = [
          a.module("m", "running"),
          b.module("m", "running"),
          a.module("m", "completed", { output: '{"x":[1]}' }),
          b.module("m", "completed", { output: "2" }),
          a.module("n", "running"),
          a.run("completed")
        ]
        const fates = updates.map(offer)
        yield* writer.flush
        assert.deepStrictEqual(fates.map(resultOf), [
          "WriteFailed",
          "written",
          "WriteFailed",
          "written",
          "WriteFailed",
          "WriteFailed"
        ])
        const [letter, ...others] = yield* letters
        assert.deepStrictEqual(others, [])
        const { message, updates: _, ...head } = letter!
        assert.deepStrictEqual(head, { at: 5000, kind: "run", key: "a", epoch: 1, reason: "failed", count: 4 })
        assert.strictEqual(message, errorOf(fates[0]!.results[0]).message)
        assert.deepStrictEqual(
          updatesIn(letter!),
          [0, 2, 4, 5].map((i) => ({ transition: updates[i]!.transition, output: updates[i]!.output }))
        )
      }).pipe(Effect.provide(layer))
  )

  it.scoped("says that the run was lost when another driver has it, and which driver wrote", () =>
    Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* store.claim({ runId: a.runId, owner: "other", now: 9, expiredBefore: 9, reopen: false })
      const next = updatesOf({ runId: a.runId, epoch: 2 })
      yield* writer.update(a.module("m", "running"))
      yield* writer.update(next.module("m", "running"))
      yield* writer.update(a.module("m", "completed"))
      yield* writer.flush
      const [letter, ...others] = yield* letters
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([letter?.reason, letter?.epoch, letter?.count, letter?.key], ["lost", 1, 2, "a"])
      // what comes later of that driver is kept as well
      yield* writer.update(a.module("n", "running"))
      yield* writer.flush
      assert.deepStrictEqual(
        (yield* letters).map(({ count, reason }) => [reason, count]),
        [
          ["lost", 1],
          ["lost", 2]
        ]
      )
      // and what was not accepted is not
      yield* writer.close
      yield* Effect.flip(writer.update(a.module("o", "running")))
      assert.lengthOf(yield* letters, 2)
    }).pipe(Effect.provide(layer))
  )

  it.scoped("can be read when whoever waits for the update is told", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.fail(ControlledStore.broken("full"))
      control.bury = (bury) => Effect.zipRight(Effect.replicateEffect(Effect.yieldNow(), 20), bury)
      const writer = yield* writerOf()
      yield* Effect.flip(writer.updateDurable({ key: "k", set: { x: 1 } }))
      assert.lengthOf(yield* letters, 1)
    }).pipe(Effect.provide(layer))
  )

  it.scoped("is kept of updates that are not JSON themselves, which may be why they were refused", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const thrown: unknown = Object.create(null)
      const errors: Record<string, unknown> = {
        bigint: 1n,
        throws: { toJSON: () => Effect.runSync(Effect.die(new Error("no"))) },
        "throws what is no text": {
          toJSON: () => {
            throw thrown
          }
        }
      }
      for (const [name, error] of Object.entries(errors)) {
        const run = yield* openRun(name)
        const { offer } = observer(writer)
        const failure: Transition.Failure = { kind: "error", message: "no", cause: "no", error }
        const fates = [
          run.module("m", "running"),
          run.module("m", "failed", { failure }),
          run.module("n", "running", { durable: true })
        ].map(offer)
        yield* quiet
        assert.deepStrictEqual(fates.map(resultOf), Array.replicate("WriteFailed", 3), name)
        const [letter] = yield* letters
        assert.deepStrictEqual([letter?.key, letter?.count], [name, 3])
        const [first, second, third] = JSON.parse(letter!.updates) as ReadonlyArray<Record<string, unknown>>
        assert.deepInclude(first, { output: null })
        assert.deepInclude(second, { module: "m", status: "failed", seq: 2 })
        assert.isString(second?.["unreadable"])
        assert.deepInclude(third, { output: null })
      }
      yield* writer.updateDurable({ key: "k", set: { x: 1 } })
    }).pipe(Effect.provide(layer))
  )
})

describe("a dead letter that cannot be kept", () => {
  it.scoped("is logged, and everything else goes on", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const { lines, logger } = logged()
      const writer = yield* writerOf().pipe(Effect.provide(logger))
      const faults = [
        () => Effect.fail(ControlledStore.broken("full")),
        () => Effect.die(new Error("broken")),
        () => {
          throw new Error("broken")
        },
        () => Effect.interrupt
      ]
      for (const fault of faults) {
        lines.length = 0
        control.commit = (_, commit, batch) =>
          hasState(batch, "bad") ? Effect.fail(ControlledStore.broken("full")) : commit
        control.bury = fault
        yield* writer.update({ key: "bad", set: { x: 1 } })
        yield* writer.update({ key: "good", set: { x: 1 } })
        assert.strictEqual((yield* Effect.flip(writer.updateDurable({ key: "bad", set: { x: 2 } }))).reason, "failed")
        assert.isTrue(lines.some((line) => /dead letter of 2 updates .*bad.* could not be kept/.test(line)))
        assert.deepStrictEqual(yield* storedState("good"), { x: 1 })
        control.commit = undefined
        yield* writer.updateDurable({ key: "bad", set: { x: 3 }, clear: ["y"] })
        yield* writer.updateDurable({ key: "bad", clear: ["x"] })
      }
      assert.deepStrictEqual(yield* letters, [])
    }).pipe(Effect.provide(layer))
  )

  for (const [what, hang] of Object.entries({
    hangs: Effect.never,
    "hangs for good": Effect.uninterruptible(Effect.never)
  })) {
    it.scoped(`since the store ${what}, holds up the others for as long as \`close\` says`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        control.commit = (_, commit, batch) =>
          hasState(batch, "bad") ? Effect.fail(ControlledStore.broken("full")) : commit
        control.bury = () => hang
        const writer = yield* writerOf({ close: "3 seconds" })
        const a = yield* openRun("a")
        const { offer } = observer(writer)
        yield* writer.update({ key: "bad", set: { x: 1 }, durability: "committed" })
        yield* quiet
        const fate = offer(a.module("m", "running", { durable: true }))
        yield* TestClock.adjust("2999 millis")
        assert.deepStrictEqual(fate.results, [])
        assert.deepStrictEqual(yield* writer.get("bad"), Option.some({ x: 1 }))
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(resultOf(fate), "written")
        assert.deepStrictEqual(yield* writer.get("bad"), Option.none())
        assert.strictEqual((yield* writer.stats).failed, 1)
      }).pipe(Effect.provide(layer))
    )
  }

  it.scoped("since the writer's fiber is killed meanwhile, leaves its updates to the report", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = (_, commit, batch) =>
        hasState(batch, "bad") ? Effect.fail(ControlledStore.broken("full")) : commit
      control.bury = () => Effect.never
      const { kill, writer } = yield* killable()
      yield* writer.update({ key: "bad", set: { x: 1 } })
      const waiting = yield* Effect.fork(Effect.flip(writer.updateDurable({ key: "bad", set: { x: 2 } })))
      yield* quiet
      yield* writer.update({ key: "bad", set: { x: 3 } })
      yield* kill
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "closed")
      assert.deepStrictEqual([...(yield* writer.close).unwritten], [["bad", 3]])
      assert.deepStrictEqual(yield* letters, [])
    }).pipe(Effect.provide(layer))
  )

  it.scoped("of a batch of which another one has no answer, is not waited for as well", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const { lines, logger } = logged()
      control.commit = (_, commit, batch) =>
        batch.states.some(({ key }) => key.startsWith("bad")) ? Effect.fail(ControlledStore.broken("full")) : commit
      control.bury = () => Effect.never
      const writer = yield* writerOf({ close: "3 seconds" }).pipe(Effect.provide(logger))
      const keys = Array.makeBy(50, (i) => `bad${i}`)
      for (const key of keys) yield* writer.update({ key, set: { x: 1 } })
      const flush = yield* Effect.fork(writer.flush)
      yield* TestClock.adjust("2999 millis")
      assert.isFalse(yield* isDone(flush))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(flush)
      for (const key of keys) {
        assert.lengthOf(
          lines.filter((line) => line.includes(`"${key}" could not be kept`)),
          1
        )
      }
      // the next batch has patience again
      control.bury = undefined
      yield* Effect.flip(writer.updateDurable({ key: "bad", set: { x: 1 } }))
      assert.lengthOf(yield* letters, 1)
    }).pipe(Effect.provide(layer))
  )

  it.scoped("yet, since the store is busy, is tried again", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.commit = () => Effect.fail(ControlledStore.broken("full"))
      let busy = 5
      control.bury = (bury) =>
        Effect.suspend(() => (busy-- > 0 ? Effect.fail(ControlledStore.broken("unavailable")) : bury))
      const writer = yield* writerOf()
      yield* writer.update({ key: "k", set: { x: 1 }, durability: "committed" })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* letters).map(({ count, key }) => [key, count]),
        [["k", 1]]
      )
      const { failed, retries } = yield* writer.stats
      assert.deepStrictEqual([failed, retries], [1, 0])
    }).pipe(Effect.provide(layer))
  )
})
