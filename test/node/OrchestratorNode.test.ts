/** Executions of an orchestrator: beginning, seeing, limiting and ending them. */
import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schema,
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Module, NodeError, Run, RunError, RunId, Timeline } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import { alone, Bad, engine, eventually, quiet, store } from "../run/Harness.js"

const order = RunId.make("order")

class Stock extends Context.Tag("test/Stock")<
  Stock,
  { readonly hold: (cents: number) => Effect.Effect<number, Bad> }
>() {}

const cents = Module.input("cents", Schema.Int)
const quote = Module.pure("quote", {
  needs: { cents },
  output: Schema.Struct({ cents: Schema.Int, lines: Schema.Array(Schema.String) }),
  run: ({ cents }) => ({ cents, lines: ["a", "b"] })
})
const hold = Module.make("hold", {
  needs: { quote },
  output: Schema.Int,
  error: Bad,
  run: ({ quote }) => Effect.flatMap(Stock, (stock) => stock.hold(quote.cents))
})
const note = Module.pure("note", { needs: { hold }, run: ({ hold }) => ({ text: `held ${hold}` }) })
const FulfilDag = Dag.make("fulfil", { outputs: { hold, note } })

class Fulfil extends OrchestratorNode.Service<Fulfil>()("test/Fulfil", { dag: FulfilDag }) {}

/** What holds, until it is told to go on. */
const stock = (hold: (cents: number) => Effect.Effect<number, Bad>) => Layer.succeed(Stock, { hold })

const held = stock(Effect.succeed)

const fulfil = (options?: Partial<OrchestratorNode.Options>, stock: Layer.Layer<Stock> = held) =>
  Layer.provide(Fulfil.layer(options), stock)

/** The node, its engine and its store. */
const live = (options?: Partial<OrchestratorNode.Options>, stock?: Layer.Layer<Stock>) =>
  Layer.provideMerge(fulfil(options, stock), alone())

const ids = (active: ReadonlyArray<OrchestratorNode.Active>) => active.map(({ id, status }) => `${id} ${status}`)

