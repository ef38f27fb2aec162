import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  ConfigProvider,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Ref,
  Schema,
  Scope
} from "effect"
import { Dag, Engine, Heddle, Module, Run, RunError, RunId, Shared } from "heddle"
import { CurrentModule } from "heddle/dag/CurrentModule"
import { StateViolation } from "heddle/model/StateViolation"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as EffectNode from "heddle/node/EffectNode"
import * as Machine from "heddle/node/Machine"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as DebugGuard from "heddle/run/DebugGuard"
import { numRuns } from "../numRuns.js"
import * as RandomDag from "./RandomDag.js"
import { id, statusesOf } from "./Harness.js"

type Found = Pick<StateViolation, "kind" | "runId" | "module" | "path" | "others">

const plain = ({ kind, module, others, path, runId }: StateViolation): Found => ({ kind, runId, module, path, others })

const violation = (kind: Found["kind"], module: string, path: string, others: ReadonlyArray<string> = []): Found => ({
  kind,
  runId: id,
  module,
  path,
  others
})

/** The violations that a failed run has as the causes of its modules. */
const inExit = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Found> => {
  const failures = Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.failures(exit.cause)) : []
  return failures
    .flatMap((error) => (error instanceof RunError.RunFailed ? error.failures : []))
    .flatMap(({ cause = Cause.empty }) => Chunk.toReadonlyArray(Cause.defects(cause)))
    .filter((defect) => defect instanceof StateViolation)
    .map(plain)
}

/** Runs a Dag under the guard: how it ends, and what is reported of it. */
const guarded = <O, I, E>(dag: Dag.Dag<O, I, E, never>, input: I, runId = id) =>
  Effect.gen(function* () {
    const reported = yield* Ref.make<ReadonlyArray<StateViolation>>([])
    const onViolation = (violation: StateViolation) => Ref.update(reported, (all) => [...all, violation])
    const exit = yield* Effect.exit(Engine.execute<O, I, E, never>(dag, input, { runId })).pipe(
      Effect.provide(Heddle.layerMemory),
      Effect.provide(DebugGuard.layer({ onViolation }))
    )
    return { exit, failed: inExit(exit), reported: (yield* Ref.get(reported)).map(plain) }
  })

/** A run whose module fails with exactly this violation, which is reported once. */
const fails = <O, I, E>(dag: Dag.Dag<O, I, E, never>, input: I, expected: Found) =>
  Effect.map(guarded(dag, input), ({ exit, failed, reported }) => {
    assert.deepStrictEqual(reported, [expected])
    assert.deepStrictEqual(failed, [expected])
    return exit
  })

class Counter {
  total = 0
  readonly log: Array<string> = []
  add() {
    this.total++
  }
}

class Point extends Schema.Class<Point>("Point")({
  x: Schema.Int,
  tags: Schema.mutable(Schema.Array(Schema.String))
}) {}

/** Everything that a value may be made of. */
const make = () => ({
  cents: 1,
  lines: [{ sku: "a", amount: 1 }, { sku: "b" }] as Array<{ sku: string; amount?: number; more?: unknown }>,
  address: { city: "Basel", zip: "4000" } as { city?: string; zip: string },
  map: new Map<string, { n: number }>([["k", { n: 1 }]]),
  set: new Set([1, 2]),
  date: new Date(0),
  bytes: new Uint8Array([1, 2, 3]),
  floats: new Float64Array([NaN, 1]),
  buffer: new ArrayBuffer(2),
  regexp: /a/g,
  url: new URL("https://heddle.dev/a"),
  counter: new Counter(),
  point: new Point({ x: 1, tags: ["t"] }),
  option: Option.some({ inside: [1] }),
  deep: new Map([["k", [new Set(["x"])]]])
})

type Value = ReturnType<typeof make>

const source = Module.pure("source", { run: (): unknown => make() })

const change = (value: unknown, f: (value: Value) => unknown) => void f(value as Value)

