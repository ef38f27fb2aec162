import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck as fc, Option, Schema, TestClock } from "effect"
import { Cancelled, Dag, Engine, Failed, Module, RunId, Skipped } from "heddle"
import { readFileSync } from "node:fs"
import { numRuns } from "../numRuns.js"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  id,
  isStored,
  quiet,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  store,
  storedRun
} from "./Harness.js"
import * as JoinTable from "./JoinTable.js"

/** Parents end in ways that their types tell apart; here a row of a table says which. */
type Parent = Module.Module<string, string, Bad, never, never, Failed | Skipped | Bad>

const fails = Effect.zipRight(Effect.yieldNow(), new Bad({ why: "bad" }))

/** A module that ends so. With `typed` its failure is stored as what it is. */
const parentOf = (ending: JoinTable.Ending, name: string, typed = false, yields = 0): Parent => {
  const base = { output: Schema.String, ...(typed ? { error: Bad } : undefined) }
  const ends = <A, E>(effect: Effect.Effect<A, E>) => Effect.zipRight(Effect.repeatN(Effect.yieldNow(), yields), effect)
  const completes = ends(Effect.succeed(`the value of ${name}`))
  const make = () => {
    switch (ending) {
      case "completed":
        return Module.make(name, { ...base, run: () => completes })
      case "failed":
      case "failedFast":
        return Module.make(name, { ...base, run: () => ends(fails) })
      case "timedOut":
        return Module.make(name, { ...base, timeout: "1 second", run: () => Effect.never })
      case "skippedOnFailure":
        return Module.make(name, { ...base, onFailure: "skip", run: () => ends(fails) })
      case "notTaken": {
        const route = Module.route(`${name}-route`, {
          branches: ["taken", "other"],
          choose: () => ends(Effect.succeed("taken" as const))
        })
        return Module.make(name, { ...base, when: route.is("other"), run: () => completes })
      }
      case "behindFailure": {
        const before = Module.make(`${name}-before`, { ...base, run: () => ends(fails) })
        return Module.make(name, { ...base, needs: { before }, run: () => completes })
      }
      case "cancelled":
        return Module.make(name, { ...base, run: () => Effect.never })
    }
  }
  // as said at `Parent`
  return make() as unknown as Parent
}

type Kind = "effect" | "pure"
type Seen = Map<JoinTable.Rule, { readonly [name: string]: unknown }>

/** A module under a rule that notes what it is given. */
const under = (rule: JoinTable.Rule, kind: Kind, parents: { readonly [name: string]: Parent }, seen: Seen) =>
  kind === "pure"
    ? Module.pure(rule, {
        needs: parents,
        join: rule,
        output: Schema.Void,
        run: (needs) => void seen.set(rule, needs)
      })
    : Module.make(rule, {
        needs: parents,
        join: rule,
        output: Schema.Void,
        run: (needs) => Effect.sync(() => void seen.set(rule, needs))
      })

const dagOf = (kind: Kind, parents: { readonly [name: string]: Parent }, seen: Seen) =>
  Dag.make("joins", {
    outputs: {
      ...Object.fromEntries(JoinTable.rules.map((rule) => [rule, under(rule, kind, parents, seen)])),
      ...parents
    }
  })

const valueOf = (given: JoinTable.Given, path: string, typed: boolean, message: string): unknown => {
  const value = `the value of ${path.split("/").at(-1)}`
  switch (given) {
    case "value":
      return value
    case "Option.some(value)":
      return Option.some(value)
    case "Option.none()":
      return Option.none()
    case "Exit.succeed(value)":
      return Exit.succeed(value)
    case "Exit.fail(error)":
      return Exit.fail(typed ? new Bad({ why: "bad" }) : new Failed({ module: path, message }))
    case "Exit.fail(Failed)":
      return Exit.fail(new Failed({ module: path, message }))
    case "Exit.fail(Skipped)":
      return Exit.fail(new Skipped({ module: path }))
    case "Exit.fail(Cancelled)":
      return Exit.fail(new Cancelled({ module: path }))
  }
}

const onFailureOf = (ending: JoinTable.Ending) => (ending === "failedFast" ? "failFast" : "continue")

const parentStatus: { readonly [E in JoinTable.Ending]: string } = {
  completed: "completed",
  failed: "failed",
  failedFast: "failed",
  timedOut: "failed",
  skippedOnFailure: "skipped",
  notTaken: "skipped",
  behindFailure: "skipped",
  cancelled: "cancelled"
}

