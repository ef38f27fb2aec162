/** Child Dags as modules. */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema
} from "effect"
import { Dag, Engine, Module, Plan, Run, RunError, RunSnapshot, Shared, Timeline } from "heddle"
import { numRuns } from "../numRuns.js"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  eventually,
  historyOf,
  id,
  quiet,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"

const bad = new Bad({ why: "bad" })

const number = Module.input("number", Schema.Int)

const step = <const Name extends string, E = never>(name: Name, effect: Effect.Effect<unknown, E> = Effect.void) =>
  Module.make(name, { output: Schema.Void, run: () => effect })

describe("a child Dag", () => {
  it.effect("is part of its parent's run: one id, one order of transitions, paths, and counts of the Dag itself", () =>
    Effect.gen(function* () {
      const ids: Array<string> = []
      const inner = Module.make("inner", {
        needs: { number },
        output: Schema.Int,
        run: ({ number }) =>
          Effect.gen(function* () {
            ids.push(yield* Run.id, yield* Run.idempotencyKey)
            return number + 1
          })
      })
      const child = Module.dag("child", {
        dag: Dag.make("inner", { outputs: { inner } }),
        input: () => ({ number: 1 })
      })
      const after = Module.pure("after", { needs: { child }, run: ({ child }) => child.inner * 10 })
      const dag = Dag.make("outer", { outputs: { after, child } })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}, { runId: id }), { after: 20, child: { inner: 2 } })
      assert.deepStrictEqual(ids, [id, JSON.stringify([id, "child/inner"])])
      const snapshot = yield* storedRun()
      assert.deepStrictEqual(statusesOf(snapshot), {
        after: "completed",
        child: "completed",
        "child/inner": "completed",
        "child/number": "completed"
      })
      assert.strictEqual(snapshot.total, 2)
      assert.strictEqual(RunSnapshot.counts(snapshot).completed, 2)
      assert.strictEqual((yield* (yield* Timeline.Timeline).list()).length, 1)
      const history = yield* historyOf()
      assert.deepStrictEqual(
        history.map(({ seq }) => seq),
        history.map((_, i) => i + 1)
      )
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that two modules run is two of them, each with its own state", () =>
    Effect.gen(function* () {
      const runs: Array<string> = []
      const inner = Module.make("inner", {
        needs: { number },
        output: Schema.Int,
        retry: Schedule.recurs(2),
        run: ({ number }) =>
          Effect.flatMap(Run.attempt, (attempt) => {
            runs.push(`${number}.${attempt}`)
            return attempt < number ? bad : Effect.succeed(number)
          })
      })
      const child = Dag.make("child", { outputs: { inner } })
      const one = Module.dag("one", { dag: child, input: () => ({ number: 1 }) })
      const two = Module.dag("two", { dag: child, input: () => ({ number: 2 }) })
      const outputs = yield* Engine.execute(Dag.make("twice", { outputs: { one, two } }), {}, { runId: id })
      assert.deepStrictEqual(outputs, { one: { inner: 1 }, two: { inner: 2 } })
      assert.sameMembers(runs, ["1.1", "2.1", "2.2"])
      const snapshot = yield* storedRun()
      assert.strictEqual(stateOf(snapshot, "one/inner").attempt, 1)
      assert.strictEqual(stateOf(snapshot, "two/inner").attempt, 2)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("gives what a branch may leave out as an Option, inside of its own outputs", () =>
    Effect.gen(function* () {
      const route = Module.route("route", {
        needs: { number },
        branches: ["odd", "even"],
        choose: ({ number }) => (number % 2 === 0 ? "even" : "odd")
      })
      const odd = Module.pure("odd", { when: route.is("odd"), run: () => "odd" })
      const lenient = Module.make("lenient", { output: Schema.Int, onFailure: "skip", run: () => bad })
      const child = Dag.make("child", { outputs: { odd, lenient, route } })
      const numbers = Module.map("numbers", { over: () => [1, 2], dag: child, input: (number) => ({ number }) })
      const one = Module.dag("one", { dag: child, input: () => ({ number: 2 }) })
      const length = Module.pure("length", {
        needs: { one },
        run: ({ one }) => Option.getOrElse(one.odd, () => "none")
      })
      const outputs = yield* Engine.execute(Dag.make("options", { outputs: { numbers, length } }), {}, { runId: id })
      const even = { odd: Option.none(), lenient: Option.none(), route: "even" as const }
      assert.deepStrictEqual(outputs, {
        numbers: [{ odd: Option.some("odd"), lenient: Option.none(), route: "odd" }, even],
        length: "none"
      })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is given its input as it is, now and after a resume: it is not stored", () =>
    Effect.gen(function* () {
      const rounded = Module.input(
        "rounded",
        Schema.transform(Schema.Number, Schema.Number, { decode: (_) => _, encode: Math.round }).annotations({
          identifier: "Rounded"
        })
      )
      const seen = Module.pure("seen", { needs: { rounded }, run: ({ rounded }) => rounded })
      const child = Module.dag("child", {
        dag: Dag.make("child", { outputs: { seen } }),
        input: () => ({ rounded: 1.4 })
      })
      const dag = Dag.make("rounds", { outputs: { child } })
      for (const alwaysDecode of [false, true]) {
        const twice = Effect.replicateEffect(Engine.execute(dag, {}, { runId: id }), 2)
        const expected = { child: { seen: 1.4 } }
        assert.deepStrictEqual(yield* Effect.provide(twice, alone({ alwaysDecode })), [expected, expected])
      }
    })
  )
})

describe("the input of a child", () => {
  const ran: Array<number> = []
  const inner = Module.make("inner", {
    needs: { number, list: Module.input("list", Schema.Array(Schema.Struct({ deep: Schema.Int }))) },
    output: Schema.Void,
    run: ({ number }) => Effect.sync(() => void ran.push(number))
  })
  const child = Dag.make("child", { outputs: { inner } })
  // what a cast or plain JavaScript may give
  const wrong: unknown = { number: "one", list: [{ deep: 1 }, { deep: 1.5 }], extra: true }
  const input = () => wrong as { readonly number: number; readonly list: ReadonlyArray<{ readonly deep: number }> }
  const bads = {
    module: Module.dag("bad", { dag: child, input }),
    item: Module.map("bad", { over: () => [1], dag: child, input })
  }

  for (const [what, module] of Object.entries(bads)) {
    it.effect(`of a ${what} that does not fit names the module and the paths of all faults; nothing of it runs`, () =>
      Effect.gen(function* () {
        const nested = Module.dag("nested", { dag: Dag.make("outer", { outputs: { module } }), input: () => ({}) })
        const dag: Dag.Dag<unknown, {}> = Dag.make("bad", { outputs: { nested } })
        const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId: id }))
        assert(Exit.isFailure(exit))
        const error = Option.getOrThrow(Cause.failureOption(exit.cause))
        assert(error instanceof RunError.RunFailed)
        const { failure } = error.failures.find(({ module }) => module === "nested/bad")!
        assert.strictEqual(failure.kind, "refused")
        for (const path of ["number", "list.1.deep", "extra"]) assert.include(failure.message, `- ${path}: `)
        assert.notInclude(failure.message, "list.0")
        assert.deepStrictEqual(ran, [])
        const statuses = Object.keys(statusesOf(yield* storedRun()))
        assert.deepStrictEqual(
          statuses.filter((path) => path.includes("bad/")),
          []
        )
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("that throws fails the module, and one that is missing is said to be", () =>
    Effect.gen(function* () {
      const child = Dag.make("child", {
        outputs: { inner: Module.pure("inner", { needs: { number }, run: ({ number }) => number }) }
      })
      const throws = Module.dag("throws", {
        dag: child,
        input: () => {
          throw new Error("no input")
        }
      })
      const none: unknown = undefined
      const missing = Module.dag("missing", { dag: child, input: () => none as { readonly number: number } })
      const dag = Dag.make("none", { outputs: { throws, missing } })
      const error = yield* Effect.flip(Engine.execute(dag, {}, { onFailure: "continue" }))
      assert(error._tag === "RunFailed")
      const failures = new Map(error.failures.map(({ failure, module }) => [module, failure]))
      assert.deepInclude(failures.get("throws"), { kind: "defect", message: "no input" })
      assert.strictEqual(failures.get("missing")?.kind, "refused")
      assert.include(failures.get("missing")?.message, "- number: is missing")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a child that fails", () => {
  it.effect("other than by its own errors is a ChildFailed, with module, attempt and the chain of causes", () =>
    Effect.gen(function* () {
      const dies = Module.make("dies", {
        output: Schema.Void,
        retry: Schedule.recurs(1),
        run: () =>
          Effect.flatMap(Run.attempt, (attempt) =>
            attempt === 1 ? bad : Effect.die(new Error("outer", { cause: new Error("inner") }))
          )
      })
      const child = Module.dag("child", { dag: Dag.make("child", { outputs: { dies } }), input: () => ({}) })
      const error = yield* Effect.flip(Engine.execute(Dag.make("dies", { outputs: { child } }), {}))
      assert(error._tag === "RunFailed")
      const top = error.failures.find(({ module }) => module === "child")!
      const [childFailed] = Chunk.toArray(Cause.failures(top.cause!))
      assert(childFailed instanceof RunError.ChildFailed)
      assert.deepInclude(childFailed, { module: "child", kind: "defect" })
      const [own] = childFailed.failures
      assert.deepInclude(own, { module: "child/dies", attempt: 2 })
      const defect = Option.getOrThrow(Cause.dieOption(own!.cause!))
      assert.instanceOf(defect, Error)
      assert.strictEqual(defect.message, "outer")
      assert.include(top.failure.message, "child/dies: defect in attempt 2: outer")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("with typed errors alone fails with them, all of those where the run goes on", () =>
    Effect.gen(function* () {
      const other = new Bad({ why: "other" })
      const child = Module.dag("child", {
        dag: Dag.make("child", { outputs: { one: step("one", bad), two: step("two", other) } }),
        input: () => ({})
      })
      const exit = yield* Effect.exit(
        Engine.execute(Dag.make("typed", { outputs: { child } }), {}, { runId: id, onFailure: "continue" })
      )
      assert(Exit.isFailure(exit))
      assert.sameDeepMembers(Chunk.toArray(Cause.failures(exit.cause)), [bad, other])
    }).pipe(Effect.provide(alone()))
  )

  for (const onFailure of ["failFast", "continue"] as const) {
    it.effect(
      `under ${onFailure} ${onFailure === "failFast" ? "ends" : "leaves"} its siblings, inside and outside`,
      () =>
        Effect.gen(function* () {
          const gate = yield* Effect.makeLatch(false)
          const child = Module.dag("child", {
            dag: Dag.make("child", { outputs: { fails: step("fails", bad), beside: step("beside", gate.await) } }),
            input: () => ({})
          })
          const dag = Dag.make("siblings", { outputs: { child, sibling: step("sibling", gate.await) } })
          const handle = yield* Engine.start(dag, {}, { runId: id, onFailure })
          yield* reaches(handle, "child/fails", "failed")
          yield* quiet
          yield* gate.open
          yield* Effect.exit(handle.await)
          const left = onFailure === "failFast" ? "cancelled" : "completed"
          assert.deepStrictEqual(statusesOf(yield* storedRun()), {
            child: "failed",
            "child/beside": left,
            "child/fails": "failed",
            sibling: left
          })
        }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("and is to be skipped keeps the run going, and resumes as skipped", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const ran = yield* Ref.make(0)
      const fails = step(
        "fails",
        Effect.zipRight(
          Ref.update(ran, (_) => _ + 1),
          bad
        )
      )
      const child = Module.dag("child", {
        dag: Dag.make("child", { outputs: { fails } }),
        input: () => ({}),
        onFailure: "skip"
      })
      let begun = false
      const after = Module.make("after", {
        needs: { child },
        join: "always",
        output: Schema.Boolean,
        run: ({ child }) => {
          begun = true
          return Effect.as(gate.await, Exit.isFailure(child))
        }
      })
      const dag = Dag.make("skips", { outputs: { after, child } })
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => begun))).pipe(
        Effect.provide(engine())
      )
      yield* gate.open
      const outputs = yield* Effect.provide(Engine.resume(dag, id), engine())
      assert.deepStrictEqual(outputs, { after: true, child: Option.none() })
      assert.strictEqual(yield* Ref.get(ran), 1)
      const snapshot = yield* storedRun()
      assert.strictEqual(statusOf(snapshot, "child"), "skipped")
      assert.strictEqual(statusOf(snapshot, "child/fails"), "failed")
      assert.strictEqual(snapshot.status, "completed")
    }).pipe(Effect.provide(store))
  )
})

describe("nesting", () => {
  const nest = (depth: number, ran: Array<string>) => {
    const leaf = Module.make("leaf", {
      output: Schema.String,
      run: () => Effect.sync(() => (ran.push("leaf"), "deep"))
    })
    let dag: Dag.Dag<unknown, {}> = Dag.make("leaf", { outputs: { leaf } })
    for (let i = 0; i < depth; i++) {
      const first = step(
        "first",
        Effect.sync(() => void ran.push("first"))
      )
      const inside = dag
      dag = Dag.make(`level ${i}`, {
        outputs: { first, down: Module.dag("down", { dag: inside, input: () => ({}) }) }
      })
    }
    return dag
  }

  it.effect("16 deep runs", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const outputs: unknown = yield* Engine.execute(nest(Plan.maxDepth, ran), {}, { runId: id })
      let expected: unknown = { leaf: "deep" }
      for (let i = 0; i < 16; i++) expected = { first: undefined, down: expected }
      assert.deepStrictEqual(outputs, expected)
      assert.strictEqual(statusOf(yield* storedRun(), `${"down/".repeat(16)}leaf`), "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("17 deep is refused before anything runs, and nothing is stored", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const error = yield* Effect.flip(Engine.execute(nest(Plan.maxDepth + 1, ran), {}, { runId: id }))
      assert(error instanceof Plan.PlanInvalid)
      assert.deepStrictEqual(error.issues, [Plan.PlanIssue.TooDeep({ module: "down", depth: 17, max: 16 })])
      assert.deepStrictEqual(ran, [])
      assert.isTrue(Option.isNone(yield* (yield* Timeline.Timeline).get(id)))
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a child inside of a map counts as well", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const items = Module.map("items", { over: () => [1], dag: nest(Plan.maxDepth, ran), input: () => ({}) })
      const error = yield* Effect.flip(Engine.execute(Dag.make("map", { outputs: { items } }), {}))
      assert(error instanceof Plan.PlanInvalid)
      assert.deepStrictEqual(ran, [])
    }).pipe(Effect.provide(alone()))
  )
})

describe("shared groups", () => {
  const stats = Shared.make("stats", { count: Shared.cell(Schema.Int, 0) })
  const counts = Module.make("counts", {
    output: Schema.Void,
    run: () => Shared.update(stats, ({ count }) => ({ count: count + 1 }))
  })
  const child = Dag.make("child", { shared: [stats], outputs: { counts } })
  const one = Module.dag("one", { dag: child, input: () => ({}) })
  const two = Module.dag("two", { dag: child, input: () => ({}) })

  it.effect("that the child alone lists are its own, for each module that runs it", () =>
    Effect.gen(function* () {
      yield* Engine.execute(Dag.make("apart", { outputs: { one, two } }), {}, { runId: id })
      assert.deepStrictEqual(Object.fromEntries((yield* storedRun()).shared), {
        "one/stats/count": 1,
        "two/stats/count": 1
      })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that the parent lists as well are the parent's", () =>
    Effect.gen(function* () {
      yield* Engine.execute(Dag.make("together", { shared: [stats], outputs: { one, two, counts } }), {}, { runId: id })
      assert.deepStrictEqual(Object.fromEntries((yield* storedRun()).shared), { "stats/count": 3 })
    }).pipe(Effect.provide(alone()))
  )
})

describe("always modules of a child", () => {
  const build = (what: Effect.Effect<unknown, Bad>, ran: Array<string>) => {
    const does = step("does", what)
    const cleans = Module.make("cleans", {
      needs: { does },
      join: "always",
      output: Schema.Void,
      run: ({ does }) => Effect.sync(() => void ran.push(Exit.isFailure(does) ? "after a failure" : "after a success"))
    })
    const child = Dag.make("child", { outputs: { cleans } })
    const down = Module.dag("down", {
      dag: Dag.make("middle", {
        outputs: {
          child: Module.dag("child", { dag: child, input: () => ({}) })
        }
      }),
      input: () => ({})
    })
    return Dag.make("always", { outputs: { down, sibling: step("sibling", Effect.never) } })
  }

  it.effect("run when the child fails, and when the run is cancelled", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      assert.deepStrictEqual(yield* Effect.flip(Engine.execute(build(bad, ran), {})), bad)
      assert.deepStrictEqual(ran.splice(0), ["after a failure"])
      const handle = yield* Engine.start(build(Effect.never, ran), {}, { runId: id })
      yield* reaches(handle, "down/child/does", "running")
      yield* handle.cancel
      assert.deepStrictEqual(ran, ["after a failure"])
      const statuses = statusesOf(yield* storedRun())
      assert.strictEqual(statuses["down/child/cleans"], "completed")
      assert.strictEqual(statuses["down/child"], "cancelled")
      assert.strictEqual(statuses["down"], "cancelled")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a child that waits", () => {
  it.effect("suspends the run, and goes on in another engine: the child's modules that ended do not run again", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const note = (name: string) => Effect.sync(() => void ran.push(name))
      const answer = Module.signal("answer", { value: Schema.Int })
      const before = step("before", note("before"))
      const after = Module.make("after", {
        needs: { before, answer, number },
        output: Schema.Int,
        run: ({ answer, number }) => Effect.as(note("after"), answer + number)
      })
      const child = Module.dag("child", {
        dag: Dag.make("child", { outputs: { after } }),
        input: () => ({ number: 1 })
      })
      const beside = step("beside", note("beside"))
      const dag = Dag.make("waits", { outputs: { child, beside } })
      const suspended = yield* Effect.flip(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(engine()))
      assert(suspended._tag === "RunSuspended")
      assert.deepInclude(statusesOf(suspended.snapshot), { child: "running", "child/answer": "suspended" })
      const outputs = yield* Effect.gen(function* () {
        yield* Engine.signal(id, answer, 41, { within: "child" })
        return yield* Engine.resume(dag, id)
      }).pipe(Effect.provide(engine()))
      assert.deepStrictEqual(outputs, { child: { after: 42 }, beside: undefined })
      assert.sameMembers(ran, ["before", "beside", "after"])
      assert.deepStrictEqual(yield* stepsOf("child"), ["running 1", "completed 1"])
    }).pipe(Effect.provide(store))
  )
})

describe("a child", () => {
  it.effect("in which a module stops the run lets what runs finish, inside and outside, and skips the rest", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const stops = Module.make("stops", {
        output: Schema.Void,
        run: () => Effect.zipRight(Effect.yieldNow(), Run.stop)
      })
      const runs = step("runs", gate.await)
      const never = Module.pure("never", { needs: { runs }, run: () => 1 })
      const child = Module.dag("child", {
        dag: Dag.make("child", { outputs: { stops, runs, never } }),
        input: () => ({})
      })
      const outside = step("outside", gate.await)
      const dag = Dag.make("stops", { outputs: { child, outside } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "child/stops", "completed")
      yield* quiet
      yield* gate.open
      const error = yield* Effect.flip(handle.await)
      assert(error._tag === "RunStopped")
      assert.deepStrictEqual(error.outputs, { outside: undefined })
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        child: "skipped",
        "child/never": "skipped",
        "child/runs": "completed",
        "child/stops": "completed",
        outside: "completed"
      })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is interrupted with its run, and its finalizers are awaited", () =>
    Effect.gen(function* () {
      const finalized = yield* Deferred.make<void>()
      const release = yield* Effect.makeLatch(false)
      const slow = step(
        "slow",
        Effect.onInterrupt(Effect.never, () => Effect.zipRight(release.await, Deferred.succeed(finalized, undefined)))
      )
      const child = Module.dag("child", { dag: Dag.make("child", { outputs: { slow } }), input: () => ({}) })
      const handle = yield* Engine.start(Dag.make("cut", { outputs: { child } }), {}, { runId: id })
      yield* reaches(handle, "child/slow", "running")
      const cancelling = yield* Effect.fork(handle.cancel)
      yield* quiet
      assert.isTrue(Option.isNone(yield* Fiber.poll(cancelling)))
      yield* release.open
      yield* Fiber.join(cancelling)
      assert.isTrue(yield* Deferred.isDone(finalized))
      assert.strictEqual(statusOf(yield* storedRun(), "child"), "cancelled")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("at any depth is cut off and resumed, any number of times, with what it had", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 4 }),
          fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
          fc.boolean(),
          (depth, cuts, alwaysDecode) => {
            const ran: Array<string> = []
            let allowed = 0
            const counted = (path: string, value: number) =>
              Effect.suspend(() => {
                ran.push(path)
                return ran.length <= allowed ? Effect.succeed(value) : Effect.never
              })
            const build = (level: number): Dag.Dag<unknown, { readonly number: number }> => {
              const first = Module.make("first", {
                needs: { number },
                output: Schema.Int,
                run: ({ number }) => counted(`first ${level}`, number + 1)
              })
              if (level === depth) return Dag.make(`level ${level}`, { outputs: { first } })
              const down = Module.dag("down", {
                dag: build(level + 1),
                needs: { first },
                input: ({ first }) => ({ number: first })
              })
              const last = Module.make("last", {
                needs: { down, number },
                output: Schema.Int,
                run: ({ number }) => counted(`last ${level}`, number)
              })
              return Dag.make(`level ${level}`, { outputs: { last, down } })
            }
            const dag = build(0)
            const run = Effect.gen(function* () {
              for (const cut of cuts) {
                ran.length = 0
                allowed = cut
                const fiber = yield* Effect.fork(
                  Effect.provide(Engine.execute(dag, { number: 0 }, { runId: id }), engine({ alwaysDecode }))
                )
                const total = yield* remaining
                if (total <= cut) break
                yield* eventually(Effect.sync(() => ran.length === cut + 1))
                yield* Fiber.interrupt(fiber)
                acknowledged.push(...ran.slice(0, cut))
              }
              ran.length = 0
              allowed = Infinity
              const outputs: unknown = yield* Effect.provide(
                Engine.execute(dag, { number: 0 }, { runId: id }),
                engine({ alwaysDecode })
              )
              assert.deepStrictEqual(outputs, expected(0))
              const names = [
                ...Array.from({ length: depth + 1 }, (_, level) => `first ${level}`),
                ...Array.from({ length: depth }, (_, i) => `last ${depth - 1 - i}`)
              ]
              assert.isAtMost(acknowledged.length, names.length)
              assert.deepStrictEqual([...acknowledged, ...ran], names, "each once, in the one order there is")
            })
            const acknowledged: Array<string> = []
            const remaining = Effect.sync(() => 2 * depth + 1 - acknowledged.length)
            const expected = (level: number): unknown =>
              level === depth ? { first: level + 1 } : { last: level, down: expected(level + 1) }
            return Effect.runPromise(Effect.provide(run, Layer.fresh(store)))
          }
        ),
        { numRuns: Math.ceil(numRuns / 4) }
      )
    )
  )
})
