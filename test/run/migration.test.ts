/** Runs that are moved to another version of their Dag. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either, Exit, Fiber, FastCheck as fc, Layer, Option, Schema, Stream } from "effect"
import { Dag, Engine, Module, RunId, RunSnapshot, Shared, Timeline } from "heddle"
import * as Migration from "heddle/run/Migration"
import * as Plan from "heddle/plan/Plan"
import * as Signals from "heddle/state/Signals"
import { numRuns } from "../numRuns.js"
import * as EditedDag from "./EditedDag.js"
import {
  cutOffWhen,
  engine,
  eventually,
  historyOf,
  id,
  isStored,
  reaches,
  statusOf,
  store,
  storedRun,
  withTime
} from "./Harness.js"

const alone = () => Layer.provideMerge(Layer.merge(engine(), Signals.layer), store)

const actionOf = ({ steps }: Migration.MigrationPlan, path: string) => steps.find((step) => step.path === path)?.action

const plain = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(Array.from(snapshot.modules).sort(([a], [b]) => (a < b ? -1 : 1))),
  shared: Object.fromEntries(snapshot.shared)
})

/** The fold of the history is what is stored; each state on the way is what `stateAt` says. */
const agrees = (runId = id) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline.Timeline
    const stored = yield* storedRun(runId)
    const history = yield* historyOf(runId)
    let state = Option.getOrThrow(yield* timeline.stateAt(runId, { seq: 0 }))
    for (const transition of history) {
      const before = state
      state = RunSnapshot.evolve(state, transition)
      if (transition._tag !== "DagTransition") continue
      assert.strictEqual(state.fingerprint, transition.fingerprint)
      for (const [seq, expected] of [
        [transition.seq - 1, before],
        [transition.seq, state]
      ] as const) {
        const then = Option.getOrThrow(yield* timeline.stateAt(runId, { seq }))
        assert.deepStrictEqual(plain(then), plain(expected))
      }
    }
    // between a claim and the first transition of its driver only the store has the epoch
    assert.deepStrictEqual({ ...plain(state), epoch: stored.epoch }, plain(stored))
  })

/** Decides all conflicts, one after the other, so that what differs runs again. */
const decided = (plan: Migration.MigrationPlan): Migration.MigrationPlan => {
  const open = plan.steps.find(({ action, decisions }) => action === "conflict" && decisions.length > 0)
  return open === undefined ? plan : decided(Either.getOrThrow(Migration.resolve(plan, { [open.path]: "runAgain" })))
}

const fresh = RunId.make("fresh")

describe("a random Dag that is cut off, edited and moved", () => {
  it.effect.prop(
    "gives what a run of the new Dag gives, runs nothing again that is reused, and its history says what is stored",
    [EditedDag.vertices, EditedDag.edits, fc.nat(25), fc.boolean(), fc.integer({ min: 1, max: 4 })],
    ([before, edits, cutOff, isPlanKnown, concurrency]) =>
      Effect.gen(function* () {
        const after = EditedDag.edited(before, edits)
        const log: Array<string> = []
        const started = (path: string) => void log.push(path)
        const [old, next] = [EditedDag.dag(before, started), EditedDag.dag(after, started)]
        const [from, to] = [yield* Plan.make(old), yield* Plan.make(next)]
        const input = { seed: 5 }
        yield* cutOffWhen(
          Effect.exit(Engine.execute(old, input, { runId: id, concurrency, durability: "committed" })),
          eventually(
            Effect.gen(function* () {
              const run = yield* (yield* Timeline.Timeline).get(id)
              if (Option.isNone(run)) return false
              const { seq, status } = run.value.snapshot
              return seq >= cutOff * 2 || status !== "running"
            })
          )
        )
        const cut = yield* storedRun()
        if (cut.status === "completed") return
        const modules = Object.fromEntries(from.modules.map(({ fingerprint, name }) => [name, fingerprint]))
        const plan = decided(
          yield* Migration.plan(next, id, { from: isPlanKnown ? old : { fingerprint: from.fingerprint, modules } })
        )
        assert.deepStrictEqual(yield* storedRun(), cut, "planning changes nothing")
        yield* Engine.migrate(next, id, plan)
        yield* agrees()
        const moved = yield* storedRun()
        assert.deepStrictEqual(
          [moved.fingerprint, moved.total, moved.status],
          [to.fingerprint, to.modules.length, cut.status]
        )
        log.length = 0
        const outputs = yield* withTime(
          Engine.resume(next, id).pipe(
            Effect.catchTag("RunSuspended", () => Effect.delay(Engine.resume(next, id), "1 second")),
            Effect.retry({ times: 20, while: ({ _tag }) => _tag === "RunSuspended" })
          )
        ).pipe(
          // one that is made at most once, and was under way, is not made again
          Effect.catchTag("RunFailed", () => Effect.succeed(undefined))
        )
        const again = new Set(log)
        for (const { action, path } of plan.steps)
          if (action === "reuse") assert.isFalse(again.has(path), `${path} is reused`)
        yield* agrees()
        if (outputs === undefined) {
          const { kind } = after.find(({ name }) => statusOf(cut, name) === "running") ?? {}
          assert.isDefined(kind)
          return
        }
        const expected = yield* withTime(Engine.execute(next, input, { runId: fresh, durability: "memory" }))
        assert.deepStrictEqual(outputs, expected)
      }).pipe(Effect.provide(Layer.fresh(alone()))),
    { fastCheck: { numRuns } }
  )
})

