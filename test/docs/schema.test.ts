/** Runs the queries of docs/schema.md against a file that Heddle wrote, and holds its lists of columns against it. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, LogLevel, Schema, Scope, TestClock, TestContext } from "effect"
import { Dag, Engine, Heddle, Module, RunId, RunStore, Shared, StateStore, StateWriter } from "heddle"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import { temporaryFile } from "../store/SqliteFile.js"
import * as Page from "./Page.js"
import * as Sqlite from "./Sqlite.js"

const page = Page.read("docs/schema.md")

const hour = 3_600_000

const total = Module.input("total", Schema.Int)
const lines = Module.map("lines", {
  needs: { total },
  over: ({ total }) => Array.from({ length: total }, (_, i) => i),
  output: Schema.String,
  run: (i) => Effect.succeed("line ".repeat(10 ** i))
})
const stats = Shared.make("stats", { lines: Shared.cell(Schema.Int, 0) })
const label = Module.make("label", {
  needs: { lines },
  output: Schema.String,
  run: ({ lines }) =>
    Shared.update(stats, () => ({ lines: lines.length })).pipe(
      Effect.as(`${lines.length} lines`),
      Effect.delay("90 seconds")
    )
})
const Order = Dag.make("order", { outputs: { label }, shared: [stats] })

const charge = Module.make("charge", {
  output: Schema.Void,
  error: Schema.String,
  run: () => Effect.fail("the card was declined")
})
const hold = Module.make("hold", { output: Schema.Void, run: () => Effect.die(new Error("no such item")) })
const Failing = Dag.make("failing", { outputs: { charge, hold } })

const approval = Module.signal("approval", { value: Schema.String, timeout: "2 days", onTimeout: () => "nobody" })
const ask = Module.signal("ask", { value: Schema.String })
const pause = Module.sleep("pause", { duration: "30 days" })
const Waiting = Dag.make("waiting", { outputs: { approval, pause } })
const Asking = Dag.make("asking", { outputs: { ask } })
const Approving = Dag.make("approving", { outputs: { approval } })
const orders = Module.map("orders", { over: () => [1], dag: Approving, input: () => ({}) })
const Nested = Dag.make("nested", { outputs: { orders } })

const work = Module.make("work", { output: Schema.Void, run: () => Effect.never })
const Working = Dag.make("working", { outputs: { work } })

type Store = typeof RunStore.RunStore.Service

/** A process with an engine. One that crashes lets go of nothing. */
const begin = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  store: Store,
  engine: Partial<Engine.Options<D>> = {}
) =>
  Effect.gen(function* () {
    let isUp = true
    const mortal: Store = { ...store, release: (run) => (isUp ? store.release(run) : Effect.void) }
    const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
    const layer = Heddle.layer<D>({ engine, lease: { owner: "worker-1" } }).pipe(
      Layer.provide(Layer.succeed(RunStore.RunStore, mortal))
    )
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    return {
      within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context),
      crash: Effect.zipRight(
        Effect.sync(() => void (isUp = false)),
        Scope.close(scope, Exit.void)
      )
    }
  })

const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (fiber.unsafePoll() === null) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

/** The file that is looked at: it is in use meanwhile, by a process that drives a run. */
class File extends Context.Tag("heddle/test/docs/File")<File, string>() {}

