/** Holds docs/operations.md against the code, and makes the backups of which it tells. */
import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  ConfigProvider,
  Duration,
  Effect,
  Equal,
  Fiber,
  HashMap,
  Metric,
  Option,
  Predicate,
  Schema
} from "effect"
import {
  Dag,
  Engine,
  Heddle,
  Module,
  RunId,
  RunSnapshot,
  StateWriter,
  Telemetry,
  Timeline,
  type Transition
} from "heddle"
import * as RunLease from "heddle/state/RunLease"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { execFile } from "node:child_process"
import * as Path from "node:path"
import { temporaryDirectory } from "../store/SqliteFile.js"
import * as Page from "./Page.js"
import * as Sqlite from "./Sqlite.js"

const page = Page.read("docs/operations.md")
const section = (title: string) => Page.sections(page, 2).get(title)!

const isMetric = (value: unknown): value is Metric.Metric<unknown, never, unknown> =>
  Predicate.hasProperty(value, Metric.MetricTypeId)

describe("docs/operations.md", () => {
  it.scoped("has every statistic and every metric", () =>
    Effect.gen(function* () {
      const { stats } = yield* StateWriter.StateWriter
      const listed = Page.rows(section("Is it healthy?")).flatMap(([name]) => Page.codes(name!))
      const metrics = Object.values<object>(Telemetry)
        .flatMap((value) => (isMetric(value) ? [value] : Object.values(value)))
        .filter(isMetric)
      // the registry has what was registered
      for (const metric of metrics) metric.register()
      const names = Metric.unsafeSnapshot().map(({ metricKey }) => metricKey.name)
      assert.sameMembers(
        [...listed],
        [...Object.keys(yield* stats), ...Array.dedupe(names.filter((name) => name.startsWith("heddle_")))]
      )
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  const tuning = Page.rows(section("Tuning"))

  it("has every option of the writer, and others by their names and defaults", () => {
    const options = new Map(
      tuning.filter(([name]) => !name!.startsWith("`HEDDLE")).map(([name, of, value]) => [name!, { of, value: value! }])
    )
    const defaults = { ...RunStoreSqlite.defaults, ...RunLease.defaults, ...Engine.defaults, ...StateWriter.defaults }
    const described = [...options.keys()].flatMap(Page.codes)
    for (const name of Object.keys(StateWriter.defaults)) assert.include(described, name)
    for (const [names, { value }] of options) {
      const values = value.replaceAll("`", "").split(", ")
      for (const [i, name] of Page.codes(names).entries()) {
        if (name === "concurrency" || name === "retry") continue
        const fallback = defaults[name as keyof typeof defaults]
        const wanted = (fallback === Infinity ? "unbounded" : JSON.stringify(fallback))
          .replaceAll('"', "")
          .replace(/(\d)(\d{3})$/, "$1,$2")
        assert.strictEqual(Page.codes(names).length === 1 ? value.replaceAll("`", "") : values[i], wanted, name)
      }
    }
  })

  it.effect("has every variable of the configuration", () =>
    Effect.gen(function* () {
      const variables = tuning.filter(([name]) => name!.startsWith("`HEDDLE"))
      assert.lengthOf(variables, Object.keys(StateWriter.defaults).length - 1)
      for (const [variable, option] of variables) {
        const name = Page.codes(option!)[0]! as keyof StateWriter.Options
        const value = { interval: "7 millis", close: "7 seconds", whenFull: "fail" }[name as string] ?? "7"
        const read = (values: ReadonlyArray<readonly [string, string]>) =>
          Effect.withConfigProvider(StateWriter.config, ConfigProvider.fromMap(new Map(values), { pathDelim: "_" }))
        const [before, after] = [yield* read([]), yield* read([[Page.codes(variable!)[0]!, value]])]
        const changed = Object.entries(after).filter(
          ([key, value]) => !Equal.equals(value, before[key as keyof typeof before])
        )
        assert.deepStrictEqual(
          changed.map(([key]) => key),
          [name]
        )
      }
    })
  )
})

/** Copies a file in a process of its own, as often as it is told: while this one goes on. */
const vacuumInto = (filename: string, copies: ReadonlyArray<string>) =>
  Effect.async<void, Error>((resume) => {
    const script = `
      const { createRequire } = require("node:module")
      const Database = createRequire(require.resolve("@effect/sql-sqlite-node"))("better-sqlite3")
      const [filename, ...copies] = process.argv.slice(1)
      for (const copy of copies) {
        const file = new Database(filename, { readonly: true, fileMustExist: true })
        file.prepare("VACUUM INTO ?").run(copy)
        file.close()
      }`
    const child = execFile(process.execPath, ["-e", script, filename, ...copies], (error) =>
      resume(error === null ? Effect.void : Effect.fail(error))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("a copy of a file that is being written", () => {
  const size = 100

  /** Three runs side by side, none of which can end before the latch is open. */
  const make = (options: { readonly done: Effect.Effect<void>; readonly begin: (n: number, i: number) => void }) => {
    const n = Module.input("n", Schema.Int)
    const items = Module.map("items", {
      needs: { n },
      over: () => Array.range(1, size),
      concurrency: 4,
      output: Schema.Int,
      run: (i, { n }) =>
        Effect.suspend(() => {
          options.begin(n, i)
          return Effect.as(i < size ? Effect.sleep("1 millis") : options.done, n * i)
        })
    })
    const sum = Module.make("sum", {
      needs: { items },
      output: Schema.Int,
      run: ({ items }) => Effect.succeed(items.reduce((a, b) => a + b, 0))
    })
    const dag = Dag.make("sums", { outputs: { sum } })
    return Effect.forEach([1, 2, 3], (n) => Engine.execute(dag, { n }, { runId: idOf(n) }), {
      concurrency: "unbounded"
    })
  }
  const idOf = (n: number) => RunId.make(`sums-${n}`)
  const expected = [1, 2, 3].map((n) => ({ sum: (n * size * (size + 1)) / 2 }))

  /** The transitions of every run; each run is the fold of its own. */
  const histories = Effect.gen(function* () {
    const timeline = yield* Timeline.Timeline
    const found = new Map<string, ReadonlyArray<Transition.Transition>>()
    for (const { dag, fingerprint, runId, startedAt, total } of yield* timeline.list({ limit: 100_000 })) {
      const history = yield* timeline.history(runId, { limit: 100_000 })
      assert.deepStrictEqual(
        history.map(({ seq }) => seq),
        history.map((_, i) => i + 1)
      )
      const { snapshot } = Option.getOrThrow(yield* timeline.get(runId))
      const empty = RunSnapshot.make({ runId, dag, fingerprint, total, startedAt })
      const fold = history.reduce(RunSnapshot.evolve, empty)
      const plain = ({ modules, shared: _, ...run }: RunSnapshot.RunSnapshot) => ({
        ...run,
        modules: Object.fromEntries(HashMap.toEntries(modules))
      })
      assert.deepStrictEqual(plain(snapshot), plain(fold))
      found.set(runId, history)
    }
    return found
  })

  /** Nobody drives what is in a copy. */
  const opened = (filename: string) =>
    Heddle.layerSqlite({ filename, lease: { heartbeat: Duration.infinity, expiry: "1 millis" } })

  it.scopedLive(
    "is whole, holds a prefix of each run, and what is in it can be resumed",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const original = Path.join(directory, "heddle.db")
        const copies = Array.makeBy(3, (i) => Path.join(directory, `copy-${i}.db`))
        const done = yield* Effect.makeLatch(false)
        let others = 0
        const whole = yield* Effect.gen(function* () {
          const runs = yield* Effect.fork(make({ done: done.await, begin: () => {} }))
          const timeline = yield* Timeline.Timeline
          // something of each run is there
          for (const n of [1, 2, 3]) {
            yield* Effect.repeat(Effect.delay(timeline.items(idOf(n), ["items"]), "5 millis"), {
              while: (items) => items.length === 0
            })
          }
          const one = Module.make("one", { output: Schema.Int, run: () => Effect.succeed(1) })
          const another = Engine.execute(Dag.make("one", { outputs: { one } }), {})
          const writing = yield* Effect.fork(
            Effect.forever(
              Effect.gen(function* () {
                yield* another
                others++
                yield* Effect.sleep("5 millis")
              })
            )
          )
          const before = others
          yield* vacuumInto(original, copies)
          assert.isAbove(others, before, "it was written meanwhile")
          yield* Fiber.interrupt(writing)
          yield* done.open
          assert.deepStrictEqual(yield* runs, expected)
          return yield* histories
        }).pipe(Effect.provide(opened(original)))

        for (const copy of copies) {
          const connection = yield* Sqlite.open(copy)
          assert.deepStrictEqual(connection.prepare("PRAGMA integrity_check").all(), [{ integrity_check: "ok" }])
          yield* Effect.gen(function* () {
            const kept = yield* histories
            for (const [runId, history] of kept) {
              assert.deepStrictEqual(history, whole.get(runId)?.slice(0, history.length), runId)
            }
            const completed = new Set(
              [1, 2, 3].flatMap((n) =>
                kept
                  .get(idOf(n))!
                  .flatMap((change) => (change._tag === "ItemTransition" ? [`${n} ${change.index + 1}`] : []))
              )
            )
            assert.isAtLeast(completed.size, 3)
            const again: Array<string> = []
            const outputs = yield* make({ done: Effect.void, begin: (n, i) => again.push(`${n} ${i}`) })
            assert.deepStrictEqual(outputs, expected)
            assert.lengthOf(again, 3 * size - completed.size)
            assert.deepStrictEqual(
              again.filter((item) => completed.has(item)),
              []
            )
          }).pipe(Effect.provide(opened(copy)))
        }
      }),
    60_000
  )
})