const changes: ReadonlyArray<readonly [what: string, f: (value: Value) => unknown, path: string]> = [
  ["a property", (value) => (value.cents = 2), "source.cents"],
  ["a property of an item of a list", (value) => (value.lines[0]!.amount! += 1), "source.lines.0.amount"],
  ["a property that is redefined", (value) => Object.defineProperty(value, "cents", { value: 2 }), "source.cents"],
  ["a property that is deleted", (value) => delete value.address.city, "source.address.city"],
  ["Object.assign", (value) => Object.assign(value.address, { zip: "1" }), "source.address.zip"],
  ["push", (value) => value.lines.push({ sku: "c" }), "source.lines.2"],
  ["unshift", (value) => value.lines.unshift({ sku: "c" }), "source.lines.2"],
  ["pop", (value) => value.lines.pop(), "source.lines.1"],
  [
    "sort",
    (value) => value.lines.sort((a, b) => (a.sku < b.sku ? 1 : -1)),
    "source.lines.* or source.deep.k.* or source.option.value.inside.*"
  ],
  ["a property of every item", (value) => value.lines.forEach((line) => (line.sku += "!")), "source.lines.*.sku"],
  ["a Map", (value) => value.map.set("l", { n: 2 }), "source.map"],
  ["a Map, one value for another", (value) => value.map.set("k", { n: 1 }), "source.map"],
  ["a record in a Map", (value) => value.map.get("k")!.n++, "source.map.k.n"],
  ["a Set", (value) => value.set.delete(1), "source.set"],
  ["a Set inside of a list inside of a Map", (value) => value.deep.get("k")![0]!.add("y"), "source.deep.k.0"],
  ["a Date", (value) => value.date.setFullYear(2000), "source.date"],
  ["a typed array", (value) => (value.bytes[1] = 9), "source.bytes"],
  ["a typed array of floats", (value) => (value.floats[1] = -0), "source.floats"],
  ["an ArrayBuffer", (value) => (new Uint8Array(value.buffer)[0] = 1), "source.buffer"],
  ["the place of a RegExp", (value) => value.regexp.exec("aa"), "source.regexp"],
  ["a URL", (value) => value.url.searchParams.set("q", "1"), "source.url"],
  ["an instance of a class, by its method", (value) => value.counter.add(), "source.counter"],
  ["a list that an instance owns", (value) => value.counter.log.push("x"), "source.counter.log"],
  ["a Schema.Class", (value) => Object.assign(value.point, { x: 2 }), "source.point"],
  ["a list of a Schema.Class", (value) => value.point.tags.push("u"), "source.point.tags"]
]

const epoch = () => new Date(0)

describe("a module that changes an input in place", () => {
  for (const [what, f, path] of changes) {
    it.effect(`fails with StateViolation: ${what}`, () => {
      const culprit = Module.make("culprit", {
        needs: { source },
        output: Schema.Void,
        run: ({ source }) => Effect.sync(() => change(source, f))
      })
      return fails(Dag.make("d", { outputs: { culprit } }), {}, violation("input", "culprit", path))
    })
  }
})

const n = Module.input("n", Schema.Int)
const child = Dag.make("child", { outputs: { m: Module.pure("m", { needs: { n }, run: ({ n }) => n }) } })

/** Modules that are given the value and change it. */
const culprits = {
  "Module.pure": Module.pure("culprit", { needs: { source }, run: ({ source }) => change(source, (v) => v.cents++) }),
  "Module.make, as a typed failure": Module.make("culprit", {
    needs: { source },
    output: Schema.Void,
    run: ({ source }) => Effect.try(() => change(source, (v) => v.cents++))
  }),
  "Module.make, in a fiber that it forked": Module.make("culprit", {
    needs: { source },
    output: Schema.Void,
    run: ({ source }) => Effect.flatMap(Effect.fork(Effect.sync(() => change(source, (v) => v.cents++))), Fiber.join)
  }),
  "Module.make, before its effect": Module.make("culprit", {
    needs: { source },
    output: Schema.Void,
    run: ({ source }) => {
      change(source, (v) => v.cents++)
      return Effect.void
    }
  }),
  "Module.route": Module.route("culprit", {
    needs: { source },
    branches: ["a"],
    choose: ({ source }) => {
      change(source, (v) => v.cents++)
      return "a" as const
    }
  }),
  "the list of Module.map": Module.map("culprit", {
    needs: { source },
    over: ({ source }) => {
      change(source, (v) => v.cents++)
      return [1]
    },
    output: Schema.Void,
    run: () => Effect.void
  }),
  "the duration of Module.sleep": Module.sleep("culprit", {
    needs: { source },
    duration: ({ source }) => {
      change(source, (v) => v.cents++)
      return "1 second"
    }
  }),
  "the input of Module.dag": Module.dag("culprit", {
    dag: child,
    needs: { source },
    input: ({ source }) => {
      change(source, (v) => v.cents++)
      return { n: 1 }
    }
  })
}