describe("the table of the join rules", () => {
  for (const ending of JoinTable.endings) {
    for (const nested of [false, true]) {
      it.effect(`${ending}${nested ? ", in a child Dag" : ""}: every cell`, () =>
        Effect.gen(function* () {
          for (const kind of ["effect", "pure"] as const) {
            for (const typed of [false, true]) {
              const seen: Seen = new Map()
              const dag = dagOf(kind, { parent: parentOf(ending, "parent", typed) }, seen)
              const child = Module.dag("child", { dag, input: () => ({}) })
              const path = nested ? "child/" : ""
              const options = { onFailure: onFailureOf(ending), runId: RunId.make(`${kind} ${typed}`) } as const
              const handle: Engine.Handle<unknown, Bad> = nested
                ? yield* Engine.start(Dag.make("nested", { outputs: { child } }), {}, options)
                : yield* Engine.start(dag, {}, options)
              if (ending === "cancelled") {
                yield* reaches(handle, `${path}parent`, "running")
                yield* handle.cancel
              }
              if (ending === "timedOut") yield* TestClock.adjust("1 second")
              yield* Effect.exit(handle.await)
              const snapshot = yield* handle.snapshot
              const parent = stateOf(snapshot, `${path}parent`)
              assert.strictEqual(parent.status, parentStatus[ending])
              for (const rule of JoinTable.rules) {
                const cell = JoinTable.table[ending].cells[rule]
                const where = `${ending}, ${rule}, ${kind}`
                const expected = typeof cell === "string" ? cell : "completed"
                assert.strictEqual(statusOf(snapshot, `${path}${rule}`), expected, where)
                const given =
                  typeof cell === "string"
                    ? undefined
                    : { parent: valueOf(cell.runs, `${path}parent`, typed, parent.failure?.message ?? "") }
                assert.deepStrictEqual(seen.get(rule), given, where)
              }
            }
          }
        }).pipe(Effect.provide(alone({ durability: nested ? "buffered" : "committed" })))
      )
    }
  }
})

/** The endings that need nothing from outside and can stand side by side in one run. */
const sideBySide = ["completed", "failed", "skippedOnFailure", "notTaken", "behindFailure"] as const

type Beside = (typeof sideBySide)[number]

const counts = (endings: ReadonlyArray<Beside>) => ({
  allCompleted: endings.every((ending) => ending === "completed"),
  anyCompleted: endings.includes("completed"),
  anyFailed: endings.includes("failed") || endings.includes("behindFailure")
})

/** Which rules let a module run that needs modules which end so. */
const letsRun = (endings: ReadonlyArray<Beside>): { readonly [R in JoinTable.Rule]: boolean } => {
  const { allCompleted, anyCompleted, anyFailed } = counts(endings)
  return { allSucceeded: allCompleted, noneFailed: !anyFailed, anySucceeded: anyCompleted, always: true }
}

const several = (parents: ReadonlyArray<{ readonly ending: Beside; readonly yields: number }>) =>
  Effect.gen(function* () {
    const seen: Seen = new Map()
    const needs = Object.fromEntries(
      parents.map(({ ending, yields }, i) => [`p${i}`, parentOf(ending, `p${i}`, true, yields)])
    )
    const handle = yield* Engine.start(dagOf("effect", needs, seen), {}, { onFailure: "continue" })
    yield* Effect.exit(handle.await)
    const snapshot = yield* handle.snapshot
    const runs = letsRun(parents.map(({ ending }) => ending))
    for (const rule of JoinTable.rules) {
      assert.strictEqual(statusOf(snapshot, rule), runs[rule] ? "completed" : "skipped", rule)
      const given = seen.get(rule)
      assert.strictEqual(given !== undefined, runs[rule])
      if (given === undefined) continue
      let some = false
      parents.forEach(({ ending }, i) => {
        const cell = JoinTable.table[ending].cells[rule]
        const value = given[`p${i}`]
        some ||= Option.isOption(value) && Option.isSome(value)
        const early = rule === "anySucceeded" && Option.isOption(value) && Option.isNone(value)
        // what is not over yet when the first success is there is not there
        if (early || typeof cell === "string") return assert.deepStrictEqual(value, Option.none())
        assert.deepStrictEqual(value, valueOf(cell.runs, `p${i}`, true, ""))
      })
      if (rule === "anySucceeded") assert.isTrue(some, "a success is what it was started for")
    }
  })