const n = Module.input("n", Schema.Number)
const ask = Module.signal("ask", { value: Schema.Number })
const stats = Shared.make("stats", { total: Shared.cell(Schema.Number, 0) })

interface Versions {
  readonly first?: number
  readonly output?: Schema.Schema<number, string>
  readonly value?: Schema.Schema<number, string>
  readonly cells?: boolean
  readonly version?: number
}

/** `first` completes, `charge` is made at most once and hangs in the first version, `ask` waits, `last` needs all. */
const make = (log: Array<string>, versions: Versions = {}) => {
  const first = Module.make("first", {
    needs: { n },
    output: versions.output ?? Schema.Number,
    ...(versions.first === undefined ? undefined : { version: versions.first }),
    run: ({ n }) =>
      Effect.suspend(() => {
        log.push("first")
        return Shared.update(stats, ({ total }) => ({ total: total + 1 })).pipe(Effect.as(n + (versions.first ?? 0)))
      })
  })
  const wait = versions.value === undefined ? ask : Module.signal("ask", { value: versions.value })
  const last = Module.make("last", {
    needs: { first, wait },
    output: Schema.Number,
    run: ({ first, wait }) => Effect.sync(() => (log.push("last"), first * 10 + wait))
  })
  return Dag.make("steps", {
    outputs: { last },
    shared: [stats],
    ...(versions.version === undefined ? undefined : { version: versions.version })
  })
}

const NumberText = Schema.NumberFromString

/** A run of the first version that waits for its signal. */
const suspended = (log: Array<string>) =>
  Effect.gen(function* () {
    const dag = make(log)
    const waits = yield* Effect.flip(Engine.execute(dag, { n: 1 }, { runId: id }))
    assert.strictEqual(waits._tag, "RunSuspended")
    log.length = 0
    return dag
  })

const planned = <O, I, E, R>(next: Dag.Dag<O, I, E, R>, from: Dag.Any) => Migration.plan(next, id, { from })

const refused = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
  Exit.match(exit, {
    onSuccess: () => "",
    onFailure: (cause) => (cause._tag === "Fail" ? cause.error._tag : cause._tag)
  })