describe("the change is caught in", () => {
  for (const [kind, culprit] of Object.entries(culprits)) {
    it.effect(kind, () =>
      fails(Dag.make("d", { outputs: { culprit: culprit } }), {}, violation("input", "culprit", "source.cents"))
    )
  }

  it.effect("the record of the needs itself", () => {
    const culprit = Module.pure("culprit", {
      needs: { source },
      run: (needs) => void Object.assign(needs, { source: 1 })
    })
    return fails(Dag.make("d", { outputs: { culprit } }), {}, violation("input", "culprit", "source"))
  })

  it.effect("an input of the run, which is the caller's own object", () => {
    const cart = Module.input("cart", Schema.Struct({ lines: Schema.mutable(Schema.Array(Schema.Int)) }))
    const total = Module.pure("total", { needs: { cart }, run: ({ cart }) => (cart.lines as Array<number>).push(1) })
    return fails(
      Dag.make("d", { outputs: { total } }),
      { cart: { lines: [] } },
      violation("input", "total", "cart.lines.0")
    )
  })

  it.effect("an item of a map: the index of the item and the place in it are named", () =>
    Effect.gen(function* () {
      const each = (change: (item: { n: number; when: Date }) => unknown) =>
        Module.map("each", {
          over: () => [0, 1, 2, 3].map((n) => ({ n, when: new Date(n) })),
          output: Schema.Void,
          run: (item) => Effect.sync(() => void (item.n === 3 && change(item)))
        })
      const plain = Dag.make("d", { outputs: { each: each((item) => item.n++) } })
      yield* fails(plain, {}, violation("item", "each", "3.n"))
      const date = Dag.make("d", { outputs: { each: each(({ when }) => when.setTime(9)) } })
      yield* fails(date, {}, violation("item", "each", "3.when"))
    })
  )

  it.effect("a child Dag: its module is named by its path", () => {
    const value = Module.input("value", Schema.Unknown)
    const culprit = Module.pure("culprit", { needs: { value }, run: ({ value }) => (value as { n: number }).n++ })
    const child = Module.dag("child", {
      dag: Dag.make("c", { outputs: { culprit } }),
      input: () => ({ value: { n: 1 } })
    })
    return Effect.gen(function* () {
      const { reported } = yield* guarded(Dag.make("d", { outputs: { child } }), {})
      assert.deepStrictEqual(reported, [violation("input", "child/culprit", "value.n")])
    })
  })

  it.effect("what a resumed run recalls of its store", () => {
    let isFirst = true
    const stored = Module.make("stored", {
      output: Schema.Struct({ at: Schema.Date, list: Schema.mutable(Schema.Array(Schema.Int)) }),
      run: () => Effect.succeed({ at: new Date(0), list: [1] })
    })
    const culprit = Module.make("culprit", {
      needs: { stored },
      output: Schema.Void,
      run: ({ stored }) => (isFirst ? Effect.die("first") : Effect.sync(() => void stored.at.setTime(5)))
    })
    const dag = Dag.make("d", { outputs: { culprit } })
    return Effect.gen(function* () {
      const first = yield* Effect.exit(Engine.execute(dag, {}, { runId: id }))
      isFirst = false
      const second = yield* Effect.exit(Engine.resume(dag, id))
      assert.deepStrictEqual([inExit(first), inExit(second)], [[], [violation("input", "culprit", "stored.at")]])
    }).pipe(Effect.provide(Heddle.layerMemory), Effect.provide(DebugGuard.layer({ onViolation: () => Effect.void })))
  })
})

describe("the failure of a module that broke the rules", () => {
  it.effect("is stored as a defect whose message has module, run and path; its cause has the place", () => {
    const culprit = Module.pure("culprit", { needs: { source }, run: ({ source }) => change(source, (v) => v.cents++) })
    return Effect.gen(function* () {
      const exit = yield* fails(
        Dag.make("d", { outputs: { culprit } }),
        {},
        violation("input", "culprit", "source.cents")
      )
      const failed = Exit.isFailure(exit) ? Option.getOrThrow(Cause.failureOption(exit.cause)) : undefined
      assert.instanceOf(failed, RunError.RunFailed)
      const { failure } = failed.failures[0]!
      assert.strictEqual(failure.kind, "defect")
      assert.include(failure.message, 'module "culprit" of run "run" changed "source.cents" of what it needs')
      assert.include(failure.cause, "Cannot assign to read only property 'cents'")
      assert.include(failure.cause, "debugGuard.test.ts")
    })
  })

  it.effect("keeps what the module failed with besides", () => {
    const culprit = Module.make("culprit", {
      needs: { source },
      output: Schema.Void,
      run: ({ source }) =>
        Effect.zipRight(
          Effect.sync(() => change(source, (v) => v.set.clear())),
          Effect.die(new Error("besides"))
        )
    })
    return Effect.gen(function* () {
      const exit = yield* fails(
        Dag.make("d", { outputs: { culprit } }),
        {},
        violation("input", "culprit", "source.set")
      )
      assert.include(Exit.isFailure(exit) ? JSON.stringify(exit.cause) : "", "besides")
    })
  })

  it.effect("is no violation when what is frozen is the module's own", () => {
    const own = Object.freeze({ unrelated: 1 })
    const culprit = Module.pure("culprit", { needs: { source }, run: () => void Object.assign(own, { unrelated: 2 }) })
    return Effect.gen(function* () {
      const { exit, reported } = yield* guarded(Dag.make("d", { outputs: { culprit } }), {})
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(reported, [])
    })
  })

  it.effect("names those who may have done it as well, where several had the value at that time", () =>
    Effect.gen(function* () {
      const changed = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const slow = Module.make("slow", {
        needs: { source },
        output: Schema.Void,
        run: ({ source }) =>
          Effect.gen(function* () {
            change(source, (v) => v.map.clear())
            yield* Deferred.succeed(changed, undefined)
            yield* Deferred.await(done)
          })
      })
      const quick = Module.make("quick", { needs: { source }, output: Schema.Void, run: () => Deferred.await(changed) })
      const apart = Module.make("apart", { output: Schema.Void, run: () => Deferred.await(changed) })
      const dag = Dag.make("d", { outputs: { slow, quick, apart } })
      const { failed } = yield* guarded(dag, {})
      assert.deepStrictEqual(failed, [violation("input", "quick", "source.map", ["slow"])])
    })
  )
})

