import { assert, layer } from "@effect/vitest"
import { Array, Clock, Data, Effect, Equal, Fiber, HashMap, Option, Predicate } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import type { RunError, RunSnapshot } from "heddle"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Database from "./Database.js"
import * as Layered from "./Layered.js"
import * as Processes from "./Process.js"
import { lines, temporaryDirectory } from "./Process.js"
import type { Process, ProcessFailed } from "./Process.js"
import { Command } from "./Protocol.js"
import type { Completed, Failed } from "./Protocol.js"

const seed = 271_828
const runId = RunId.make("shared")
const slow: Layered.Size = { layers: 12, width: 4, work: [20, 40] }

/** Longer than any of these tests takes. */
const long = { heartbeat: 50, expiry: 60_000 }
const short = { heartbeat: 50, expiry: 250 }

const fileIn = (directory: string) => Path.join(directory, "heddle.db")

/** What a process is told unless a test says otherwise. */
const command = (directory: string, name: string, options: Partial<typeof Command.Type> = {}): Command =>
  new Command({
    filename: fileIn(directory),
    runId,
    seed,
    size: slow,
    call: "start",
    lease: { owner: name, ...long },
    patient: false,
    at: 0,
    gate: Path.join(directory, `${name}.gate`),
    log: Path.join(directory, name),
    ...options
  })

/** The modules that a process has begun, in their order. */
const began = ({ log }: Command) => lines(`${log}.began`)

/** Lets a process go on to the outputs: until then it cannot be done, however slow the other is. */
const open = ({ gate }: Command) => Effect.sync(() => Fs.writeFileSync(gate, ""))

/** How a command ended. */
type Outcome = typeof Completed.Type | typeof Failed.Type

const outcome = (process: Process): Effect.Effect<Outcome, ProcessFailed> =>
  Effect.flatMap(process.next, (message) =>
    message._tag === "Completed" || message._tag === "Failed" ? Effect.succeed(message) : outcome(process)
  )

/** Waits, but not for ever, while the process does what it was told; fails when that ends before. */
const during =
  (process: Process) =>
  <A>(wait: Effect.Effect<A>) =>
    Effect.raceFirst(
      Effect.timeoutFail(wait, {
        duration: "20 seconds",
        onTimeout: () => process.failed("it is not so far after 20 seconds")
      }),
      Effect.flatMap(outcome(process), (end) => process.failed(`it has ended too early: ${JSON.stringify(end)}`))
    )

/** Waits until a process has begun so many modules. */
const untilBegan = (modules: number, process: Process, command: Command) =>
  Effect.repeat(Effect.sleep("2 millis"), { until: () => began(command).length >= modules }).pipe(during(process))

/** Waits until what a process does has come so far in the database. */
const untilStored = (process: Process, { filename, runId }: Command, isSo: (run: Database.StoredRun) => boolean) =>
  Database.read(filename, runId).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: Option.exists(isSo) }),
    during(process)
  )

/** The process that runs the tests is one too: its Dag, and what it has begun of it. */
const here = (size: Layered.Size, gate = Effect.void) => {
  const began: Array<string> = []
  const dag = Layered.dag(size, { began: (name) => void began.push(name), interrupted: () => {}, gate })
  return { began, dag }
}

/** Waits, but not for ever, until the driver in this process is that far; fails as it does. */
const untilHere = <A, E>(began: ReadonlyArray<string>, modules: number, driver: Fiber.Fiber<A, E>) =>
  Effect.repeat(Effect.sleep("1 millis"), { until: () => began.length >= modules }).pipe(
    Effect.raceFirst(Fiber.join(driver)),
    Effect.timeout("20 seconds")
  )

const engine = (directory: string, lease: { readonly heartbeat: number; readonly expiry: number }) =>
  Heddle.layerSqlite({ filename: fileIn(directory), lease: { owner: "here", ...lease } })

/** Waits while another process holds the run, for as long as it is told to. */
const patiently = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E | RunError.RunHeld, R>) =>
  Effect.retry(call, {
    while: (error) => Predicate.isTagged(error, "RunHeld") && Effect.as(Effect.sleep(error.retryAfter), true)
  })

/** The run as it is stored, of which everything holds that holds for any run that has completed. */
const stored = (filename: string, size: Layered.Size, id = runId) =>
  Effect.map(Database.read(filename, id), (found) => {
    const run = Option.getOrThrow(found)
    Database.assertConsistent(run)
    assert.strictEqual(run.status, "completed")
    const outputs = Array.filterMap(run.modules, ([name, { output }]) =>
      name === "seed" ? Option.none() : Option.some([name, output ?? undefined] as const)
    )
    assert.deepStrictEqual(new Map(outputs.sort()), new Map([...Layered.expected(size, seed).modules].sort()))
    return run
  })

