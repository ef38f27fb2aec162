import { assert, describe, it, layer, vi } from "@effect/vitest"
import { Clock, Duration, Effect, Either, HashMap, Layer, Option } from "effect"
import { Engine, Heddle, RunId, RunSnapshot, Timeline } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Arguments from "../../docs/examples/approval/Arguments.js"
import * as Program from "./Program.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const example = Path.join(root, "docs/examples/approval")

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-approval-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

// a dozen processes take their time on a busy machine
vi.setConfig({ testTimeout: 60_000 })
const bounded = Effect.timeout("30 seconds")

/** A process of the example. */
const begin = (database: string, args: ReadonlyArray<string>) =>
  Effect.map(Program.start(...args, "--db", database), ({ ended, kill, output, prints }) => ({
    kill,
    prints: (text: string) => bounded(prints(text)),
    /** Its exit code, or the signal that ended it, and what it has printed. */
    ended: bounded(Effect.map(ended, (code) => ({ code, ...output })))
  }))

/** A process from its beginning to its end. */
const run = (database: string, ...args: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flatMap(begin(database, args), ({ ended }) => ended))

const done = (...lines: ReadonlyArray<string>) => ({
  code: 0,
  stdout: lines.map((line) => `${line}\n`).join(""),
  stderr: ""
})
const refused = (message: string) => ({ code: 1, stdout: "", stderr: `approval: ${message}\n` })

/** What is stored of an order, which nobody drives now. */
const stored = (database: string, name: string) =>
  Effect.gen(function* () {
    const id = RunId.make(name)
    const timeline = yield* Timeline.Timeline
    const { snapshot } = Option.getOrThrow(yield* timeline.get(id))
    const outputs = yield* timeline.outputs(id, [...HashMap.keys(snapshot.modules)])
    const owner = (yield* timeline.list()).find(({ runId }) => runId === id)?.owner
    return {
      snapshot,
      owner,
      shared: Object.fromEntries(snapshot.shared),
      history: yield* timeline.history(id),
      module: (module: string) => RunSnapshot.module(snapshot, module),
      output: (module: string): unknown => JSON.parse(outputs.get(module) ?? "null")
    }
  }).pipe(Effect.provide(Layer.provide(Timeline.layer, RunStoreSqlite.layer({ filename: database }))))

type Stored = Effect.Effect.Success<ReturnType<typeof stored>>

/** Waits until what another process stores of an order is so. */
const storedWhen = (database: string, name: string, isSo: (order: RunSnapshot.RunSnapshot) => boolean) =>
  Engine.get(RunId.make(name)).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: isSo }),
    bounded,
    Effect.provide(Heddle.layerSqlite({ filename: database }))
  )

/** The transitions of one module. */
const historyOf = ({ history }: Stored, module: string) =>
  history.flatMap((change) => (change._tag === "ModuleTransition" && change.module === module ? [change] : []))

/** The modules that were cut off or repeated. */
const repeated = ({ snapshot }: Stored) =>
  Array.from(snapshot.modules).flatMap(([name, { attempt }]) => (attempt > 1 ? [name] : []))

const database = Effect.map(folder, (folder) => Path.join(folder, "orders.db"))

const quick = ["--grace", "300 millis", "--poll", "50 millis"]