describe("an output that is changed after its module has completed", () => {
  it.effect("names the module that gave it, when a dependant begins that finds it changed", () => {
    const leaked = new Map([["k", 1]])
    const leaky = Module.pure("leaky", { run: () => ({ at: { leaked } }) })
    const dag = Effect.map(Deferred.make<void>(), (given) => {
      const gave = Module.pure("gave", { needs: { leaky }, run: () => Deferred.unsafeDone(given, Effect.void) })
      const later = Module.make("later", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(
            Deferred.await(given),
            Effect.sync(() => void leaked.set("l", 2))
          )
      })
      return Dag.make("d", { outputs: { gave, last: Module.pure("last", { needs: { leaky, later }, run: () => 1 }) } })
    })
    return Effect.gen(function* () {
      yield* fails(yield* dag, {}, violation("output", "leaky", "leaky.at.leaked"))
    })
  })

  it.effect("is reported at the end of the run, when nobody was given it since", () =>
    Effect.gen(function* () {
      const leaked = epoch()
      const leaky = Module.pure("leaky", { run: () => [leaked] })
      const after = Module.pure("after", { join: "always", needs: { leaky }, run: () => 1 })
      const last = Module.make("last", {
        needs: { after },
        output: Schema.Void,
        run: () => Effect.sync(() => void leaked.setTime(1))
      })
      const { exit, reported } = yield* guarded(Dag.make("d", { outputs: { last } }), {})
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(reported, [violation("output", "leaky", "leaky.0")])
    })
  )

  it.effect("names the module that does it, where that throws", () => {
    const leaked = { n: 1 }
    const leaky = Module.pure("leaky", { run: () => ({ leaked }) })
    const after = Module.pure("after", { needs: { leaky }, run: () => 1 })
    const last = Module.make("last", {
      needs: { after },
      output: Schema.Void,
      run: () => Effect.sync(() => void leaked.n++)
    })
    return fails(Dag.make("d", { outputs: { last } }), {}, violation("output", "last", "leaky.leaked.n"))
  })
})

const state = Shared.make("state", {
  list: Shared.cell(Schema.mutable(Schema.Array(Schema.Int)), [1]),
  map: Shared.cell(Schema.Map({ key: Schema.String, value: Schema.Int }), new Map()),
  live: Shared.live(Schema.mutable(Schema.Struct({ n: Schema.Int })), { n: 0 })
})

type Mutable = { list: Array<number>; map: Map<string, number>; live: { n: number } }

const using = (effect: Effect.Effect<unknown, never, CurrentModule | Shared.Use<"state", any>>) =>
  Dag.make("d", {
    shared: [state],
    outputs: { writer: Module.make("writer", { output: Schema.Void, run: () => Effect.asVoid(effect) as never }) }
  }) as Dag.Dag<unknown, {}, never, never>

describe("a shared cell", () => {
  const cases: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, any>, path: string]> = [
    [
      "an update that changes what it is given",
      Shared.update(state, (now) => {
        ;(now.list as Mutable["list"]).push(2)
        return { list: now.list }
      }),
      "state/list.1"
    ],
    [
      "an update that changes a Map",
      Shared.update(state, (now) => {
        ;(now.map as Mutable["map"]).set("k", 1)
        return { map: now.map }
      }),
      "state/map"
    ],
    ["an update that sets a cell", Shared.update(state, (now) => Object.assign(now, { list: [] })), "state/list"],
    [
      "a live update that changes what it is given",
      Shared.updateLive(state, ({ live }) => ({ live: Object.assign(live, { n: 1 }) })),
      "state/live.n"
    ],
    [
      "what `get` gave",
      Effect.map(Shared.get(state, "list"), (list) => (list as Mutable["list"]).push(1)),
      "state/list.1"
    ],
    [
      "a Map that `get` gave",
      Effect.map(Shared.get(state, "map"), (map) => (map as Mutable["map"]).set("l", 1)),
      "state/map"
    ]
  ]
  for (const [what, effect, path] of cases) {
    it.effect(`is not changed in place: ${what}`, () =>
      fails(using(effect as never), {}, violation("shared", "writer", path))
    )
  }

  it.effect("is frozen with its commit, also for the module that made the value", () =>
    Effect.gen(function* () {
      const mine = [1, 2]
      const maker = Module.make("maker", {
        output: Schema.Void,
        run: () => Shared.update(state, () => ({ list: mine }))
      })
      const later = Module.make("later", {
        needs: { maker },
        output: Schema.Void,
        run: () => Effect.sync(() => void mine.push(3))
      })
      const dag = Dag.make("d", { shared: [state], outputs: { later } })
      yield* fails(dag, {}, violation("shared", "later", "state/list.2"))
    })
  )

  it.effect("is updated as ever by pure functions", () =>
    Effect.gen(function* () {
      const pure = Effect.zipRight(
        Shared.update(state, ({ list, map }) => ({ list: [...list, 2], map: new Map([...map, ["k", 1]]) })),
        Effect.all([Shared.get(state, "list"), Shared.get(state, "map")])
      )
      const writer = Module.make("writer", { output: Schema.Unknown, run: () => Effect.as(pure, 1) })
      const reader = Module.make("reader", {
        needs: { writer },
        output: Schema.Unknown,
        run: () => Effect.map(Effect.all([Shared.get(state, "list"), Shared.get(state, "map")]), ([list]) => list)
      })
      const { exit, reported } = yield* guarded(Dag.make("d", { shared: [state], outputs: { reader } }), {})
      assert.deepStrictEqual(exit, Exit.succeed({ reader: [1, 2] }))
      assert.deepStrictEqual(reported, [])
    })
  )
})