describe("a suspended run", () => {
  it.effect("stays what it is until it is moved, and is gone on with as one of the new Dag", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const next = make(log, { version: 2 })
      const plan = yield* planned(next, old)
      assert.deepStrictEqual(plan.steps.map(({ action, of, path }) => [of, path, action]).sort(), [
        ["cell", "stats/total", "reuse"],
        ["module", "ask", "reuse"],
        ["module", "first", "reuse"],
        ["module", "last", "run"],
        ["module", "n", "reuse"]
      ])
      assert.strictEqual(refused(yield* Effect.exit(Engine.resume(next, id))), "DagChanged")
      const before = yield* storedRun()
      yield* Engine.migrate(next, id, plan)
      const moved = yield* storedRun()
      assert.deepStrictEqual([moved.version, moved.status, moved.seq], ["2", "suspended", before.seq + 1])
      yield* agrees()
      assert.strictEqual(refused(yield* Effect.exit(Engine.resume(old, id))), "DagChanged")
      assert.strictEqual(refused(yield* Effect.exit(Engine.resume(next, id))), "RunSuspended")
      yield* Engine.signal(id, ask, 4)
      assert.deepStrictEqual(yield* Engine.resume(next, id), { last: 14 })
      assert.deepStrictEqual(log, ["last"])
      yield* agrees()
      const events = Array.from(yield* Stream.runCollect(Engine.watch(id)))
      assert.strictEqual(events.filter(({ _tag }) => _tag === "DagTransition").length, 1)
      assert.deepStrictEqual(yield* Engine.execute(next, { n: 1 }, { runId: id }), { last: 14 })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is driven on by the engine that owns the new Dag, and by no other", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const next = make(log, { first: 1 })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const owner = yield* Layer.build(engine({ dags: [next] }))
          yield* Effect.gen(function* () {
            yield* Engine.migrate(next, id, decided(yield* planned(next, old)))
            yield* eventually(
              Effect.map(storedRun(), (run) => statusOf(run, "first") === "completed" && run.status === "suspended")
            )
            yield* Engine.signal(id, ask, 4)
            yield* eventually(Effect.map(storedRun(), ({ status }) => status === "completed"))
          }).pipe(Effect.provide(owner))
        })
      )
      assert.deepStrictEqual(log, ["first", "last"])
      assert.deepStrictEqual(yield* Engine.execute(next, { n: 1 }, { runId: id }), { last: 24 })
      yield* agrees()
    }).pipe(Effect.provide(alone()))
  )

  it.effect("has a conflict where something that completed is another module: it is kept or runs again", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const next = make(log, { first: 1 })
      const plan = yield* planned(next, old)
      assert.strictEqual(actionOf(plan, "first"), "conflict")
      const error = yield* Effect.flip(Engine.migrate(next, id, plan))
      assert(error._tag === "MigrationRefused")
      assert.deepStrictEqual([error.reason, error.paths], ["conflicts", ["first"]])
      for (const [path, decision] of [
        ["ask", "keep"],
        ["nobody", "runAgain"],
        ["last", "runAgain"]
      ] as const) {
        const refusal = Either.flip(Migration.resolve(plan, { [path]: decision })).pipe(Either.getOrThrow)
        assert.deepStrictEqual([refusal._tag, refusal.path, refusal.allowed], ["DecisionRefused", path, []])
      }
      const keeps = Either.getOrThrow(Migration.resolve(plan, { first: "keep" }))
      assert.strictEqual(actionOf(keeps, "first"), "reuse")
      const again = Either.getOrThrow(Migration.resolve(keeps, { first: "runAgain" }))
      assert.strictEqual(actionOf(again, "first"), "runAgain")
      assert.strictEqual(actionOf(plan, "first"), "conflict", "a plan is a value")
      yield* Engine.migrate(next, id, keeps)
      yield* Engine.signal(id, ask, 4)
      assert.deepStrictEqual(yield* Engine.resume(next, id), { last: 14 })
      assert.deepStrictEqual(log, ["last"])
      yield* agrees()
    }).pipe(Effect.provide(alone()))
  )

  it.effect("keeps nothing that its new schema does not decode", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      yield* Engine.signal(id, ask, 4)
      const next = make(log, { output: NumberText, value: NumberText })
      const plan = yield* planned(next, old)
      for (const path of ["first", "ask"]) {
        const step = plan.steps.find((step) => step.path === path)!
        assert.deepStrictEqual([step.action, step.decisions], ["conflict", ["runAgain"]], path)
      }
      yield* Engine.migrate(next, id, decided(plan))
      assert.deepStrictEqual(yield* Effect.flatMap(Signals.Signals, (signals) => signals.of([id])), [])
      assert.strictEqual(refused(yield* Effect.exit(Engine.resume(next, id))), "RunSuspended")
      assert.deepStrictEqual(log, ["first"])
      yield* agrees()
    }).pipe(Effect.provide(alone()))
  )

  it.effect("loses what the new Dag does not have, and its first state can still be told", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const only = Module.make("only", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n) })
      const next = Dag.make("steps", { outputs: { only } })
      const plan = yield* planned(next, old)
      assert.deepStrictEqual(
        plan.steps
          .filter(({ action }) => action === "orphan")
          .map(({ path }) => path)
          .sort(),
        ["ask", "first", "stats/total"]
      )
      yield* Engine.migrate(next, id, plan)
      const { modules, shared } = plain(yield* storedRun())
      assert.deepStrictEqual([Object.keys(modules), shared], [["n"], {}])
      assert.deepStrictEqual(yield* Engine.resume(next, id), { only: 1 })
      yield* agrees()
      const again = make(log)
      assert.strictEqual((yield* Effect.flip(planned(again, old)))._tag, "MigrationRefused")
    }).pipe(Effect.provide(alone()))
  )
})