/** The modules that were begun more than once; those that are not stored may be. */
const repeated = (size: Layered.Size, began: ReadonlyArray<string>) => {
  const { modules } = Layered.expected(size, seed)
  return began.filter((name, i) => modules.get(name) !== undefined && began.indexOf(name) !== i)
}

/** Stops a process, but not in the middle of a transaction, in which it would keep all others from writing. */
const stopOutsideOfTransactions = (process: Process, filename: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* process.signal("SIGSTOP")
    yield* Effect.sleep("20 millis")
    if (yield* Database.isUnlocked(filename)) return
    yield* process.signal("SIGCONT")
    yield* Effect.sleep("5 millis")
    yield* stopOutsideOfTransactions(process, filename)
  })

layer(Processes.layer, { excludeTestServices: true })("two processes and one database", (it) => {
  it.scoped("a run that one drives is held for the other, and is not disturbed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const a = yield* (yield* Processes.Processes).start
      const told = command(directory, "a")
      yield* a.tell(told)
      yield* untilBegan(8, a, told)
      // it confirms that it is there
      yield* untilStored(a, told, ({ heartbeatAt, startedAt }) => heartbeatAt > startedAt)

      const { began: begunHere, dag } = here(slow)
      yield* Effect.gen(function* () {
        for (const error of [
          yield* Effect.flip(Engine.resume(dag, runId)),
          yield* Effect.flip(Engine.execute(dag, { seed }, { runId })),
          yield* Effect.flip(Engine.start(dag, { seed }, { runId }))
        ]) {
          if (error._tag !== "RunHeld") return assert.fail(`${error._tag} in place of RunHeld`)
          assert.strictEqual(error.runId, runId)
          assert.strictEqual(error.owner, "a")
          assert.isAbove(error.retryAfter, 0)
          // it may have been confirmed a moment ago
          assert.isAtMost(error.retryAfter, long.expiry + 1000)
        }
        const conflict = yield* Effect.flip(Engine.execute(dag, { seed: seed + 1 }, { runId }))
        assert.strictEqual(conflict._tag, "RunConflict")
      }).pipe(Effect.provide(engine(directory, long)))
      assert.deepStrictEqual(begunHere, [])

      yield* open(told)
      const end = yield* outcome(a)
      assert.deepStrictEqual(end, { _tag: "Completed", outputs: Layered.expected(slow, seed).outputs })
      const run = yield* stored(told.filename, slow)
      assert.strictEqual(run.epoch, 1)
      assert.deepStrictEqual(repeated(slow, began(told)), [])
    })
  )

  for (const [when, whileDriving] of [
    ["when the other has completed the run", false],
    ["while the other drives the run", true]
  ] as const) {
    it.scoped(`one that was stopped for too long, and goes on ${when}, has lost it and writes nothing`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const a = yield* (yield* Processes.Processes).start
        const told = command(directory, "a", { lease: { owner: "a", ...short } })
        yield* a.tell(told)
        yield* untilBegan(10, a, told)
        yield* stopOutsideOfTransactions(a, told.filename)
        const cutOff = Option.getOrThrow(yield* Database.read(told.filename, runId))
        assert.strictEqual(cutOff.status, "running")
        const acknowledged = Database.completed(cutOff)

        const { began: begunHere, dag } = here(slow)
        yield* Effect.gen(function* () {
          const driver = yield* Effect.fork(patiently(Engine.resume(dag, runId)))
          if (whileDriving) {
            yield* untilHere(begunHere, 4, driver)
          } else yield* Fiber.await(driver)
          const before = yield* Database.dump(told.filename)

          yield* open(told)
          yield* a.signal("SIGCONT")
          const end = yield* outcome(a)
          assert.strictEqual(end._tag === "Failed" ? end.tag : "Completed", "RunLost", JSON.stringify(end))
          assert.deepStrictEqual(yield* Fiber.join(driver), Layered.expected(slow, seed).outputs)
          // all that it may write is what it could not write
          const written = ({ dead_letters: _, ...tables }: typeof before) => tables
          if (!whileDriving) assert.deepStrictEqual(written(yield* Database.dump(told.filename)), written(before))
        }).pipe(Effect.provide(engine(directory, short)))

        const run = yield* stored(told.filename, slow)
        assert.strictEqual(run.epoch, 2)
        assert.deepStrictEqual(run.history.slice(0, cutOff.seq), cutOff.history)
        const next = run.history[cutOff.seq]
        assert.deepInclude(next, { _tag: "RunTransition", epoch: 2 })
        // it has told nobody of anything that was not stored while it had the run
        assert.deepStrictEqual(
          lines(`${told.log}.acknowledged`).filter((name) => !acknowledged.has(name)),
          []
        )
        assert.deepStrictEqual(repeated(slow, [...acknowledged, ...begunHere]), [])
      })
    )
  }

  it.scoped(
    "one that was stopped for too long, and goes on in the middle of a long module, learns that it has lost it",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const a = yield* (yield* Processes.Processes).start
        const size: Layered.Size = { layers: 1, width: 2, work: [100_000, 100_000] }
        const told = command(directory, "a", { size, gate: "", lease: { owner: "a", ...short } })
        yield* a.tell(told)
        // nothing is left to be written, so that no refused write can tell it
        yield* untilStored(a, told, ({ modules }) => modules.size === 3)
        yield* stopOutsideOfTransactions(a, told.filename)
        const { began: begunHere, dag } = here(size)
        yield* Effect.gen(function* () {
          const driver = yield* Effect.fork(patiently(Engine.resume(dag, runId)))
          yield* untilHere(begunHere, 2, driver)
          yield* Fiber.interrupt(driver)
        }).pipe(Effect.provide(engine(directory, short)))
        const before = yield* Database.dump(told.filename)
        yield* a.signal("SIGCONT")
        assert.deepInclude(yield* outcome(a), { _tag: "Failed", tag: "RunLost" })
        assert.deepStrictEqual(lines(`${told.log}.interrupted`), began(told))
        assert.deepStrictEqual(yield* Database.dump(told.filename), before)
      })
  )

  for (const [signal, call, modules] of [
    ["SIGINT", "execute", 10],
    ["SIGTERM", "start", slow.layers * slow.width]
  ] as const) {
    it.scoped(`${signal} cuts off what ${call} began, and lets go of it: the other resumes it at once`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const a = yield* (yield* Processes.Processes).start
        const told = command(directory, "a", { call })
        yield* a.tell(told)
        yield* untilBegan(modules, a, told)
        yield* a.signal(signal)
        const ended = yield* a.ended
        assert.isNull(ended.signal, "it ends by itself")
        const cutOff = Option.getOrThrow(yield* Database.read(told.filename, runId))
        Database.assertConsistent(cutOff)
        assert.strictEqual(cutOff.status, "running")
        assert.strictEqual(cutOff.owner, "")
        const acknowledged = Database.completed(cutOff)
        const interrupted = lines(`${told.log}.interrupted`)
        // what was begun has ended before the process did, and what waits at the gate can have ended in no other way
        if (modules > 10) assert.isAbove(interrupted.length, 0)
        assert.deepStrictEqual(
          interrupted.filter((name) => acknowledged.has(name) || !began(told).includes(name)),
          []
        )

        const { began: begunHere, dag } = here(slow)
        const outputs = yield* Effect.provide(Engine.resume(dag, runId), engine(directory, long))
        assert.deepStrictEqual(outputs, Layered.expected(slow, seed).outputs)
        const run = yield* stored(told.filename, slow)
        assert.strictEqual(run.epoch, 2)
        assert.deepStrictEqual(repeated(slow, [...acknowledged, ...begunHere]), [])
        for (const name of interrupted) assert.strictEqual(run.modules.get(name)?.attempt, 2)
      })
    )
  }

  it.scoped("both start or resume the same run at the same moment: one drives it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { start } = yield* Processes.Processes
      const both = yield* Effect.all([start, start], { concurrency: 2 })
      const size: Layered.Size = { layers: 6, width: 3, work: [1, 4] }
      const wanted = Layered.expected(size, seed).outputs
      for (let round = 0; round < 6; round++) {
        // a new file every other time: then they also create the database at the same moment
        const filename = Path.join(directory, `heddle-${Math.floor(round / 2)}.db`)
        const id = RunId.make(`round-${round}`)
        const isCutOff = round % 2 === 1
        if (isCutOff) {
          const { began, dag } = here(size, Effect.never)
          yield* Effect.gen(function* () {
            const driver = yield* Effect.fork(Engine.execute(dag, { seed }, { runId: id }))
            yield* untilHere(began, 4, driver)
            yield* Fiber.interrupt(driver)
          }).pipe(Effect.provide(Heddle.layerSqlite({ filename })))
        }
        const at = (yield* Clock.currentTimeMillis) + 50
        const told = both.map((_, i) =>
          command(directory, `process-${i}`, {
            ...{ filename, runId: id, size, at, call: i === 0 ? "start" : isCutOff ? "resume" : "execute", gate: "" },
            log: Path.join(directory, `${round}-${i}`)
          })
        )
        const tellBoth = Effect.gen(function* () {
          yield* Effect.all(Array.zipWith(both, told, (process, command) => process.tell(command)))
          return yield* Effect.all(both.map(outcome))
        })
        /** Who comes too late for the run gets its outputs, or is told that there is nothing to resume. */
        const isResult = (end: Outcome, i: number) =>
          end._tag === "Completed"
            ? Equal.equals(Data.struct(end.outputs), Data.struct(wanted))
            : told[i]!.call === "resume" && end.tag === "RunFinished"

        const ends = yield* tellBoth
        const what = `round ${round}: ${JSON.stringify(ends)}`
        assert.isTrue(ends.some(isResult), what)
        for (const [i, end] of ends.entries()) {
          if (isResult(end, i)) continue
          assert.deepInclude(end, { _tag: "Failed", tag: "RunHeld", owner: `process-${1 - i}` }, what)
        }
        const again = yield* tellBoth
        assert.isTrue(again.every(isResult), JSON.stringify(again))
        assert.deepStrictEqual(repeated(size, told.flatMap(began)), [], what)
        const run = yield* stored(filename, size, id)
        assert.strictEqual(run.epoch, isCutOff ? 2 : 1, what)
      }
    })
  )

  it.scoped("each runs 50 modules, while others also lock the file: no update is lost, and no lock is an error", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { start } = yield* Processes.Processes
      const both = yield* Effect.all([start, start], { concurrency: 2 })
      const size: Layered.Size = { layers: 10, width: 5, work: [0, 2] }
      for (let round = 0; round < 4; round++) {
        const at = (yield* Clock.currentTimeMillis) + 50
        const told = both.map((_, i) => {
          const name = `${round}-${i}`
          return command(directory, name, { runId: RunId.make(name), size, at, gate: "" })
        })
        yield* Effect.all(Array.zipWith(both, told, (process, command) => process.tell(command)))
        // longer than SQLite itself waits for it
        const lock = Database.whileLocked(fileIn(directory), Effect.sleep("20 millis"))
        const locking = yield* Effect.fork(Effect.forever(Effect.zipRight(lock, Effect.sleep("10 millis"))))
        const ends = yield* Effect.all(both.map(outcome))
        yield* Fiber.interrupt(locking)
        for (const [i, end] of ends.entries()) {
          assert.deepInclude(end, { _tag: "Completed", outputs: Layered.expected(size, seed).outputs })
          const run = yield* stored(fileIn(directory), size, told[i]!.runId)
          assert.strictEqual(run.epoch, 1)
          assert.deepStrictEqual(repeated(size, began(told[i]!)), [])
          const acknowledged = lines(`${told[i]!.log}.acknowledged`)
          assert.strictEqual(new Set(acknowledged).size, run.modules.size)
          assert.strictEqual(acknowledged.length, run.modules.size)
          assert.strictEqual(yield* both[i]!.output, "")
        }
      }
    })
  )

  it.scoped("one reads what the other runs", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const a = yield* (yield* Processes.Processes).start
      const size: Layered.Size = { layers: 40, width: 4, work: [1, 5] }
      const told = command(directory, "a", { size, gate: "" })
      const seen: Array<RunSnapshot.RunSnapshot> = []
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(Engine.get(runId)))._tag, "UnknownRun")
        assert.deepStrictEqual(yield* Engine.list(), [])
        yield* a.tell(told)
        yield* untilBegan(1, a, told)
        while (seen.at(-1)?.status !== "completed") {
          const [summary] = yield* Engine.list()
          const snapshot = yield* Engine.get(runId)
          if (summary === undefined) return assert.fail("the run is not in the list")
          assert.strictEqual(summary.runId, runId)
          assert.strictEqual(summary.total, size.layers * size.width + 1)
          // it was listed first
          if (summary.status === "completed") assert.strictEqual(snapshot.status, "completed")
          assert.isAtLeast(snapshot.seq, seen.at(-1)?.seq ?? 0)
          seen.push(snapshot)
        }
      }).pipe(Effect.provide(engine(directory, long)), Effect.timeout("20 seconds"))
      assert.deepInclude(yield* outcome(a), { _tag: "Completed" })

      const run = yield* stored(told.filename, size)
      assert.isAbove(new Set(seen.map(({ seq }) => seq)).size, 3)
      const modulesOf = ({ modules }: RunSnapshot.RunSnapshot) => Object.fromEntries(HashMap.toEntries(modules))
      for (const snapshot of seen) {
        const fold = Database.foldOf(run, snapshot.seq)
        assert.deepStrictEqual({ ...snapshot, modules: {}, shared: {} }, { ...fold, modules: {}, shared: {} })
        assert.deepStrictEqual(modulesOf(snapshot), modulesOf(fold), `the modules of the snapshot at ${snapshot.seq}`)
      }
    })
  )
})