describe("Run and Shared", () => {
  it.effect("die when they are used after their module has ended", () =>
    Effect.gen(function* () {
      const [go, late] = [yield* Deferred.make<void>(), yield* Deferred.make<Exit.Exit<void, unknown>>()]
      const parent = Module.make("parent", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(Deferred.await(go), Run.emit(1)).pipe(
            Effect.exit,
            Effect.flatMap((exit) => Deferred.succeed(late, exit)),
            Effect.forkDaemon,
            Effect.asVoid
          )
      })
      const after = Module.make("after", {
        needs: { parent },
        output: Schema.Void,
        run: () => Effect.zipRight(Deferred.succeed(go, undefined), Effect.asVoid(Deferred.await(late)))
      })
      const { exit, reported } = yield* guarded(Dag.make("d", { outputs: { after } }), {})
      assert.isTrue(Exit.isSuccess(exit))
      const expected = violation("endedModule", "parent", "")
      assert.deepStrictEqual(reported, [expected])
      const used = yield* Deferred.await(late)
      const [defect] = Exit.isFailure(used) ? Chunk.toReadonlyArray(Cause.defects(used.cause)) : []
      assert.deepStrictEqual(plain(defect as StateViolation), expected)
    })
  )

  it.effect("die when a fiber of another run uses them, though their module still runs", () =>
    Effect.gen(function* () {
      const [taken, end] = [yield* Deferred.make<typeof CurrentModule.Service>(), yield* Deferred.make<void>()]
      const holder = Module.make("holder", {
        output: Schema.Void,
        run: () =>
          Effect.flatMap(CurrentModule, (module) =>
            Effect.zipRight(Deferred.succeed(taken, module), Deferred.await(end))
          )
      })
      const thief = Module.make("thief", {
        output: Schema.Void,
        run: () =>
          Effect.flatMap(Deferred.await(taken), (module) =>
            Effect.provideService(Run.progress(1, 2), CurrentModule, module)
          )
      })
      const first = yield* Effect.fork(guarded(Dag.make("first", { outputs: { holder } }), {}, RunId.make("first")))
      const second = yield* guarded(Dag.make("second", { outputs: { thief } }), {}, RunId.make("second"))
      yield* Deferred.succeed(end, undefined)
      const { exit, reported } = yield* Fiber.join(first)
      const expected = { ...violation("otherRun", "holder", "", ["second"]), runId: "first" }
      assert.deepStrictEqual([second.failed, reported], [[expected], [expected]])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})

class Twice extends ComputeNode.Service<Twice>()("Twice", { input: Schema.Int, output: Schema.Int }) {}

class Send extends EffectNode.Service<Send>()("Send", { input: Schema.Int, output: Schema.Int }) {}

class Door extends ReducerNode.Service<Door>()("Door", {
  machine: Machine.make({
    id: "door",
    context: Schema.Struct({ at: Schema.Date }),
    events: { Knock: {} },
    initial: "shut",
    initialContext: { at: new Date(0) },
    states: { shut: {}, open: {} },
    transitions: [{ from: "shut", on: "Knock", to: "open" }]
  })
}) {}

class Child extends OrchestratorNode.Service<Child>()("Child", { dag: child }) {}

const nodes = {
  Twice: { layer: Twice.layerPure({ compute: (n) => n * 2 }), call: Twice.call(1) },
  Send: { layer: Send.layer({ execute: Effect.succeed }), call: Send.call(1) },
  Door: { layer: Door.layer(), call: Door.call({ key: "front", event: { _tag: "Knock" } }) }
} as {
  readonly [kind: string]: {
    readonly layer: Layer.Layer<unknown>
    readonly call: Effect.Effect<unknown, unknown, unknown>
  }
}

describe("a node", () => {
  const echo = { process: (n: number) => Effect.succeed(n), count: Effect.succeed(1), name: "echo" }

  it.effect("that is used after the scope of its Layer was closed dies, in a module and outside of one", () =>
    Effect.gen(function* () {
      const reported = yield* Ref.make<ReadonlyArray<StateViolation>>([])
      const guard = DebugGuard.layer({ onViolation: (violation) => Ref.update(reported, (all) => [...all, violation]) })
      const scope = yield* Scope.make()
      const node = yield* Scope.extend(DebugGuard.scoped("app/Echo", echo), scope).pipe(Effect.provide(guard))
      assert.deepStrictEqual([yield* node.process(2), yield* node.count, node.name], [2, 1, "echo"])
      yield* Scope.close(scope, Exit.void)
      const outside = { ...violation("endedNode", "", "app/Echo"), module: null, runId: null }
      for (const effect of [node.process(2), node.count]) {
        const exit = yield* Effect.exit(effect)
        const [defect] = Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.defects(exit.cause)) : []
        assert.deepStrictEqual(plain(defect as StateViolation), outside)
      }
      const caller = Module.make("caller", { output: Schema.Int, run: () => node.process(1) })
      const { failed } = yield* guarded(Dag.make("d", { outputs: { caller } }), {})
      const inside = violation("endedNode", "caller", "app/Echo")
      assert.deepStrictEqual(failed, [inside])
      assert.deepStrictEqual((yield* Ref.get(reported)).map(plain), [outside, outside, inside])
    })
  )

  it.effect("is the same to who uses it: a class, what is inherited, private or a getter, `this`, a function", () =>
    Effect.gen(function* () {
      abstract class Base {
        abstract readonly name: string
        hello() {
          return Effect.succeed(`hello ${this.name}`)
        }
      }
      class Tally extends Base {
        readonly name = "tally"
        #total = 0
        last: number | undefined = undefined
        get total() {
          return Effect.sync(() => this.#total)
        }
        add(n: number) {
          return Effect.sync(() => (this.#total += this.last = n))
        }
      }
      const literal = Object.freeze({
        x: 1,
        get() {
          return Effect.succeed(this.x)
        }
      })
      const double = (n: number) => Effect.succeed(n * 2)
      const guard = Effect.provide(DebugGuard.layer({ onViolation: () => Effect.void }))
      const scope = yield* Scope.make()
      const bind = <S extends object>(service: S) =>
        Scope.extend(DebugGuard.scoped("app/Any", service), scope).pipe(guard)
      const service = new Tally()
      const tally = yield* bind(service)
      assert.notStrictEqual(tally, service)
      assert.instanceOf(tally, Tally)
      assert.strictEqual(yield* tally.add(2), 2)
      assert.deepStrictEqual([yield* tally.total, tally.last, yield* tally.hello()], [2, 2, "hello tally"])
      tally.last = 3
      assert.strictEqual(service.last, 3)
      assert.deepStrictEqual(Object.keys(tally), Object.keys(service))
      const [bound, twice] = [yield* bind(literal), yield* bind(double)]
      assert.deepStrictEqual([yield* bound.get(), bound.x, yield* twice(2)], [1, 1, 4])
      // `this` is the service also for who takes a function out of it
      const { get } = { ...bound }
      assert.strictEqual(yield* get.call(undefined as never), 1)
      yield* Scope.close(scope, Exit.void)
      for (const late of [tally.add(1), tally.total, tally.hello(), bound.get(), twice(1)]) {
        const exit = yield* Effect.exit<unknown, never, never>(late)
        const [defect] = Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.defects(exit.cause)) : []
        assert.instanceOf(defect, StateViolation)
      }
    })
  )

  it.scoped("is its service itself when the guard is off", () =>
    Effect.map(DebugGuard.scoped("app/Echo", echo), (node) => assert.strictEqual(node, echo))
  )

  for (const [kind, { call, layer }] of Object.entries(nodes)) {
    it.effect(`is bound to the scope of its Layer: each kind (${kind})`, () =>
      Effect.gen(function* () {
        const guard = DebugGuard.layer({ onViolation: () => Effect.void })
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(layer, scope).pipe(Effect.provide(guard))
        const process = call.pipe(Effect.provide(context), Effect.exit)
        assert.isTrue(Exit.isSuccess(yield* process))
        yield* Scope.close(scope, Exit.void)
        const exit = yield* process
        const [defect] = Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.defects(exit.cause)) : []
        assert.deepStrictEqual(plain(defect as StateViolation), {
          ...violation("endedNode", "", kind),
          module: null,
          runId: null
        })
      })
    )
  }

  it.effect("that is an orchestrator has the values of its executions guarded, and interrupts who comes too late", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = Layer.provideMerge(Child.layer(), Heddle.layerMemory)
      const guard = DebugGuard.layer({ onViolation: (violation) => Effect.die(violation) })
      const context = yield* Layer.buildWithScope(layer, scope).pipe(Effect.provide(guard))
      const outputs = yield* Effect.provide(Child.call({ n: 1 }), context)
      assert.isTrue(Object.isFrozen(outputs))
      yield* Scope.close(scope, Exit.void)
      const late = yield* Effect.exit(Effect.provide(Child.call({ n: 1 }), context))
      assert.isTrue(Exit.isInterrupted(late))
    })
  )

  it.effect("that is a machine has its context guarded in the module that asks it", () => {
    const culprit = Module.make("culprit", {
      output: Schema.Void,
      run: () =>
        Effect.map(Effect.orDie(Door.call({ key: "front", event: { _tag: "Knock" } })), ({ context }) =>
          context.at.setTime(1)
        )
    })
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(Engine.execute(Dag.make("d", { outputs: { culprit } }), {}, { runId: id }))
      assert.deepStrictEqual(inExit(exit), [violation("node", "culprit", "Door.context.at")])
    }).pipe(
      Effect.provide(Layer.merge(Heddle.layerMemory, Door.layer())),
      Effect.provide(DebugGuard.layer({ onViolation: () => Effect.void }))
    )
  })

  it.effect("that gives state of its own has it guarded, too", () =>
    Effect.gen(function* () {
      const context = { steps: ["a"], at: epoch() }
      const make = DebugGuard.scoped("app/Machine", { process: () => Effect.succeed({ context }) }, { isShared: true })
      const guard = DebugGuard.layer({ onViolation: () => Effect.void })
      const node = yield* make.pipe(Effect.provide(guard))
      const culprit = (change: () => unknown) =>
        Module.make("culprit", { output: Schema.Void, run: () => Effect.map(node.process(), () => void change()) })
      const list = Dag.make("d", { outputs: { culprit: culprit(() => context.steps.push("b")) } })
      yield* fails(list, {}, violation("node", "culprit", "app/Machine.context.steps.1"))
      const date = Dag.make("d", { outputs: { culprit: culprit(() => context.at.setTime(1)) } })
      yield* fails(date, {}, violation("node", "culprit", "app/Machine.context.at"))
    }).pipe(Effect.scoped)
  )
})