const FileLive = Layer.scoped(
  File,
  Effect.gen(function* () {
    const filename = yield* temporaryFile
    const store = Context.get(yield* Layer.build(RunStoreSqlite.layer({ filename })), RunStore.RunStore)
    // SQLite's own clock, which no test clock is
    const now = performance.timeOrigin + performance.now()
    yield* TestClock.setTime(now - 2 * hour)

    const states = Context.get(yield* Layer.build(StateStoreSqlite.layer({ filename })), StateStore.StateStore)
    yield* states.set("breaker/pay", '{"_tag":"Closed"}')
    yield* states.set("cart/42", "[]", { ttl: "1 day" })
    yield* states.set("expired", "null", { ttl: "1 minute" })

    const flows = Context.get(yield* Layer.build(FlowStoreSqlite.layer({ filename })), FlowStore)
    for (const [revision, status, text] of [
      [1, "active", `{"updatedAt":${now}}`],
      [2, "disabled", `{"updatedAt":${now}}`]
    ] as const) {
      const flow = { name: "order", version: "1.0.0", fingerprint: "f", status, revision, text }
      const change = {
        at: now,
        actor: "ada",
        reason: "too slow",
        action: revision === 1 ? "register" : "setFlowStatus"
      }
      const other = { ...flow, version: "2.0.0", status: "disabled" as const, text: revision === 1 ? text : null }
      yield* flows.write([
        { ...flow, ...change },
        { ...other, ...change }
      ])
    }

    const first = yield* begin(store)
    yield* first.within(patiently(Engine.execute(Order, { total: 4 }, { runId: RunId.make("order-42") })))
    yield* first.within(
      Effect.exit(patiently(Engine.execute(Failing, {}, { runId: RunId.make("failing-1"), onFailure: "continue" })))
    )
    const suspended: ReadonlyArray<readonly [Dag.Dag<unknown, {}>, string]> = [
      [Waiting, "waiting-1"],
      [Asking, "asking-1"]
    ]
    for (const [dag, runId] of suspended) {
      yield* first.within(Effect.exit(patiently(Engine.execute(dag, {}, { runId: RunId.make(runId) }))))
    }
    yield* first.within(
      Effect.exit(
        patiently(
          Engine.execute(
            Nested,
            {},
            {
              runId: RunId.make("nested-1"),
              concurrency: 3,
              onFailure: "continue",
              durability: "buffered",
              timeout: "1 day",
              interval: "7 millis",
              batchSize: 10,
              onWriteFailure: "record"
            }
          )
        )
      )
    )
    for (const runId of ["stuck", "poison"]) {
      yield* first.within(Engine.start(Working, {}, { runId: RunId.make(runId) }))
    }
    yield* first.within(
      Effect.flatMap(StateWriter.StateWriter, (writer) =>
        writer.updateDurable({ key: "pages/home", set: { title: "Home", views: 2 } })
      )
    )
    yield* TestClock.adjust("1 second")
    yield* first.crash
    yield* store.bury({
      at: now,
      kind: "run",
      key: "order-41",
      epoch: 1,
      reason: "lost",
      message: "taken over",
      count: 2,
      updates: JSON.stringify([
        {
          transition: { _tag: "ModuleTransition", seq: 7, at: now, module: "label", status: "completed", attempt: 1 },
          output: '"4 lines"'
        },
        { transition: { _tag: "RunTransition", seq: 8, at: now, status: "completed", epoch: 1 }, output: null }
      ])
    })

    yield* TestClock.setTime(now - hour)
    yield* store.claim({
      runId: RunId.make("poison"),
      owner: "worker-2",
      now: now - hour,
      expiredBefore: now - hour,
      reopen: false,
      maxRecoveries: 0
    })
    yield* TestClock.setTime(now)
    const second = yield* begin(store)
    yield* second.within(Engine.start(Working, {}, { runId: RunId.make("driven") }))
    yield* TestClock.adjust("1 second")
    return filename
  }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
)

/** What each query of the page gives of that file. */
const expected: { readonly [name: string]: (rows: ReadonlyArray<Sqlite.Row>) => void } = {
  stuck: (rows) => {
    assert.deepStrictEqual(
      rows.map(({ seconds: _, ...row }) => row),
      [
        { run_id: "poison", status: "running", recoveries: 1, quarantined: 1 },
        { run_id: "stuck", status: "running", recoveries: 0, quarantined: 0 }
      ].map((row) => ({ ...row, dag: "working", owner: "worker-1" }))
    )
    for (const { seconds } of rows) assert.approximately(Number(seconds), 7200, 300)
  },
  quarantined: (rows) => {
    assert.deepStrictEqual(
      rows.map(({ started, ...row }): Sqlite.Row => ({ ...row, started: typeof started })),
      [{ run_id: "poison", dag: "working", status: "running", recoveries: 1, started: "string" }]
    )
  },
  failed: (rows) =>
    assert.deepStrictEqual(
      rows,
      [
        { module: "charge", kind: "error", message: "the card was declined" },
        { module: "hold", kind: "defect", message: "no such item" }
      ].map((row) => ({ ...row, run_id: "failing-1", dag: "failing", attempt: 1 }))
    ),
  suspended: (rows) => {
    assert.deepStrictEqual(
      rows.map(({ seconds_left: _, ...row }) => row),
      [
        { run_id: "waiting-1", dag: "waiting", module: "approval", signal: 1 },
        { run_id: "nested-1", dag: "nested", module: "orders/0/approval", signal: 1 },
        { run_id: "waiting-1", dag: "waiting", module: "pause", signal: 0 },
        { run_id: "asking-1", dag: "asking", module: "ask", signal: 1 }
      ]
    )
    const day = 86_400
    const left = rows.map((row) => row.seconds_left)
    for (const approval of left.slice(0, 2)) assert.approximately(Number(approval), 2 * day - 7200, 300)
    assert.approximately(Number(left[2]), 30 * day - 7200, 300)
    assert.isNull(left[3])
  },
  "largest outputs": (rows) =>
    assert.deepStrictEqual(rows.slice(0, 5), [
      ...[3, 2, 1].map((item) => ({ run_id: "order-42", module: "lines", item, bytes: 5 * 10 ** item + 2 })),
      { run_id: "order-42", module: "label", item: null, bytes: 9 },
      { run_id: "order-42", module: "lines", item: 0, bytes: 7 }
    ]),
  "latest history": (rows) => {
    assert.deepStrictEqual(
      rows.map(({ time: _, ...row }) => row),
      [
        { seq: 11, module: "(run)", item: null, status: "completed", attempt: null },
        { seq: 10, module: "label", item: null, status: "completed", attempt: 1 },
        { seq: 9, module: "label", item: null, status: "running", attempt: 1 },
        { seq: 8, module: "lines", item: null, status: "completed", attempt: 1 },
        ...[3, 2, 1, 0].map((item) => ({
          ...{ seq: 4 + item, module: "lines", item, status: "completed", attempt: null }
        })),
        { seq: 3, module: "lines", item: null, status: "running", attempt: 1 },
        { seq: 2, module: "total", item: null, status: "completed", attempt: 1 },
        { seq: 1, module: "(run)", item: null, status: "running", attempt: null }
      ]
    )
    for (const { time } of rows) assert.match(String(time), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/)
  },
  inputs: (rows) =>
    assert.deepStrictEqual(
      rows.map(({ fingerprint, ...row }): Sqlite.Row => ({ ...row, fingerprint: typeof fingerprint })),
      [{ run_id: "order-42", fingerprint: "string", input: "total", value: "4", durability: "committed" }]
    ),
  "runs by status": (rows) =>
    assert.deepStrictEqual(
      rows.map(({ milliseconds, ...row }): Sqlite.Row => ({ ...row, took: milliseconds !== null })),
      [
        { dag: "asking", status: "suspended", runs: 1, took: false },
        { dag: "failing", status: "failed", runs: 1, took: true },
        { dag: "nested", status: "suspended", runs: 1, took: false },
        { dag: "order", status: "completed", runs: 1, took: true },
        { dag: "waiting", status: "suspended", runs: 1, took: false },
        { dag: "working", status: "running", runs: 3, took: false }
      ]
    ),
  "slowest modules": (rows) => {
    assert.deepInclude(rows[0], { run_id: "order-42", module: "label", attempt: 1 })
    assert.isAtLeast(Number(rows[0]!.milliseconds), 90_000)
  },
  "dead letters": (rows) =>
    assert.deepStrictEqual(
      rows,
      [
        { module: "label", status: "completed", output: '"4 lines"' },
        { module: null, status: "completed", output: null }
      ].map((row) => ({ ...row, run_id: "order-41", reason: "lost", message: "taken over" }))
    ),
  flows: (rows) => {
    assert.deepStrictEqual(
      rows.map(({ changed: _, ...row }) => row),
      [{ name: "order", version: "1.0.0", status: "disabled", revision: 2 }]
    )
    assert.match(String(rows[0]!.changed), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  },
  "changes of a flow": (rows) => {
    assert.deepStrictEqual(
      rows.map(({ actor, position, reason, revision, version }) => [position, version, revision, actor, reason]),
      [
        [1, "1.0.0", 1, "ada", "too slow"],
        [2, "2.0.0", 1, "ada", "too slow"],
        [3, "1.0.0", 2, "ada", "too slow"],
        [4, "2.0.0", 2, "ada", "too slow"]
      ]
    )
    for (const { time } of rows) assert.match(String(time), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  },
  states: (rows) => assert.deepStrictEqual(rows, [{ key: "pages/home", state: '{"title":"Home","views":2}' }]),
  entries: (rows) => {
    assert.deepStrictEqual(
      rows.map(({ expires: _, ...row }) => row),
      [
        { key: "breaker/pay", version: 1, value: '{"_tag":"Closed"}' },
        { key: "cart/42", version: 2, value: "[]" }
      ]
    )
    assert.isNull(rows[0]!.expires)
    assert.match(String(rows[1]!.expires), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  }
}

const queries = new Map(Page.blocks(page, "sql").map((sql) => [/^-- ([\w ]+)\n/.exec(sql)?.[1] ?? sql, sql] as const))

layer(Layer.provideMerge(FileLive, TestContext.TestContext), { excludeTestServices: true })(
  "the queries of docs/schema.md",
  (it) => {
    it.effect("are all of them expected to give something", () =>
      Effect.sync(() => assert.sameMembers([...queries.keys()], Object.keys(expected)))
    )

    for (const [name, sql] of queries) {
      it.scoped(`${name}: what it gives of a file in use`, () =>
        Effect.gen(function* () {
          const file = yield* Sqlite.open(yield* File)
          const rows = file.prepare(sql).all()
          expected[name]!(rows)
        })
      )
    }

    it.scoped("find values that look as the page says", () =>
      Effect.gen(function* () {
        const file = yield* Sqlite.open(yield* File)
        const one = (sql: string): unknown => JSON.parse(String(Object.values(file.prepare(sql).all()[0]!)[0]))
        const formats = new Map(
          Page.rows(Page.sections(page, 2).get("What values look like")!).map(([what, is]) => [what!, is!] as const)
        )
        const described = (what: string, text: string) => assert.include(formats.get(what), text, what)
        for (const [module, keys] of [
          ["charge", ["kind", "message", "cause", "error"]],
          ["hold", ["kind", "message", "cause"]]
        ] as const) {
          const failure = one(`SELECT failure FROM module_list WHERE module = '${module}'`)
          assert.sameMembers(Object.keys(failure as object), [...keys])
          for (const key of keys) described("`failure`", `"${key}"`)
        }
        assert.deepStrictEqual(one("SELECT shared FROM history WHERE shared IS NOT NULL"), { "stats/lines": 4 })
        described("`shared`", '`{"stats/lines": 3}`')
        assert.deepStrictEqual(one("SELECT input FROM inputs JOIN runs ON id = run WHERE run_id = 'order-42'"), {
          total: "4"
        })
        described("`input`", '`{"total": "4"}`')
        assert.deepStrictEqual(one("SELECT signals FROM inputs JOIN runs ON id = run WHERE run_id = 'nested-1'"), [
          "orders/:/approval"
        ])
        described("`signals`", '`["orders/:/approval"]`')
        const policy = one("SELECT policy FROM inputs JOIN runs ON id = run WHERE run_id = 'nested-1'")
        assert.deepStrictEqual(policy, {
          concurrency: 3,
          onFailure: "continue",
          durability: "buffered",
          timeout: 86_400_000,
          interval: 7,
          batchSize: 10,
          onWriteFailure: "record"
        })
        for (const key of Object.keys(policy as object)) described("`policy`", key)
      })
    )
  }
)

describe("docs/schema.md", () => {
  const documented = (heading: string) =>
    new Map(
      Array.from(Page.sections(Page.sections(page, 2).get(heading)!, 3), ([name, text]) => [
        name,
        Page.rows(text).flatMap(([columns]) => Page.codes(columns!))
      ])
    )

  for (const [heading, type] of [
    ["Views", "view"],
    ["Tables", "table"]
  ] as const) {
    it.scoped(`has every ${type} and every column of it`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* Layer.build(RunStoreSqlite.layer({ filename }))
        const file = yield* Sqlite.open(filename)
        const names = file
          .prepare(`SELECT name FROM sqlite_schema WHERE type = '${type}' AND name NOT LIKE 'sqlite_%'`)
          .all()
        const pages = documented(heading)
        assert.sameMembers(
          [...pages.keys()],
          names.map(({ name }) => String(name))
        )
        for (const [name, columns] of pages) {
          const there = file.prepare(`SELECT name FROM pragma_table_info('${name}')`).all()
          assert.sameMembers(
            [...columns],
            there.map(({ name }) => String(name)),
            name
          )
        }
      })
    )
  }

  it.scoped("has the marks of the file, and the version of its schema", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* Layer.build(RunStoreSqlite.layer({ filename }))
      const file = yield* Sqlite.open(filename)
      const [marks] = file.prepare("SELECT * FROM pragma_application_id, pragma_user_version").all()
      assert.include(page, `\`PRAGMA application_id\` is ${Number(marks!.application_id)} `)
      assert.include(page, `the version of the schema: ${Number(marks!.user_version)}.`)
    })
  )
})