it.effect("a child Dag and a map run again as a whole, with all that is inside of them", () =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const started = (path: string) => void log.push(path)
    const list = (version: number): ReadonlyArray<EditedDag.Described> => [
      { name: "m0", kind: "child", version, needs: [] },
      { name: "m1", kind: "maps", version, needs: [] },
      { name: "m2", kind: "map", version, needs: [] },
      { name: "m3", kind: "sleep", version: 0, needs: ["m0", "m1", "m2"] }
    ]
    const [old, next] = [EditedDag.dag(list(0), started), EditedDag.dag(list(1), started)]
    const waits = yield* Effect.flip(Engine.execute(old, { seed: 1 }, { runId: id }))
    assert.strictEqual(waits._tag, "RunSuspended")
    const before = [...log].sort()
    log.length = 0
    yield* Engine.migrate(next, id, decided(yield* planned(next, old)))
    const moved = yield* storedRun()
    assert.deepStrictEqual(
      Array.from(moved.modules, ([path, { items, status }]) => `${path} ${status} ${items === undefined}`).sort(),
      ["m0 pending true", "m1 pending true", "m2 pending true", "m3 pending true", "seed completed true"]
    )
    yield* agrees()
    assert.strictEqual((yield* Effect.flip(Engine.resume(next, id)))._tag, "RunSuspended")
    assert.sameMembers([...new Set(log)], [...new Set(before)])
    yield* agrees()
  }).pipe(Effect.provide(alone()))
)

