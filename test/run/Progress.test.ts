import { assert, describe, it } from "@effect/vitest"
import { Array, Deferred, Effect, FastCheck, Fiber, HashMap, Mailbox, Schema, TestClock } from "effect"
import { Dag, Engine, Heddle, Module, Progress, RunId, RunSnapshot } from "heddle"
import type { ModuleStatus, Transition } from "heddle"
import type { Handle } from "heddle/run/Handle"
import { numRuns } from "../numRuns.js"

const run = (total: number, startedAt = 0) =>
  RunSnapshot.make({ runId: RunId.make("r"), dag: "audit", fingerprint: "f", total, startedAt })

const withModules = (
  snapshot: RunSnapshot.RunSnapshot,
  statuses: { readonly [name: string]: ModuleStatus.ModuleStatus }
): RunSnapshot.RunSnapshot => ({
  ...snapshot,
  modules: HashMap.fromIterable(
    Object.entries(statuses).map(([name, status], i) => [name, { status, attempt: 1, startedAt: i }] as const)
  )
})

const moduleTransition = (seq: number, module: string, status: ModuleStatus.ModuleStatus): Transition.Transition => ({
  _tag: "ModuleTransition",
  seq,
  at: 0,
  module,
  status,
  attempt: 1
})

const runTransition = (seq: number, status: Transition.RunStatus, at = 0): Transition.Transition => ({
  _tag: "RunTransition",
  seq,
  at,
  status,
  epoch: 1
})

/** A run whose changes the test makes, and what was written of it. */
const shown = (
  snapshot: RunSnapshot.RunSnapshot,
  { columns, interactive, label }: { readonly interactive: boolean; readonly columns?: number; readonly label?: string }
) =>
  Effect.gen(function* () {
    const mailbox = yield* Mailbox.make<RunSnapshot.RunSnapshot | Transition.Transition>()
    yield* mailbox.offer(snapshot)
    const written: Array<string> = []
    const handle: Handle<unknown, unknown> = {
      id: snapshot.runId,
      await: Effect.never,
      snapshot: Effect.succeed(snapshot),
      changes: Mailbox.toStream(mailbox),
      cancel: Effect.void,
      interrupt: Effect.void
    }
    const output: Progress.Output = {
      interactive,
      columns,
      write: (text) => Effect.sync(() => void written.push(text))
    }
    const rendering = Progress.render(handle, output, label === undefined ? {} : { label })
    return { mailbox, written, fiber: yield* Effect.fork(rendering) }
  })

const erase = "\r\u001b[2K"
const empty = "[........................]"

describe("line", () => {
  it("shows the label, a bar, the numbers, the time and the running modules, the longest running first", () => {
    const snapshot = withModules(run(8), {
      b: "completed",
      a: "completed",
      two: "running",
      one: "running",
      x: "scheduled"
    })
    assert.strictEqual(Progress.line(snapshot, 100, 65_999), "audit [######..................] 2/8  1m 5s  two, one")
    assert.strictEqual(
      Progress.line(snapshot, 100, 65_999, { label: "nightly", since: 60_000 }),
      "nightly [######..................] 2/8  5s  two, one"
    )
  })

  it("says how a run ended, in the time that it took", () => {
    const failed = withModules(run(3), { a: "failed", b: "skipped", c: "cancelled" })
    assert.strictEqual(
      Progress.line({ ...failed, status: "failed", finishedAt: 7_400_000 }, 100, 9_000_000),
      "audit [########################] 3/3, 1 failed, 1 skipped, 1 cancelled  2h 3m  failed"
    )
    assert.include(Progress.line({ ...run(0), status: "completed", finishedAt: 10 }, 100, 50), " 0/0  0s  completed")
  })

  it("names what fits, counts the rest, and on a narrow terminal keeps the numbers", () => {
    const snapshot = withModules(run(5), { "first module": "running", "second module": "running", third: "running" })
    const at = (columns: number) => Progress.line(snapshot, columns, 0)
    assert.strictEqual(at(75), `audit ${empty} 0/5  0s  first module, second module +1`)
    assert.strictEqual(at(60), `audit ${empty} 0/5  0s  first module +2`)
    assert.strictEqual(at(54), `audit ${empty} 0/5  0s  first ... +2`)
    assert.strictEqual(at(45), `audit ${empty} 0/5  0s`)
    assert.strictEqual(at(35), `${empty} 0/5  0s`)
    assert.strictEqual(at(26), "0/5  0s  first module +2")
    assert.strictEqual(at(6), "0/5...")
    assert.strictEqual(at(0), "")
  })

  it("takes characters that may be wide for wide, and never cuts one in two", () => {
    const snapshot = withModules(run(1), { ["🧵".repeat(30)]: "running" })
    assert.strictEqual(Progress.line(snapshot, 60, 0), `audit ${empty} 0/1  0s  ${"🧵".repeat(7)}...`)
  })

  const name = FastCheck.string({ unit: "binary", minLength: 1, maxLength: 30 })
  it.prop(
    "is one printable line that fits, whatever the names and the width",
    {
      names: FastCheck.uniqueArray(name, { maxLength: 6 }),
      label: name,
      columns: FastCheck.integer({ min: -1, max: 120 })
    },
    ({ columns, label, names }) => {
      const snapshot = withModules(run(6), Object.fromEntries(names.map((name) => [name, "running"])))
      const line = Progress.line(snapshot, columns, 0, { label })
      assert.notMatch(line, /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u)
      assert.isAtMost(Array.fromIterable(line).length, Math.max(0, columns))
    },
    { fastCheck: { numRuns } }
  )
})