describe("an execution", () => {
  it.effect("gives its outputs, and is found again by its id: what it gave, how far it came, and its end", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      const outputs = yield* node.process({ cents: 5 }, { runId: order })
      assert.deepStrictEqual(outputs, { hold: 5, note: { text: "held 5" } })
      assert.deepStrictEqual(yield* node.progress(order), {
        id: order,
        status: "completed",
        pending: [],
        running: [],
        suspended: [],
        completed: ["quote", "hold", "note"],
        failed: [],
        skipped: [],
        cancelled: []
      })
      const context = yield* node.context(order)
      assert.deepStrictEqual(context.get(quote), Option.some({ cents: 5, lines: ["a", "b"] }))
      assert.deepStrictEqual(context.values, {
        quote: { cents: 5, lines: ["a", "b"] },
        hold: 5,
        note: { text: "held 5" }
      })
      assert.throws(() => context.get(Module.pure("quote", { run: () => 1 })), /no step of the Dag of "test\/Fulfil"/)
      assert.deepStrictEqual(yield* node.await(order), outputs)
      assert.deepStrictEqual(yield* node.process({ cents: 5 }, { runId: order }), outputs)
      assert.deepStrictEqual(yield* (yield* node.start({ cents: 5 }, { runId: order })).await, outputs)
      assert.deepStrictEqual(yield* node.active, [])
    }).pipe(Effect.provide(live()))
  )

  it.effect("what it gave cannot be changed", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      yield* node.process({ cents: 5 }, { runId: order })
      const context = yield* node.context(order)
      const given = Option.getOrThrow(context.get(quote))
      assert.throws(() => void ((given as { cents: number }).cents = 6), TypeError)
      assert.throws(() => (given.lines as Array<string>).push("c"), TypeError)
      assert.throws(() => void ((context.values as { hold: number }).hold = 6), TypeError)
      assert.deepStrictEqual((yield* node.context(order)).get(quote), Option.some({ cents: 5, lines: ["a", "b"] }))
    }).pipe(Effect.provide(live()))
  )

  it.effect("is live from its begin to its end, as one of its orchestrator's", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<number>()
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        const seen = yield* Effect.fork(Stream.runCollect(Stream.take(node.changes, 3)))
        yield* quiet
        const { await: ended, id } = yield* node.start({ cents: 5 }, { runId: order })
        assert.strictEqual(id, order)
        assert.deepStrictEqual(ids(yield* node.active), ["order running"])
        yield* eventually(Effect.map(node.progress(order), ({ running }) => running.includes("hold")))
        const { completed, pending, status } = yield* node.progress(order)
        assert.deepStrictEqual(
          { completed, pending, status },
          { completed: ["quote"], pending: ["note"], status: "running" }
        )
        const again = yield* node.start({ cents: 5 }, { runId: order })
        const other = yield* Effect.exit(node.start({ cents: 6 }, { runId: order }))
        assert.deepStrictEqual(other, Exit.fail(new RunError.RunConflict({ runId: order, differs: "input" })))
        assert.lengthOf(yield* node.active, 1)
        yield* Deferred.succeed(gate, 7)
        assert.strictEqual((yield* ended).hold, 7)
        assert.strictEqual((yield* again.await).hold, 7)
        assert.deepStrictEqual(yield* node.active, [])
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(seen)).map(ids), [[], ["order running"], []])
      }).pipe(
        Effect.provide(
          live(
            {},
            stock(() => Deferred.await(gate))
          )
        )
      )
    })
  )

  it.effect("that fails gives its steps' own error to its caller, and its node's error for any other end", () =>
    Effect.gen(function* () {
      const bad = new Bad({ why: "none left" })
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        assert.deepStrictEqual(yield* Effect.exit(node.process({ cents: 1 }, { runId: order })), Exit.fail(bad))
        assert.deepStrictEqual(yield* Effect.exit(node.await(order)), Exit.fail(bad))
        const { failed, skipped, cancelled } = yield* node.progress(order)
        assert.deepStrictEqual({ failed, skipped, cancelled }, { failed: ["hold"], skipped: ["note"], cancelled: [] })
      }).pipe(
        Effect.provide(
          live(
            {},
            stock(() => bad)
          )
        )
      )
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        const died = yield* Effect.flip(node.process({ cents: 1 }, { runId: order }))
        assert.instanceOf(died, OrchestratorNode.OrchestrationFailed)
        assert.deepInclude(died, { node: "test/Fulfil", runId: order, reason: "failed" })
        assert.instanceOf(died.cause, RunError.RunFailed)
        const conflict = yield* Effect.flip(node.process({ cents: 2 }, { runId: order }))
        assert.deepInclude(conflict, { _tag: "OrchestrationFailed", reason: "notStarted" })
        const invalid = yield* Effect.flip(node.process({ cents: 0.5 }))
        assert.instanceOf(invalid, NodeError.NodeValueInvalid)
      }).pipe(
        Effect.provide(
          live(
            {},
            stock(() => Effect.die("boom"))
          )
        )
      )
    })
  )

  it.effect("is cancelled, and ends so for all who wait for it", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      const caller = yield* Effect.fork(Effect.flip(node.process({ cents: 1 }, { runId: order })))
      yield* eventually(Effect.map(node.active, ({ length }) => length === 1))
      yield* eventually(Effect.map(Effect.either(node.progress(order)), ({ _tag }) => _tag === "Right"))
      yield* node.cancel(order)
      assert.deepStrictEqual(yield* node.active, [])
      assert.deepInclude(yield* Fiber.join(caller), { reason: "cancelled" })
      const { cancelled, completed } = yield* node.progress(order)
      assert.deepStrictEqual([...completed, ...cancelled], ["quote", "hold", "note"])
      yield* node.cancel(order)
      assert.instanceOf(yield* Effect.flip(node.cancel(RunId.make("nobody"))), RunError.UnknownRun)
    }).pipe(
      Effect.provide(
        live(
          {},
          stock(() => Effect.never)
        )
      )
    )
  )

  it.effect("whose caller is interrupted is cut off, and goes on where it was", () =>
    Effect.gen(function* () {
      const calls: Array<number> = []
      const cut = (cents: number) =>
        Effect.zipRight(
          Effect.sync(() => calls.push(cents)),
          Effect.never
        )
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        const caller = yield* Effect.fork(node.process({ cents: 1 }, { runId: order }))
        yield* eventually(Effect.sync(() => calls.length === 1))
        yield* Fiber.interrupt(caller)
        assert.deepStrictEqual(yield* node.active, [])
        assert.strictEqual((yield* node.progress(order)).status, "running")
        assert.deepStrictEqual((yield* node.context(order)).values, { quote: { cents: 1, lines: ["a", "b"] } })
        assert.instanceOf(yield* Effect.flip(node.await(order)), OrchestratorNode.NotActive)
      }).pipe(Effect.provide(Layer.provide(fulfil({}, stock(cut)), engine())), Effect.provide(Layer.empty))
      // another process, with the same store
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        assert.deepStrictEqual((yield* node.context(order)).values, { quote: { cents: 1, lines: ["a", "b"] } })
        const { await: ended } = yield* node.resume(order)
        assert.strictEqual((yield* ended).hold, 1)
        assert.deepStrictEqual(calls, [1])
        const again = yield* (yield* node.resume(order)).await.pipe(Effect.flip)
        assert.deepInclude(again, { _tag: "OrchestrationFailed", reason: "notStarted" })
        assert.instanceOf(yield* Effect.flip(node.resume(RunId.make("nobody"))), RunError.UnknownRun)
      }).pipe(Effect.provide(Layer.provide(fulfil(), engine())))
    }).pipe(Effect.provide(store))
  )

  it.effect("is cut off when the scope of its layer closes, although the engine goes on", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const slow = () =>
        Effect.onInterrupt(
          Effect.zipRight(
            Effect.sync(() => calls.push("began")),
            Effect.never
          ),
          () => Effect.sync(() => calls.push("cleaned up"))
        )
      yield* Effect.gen(function* () {
        yield* (yield* Fulfil).start({ cents: 1 }, { runId: order })
        yield* eventually(Effect.sync(() => calls.length === 1))
      }).pipe(Effect.provide(fulfil({}, stock(slow))))
      assert.deepStrictEqual(calls, ["began", "cleaned up"])
      assert.strictEqual(
        (yield* Engine.execute(FulfilDag, { cents: 1 }, { runId: order }).pipe(Effect.provide(held))).hold,
        1
      )
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of another orchestrator on the same engine is not seen", () => {
    const Other = OrchestratorNode.Service<"Other">()("test/Other", {
      dag: Dag.make("other", {
        outputs: { wait: Module.make("wait", { output: Schema.Void, run: () => Effect.never }) }
      })
    })
    return Effect.gen(function* () {
      const node = yield* Fulfil
      const other = yield* Other
      yield* other.start({}, { runId: order })
      assert.deepStrictEqual(yield* node.active, [])
      for (const look of [node.progress(order), node.context(order), node.cancel(order), node.await(order)]) {
        assert.instanceOf(yield* Effect.flip<unknown, unknown, never>(look), RunError.UnknownRun)
      }
      assert.deepStrictEqual(ids(yield* other.active), ["order running"])
    }).pipe(Effect.provide(Layer.provideMerge(Layer.merge(fulfil(), Other.layer()), alone())))
  })
})