/** A value that tells how often somebody looks into it. */
class Looked extends Map<string, number> {
  looks = 0;
  override *[Symbol.iterator](): MapIterator<[string, number]> {
    this.looks++
    return yield* super[Symbol.iterator]()
  }
}

const looking = (value: unknown) =>
  Dag.make("d", {
    outputs: {
      last: Module.pure("last", { needs: { value: Module.pure("value", { run: () => value }) }, run: () => 1 })
    }
  })

const turnedOn = (HEDDLE_DEBUG: string) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["HEDDLE_DEBUG", HEDDLE_DEBUG]])))

describe("the guard", () => {
  it.effect("does not touch any value when it is off", () =>
    Effect.gen(function* () {
      for (const layer of [Layer.empty, turnedOn("false")]) {
        const value = { plain: { list: [1] }, map: new Looked([["k", 1]]) }
        yield* Engine.execute(looking(value), {}).pipe(Effect.provide(Heddle.layerMemory), Effect.provide(layer))
        assert.isFalse(Object.isFrozen(value) || Object.isFrozen(value.plain) || Object.isFrozen(value.plain.list))
        assert.strictEqual(value.map.looks, 0)
      }
    })
  )

  it.effect("is turned on by HEDDLE_DEBUG, and by the layer", () =>
    Effect.gen(function* () {
      for (const layer of [turnedOn("1"), turnedOn("true"), Heddle.layerDebug]) {
        const value = { plain: { list: [1] }, map: new Looked([["k", 1]]) }
        yield* Engine.execute(looking(value), {}).pipe(Effect.provide(Heddle.layerMemory), Effect.provide(layer))
        assert.isTrue(Object.isFrozen(value) && Object.isFrozen(value.plain) && Object.isFrozen(value.plain.list))
        assert.isAbove(value.map.looks, 0)
      }
    })
  )

  it.effect("refuses a HEDDLE_DEBUG that is no boolean", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Engine.list().pipe(Effect.provide(Heddle.layerMemory), Effect.provide(turnedOn("maybe")))
      )
      assert.include(String(Exit.isFailure(exit) && Cause.pretty(exit.cause)), "HEDDLE_DEBUG")
    })
  )

  it.effect("calls no getter, looks into no proxy, and can take what contains itself", () =>
    Effect.gen(function* () {
      let calls = 0
      const refuse = () => {
        throw new Error("looked into")
      }
      const value: { [key: string]: unknown } = {
        get computed() {
          return calls++
        },
        proxy: new Proxy({}, { ownKeys: refuse, get: refuse, getPrototypeOf: refuse, preventExtensions: refuse }),
        f: () => 1,
        promise: Promise.resolve(1),
        none: null
      }
      value["self"] = value
      const { exit, reported } = yield* guarded(looking(value), {})
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([calls, reported], [0, []])
    })
  )

  it.effect.prop(
    "changes nothing about a random Dag of modules that keep the rules",
    [RandomDag.failing, fc.integer(), fc.constantFrom("failFast" as const, "continue" as const)],
    ([vertices, seed, onFailure]) => {
      const dag = (log: RandomDag.Log) =>
        RandomDag.dag(
          vertices.map((vertex) => ({ ...vertex, sleeps: 0 })),
          log
        )
      const observe = (layer: Layer.Layer<never> | Layer.Layer<DebugGuard.DebugGuard>) =>
        Effect.gen(function* () {
          const log = RandomDag.emptyLog()
          const handle = yield* Engine.start(dag(log), { seed }, { runId: id, onFailure, durability: "memory" })
          const exit = yield* Effect.exit(handle.await)
          const snapshot = yield* handle.snapshot
          const outputs = Exit.isSuccess(exit) ? exit.value : exit._tag
          return {
            outputs,
            status: snapshot.status,
            statuses: statusesOf(snapshot),
            started: log.started,
            peak: log.peak
          }
        }).pipe(Effect.provide(Heddle.layerMemory), Effect.provide(layer))
      return Effect.gen(function* () {
        const refuse = DebugGuard.layer({ onViolation: (violation) => Effect.die(violation) })
        assert.deepStrictEqual(yield* observe(refuse), yield* observe(Layer.empty))
      })
    },
    { fastCheck: { numRuns } }
  )
})

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withNullPrototype: true,
  withSparseArray: true,
  maxDepth: 4
})