layer(Program.layer(Path.join(example, "main.ts")), { excludeTestServices: true })("orders", (it) => {
  it.scoped("a large one is checked by one process, decided by another and shipped by a third", () =>
    Effect.gen(function* () {
      const db = yield* database
      const start = ["start", "a", "100", "19.90", "35", ...quick]
      const first = yield* run(db, ...start)
      assert.strictEqual(first.code, 0, first.stderr)
      const said = first.stdout.split("\n")
      assert.sameMembers(said.slice(0, 3), [
        "a: line 1 is fine: 100.00",
        "a: line 2 is fine: 19.90",
        "a: line 3 is fine: 35.00"
      ])
      assert.match(said[3]!, /^a: waiting, until \S+ at the latest$/)

      const waiting = yield* stored(db, "a")
      assert.strictEqual(waiting.snapshot.status, "suspended")
      assert.strictEqual(waiting.owner, "")
      assert.deepStrictEqual(waiting.module("checked").items, { total: 3, completed: 3, failed: 0 })
      assert.deepStrictEqual(waiting.shared, { "totals/lines": 3, "totals/cents": 15_490 })
      assert.strictEqual(waiting.output("size"), "large")
      assert.strictEqual(waiting.module("rule").status, "skipped")
      const [began] = historyOf(waiting, "approval").filter(({ status }) => status === "suspended")
      assert.strictEqual(waiting.module("approval").until, began!.at + Duration.toMillis("3 days"))
      assert.strictEqual(waiting.snapshot.until, waiting.module("approval").until)

      assert.deepStrictEqual(yield* run(db, "approve", "a", "yes", "ann"), done("a: yes, says ann"))
      const told = yield* stored(db, "a")
      assert.strictEqual(told.snapshot.status, "suspended")
      assert.deepStrictEqual(told.history, waiting.history)
      assert.deepStrictEqual(
        yield* run(db, "approve", "a", "no", "bob"),
        refused('the signal "approval" of run "a" was delivered already')
      )

      assert.deepStrictEqual(
        yield* run(db, "work", "a", ...quick),
        done("a: shipped: 3 lines for 154.90", "a: completed")
      )
      const shipped = yield* stored(db, "a")
      assert.strictEqual(shipped.snapshot.status, "completed")
      assert.deepStrictEqual(shipped.history.slice(0, waiting.history.length), waiting.history)
      assert.deepStrictEqual(shipped.shared, waiting.shared)
      assert.strictEqual(shipped.output("size"), "large")
      assert.deepStrictEqual(shipped.output("approval"), { approved: true, by: "ann" })
      assert.strictEqual(shipped.output("verdict"), "ship")
      assert.deepStrictEqual(repeated(shipped), [])
      const [paused, awake] = historyOf(shipped, "pause").filter(({ status }) => status !== "scheduled")
      assert.deepInclude(paused, { status: "suspended", until: paused!.at + 300 })
      assert.isAtLeast(awake!.at, paused!.at + 300)

      const shown = yield* run(db, "show", "a")
      assert.include(shown.stdout, "a: completed\n  lines checked: 3, together 154.90\n")
      assert.include(shown.stdout, "  checked: completed, 3 of 3 lines\n")
      assert.include(shown.stdout, '  decision: completed, {"approved":true,"by":"ann"}\n')
      assert.deepStrictEqual(yield* run(db, "approve", "a", "no", "bob"), refused('run "a" has ended (completed)'))
      assert.deepStrictEqual(yield* run(db, ...start), done("a: completed"))
      assert.deepStrictEqual(
        yield* run(db, "start", "a", "100", ...quick),
        refused('run "a" exists with other inputs: choose another id')
      )
    })
  )

  it.scoped("a small one needs nobody, and is due when its time has passed without a process", () =>
    Effect.gen(function* () {
      const db = yield* database
      const first = yield* run(db, "start", "b", "5", "6", ...quick)
      assert.match(first.stdout, /\nb: (waiting, until \S+ at the latest|due)\n$/)
      const waiting = yield* stored(db, "b")
      assert.strictEqual(waiting.output("size"), "small")
      assert.strictEqual(waiting.module("approval").status, "skipped")
      const { until } = waiting.module("pause")
      assert.isDefined(until)
      yield* Effect.sleep(Math.max(0, until - (yield* Clock.currentTimeMillis)) + 20)
      assert.include((yield* run(db, "show", "b")).stdout, "b: due\n")
      assert.strictEqual((yield* stored(db, "b")).snapshot.epoch, 1)

      assert.deepStrictEqual(
        yield* run(db, "work", "b", ...quick),
        done("b: shipped: 2 lines for 11.00", "b: completed")
      )
      const shipped = yield* stored(db, "b")
      assert.strictEqual(shipped.snapshot.epoch, 2)
      const pauses = historyOf(shipped, "pause").filter(({ status }) => status === "suspended")
      assert.deepStrictEqual(
        pauses.map(({ until }) => until),
        [until]
      )
      assert.deepStrictEqual(repeated(shipped), [])
    })
  )

  it.scoped("are carried on by a worker while other processes begin and decide them", () =>
    Effect.gen(function* () {
      const db = yield* database
      const worker = yield* begin(db, ["work", ...quick])
      yield* worker.prints("working")

      assert.strictEqual((yield* run(db, "start", "yes", "200", ...quick)).code, 0)
      assert.deepStrictEqual(yield* run(db, "approve", "yes", "yes", "ann"), done("yes: yes, says ann"))
      yield* worker.prints("yes: shipped: 1 lines for 200.00\n")
      assert.strictEqual((yield* run(db, "start", "no", "200", ...quick)).code, 0)
      assert.deepStrictEqual(yield* run(db, "approve", "no", "no", "bob"), done("no: no, says bob"))
      yield* worker.prints("no: rejected by bob\n")
      // the worker has another timeout, and goes by the deadline that is stored
      assert.strictEqual((yield* run(db, "start", "late", "200", "--timeout", "100 millis")).code, 0)
      yield* worker.prints("late: rejected by nobody, in time\n")
      // what a module has said may be ahead of what is stored
      yield* storedWhen(db, "late", ({ status }) => status === "completed")

      yield* worker.kill("SIGINT")
      const { code, stderr, stdout } = yield* worker.ended
      assert.strictEqual(code, 130, stderr)
      assert.lengthOf(stdout.split("\n"), 5)
      for (const name of ["yes", "no", "late"]) {
        const order = yield* stored(db, name)
        assert.strictEqual(order.snapshot.status, "completed")
        assert.deepStrictEqual(repeated(order), [])
      }
      const rejected = yield* stored(db, "no")
      assert.strictEqual(rejected.output("verdict"), "drop")
      assert.strictEqual(rejected.module("pause").status, "skipped")
      assert.strictEqual(rejected.module("shipment").status, "skipped")
      assert.deepStrictEqual(rejected.shared, { "totals/lines": 1, "totals/cents": 20_000 })
    })
  )

  it.scoped("a process that is killed leaves its order to the next: lines count once, a deadline stays", () =>
    Effect.gen(function* () {
      const db = yield* database
      const many = ["start", "many", ...Array.from({ length: 4000 }, () => "1"), "--automatic", "4000"]
      const first = yield* begin(db, [...many, ...quick])
      yield* first.prints("many: line 1 is fine")
      yield* storedWhen(db, "many", (order) => (RunSnapshot.module(order, "checked").items?.completed ?? 0) > 0)
      yield* first.kill("SIGKILL")
      assert.strictEqual((yield* first.ended).code, "SIGKILL")

      // meanwhile the heartbeat of the killed process expires
      const options = ["--grace", "2 seconds", "--poll", "50 millis"]
      assert.strictEqual((yield* run(db, "start", "c", "200", ...options)).code, 0)
      assert.strictEqual((yield* run(db, "approve", "c", "yes")).code, 0)
      const worker = yield* begin(db, ["work", "c", ...options])
      const { modules } = yield* storedWhen(db, "c", ({ modules }) => HashMap.has(modules, "pause"))
      yield* worker.kill("SIGKILL")
      assert.strictEqual((yield* worker.ended).code, "SIGKILL")
      const deadline = HashMap.unsafeGet(modules, "pause").until
      assert.isDefined(deadline)

      assert.strictEqual((yield* run(db, "work", "c", ...options)).code, 0)
      const shipped = yield* stored(db, "c")
      const pauses = historyOf(shipped, "pause").filter(({ status }) => status === "suspended")
      assert.deepStrictEqual(
        pauses.map(({ until }) => until),
        [deadline]
      )
      assert.isAtLeast(shipped.module("shipment").startedAt ?? 0, deadline)

      const { stderr, stdout } = yield* run(db, "work", "many", "--poll", "50 millis")
      assert.include(stdout, "many: shipped: 4000 lines for 4000.00\nmany: completed\n", stderr)
      const counted = yield* stored(db, "many")
      assert.isAbove(counted.snapshot.epoch, 1)
      assert.deepStrictEqual(counted.module("checked").items, { total: 4000, completed: 4000, failed: 0 })
      assert.deepStrictEqual(counted.shared, { "totals/lines": 4000, "totals/cents": 400_000 })
      assert.deepStrictEqual(
        counted.history.map(({ seq }) => seq),
        counted.history.map((_, i) => i + 1)
      )
    })
  )

  it.scoped("the customer is told of those that fail and those that are cancelled", () =>
    Effect.gen(function* () {
      const db = yield* database
      const reason = "line 2 is too large: 9000.00 is more than 5000.00"
      const failed = yield* run(db, "start", "big", "1", "9000")
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stdout, `big: not accepted: ${reason}\n`)
      assert.strictEqual(failed.stderr, `approval: ${reason}\n`)
      assert.strictEqual((yield* stored(db, "big")).output("notice"), `not accepted: ${reason}`)
      assert.deepStrictEqual(yield* run(db, "work", "big"), refused("big: failed"))

      assert.strictEqual((yield* run(db, "start", "small", "1", "--grace", "1 hour")).code, 0)
      assert.deepStrictEqual(yield* run(db, "cancel", "small"), done("small: called off", "small: cancelled"))
      assert.deepStrictEqual(yield* run(db, "approve", "small", "yes"), refused('run "small" has ended (cancelled)'))
    })
  )

  it.scoped("that nobody knows, and arguments that are wrong, are refused in one line", () =>
    Effect.gen(function* () {
      const db = yield* database
      const unknown = [
        ["approve", "x", "yes"],
        ["work", "x"],
        ["show", "x"],
        ["cancel", "x"]
      ]
      const answers = yield* Effect.forEach(unknown, (args) => run(db, ...args), { concurrency: 2 })
      for (const answer of answers) assert.deepStrictEqual(answer, refused('there is no run "x"'))
      assert.deepStrictEqual(
        yield* run(db, "approve", "x", "maybe"),
        refused("the decision is yes or no (--help says how)")
      )
      const listed = yield* Engine.list().pipe(Effect.provide(Heddle.layerSqlite({ filename: db })))
      assert.deepStrictEqual(listed, [])
    })
  )
})