describe("a suspended execution", () => {
  const approval = Module.signal("approval", { value: Schema.String })
  const Approve = OrchestratorNode.Service<"Approve">()("test/Approve", {
    dag: Dag.make("approve", { outputs: { approval } })
  })

  it.effect("ends the waiting for it, holds no place, and gives its outputs to `process` all the same", () =>
    Effect.gen(function* () {
      const node = yield* Approve
      const first = yield* node.start({}, { runId: order })
      assert.instanceOf(yield* Effect.flip(first.await), RunError.RunSuspended)
      assert.deepStrictEqual(yield* node.active, [])
      assert.deepStrictEqual((yield* node.progress(order)).suspended, ["approval"])
      assert.instanceOf(yield* Effect.flip(node.await(order)), RunError.RunSuspended)
      const caller = yield* Effect.fork(node.process({}, { runId: order }))
      yield* TestClock.adjust("5 seconds")
      yield* Engine.signal(order, approval, "yes")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(caller), { approval: "yes" })
    }).pipe(Effect.provide(Layer.provideMerge(Approve.layer({ concurrency: 1, whenFull: "fail" }), alone())))
  )
})

describe("a limit", () => {
  const name = (n: number) => RunId.make(`order-${n}`)

  it.effect("has callers wait in order, and be refused when too many do", () =>
    Effect.gen(function* () {
      const began: Array<number> = []
      const gates = yield* Effect.replicateEffect(Deferred.make<void>(), 5)
      const hold = (cents: number) =>
        Effect.zipRight(
          Effect.sync(() => began.push(cents)),
          Effect.as(Deferred.await(gates[cents]!), cents)
        )
      yield* Effect.gen(function* () {
        const node = yield* Fulfil
        const callers = yield* Effect.forEach([0, 1, 2, 3], (n) =>
          Effect.tap(Effect.fork(node.process({ cents: n }, { runId: name(n) })), quiet)
        )
        assert.deepStrictEqual(began, [0])
        assert.deepStrictEqual(ids(yield* node.active), [
          "order-0 running",
          "order-1 waiting",
          "order-2 waiting",
          "order-3 waiting"
        ])
        const refused = yield* Effect.flip(node.process({ cents: 4 }, { runId: name(4) }))
        assert.deepInclude(refused, { _tag: "OrchestratorFull", concurrency: 1, waiting: 3 })
        // who waits for an id that waits takes no further place, and takes over from who gives up
        const same = yield* Effect.tap(Effect.fork(node.process({ cents: 1 }, { runId: name(1) })), quiet)
        yield* Fiber.interrupt(callers[2]!)
        yield* Fiber.interrupt(callers[1]!)
        yield* quiet
        yield* Deferred.succeed(gates[0]!, undefined)
        yield* quiet
        assert.deepStrictEqual(began, [0, 3])
        yield* Deferred.succeed(gates[3]!, undefined)
        yield* quiet
        assert.deepStrictEqual(began, [0, 3, 1])
        yield* Deferred.succeed(gates[1]!, undefined)
        assert.strictEqual((yield* Fiber.join(same)).hold, 1)
        assert.deepStrictEqual(yield* node.active, [])
      }).pipe(Effect.provide(live({ concurrency: 1, maxWaiting: 3 }, stock(hold))))
    })
  )

  it.effect("refuses at once when it should", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      const first = yield* Effect.fork(node.process({ cents: 1 }, { runId: name(1) }))
      yield* quiet
      assert.instanceOf(yield* Effect.flip(node.start({ cents: 2 })), OrchestratorNode.OrchestratorFull)
      yield* Fiber.interrupt(first)
      yield* node.start({ cents: 2 }, { runId: name(2) })
      assert.deepStrictEqual(ids(yield* node.active), ["order-2 running"])
    }).pipe(
      Effect.provide(
        live(
          { concurrency: 1, whenFull: "fail" },
          stock(() => Effect.never)
        )
      )
    )
  )

  it.effect("that does not begin gives its place back", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      yield* node.process({ cents: 1 }, { runId: name(1) })
      for (let i = 0; i < 3; i++) {
        assert.instanceOf(yield* Effect.flip(node.start({ cents: 2 }, { runId: name(1) })), RunError.RunConflict)
      }
      assert.strictEqual((yield* node.process({ cents: 3 })).hold, 3)
    }).pipe(Effect.provide(live({ concurrency: 1, whenFull: "fail" })))
  )

  it.effect("that no orchestrator can have is a defect of the layer", () =>
    Effect.gen(function* () {
      for (const options of [{ concurrency: 0 }, { concurrency: 1.5 }, { maxWaiting: -1 }]) {
        const exit = yield* Effect.exit(Effect.provide(Effect.void, live(options)))
        assert.isTrue(Exit.isFailure(exit) && /give a whole number/.test(String(exit.cause)))
      }
      for (const poll of [0, -1, NaN, Infinity, "-1 seconds", Duration.zero, Duration.infinity] as const) {
        const exit = yield* Effect.exit(Effect.provide(Effect.void, live({ poll })))
        const said = Exit.isFailure(exit) ? String(exit.cause) : "built"
        assert.include(said, `the poll of "test/Fulfil" is ${String(poll)}: give a duration`)
      }
      yield* Effect.provide(Effect.void, live({ poll: "1 nanos" }))
    })
  )
})