describe("several needs", () => {
  it.effect("every pair of endings, in both orders, under every rule", () =>
    Effect.gen(function* () {
      for (const first of sideBySide) {
        for (const second of sideBySide) {
          for (const yields of [0, 10]) {
            yield* several([
              { ending: first, yields },
              { ending: second, yields: 10 - yields }
            ])
          }
        }
      }
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect.prop(
    "any number of needs that end in any order",
    [
      fc.array(fc.record({ ending: fc.constantFrom(...sideBySide), yields: fc.nat(10) }), {
        minLength: 1,
        maxLength: 6
      })
    ],
    ([parents]) => Effect.provide(several(parents), alone({ durability: "buffered" })),
    { fastCheck: { numRuns } }
  )

  it.effect("one module that is needed under two names counts as one", () =>
    Effect.gen(function* () {
      const seen: Seen = new Map()
      const parent = parentOf("completed", "parent")
      yield* Engine.execute(dagOf("effect", { a: parent, b: parent }, seen), {})
      const value = Option.some("the value of parent")
      assert.deepStrictEqual(seen.get("anySucceeded"), { a: value, b: value })
      assert.deepStrictEqual(seen.get("noneFailed"), { a: value, b: value })
    }).pipe(Effect.provide(alone()))
  )
})

describe("when a rule is decided", () => {
  const never = (name: string) => parentOf("cancelled", name)

  /** A run of modules under every rule, of which one need ends so and the other does not end. */
  const beside = (ending: Beside) =>
    Effect.gen(function* () {
      const seen: Seen = new Map()
      const dag = dagOf("effect", { ended: parentOf(ending, "ended"), other: never("other") }, seen)
      const handle = yield* Engine.start(dag, {}, { onFailure: "continue" })
      yield* reaches(handle, "ended", parentStatus[ending])
      yield* quiet
      const snapshot = yield* handle.snapshot
      assert.strictEqual(statusOf(snapshot, "other"), "running")
      const statuses = JoinTable.rules.map((rule) => statusOf(snapshot, rule))
      yield* handle.cancel
      return { statuses, seen }
    })

  it.effect("anySucceeded starts at the first success, before the others have ended", () =>
    Effect.gen(function* () {
      const { seen, statuses } = yield* beside("completed")
      assert.deepStrictEqual(statuses, ["pending", "pending", "completed", "pending"])
      assert.deepStrictEqual(seen.get("anySucceeded"), {
        ended: Option.some("the value of ended"),
        other: Option.none()
      })
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("what can't run any more is skipped while the others still run", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* beside("failed")).statuses, ["skipped", "skipped", "pending", "pending"])
      assert.deepStrictEqual((yield* beside("behindFailure")).statuses, ["skipped", "skipped", "pending", "pending"])
      assert.deepStrictEqual((yield* beside("skippedOnFailure")).statuses, ["skipped", "pending", "pending", "pending"])
      assert.deepStrictEqual((yield* beside("notTaken")).statuses, ["skipped", "pending", "pending", "pending"])
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("skipping travels on at once, through every rule but always", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const skips = parentOf("failed", "fails")
      const other = never("other")
      const all = Module.pure("all", { needs: { skips, other }, run: () => void ran.push("all") })
      const none = Module.pure("none", { needs: { all }, join: "noneFailed", run: () => void ran.push("none") })
      const any = Module.pure("any", {
        needs: { none, all },
        join: "anySucceeded",
        output: Schema.Void,
        run: () => void ran.push("any")
      })
      const end = Module.pure("end", { needs: { any }, join: "always", run: () => void ran.push("end") })
      const handle = yield* Engine.start(Dag.make("far", { outputs: { end, other } }), {}, { onFailure: "continue" })
      yield* reaches(handle, "end", "completed")
      const snapshot = yield* handle.snapshot
      assert.deepStrictEqual(
        ["all", "none", "any", "other"].map((name) => statusOf(snapshot, name)),
        ["skipped", "skipped", "skipped", "running"]
      )
      assert.deepStrictEqual(ran, ["end"])
      yield* handle.cancel
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )
})

describe("always", () => {
  it.effect("modules behind each other clean up after a failure and a cancellation, and nothing else starts", () =>
    Effect.gen(function* () {
      for (const how of ["failed", "cancelled"] as const) {
        const ran: Array<string> = []
        const step = <N extends Module.Needs>(name: string, needs: N, join: Module.JoinRule) =>
          Module.make(name, { needs, join, output: Schema.Void, run: () => Effect.sync(() => void ran.push(name)) })
        const runs = Module.make("runs", { output: Schema.Void, run: () => Effect.never })
        const gate = yield* Effect.makeLatch(false)
        const breaks = Module.make("breaks", {
          output: Schema.Void,
          run: () => gate.whenOpen(how === "failed" ? Effect.fail(new Bad({ why: "now" })) : Effect.never)
        })
        const first = step("first", { runs, breaks }, "always")
        const second = step("second", { first }, "always")
        const third = step("third", { first }, "allSucceeded")
        const dag = Dag.make("clean", { outputs: { second, third } })
        const handle = yield* Engine.start(dag, {}, { runId: RunId.make(how) })
        yield* reaches(handle, "runs", "running")
        yield* gate.open
        if (how === "cancelled") yield* handle.cancel
        yield* Effect.exit(handle.await)
        const snapshot = yield* handle.snapshot
        assert.strictEqual(snapshot.status, how)
        assert.deepStrictEqual(ran, ["first", "second"])
        assert.strictEqual(statusOf(snapshot, "third"), "cancelled")
        assert.strictEqual(statusOf(snapshot, "runs"), "cancelled")
      }
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("does not make a failure handled, and its own failure is one more", () =>
    Effect.gen(function* () {
      const breaks = parentOf("failed", "breaks")
      const cleans = Module.make("cleans", {
        needs: { breaks },
        join: "always",
        output: Schema.Void,
        run: () => Effect.fail("unclean" as const)
      })
      const exit = yield* Effect.exit(Engine.execute(Dag.make("unclean", { outputs: { cleans } }), {}))
      assert(Exit.isFailure(exit))
      const errors = Array.from(Cause.failures(exit.cause), (error) => (typeof error === "string" ? error : error._tag))
      assert.deepStrictEqual(errors, ["Bad", "unclean"])
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("is not interrupted by a cancellation while it runs", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const first = Module.make("first", { output: Schema.Void, run: () => Effect.void })
      const cleans = Module.make("cleans", {
        needs: { first },
        join: "always",
        output: Schema.Void,
        run: () => gate.await
      })
      const runs = Module.make("runs", { output: Schema.Void, run: () => Effect.never })
      const handle = yield* Engine.start(Dag.make("gated", { outputs: { cleans, runs } }), {})
      yield* reaches(handle, "cleans", "running")
      const cancelling = yield* Effect.fork(handle.cancel)
      yield* reaches(handle, "runs", "cancelled")
      assert.strictEqual(statusOf(yield* handle.snapshot, "cleans"), "running")
      yield* gate.open
      yield* cancelling.await
      assert.strictEqual(statusOf(yield* handle.snapshot, "cleans"), "completed")
      assert.strictEqual((yield* handle.snapshot).status, "cancelled")
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )
})

describe("branches", () => {
  for (const branch of ["taken", "other"] as const) {
    it.effect(
      `a module of the branch "${branch}" ${branch === "taken" ? "runs as its rule says" : "is skipped whatever its rule"}`,
      () =>
        Effect.gen(function* () {
          for (const ending of sideBySide) {
            for (const yields of [0, 10]) {
              const route = Module.route("route", {
                branches: ["taken", "other"],
                choose: () => Effect.as(Effect.repeatN(Effect.yieldNow(), 5), "taken" as const)
              })
              const parent = parentOf(ending, "parent", true, yields)
              const ran = new Set<string>()
              const modules = JoinTable.rules.map((rule) =>
                Module.make(rule, {
                  needs: { parent },
                  join: rule,
                  when: route.is(branch),
                  output: Schema.Void,
                  run: () => Effect.sync(() => void ran.add(rule))
                })
              )
              const dag = Dag.make("branches", {
                outputs: Object.fromEntries(modules.map((module) => [module.name, module]))
              })
              const handle = yield* Engine.start(dag, {}, { onFailure: "continue" })
              yield* Effect.exit(handle.await)
              const snapshot = yield* handle.snapshot
              const runs = letsRun([ending])
              for (const rule of JoinTable.rules) {
                const expected = branch === "taken" && runs[rule]
                assert.strictEqual(statusOf(snapshot, rule), expected ? "completed" : "skipped", `${ending} ${rule}`)
                assert.strictEqual(ran.has(rule), expected)
              }
            }
          }
        }).pipe(Effect.provide(alone({ durability: "buffered" })))
    )
  }

  it.effect("behind a route that fails are skipped, and count as failed further down", () =>
    Effect.gen(function* () {
      const route = Module.route("route", { branches: ["a", "b"], choose: () => Effect.fail(new Bad({ why: "lost" })) })
      const a = Module.pure("a", { when: route.is("a"), join: "always", run: () => 1 })
      const none = Module.pure("none", { needs: { a }, join: "noneFailed", run: () => 1 })
      const always = Module.pure("always", { needs: { a }, join: "always", run: ({ a }) => Exit.isFailure(a) })
      const handle = yield* Engine.start(Dag.make("lost", { outputs: { none, always } }), {}, { onFailure: "continue" })
      assert.strictEqual((yield* Effect.flip(handle.await))._tag, "Bad")
      const snapshot = yield* handle.snapshot
      assert.deepStrictEqual(
        ["route", "a", "none", "always"].map((name) => statusOf(snapshot, name)),
        ["failed", "skipped", "skipped", "completed"]
      )
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  for (const isChosen of [true, false]) {
    it.effect(
      `are followed after a resume as they were chosen${isChosen ? "" : ", by default"}, whatever the route would choose now`,
      () =>
        Effect.gen(function* () {
          const asked: Array<string> = []
          let answer = isChosen ? "a" : "none of them"
          const route = Module.route("route", {
            branches: ["a", "b"],
            default: "a",
            // what it gives is to be looked at when it runs
            choose: () => Effect.sync(() => (asked.push(answer), answer as "a"))
          })
          const gate = yield* Effect.makeLatch(false)
          const branch = <const B extends "a" | "b">(name: B) =>
            Module.make(name, {
              when: route.is(name),
              output: Schema.String,
              run: () => gate.whenOpen(Effect.succeed(name))
            })
          const [a, b] = [branch("a"), branch("b")]
          const joined = Module.make("joined", {
            needs: { a, b },
            join: "anySucceeded",
            output: Schema.String,
            run: ({ a, b }) => Effect.succeed(Option.getOrThrow(Option.orElse(a, () => b)))
          })
          const nested = Module.route("nested", { when: route.is("b"), branches: ["c"], choose: () => "c" })
          const c = Module.pure("c", { when: nested.is("c"), run: () => "c" })
          const dag = Dag.make("chosen", { outputs: { joined, c } })
          for (const last of [false, false, true]) {
            if (last) yield* gate.open
            const execute = Engine.execute(dag, {}, { runId: id })
            if (last) {
              const outputs = yield* Effect.provide(execute, engine())
              assert.deepStrictEqual(outputs, { joined: Option.some("a"), c: Option.none() })
            } else {
              const isThere = Effect.zipRight(TestClock.adjust("1 second"), isStored("a", "running"))
              yield* Effect.provide(cutOffWhen(execute, isThere), engine())
            }
            answer = "b"
          }
          assert.lengthOf(asked, 1)
          assert.deepStrictEqual(statusesOf(yield* storedRun()), {
            a: "completed",
            b: "skipped",
            c: "skipped",
            joined: "completed",
            nested: "skipped",
            route: "completed"
          })
        }).pipe(Effect.provide(store))
    )
  }

  it.effect("inside of branches: what is nested in a branch that is not taken is skipped", () =>
    Effect.gen(function* () {
      const outer = Module.route("outer", { branches: ["a", "b"], choose: () => "a" })
      const inner = Module.route("inner", { when: outer.is("b"), branches: ["c", "d"], choose: () => "c" })
      const c = Module.pure("c", { when: inner.is("c"), run: () => "c" })
      const joined = Module.pure("joined", { needs: { c }, join: "noneFailed", run: ({ c }) => c })
      const dag = Dag.make("nested", { outputs: { joined, c } })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}), { joined: Option.none(), c: Option.none() })
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )
})

describe("the docs", () => {
  const guide = new URL("../../docs/guides/routing-and-joins.md", import.meta.url)

  it("have this table", () => {
    assert.include(readFileSync(guide, "utf8"), JoinTable.render())
  })
})