describe("a migration is refused, and changes nothing,", () => {
  it.effect("for another run, another Dag, a run that has moved on, that is driven, or that has ended", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const next = make(log, { version: 2 })
      const plan = yield* planned(next, old)
      const reasonOf = (effect: Effect.Effect<unknown, Engine.MigrateError, Engine.Engine>) =>
        Effect.map(Effect.flip(effect), (error) => (error._tag === "MigrationRefused" ? error.reason : error._tag))
      const before = yield* storedRun()
      const other = RunId.make("other")
      assert.strictEqual(yield* reasonOf(Engine.migrate(next, other, plan)), "otherRun")
      assert.strictEqual(yield* reasonOf(Engine.migrate(old, id, plan)), "otherDag")
      const gone = { ...plan, evidence: { ...plan.evidence, runId: other } }
      assert.strictEqual(yield* reasonOf(Engine.migrate(next, other, gone)), "UnknownRun")
      assert.deepStrictEqual(yield* storedRun(), before)
      // a signal has no number, and yet a plan that was made before it does not know it
      yield* Engine.signal(id, ask, 4)
      assert.strictEqual(yield* reasonOf(Engine.migrate(next, id, plan)), "movedOn")
      const later = yield* planned(next, old)
      yield* Engine.resume(old, id)
      assert.strictEqual(yield* reasonOf(Engine.migrate(next, id, later)), "RunFinished")

      const hangs = Module.make("hangs", { output: Schema.Void, version: 1, run: () => Effect.never })
      const moves = Module.make("hangs", { output: Schema.Void, version: 2, run: () => Effect.void })
      const [live, done] = [Dag.make("hanging", { outputs: { hangs } }), Dag.make("hanging", { outputs: { moves } })]
      const handle = yield* Engine.start(live, {}, { runId: other, durability: "committed" })
      yield* reaches(handle, "hangs", "running")
      const held = decided(yield* Migration.plan(done, other, { from: live }))
      assert.strictEqual(yield* reasonOf(Engine.migrate(done, other, held)), "RunHeld")
      yield* handle.interrupt
      const free = yield* Migration.plan(done, other, { from: live })
      assert.strictEqual(actionOf(free, "hangs"), "runAgain", "what is made again anyway is no conflict")
      yield* Engine.migrate(done, other, free)
      yield* Engine.resume(done, other)
      yield* agrees(other)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("but by decision where an attempt began that may be made only once", () =>
    Effect.gen(function* () {
      const make = (version: number, execution: "atMostOnce" | "atLeastOnce") =>
        Dag.make("paying", {
          outputs: {
            charge: Module.make("charge", {
              output: Schema.Void,
              version,
              execution,
              run: () => (version === 1 ? Effect.never : Effect.void)
            })
          }
        })
      const charging = make(1, "atMostOnce")
      const now = make(2, "atLeastOnce")
      yield* cutOffWhen(
        Effect.exit(Engine.execute(charging, {}, { runId: id, durability: "committed" })),
        isStored("charge", "running")
      )
      const step = (plan: Migration.MigrationPlan) => {
        const { action, decisions } = plan.steps.find(({ path }) => path === "charge")!
        return [action, decisions]
      }
      assert.deepStrictEqual(step(yield* planned(now, charging)), ["conflict", ["runAgain"]])
      const { fingerprint, modules } = yield* Plan.make(charging)
      const from = { fingerprint, modules: { charge: modules[0]!.fingerprint } }
      // nobody knows how it was made
      assert.deepStrictEqual(step(yield* Migration.plan(now, id, { from })), ["conflict", ["runAgain"]])
      yield* Engine.migrate(now, id, decided(yield* planned(now, charging)))
      yield* Engine.resume(now, id)
      assert.strictEqual((yield* storedRun()).status, "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("where an input is needed that was not given, which nothing can decide", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const old = yield* suspended(log)
      const more = Module.input("more", Schema.String)
      const maybe = Module.input("maybe", Schema.UndefinedOr(Schema.String))
      const dagOf = (needs: { readonly [key: string]: Module.Any }) =>
        Dag.make("steps", {
          outputs: {
            only: Module.make("only", {
              needs: needs as { readonly n: typeof n },
              output: Schema.Number,
              run: ({ n }) => Effect.succeed(n)
            })
          }
        })
      const plan = yield* planned(dagOf({ n, more }), old)
      const step = plan.steps.find(({ path }) => path === "more")!
      assert.deepStrictEqual([step.action, step.decisions], ["conflict", []])
      const next = dagOf({ n, maybe })
      yield* Engine.migrate(next, id, yield* planned(next, old))
      assert.deepStrictEqual(yield* Engine.resume(next, id), { only: 1 })
    }).pipe(Effect.provide(alone()))
  )
})

it.live("of many migrations at once, and of one that is interrupted anywhere, one takes place or none", () =>
  Effect.gen(function* () {
    for (let turns = 0; turns < 40; turns++) {
      yield* Effect.gen(function* () {
        const log: Array<string> = []
        const old = yield* suspended(log)
        const next = make(log, { version: 2 })
        const plan = yield* planned(next, old)
        const before = yield* storedRun()
        const fibers = yield* Effect.replicateEffect(Effect.fork(Engine.migrate(next, id, plan)), 3)
        for (let i = 0; i < turns; i++) yield* Effect.yieldNow()
        yield* Fiber.interruptAll(fibers)
        const after = yield* storedRun()
        if (after.fingerprint === plan.to) assert.strictEqual(after.seq, before.seq + 1)
        else assert.deepStrictEqual({ ...plain(after), epoch: 0 }, { ...plain(before), epoch: 0 })
        yield* agrees()
        // it was let go of
        yield* Engine.signal(id, ask, 4)
        assert.deepStrictEqual(yield* Engine.resume(after.fingerprint === plan.to ? next : old, id), { last: 14 })
      }).pipe(Effect.provide(Layer.fresh(alone())))
    }
  }).pipe(Effect.timeout(Duration.seconds(20)))
)