describe("a child", () => {
  const parentId = RunId.make("parent")
  const total = Module.input("total", Schema.Int)

  /** A parent whose one module is an execution of the node. */
  const shop = () => {
    const fulfilled = Module.node("fulfilled", {
      node: Fulfil,
      needs: { total },
      input: ({ total }) => ({ cents: total })
    })
    const thanks = Module.make("thanks", {
      needs: { fulfilled },
      output: Schema.String,
      run: ({ fulfilled }) =>
        Effect.succeed(`thanks for ${fulfilled.hold}: ${(fulfilled.note as { text: string }).text}`)
    })
    return Dag.make("shop", { outputs: { thanks, fulfilled } })
  }
  const childId = OrchestratorNode.childId(Fulfil, { runId: parentId, path: "fulfilled" })

  const childRuns = Effect.flatMap(Timeline.Timeline, (timeline) =>
    Effect.map(timeline.list({ dag: "fulfil" }), (runs) => runs.map(({ runId, status }) => `${runId} ${status}`))
  )

  it.effect("is a run of its own that its parent finds again after it was cut off, and that begins once", () =>
    Effect.gen(function* () {
      const began: Array<number> = []
      const hold = (cents: number) =>
        Effect.zipRight(
          Effect.sync(() => began.push(cents)),
          Effect.never
        )
      const dag = shop()
      const process = (stock: Layer.Layer<Stock>) => Layer.provideMerge(fulfil({}, stock), engine())
      yield* Effect.gen(function* () {
        const caller = yield* Effect.fork(Engine.execute(dag, { total: 4 }, { runId: parentId }))
        yield* eventually(Effect.sync(() => began.length === 1))
        assert.deepStrictEqual(ids(yield* (yield* Fulfil).active), [`${childId} running`])
        yield* Fiber.interrupt(caller)
        assert.deepStrictEqual(ids(yield* (yield* Fulfil).active), [])
        assert.deepStrictEqual(yield* childRuns, [`${childId} running`])
      }).pipe(Effect.provide(process(stock(hold))))
      yield* Effect.gen(function* () {
        const outputs = yield* Engine.resume(dag, parentId)
        assert.deepStrictEqual(outputs.fulfilled, { hold: 4, note: { text: "held 4" } })
        assert.strictEqual(outputs.thanks, "thanks for 4: held 4")
        assert.deepStrictEqual((yield* (yield* Fulfil).progress(childId)).completed, ["quote", "hold", "note"])
      }).pipe(Effect.provide(process(held)))
      assert.deepStrictEqual(yield* childRuns, [`${childId} completed`])
      const { history } = yield* Timeline.Timeline
      const quoted = (yield* history(childId)).filter((t) => t._tag === "ModuleTransition" && t.module === "quote")
      assert.lengthOf(quoted, 1, "what had completed did not run again")
    }).pipe(Effect.provide(store))
  )

  it.effect("is cancelled with its parent, before that has ended", () =>
    Effect.gen(function* () {
      const node = yield* Fulfil
      const handle = yield* Engine.start(shop(), { total: 4 }, { runId: parentId })
      yield* eventually(Effect.map(Effect.either(node.progress(childId)), ({ _tag }) => _tag === "Right"))
      yield* handle.cancel
      assert.deepStrictEqual(yield* childRuns, [`${childId} cancelled`])
      assert.deepStrictEqual((yield* node.progress(childId)).running, [])
    }).pipe(
      Effect.provide(
        live(
          {},
          stock(() => Effect.never)
        )
      )
    )
  )

  it.effect("is cancelled when its parent fails", () => {
    const fulfilled = Module.node("fulfilled", {
      node: Fulfil,
      needs: { total },
      input: ({ total }) => ({ cents: total })
    })
    const failing = Module.make("failing", {
      output: Schema.Void,
      error: Bad,
      run: () => Effect.zipRight(Effect.sleep("1 second"), new Bad({ why: "late" }))
    })
    return Effect.gen(function* () {
      const run = yield* Effect.fork(
        Engine.execute(Dag.make("shop", { outputs: { fulfilled, failing } }), { total: 4 }, { runId: parentId })
      )
      yield* quiet
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.await(run), Exit.fail(new Bad({ why: "late" })))
      assert.deepStrictEqual(yield* childRuns, [`${childId} cancelled`])
    }).pipe(
      Effect.provide(
        live(
          {},
          stock(() => Effect.never)
        )
      )
    )
  })

  it.effect("that failed goes on from what is unfinished when its parent does, with the same error until then", () =>
    Effect.gen(function* () {
      let left = 2
      const bad = new Bad({ why: "none left" })
      const hold = (cents: number) => Effect.suspend(() => (left-- > 0 ? bad : Effect.succeed(cents)))
      yield* Effect.gen(function* () {
        const dag = shop()
        assert.deepStrictEqual(
          yield* Effect.exit(Engine.execute(dag, { total: 4 }, { runId: parentId })),
          Exit.fail(bad)
        )
        assert.deepStrictEqual(
          yield* Effect.exit(Engine.execute(dag, { total: 4 }, { runId: parentId })),
          Exit.fail(bad)
        )
        assert.deepStrictEqual(yield* Effect.exit(Engine.resume(dag, parentId)), Exit.fail(bad))
        assert.strictEqual((yield* Engine.resume(dag, parentId)).thanks, "thanks for 4: held 4")
        assert.deepStrictEqual(yield* childRuns, [`${childId} completed`])
      }).pipe(Effect.provide(live({}, stock(hold))))
    })
  )

  it.effect("of an item has an id of its own, and one that is suspended does not end its parent's module", () => {
    const approval = Module.signal("approval", { value: Schema.Int })
    const Approve = OrchestratorNode.Service<"Approve">()("test/ApproveItem", {
      dag: Dag.make("approve", { outputs: { approval } })
    })
    const asked = Module.map("asked", {
      over: () => [0, 1, 2],
      output: Schema.Int,
      run: () => Effect.flatMap(Approve, (node) => Effect.map(node.process({}), ({ approval }) => approval))
    })
    const id = (index: number) => OrchestratorNode.childId(Approve, { runId: parentId, path: "asked", index })
    return Effect.gen(function* () {
      const run = yield* Effect.fork(
        Engine.execute(Dag.make("asking", { outputs: { asked } }), {}, { runId: parentId })
      )
      yield* eventually(
        Effect.map(
          Effect.forEach([0, 1, 2], (i) => Effect.option(Engine.get(id(i)))),
          (runs) => runs.every((run) => Option.isSome(run) && run.value.status === "suspended")
        )
      )
      for (const i of [2, 0, 1]) {
        yield* Engine.signal(id(i), approval, i * 10)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual((yield* Fiber.join(run)).asked, [0, 10, 20])
    }).pipe(Effect.provide(Layer.provideMerge(Approve.layer(), alone())))
  })

  it.effect("has its caller's attempt only while it is called: its own modules are their own", () => {
    const seen: Array<string> = []
    const inner = Module.make("inner", {
      output: Schema.Void,
      run: () => Effect.map(Run.idempotencyKey, (key) => void seen.push(key))
    })
    const Inner = OrchestratorNode.Service<"Inner">()("test/Inner", { dag: Dag.make("inner", { outputs: { inner } }) })
    const outer = Module.node("outer", { node: Inner, input: () => ({}) })
    return Effect.gen(function* () {
      yield* Engine.execute(Dag.make("outer", { outputs: { outer } }), {}, { runId: parentId })
      const runId = OrchestratorNode.childId(Inner, { runId: parentId, path: "outer" })
      assert.deepStrictEqual(seen, [JSON.stringify([runId, "inner"])])
    }).pipe(Effect.provide(Layer.provideMerge(Inner.layer(), alone())))
  })

  it("has an id that is valid however long or odd the names of its parent are", () => {
    const node = { key: "n" }
    const ids = ["p".repeat(256), "p", "\u{1f9f6}".repeat(128), "#".repeat(250)].flatMap((parent) =>
      ["m", "\u{1f9f6}m".repeat(80), "a/b"].flatMap((path) =>
        [undefined, 0, 12].map((index) => {
          const runId = RunId.make(parent)
          return OrchestratorNode.childId(node, index === undefined ? { runId, path } : { runId, path, index })
        })
      )
    )
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const id of ids) assert.isTrue(Schema.is(RunId)(id))
    assert.notStrictEqual(
      OrchestratorNode.childId(node, { runId: RunId.make("a/b"), path: "c" }),
      OrchestratorNode.childId(node, { runId: RunId.make("a"), path: "b/c" })
    )
  })
})