describe("render", () => {
  it.effect("draws one line on a terminal again and again, and finishes it when the run ends", () =>
    Effect.gen(function* () {
      const { fiber, mailbox, written } = yield* shown(run(2), { interactive: true, columns: 81 })
      yield* TestClock.adjust("50 millis")
      yield* mailbox.offerAll([runTransition(1, "running"), moduleTransition(2, "a", "running")])
      yield* TestClock.adjust("100 millis")
      yield* mailbox.offerAll([
        moduleTransition(3, "a", "completed"),
        moduleTransition(4, "b", "completed"),
        runTransition(5, "completed", 150)
      ])
      yield* mailbox.end
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(written, [
        `${erase}audit ${empty} 0/2  0s`,
        `${erase}audit ${empty} 0/2  0s  a`,
        `${erase}audit [########################] 2/2  0s  completed\n`
      ])
    })
  )

  it.effect("draws at most ten times a second, and nothing that is there already", () =>
    Effect.gen(function* () {
      const { fiber, mailbox, written } = yield* shown(run(10_000), { interactive: true, label: "many" })
      for (let i = 1; i <= 100; i++) {
        yield* mailbox.offer(moduleTransition(i, `m${i}`, "completed"))
        yield* TestClock.adjust("10 millis")
      }
      assert.isAtMost(written.length, 11)
      assert.isAtLeast(written.length, 10)
      yield* TestClock.adjust("900 millis")
      const before = written.length
      yield* TestClock.adjust("3 seconds")
      // only the time went on
      assert.strictEqual(written.length - before, 3)
      assert.isTrue(written.every((text) => text.length <= 79 + erase.length))
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("takes the width from the output at every redraw", () =>
    Effect.gen(function* () {
      let columns = 80
      const written: Array<string> = []
      const output = Progress.fromWriteStream({
        write: (text) => written.push(text),
        isTTY: true,
        get columns() {
          return columns
        }
      })
      const mailbox = yield* Mailbox.make<RunSnapshot.RunSnapshot | Transition.Transition>()
      const handle: Handle<unknown, unknown> = {
        id: RunId.make("r"),
        await: Effect.never,
        snapshot: Effect.succeed(run(1)),
        changes: Mailbox.toStream(mailbox),
        cancel: Effect.void,
        interrupt: Effect.void
      }
      const fiber = yield* Effect.fork(Progress.render(handle, output))
      yield* TestClock.adjust("100 millis")
      columns = 20
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(written, [`${erase}audit ${empty} 0/1  0s`, `${erase}0/1  0s`])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("goes on from the snapshot that a viewer gets when it fell behind", () =>
    Effect.gen(function* () {
      const { fiber, mailbox, written } = yield* shown(run(4), { interactive: true })
      yield* mailbox.offer(moduleTransition(1, "a", "running"))
      yield* mailbox.offer({ ...withModules(run(4), { a: "completed", b: "completed", c: "running" }), seq: 90 })
      yield* mailbox.offer(moduleTransition(89, "d", "running"))
      yield* mailbox.offer(moduleTransition(91, "c", "completed"))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(written.at(-1), `${erase}audit [##################......] 3/4  0s`)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("leaves a finished line behind when it is interrupted, and nothing when nothing was drawn", () =>
    Effect.gen(function* () {
      const drawn = yield* shown(run(1), { interactive: true })
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(drawn.fiber)
      assert.deepStrictEqual(drawn.written, [`${erase}audit ${empty} 0/1  0s`, "\n"])
      const early = yield* shown(run(1), { interactive: true })
      yield* Fiber.interrupt(early.fiber)
      assert.deepStrictEqual(early.written, [])
    })
  )

  it.effect("writes plain lines to anything else: at the start, once a second while modules end, at the end", () =>
    Effect.gen(function* () {
      const { fiber, mailbox, written } = yield* shown(run(3), { interactive: false })
      yield* TestClock.adjust("500 millis")
      yield* mailbox.offerAll([moduleTransition(1, "a", "running"), moduleTransition(2, "a", "failed")])
      yield* TestClock.adjust("5 seconds")
      yield* mailbox.offerAll([
        moduleTransition(3, "b", "skipped"),
        moduleTransition(4, "c", "completed"),
        runTransition(5, "failed", 5500)
      ])
      yield* mailbox.end
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(written, [
        "audit: 0/3, 0 running, 0s\n",
        "audit: 1/3, 1 failed, 0 running, 1s\n",
        "audit: 3/3, 1 failed, 1 skipped, failed, 5s\n"
      ])
    })
  )

  it.effect("says that a run was cut off when its changes end while it runs", () =>
    Effect.gen(function* () {
      for (const interactive of [true, false]) {
        const { fiber, mailbox, written } = yield* shown(run(3), { interactive })
        yield* mailbox.end
        yield* Fiber.join(fiber)
        assert.match(written.at(-1)!, /cut off/)
        assert.match(written.at(-1)!, /\n$/)
      }
    })
  )

  it.effect("counts the time of a resumed run from its own start", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(3_600_000)
      const { fiber, written } = yield* shown({ ...run(3), epoch: 2 }, { interactive: false })
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(written, ["audit: 0/3, 0 running, 0s\n"])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("neutralises control characters in names and labels", () =>
    Effect.gen(function* () {
      const snapshot = withModules(run(1), { "\u001b[31mred\r\nnext\u0007\u202e": "running" })
      const { fiber, written } = yield* shown(snapshot, { interactive: true, columns: 120, label: "a\nb" })
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(written, [`${erase}a?b ${empty} 0/1  0s  ?[31mred??next??`])
      yield* Fiber.interrupt(fiber)
    })
  )

  const fails = Module.make("fails", { output: Schema.Number, run: () => Effect.fail(new Error("no")) })

  it.effect("shows a real run to its end, and leaves its failure to await", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const waits = Module.make("waits", { output: Schema.Void, run: () => Deferred.await(gate) })
      const after = Module.make("after", { needs: { waits, fails }, output: Schema.Void, run: () => Effect.void })
      const handle = yield* Engine.start(Dag.make("real", { outputs: { after } }), {}, { onFailure: "continue" })
      const written: Array<string> = []
      const output = Progress.fromWriteStream({ write: (text) => written.push(text) })
      const fiber = yield* Effect.fork(Progress.render(handle, output))
      yield* TestClock.adjust("1 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.match(written.at(-1)!, /^real: 3\/3, 1 failed, 1 skipped, failed, \d+s\n$/)
      assert.strictEqual((yield* Effect.flip(handle.await)).message, "no")
      // of a run that has ended there is the end to show
      written.length = 0
      yield* Progress.render(handle, output)
      assert.deepStrictEqual(written.length, 1)
      assert.match(written[0]!, /^real: 3\/3, 1 failed, 1 skipped, failed/)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})