describe("the command line", () => {
  const parsed = (...args: ReadonlyArray<string>) => Either.getOrThrow(Arguments.parse(args))
  const message = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(Arguments.parse(args))).message

  it("is taken apart", () => {
    const { command, options } = parsed("start", "--grace=1 second", "a-1", "5", "--automatic", "7.5", "0.29")
    assert.deepStrictEqual(command, { name: "start", order: RunId.make("a-1"), lines: [500, 29] })
    assert.strictEqual(options.automatic, 750)
    assert.strictEqual(Duration.toMillis(options.grace), 1000)
    assert.deepInclude(parsed("approve", "a", "no").command, { approved: false, by: "somebody" })
    assert.deepStrictEqual(parsed("work").command, { name: "work", order: undefined })
    assert.deepStrictEqual(parsed("start", "--help").command, { name: "help" })
    assert.match(message(), /^say what to do/)
    assert.match(message("stop"), /^"stop" is not a command/)
    assert.match(message("start", "a"), /^an order needs an amount/)
    assert.match(message("start", "a", "0"), /^"0" is not an amount/)
    assert.match(message("start", "a", "1.234"), /^"1.234" is not an amount/)
    assert.match(message("start", "a/b", "1"), /^"a\/b" is not the name of an order/)
    assert.match(message("show"), /^name an order/)
    assert.match(message("show", "a", "b"), /^"b" is too much/)
    assert.match(message("work", "--grace", "soon"), /^"soon" is not a time/)
    assert.match(message("work", "--poll"), /^--poll needs a value/)
    assert.match(message("work", "--verbose"), /^"--verbose" is not an option/)
  })

  it("is what the README says", () => {
    const text = Fs.readFileSync(Path.join(example, "README.md"), "utf8")
    const lines = text.split("\n").filter((line) => line.startsWith("npx "))
    assert.isAbove(lines.length, 5)
    for (const line of lines) {
      const [npx, tsx, main, ...args] = line.replace(/ +#.*/, "").split(" ")
      assert.deepStrictEqual([npx, tsx, Path.join(root, main!)], ["npx", "tsx", Path.join(example, "main.ts")])
      parsed(...args)
    }
  })
})