/** The objects of a value with their paths, and a change of each, by a walk that knows nothing of the guard's. */
const objectsOf = (value: unknown) => {
  const seen = new Set<unknown>()
  const found: Array<{ readonly path: string; readonly change: () => void; readonly isFrozen: boolean }> = []
  const visit = (at: unknown, path: string): void => {
    if (typeof at !== "object" || at === null || seen.has(at)) return
    seen.add(at)
    const child = (key: string | number, inner: unknown) => visit(inner, `${path}.${key}`)
    const add = (change: () => void, isFrozen = false) => found.push({ path, change, isFrozen })
    if (at instanceof Map) {
      add(() => at.set("changed by the test", 1))
      Array.from(at).forEach(([key, inner], i) => {
        const isObject = (typeof key === "object" && key !== null) || typeof key === "function"
        if (isObject) child(`${i}.key`, key)
        child(isObject ? i : String(key), inner)
      })
    } else if (at instanceof Set) {
      add(() => at.add("changed by the test"))
      Array.from(at).forEach((inner, i) => child(i, inner))
    } else if (at instanceof Date) add(() => at.setTime(at.getTime() === 1 ? 2 : 1))
    else if (ArrayBuffer.isView(at)) {
      const bytes = new Uint8Array(at.buffer, at.byteOffset, at.byteLength)
      if (bytes.length > 0) add(() => (bytes[0]! ^= 1))
    } else if (Array.isArray(at)) {
      add(() => at.push("changed by the test"), true)
      at.forEach((inner, i) => child(i, inner))
    } else {
      add(() => Object.assign(at, { "changed by the test": 1 }), true)
      for (const [key, inner] of Object.entries(at)) child(key, inner)
    }
  }
  visit(value, "source")
  return found
}

it.layer(Layer.provide(Heddle.layerMemory, DebugGuard.layer({ onViolation: () => Effect.void })))("any value", (it) => {
  it.effect.prop(
    "is given as it is, and one change of it anywhere is found",
    [anything, fc.nat()],
    ([value, pick]) =>
      Effect.gen(function* () {
        const objects = objectsOf(value)
        const picked = objects[pick % Math.max(1, objects.length)]
        let seen: unknown
        const run = (f: () => void) => {
          const culprit = Module.pure("culprit", {
            needs: { source: Module.pure("source", { run: () => value }) },
            run: ({ source }) => {
              seen = source
              f()
            }
          })
          return Effect.map(Effect.exit(Engine.execute(Dag.make("d", { outputs: { culprit } }), {})), inExit)
        }
        assert.deepStrictEqual(yield* run(() => {}), [])
        assert.isTrue(Object.is(seen, value))
        if (picked === undefined) return
        const found = yield* run(picked.change)
        assert.lengthOf(found, 1)
        const [{ kind, module, path }] = found as [Found]
        assert.deepStrictEqual([kind, module], ["input", "culprit"])
        // of a write to a frozen object the name of the property is known, and not always which object it was
        if (!picked.isFrozen) assert.strictEqual(path, picked.path)
      }),
    { fastCheck: { numRuns } }
  )
})
