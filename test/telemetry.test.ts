/**
 * Holds `docs/telemetry.md` against the code: what the page lists is there, what is there is listed, and it behaves as
 * the page says.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Clock,
  Context,
  Effect,
  Exit,
  Fiber,
  HashMap,
  Layer,
  Logger,
  Metric,
  MetricKeyType,
  MetricState,
  Option,
  Predicate,
  Random,
  Schedule,
  Schema,
  Scope,
  Stream,
  TestClock,
  Tracer
} from "effect"
import {
  Dag,
  Engine,
  Heddle,
  Module,
  Plan,
  RunId,
  RunSnapshot,
  RunStore,
  StateStore,
  StateWriter,
  Telemetry,
  Timeline
} from "heddle"
import { StoreError } from "heddle/model/StoreError"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as Machine from "heddle/node/Machine"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as FaultyStateStore from "heddle/testing/FaultyStateStore"
import * as Fs from "node:fs"
import * as ControlledStore from "./state/ControlledStore.js"
import { killable } from "./state/Writers.js"

const page = Fs.readFileSync(new URL("../docs/telemetry.md", import.meta.url), "utf8").split("\n")

const cells = (line: string) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())

/** The rows of the table with this header. */
const table = (...columns: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const header = page.indexOf(`| ${columns.join(" | ")} |`)
  assert.isAtLeast(header, 0, `a table of ${columns.join(", ")}`)
  return Array.takeWhile(page.slice(header + 2), (line) => line.startsWith("|")).map(cells)
}

/** The names in backticks. */
const names = (cell: string): ReadonlyArray<string> =>
  Array.fromIterable(cell.matchAll(/`([^`]+)`/g)).map(([, name]) => name!)

const id = RunId.make("telemetry")
const one = Module.make("one", { output: Schema.Number, run: () => Effect.succeed(1) })
const two = Module.pure("two", { needs: { one }, run: ({ one }) => one + 1 })
const three = Module.make("three", { needs: { two }, output: Schema.Number, run: ({ two }) => Effect.succeed(two + 1) })
const Counting = Dag.make("counting", { outputs: { three } })
const wait = Module.make("wait", { needs: { one }, output: Schema.Void, run: () => Effect.never })
const Waiting = Dag.make("waiting", { outputs: { wait } })

type Store = typeof RunStore.RunStore.Service

/** A store in memory of which some methods are others. */
const storeWith = (change: (store: Store) => Partial<Store>): Layer.Layer<RunStore.RunStore> =>
  Layer.map(RunStoreMemory.layer(), (context) => {
    const store = Context.get(context, RunStore.RunStore)
    return Context.make(RunStore.RunStore, { ...store, ...change(store) })
  })

/** Lets the test's clock run until the effect has ended. */
const withTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

const broken = (reason: StoreError["reason"]) =>
  Effect.fail(new StoreError({ reason, location: "here", operation: "test", message: `it is ${reason}` }))

describe("metrics", () => {
  const isMetric = (value: unknown): value is Metric.Metric<unknown, never, unknown> =>
    Predicate.hasProperty(value, Metric.MetricTypeId)

  /** Every metric that `Telemetry` exports; one that has labels is a record of metrics. */
  const exported = Object.values<object>(Telemetry)
    .flatMap((value) => (isMetric(value) ? [value] : Object.values(value)))
    .filter(isMetric)

  /** The registry has what was registered or updated. */
  const registered = () => {
    for (const metric of exported) metric.register()
    return Metric.unsafeSnapshot().filter(({ metricKey }) => metricKey.name.startsWith("heddle_"))
  }

  const typeOf = (type: MetricKeyType.MetricKeyType<unknown, unknown>) =>
    MetricKeyType.isCounterKey(type) ? "counter" : MetricKeyType.isGaugeKey(type) ? "gauge" : "histogram"

  const named = (name: string, label: string) => (label === "" ? name : `${name}{${label}}`)

  /** The value of every metric by name and label; of a histogram, how many values it has. */
  const values = Effect.sync(() =>
    Object.fromEntries(
      registered().map(({ metricKey, metricState }): readonly [string, number] => [
        named(metricKey.name, metricKey.tags.map(({ key, value }) => `${key}=${value}`).join()),
        MetricState.isGaugeState(metricState)
          ? Number(metricState.value)
          : MetricState.isCounterState(metricState) || MetricState.isHistogramState(metricState)
            ? Number(metricState.count)
            : NaN
      ])
    )
  )

  /** What an effect adds to the metrics, those left out to which it adds nothing. */
  const added = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const before = yield* values
      yield* effect
      const after = yield* values
      return Object.fromEntries(
        Object.entries(after).flatMap(([name, value]) => {
          const difference = value - (before[name] ?? 0)
          return difference === 0 ? [] : [[name.replace("heddle_", ""), difference]]
        })
      )
    })

  it("of the page are those of the code", () => {
    const listed = table("name", "type", "unit", "labels", "meaning").flatMap(([name, type, unit, labels, meaning]) => {
      const [label] = names(labels!)
      const all =
        label === undefined
          ? [""]
          : labels!
              .split(": ")[1]!
              .split(", ")
              .map((value) => `${label}=${value}`)
      return all.map((label) => ({
        name: named(names(name!)[0]!, label),
        type,
        meaning,
        millis: unit === "milliseconds"
      }))
    })
    const made = registered().map(({ metricKey }) => ({
      name: named(metricKey.name, metricKey.tags.map(({ key, value }) => `${key}=${value}`).join()),
      type: typeOf(metricKey.keyType),
      meaning: Option.getOrThrow(metricKey.description),
      millis: metricKey.name.endsWith("_milliseconds")
    }))
    const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1)
    assert.deepStrictEqual([...listed].sort(byName), [...made].sort(byName))
    assert.strictEqual(made.length, exported.length)
  })

  it("have the buckets of the page", () => {
    const listed = table("name", "buckets").map(([name, buckets]) => [names(name!)[0], buckets])
    const made = registered().flatMap(({ metricKey: { keyType, name } }) =>
      MetricKeyType.isHistogramKey(keyType)
        ? [[name, keyType.boundaries.values.filter(Number.isFinite).join(", ")]]
        : []
    )
    assert.sameDeepMembers(listed, made)
  })

  it.effect("count runs, modules and what was written", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Number)
      const fails = Module.make("fails", { needs: { n }, output: Schema.Void, run: () => Effect.fail("no") })
      const skipped = Module.pure("skipped", { needs: { fails }, run: () => 1 })
      const dag = Dag.make("failing", { outputs: { skipped, three } })
      const run = Engine.execute(dag, { n: 1 }, { runId: id, onFailure: "continue", durability: "buffered" })
      const difference = yield* added(Effect.exit(run))
      const history = yield* Effect.flatMap(Timeline.Timeline, (timeline) => timeline.history(id))
      const rows = new Set(history.map((change) => (change._tag === "ModuleTransition" ? change.module : change._tag)))
      assert.deepStrictEqual(difference, {
        runs_started_total: 1,
        "runs_finished_total{status=failed}": 1,
        // n, one, two and three
        "modules_finished_total{status=completed}": 4,
        "modules_finished_total{status=failed}": 1,
        "modules_finished_total{status=skipped}": 1,
        // one, three and fails
        module_duration_milliseconds: 3,
        writer_batches_total: 1,
        writer_commit_milliseconds: 1,
        writer_updates_total: history.length,
        writer_coalesced_total: history.length - rows.size
      })
    }).pipe(Effect.provide(Layer.merge(Heddle.layer(), Timeline.layer)), Effect.provide(RunStoreMemory.layer()))
  )

  it.effect("count a cancelled run, and nothing written of a memory run", () =>
    Effect.gen(function* () {
      const difference = yield* added(
        Effect.gen(function* () {
          const handle = yield* Engine.start(Waiting, {}, { durability: "memory" })
          yield* handle.changes.pipe(
            Stream.mapEffect(() => handle.snapshot),
            Stream.takeUntil((snapshot) => RunSnapshot.module(snapshot, "wait").status === "running"),
            Stream.runDrain
          )
          assert.strictEqual((yield* values).heddle_runs_active, 1)
          yield* handle.cancel
        })
      )
      assert.deepStrictEqual(difference, {
        runs_started_total: 1,
        "runs_finished_total{status=cancelled}": 1,
        "modules_finished_total{status=completed}": 1,
        "modules_finished_total{status=cancelled}": 1,
        module_duration_milliseconds: 2
      })
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("count modules of child Dags, but no items; and a run that is suspended as not finished", () =>
    Effect.gen(function* () {
      const each = Module.map("each", {
        over: () => [1, 2],
        dag: Counting,
        input: () => ({})
      })
      const ask = Module.signal("ask", { needs: { each }, value: Schema.Void })
      const dag = Dag.make("children", { outputs: { ask } })
      const difference = yield* added(Effect.flip(Engine.execute(dag, {}, { runId: id })))
      assert.strictEqual(difference.runs_suspended_total, 1)
      assert.isUndefined(Object.keys(difference).find((name) => name.startsWith("runs_finished")))
      // the map, and one, two and three for each item
      assert.strictEqual(difference["modules_finished_total{status=completed}"], 7)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("count a run that is cut off and resumed as started twice and finished once", () =>
    Effect.gen(function* () {
      const slow = Module.make("slow", { output: Schema.Void, run: () => Effect.sleep("1 minute") })
      const dag = Dag.make("slow", { outputs: { slow } })
      const difference = yield* added(
        Effect.gen(function* () {
          const first = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(first)
          const second = yield* Effect.fork(Engine.resume(dag, id))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(second)
        })
      )
      const { runs_started_total, "runs_finished_total{status=completed}": finished } = difference
      assert.deepStrictEqual([runs_started_total, finished], [2, 1])
      assert.strictEqual(difference["modules_finished_total{status=completed}"], 1)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("count batches that were tried again while the store was busy", () =>
    Effect.gen(function* () {
      let busy = 2
      const store = storeWith(({ commit }) => ({
        commit: (batch) => Effect.suspend(() => (busy-- > 0 ? broken("busy") : commit(batch)))
      }))
      const run = Effect.provide(
        Engine.execute(Counting, {}, { durability: "buffered" }),
        Layer.provide(Heddle.layer(), store)
      )
      // without jitter: TestClock's time in nanoseconds must be a whole number
      const difference = yield* withTime(added(Effect.withRandom(run, Random.fixed([0.5]))))
      assert.strictEqual(difference.writer_retries_total, 2)
      assert.strictEqual(difference.writer_batches_total, 1)
    })
  )

  it.effect("count what was refused, and finish no run that could not be written", () =>
    Effect.gen(function* () {
      const store = storeWith(() => ({ commit: () => broken("full") }))
      const run = Effect.provide(
        Engine.execute(Counting, {}, { durability: "buffered" }),
        Layer.provide(Heddle.layer(), store)
      )
      const difference = yield* added(Effect.flip(run))
      assert.isAtLeast(difference.writer_refused_total!, 1)
      assert.isUndefined(difference.writer_updates_total)
      assert.deepStrictEqual(
        Object.keys(difference).filter((name) => name.startsWith("runs_")),
        ["runs_started_total"]
      )
      assert.strictEqual((yield* values).heddle_writer_depth, 0)
    })
  )
})

describe("spans", () => {
  interface Made {
    readonly name: string
    readonly parent: string | undefined
    readonly attributes: { readonly [name: string]: unknown }
    ended: boolean
  }

  /** A tracer that writes the spans down that are made. */
  const recorder = () => {
    const made: Array<Made> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind, options) => {
        const span: Made = {
          name,
          parent: Option.getOrUndefined(Option.map(parent, (_) => (_._tag === "Span" ? _.name : "external"))),
          attributes: options?.attributes ?? {},
          ended: false
        }
        made.push(span)
        return {
          ...{ _tag: "Span", name, parent, context, links, kind, sampled: true, traceId: "trace" },
          spanId: String(made.length),
          status: { _tag: "Started", startTime },
          attributes: new Map(Object.entries(span.attributes)),
          attribute: () => {},
          addLinks: () => {},
          event: () => {},
          end: () => void (span.ended = true)
        }
      },
      context: (execute) => execute()
    })
    return { made, tracer }
  }

  const inner = Module.make("inner", {
    needs: { three },
    output: Schema.Void,
    run: () => Effect.withSpan(Effect.void, "of the module")
  })
  const Traced = Dag.make("traced", { outputs: { inner } })

  it.effect("of the page are those that are made", () =>
    Effect.gen(function* () {
      const { made, tracer } = recorder()
      yield* Engine.execute(Traced, {}, { runId: id }).pipe(Effect.withSpan("of the caller"), Effect.withTracer(tracer))
      const ours = made.filter(({ name }) => name.startsWith("heddle."))
      const listed = table("span", "parent", "attributes", "covers").map(([span, parent, attributes]) => ({
        name: names(span!)[0],
        parent: names(parent!)[0] ?? "of the caller",
        attributes: names(attributes!)
      }))
      const distinct = Array.dedupeWith(
        ours.map(({ attributes, name, parent }) => ({ name, parent, attributes: Object.keys(attributes) })),
        (a, b) => a.name === b.name && a.parent === b.parent
      )
      assert.sameDeepMembers<unknown>(distinct, [...listed])
      assert.deepStrictEqual(
        ours.map(({ attributes }) => attributes),
        [
          { "heddle.run_id": id, "heddle.dag": "traced" },
          ...["one", "three", "inner"].map((module) => ({ "heddle.run_id": id, "heddle.module": module }))
        ]
      )
      assert.strictEqual(made.find(({ name }) => name === "of the module")?.parent, "heddle.module")
      assert.isTrue(made.every(({ ended }) => ended))
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("cover all attempts of a module in one", () =>
    Effect.gen(function* () {
      const { made, tracer } = recorder()
      let attempts = 0
      const flaky = Module.make("flaky", {
        output: Schema.Number,
        run: () => Effect.suspend(() => (++attempts < 3 ? Effect.fail("no") : Effect.succeed(attempts))),
        retry: Schedule.recurs(2)
      })
      yield* Engine.execute(Dag.make("flaky", { outputs: { flaky } }), {}).pipe(Effect.withTracer(tracer))
      assert.strictEqual(attempts, 3)
      assert.strictEqual(made.filter(({ name }) => name === "heddle.module").length, 1)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("are made for each item of a map and for routes, under the path of their module", () =>
    Effect.gen(function* () {
      const { made, tracer } = recorder()
      const each = Module.map("each", { over: () => [1, 2], output: Schema.Void, run: () => Effect.void })
      const way = Module.route("way", { needs: { each }, branches: ["left", "right"], choose: () => "left" })
      const child = Module.dag("child", { dag: Dag.make("inner", { outputs: { way } }), input: () => ({}) })
      yield* Engine.execute(Dag.make("outer", { outputs: { child } }), {}).pipe(Effect.withTracer(tracer))
      const modules = made.flatMap(({ attributes, name }) =>
        name === "heddle.module" ? [attributes["heddle.module"]] : []
      )
      assert.includeMembers(modules, ["child/each", "child/way"])
      assert.lengthOf(
        modules.filter((module) => module === "child/each"),
        2
      )
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("are not made where no tracer was provided, or where tracing is disabled", () =>
    Effect.gen(function* () {
      const { made, tracer } = recorder()
      const looks = Module.make("looks", {
        output: Schema.Array(Schema.String),
        run: () =>
          Effect.map(Effect.option(Effect.currentSpan), (span) => Option.toArray(Option.map(span, ({ name }) => name)))
      })
      const run = Effect.withSpan(Engine.execute(Dag.make("looks", { outputs: { looks } }), {}), "of the caller")
      // the span of the caller is made by Effect's own tracer
      assert.deepStrictEqual(yield* run, { looks: ["of the caller"] })
      yield* run.pipe(Effect.withTracerEnabled(false), Effect.withTracer(tracer))
      assert.deepStrictEqual(made, [])
      yield* Effect.withTracer(run, tracer)
      assert.deepStrictEqual(
        made.map(({ name }) => name),
        ["of the caller", "heddle.run", "heddle.module"]
      )
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})

describe("logs", () => {
  interface Logged {
    readonly level: string
    readonly message: string
    readonly annotations: { readonly [name: string]: unknown }
  }

  /** What an effect logs. */
  const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
    const lines: Array<Logged> = []
    const logger = Logger.make(({ annotations, logLevel, message }) => {
      lines.push({
        level: logLevel.label,
        message: String(Array.ensure(message)[0]),
        annotations: Object.fromEntries(HashMap.toEntries(annotations))
      })
    })
    return Effect.as(Effect.provide(effect, Logger.add(logger)), lines)
  }

  const engineOver = (change: (store: Store) => Partial<Store>) => Layer.provide(Heddle.layer(), storeWith(change))

  const ask = Module.signal("ask", { value: Schema.String })
  const Asking = Dag.make("asking", { outputs: { ask } })
  const owningOver = (change: (store: Store) => Partial<Store>) =>
    Layer.provide(Heddle.layer({ engine: { dags: [Asking] } }), storeWith(change))

  /** A store with a run whose driver has vanished. */
  const abandoned = Layer.provideMerge(
    Layer.effectDiscard(
      Effect.gen(function* () {
        const { dag, fingerprint } = yield* Plan.make(Asking)
        const run = { runId: id, dag, fingerprint, total: 1, input: "{}", policy: "{}", signals: "[]", owner: "gone" }
        yield* (yield* RunStore.RunStore).open({ ...run, createdAt: -60_000 })
      })
    ),
    RunStoreMemory.layer()
  )

  const started = {
    claim: { runId: id, epoch: 1 },
    transition: { _tag: "RunTransition", seq: 1, at: 0, status: "running", epoch: 1 },
    output: null,
    durability: "committed"
  } as const

  const holds = ({ throws }: { readonly throws: boolean }) => {
    if (throws) throw new Error("no")
    return true
  }
  const slip = Machine.make({
    id: "telemetry/slip",
    context: Schema.Struct({ throws: Schema.Boolean }),
    events: { Slip: { throws: Schema.Boolean } },
    intents: { Shout: {} },
    initial: "up",
    initialContext: { throws: false },
    states: {
      up: {},
      sliding: { after: { delay: "1 second", to: "down", guard: { name: "holds", test: holds } } },
      down: { kind: "terminal" }
    },
    transitions: [
      {
        from: "up",
        on: "Slip",
        to: "sliding",
        actions: [{ update: (_, { throws }) => ({ throws }), emit: () => ({ _tag: "Shout" }) }]
      }
    ]
  })
  class Slips extends ReducerNode.Service<Slips>()("telemetry/Slips", { machine: slip }) {}

  /** An event, and then some time. `broken`: which write, and all after it, fail. */
  const slipping = ({
    broken: nth = Infinity,
    intents = () => Effect.void,
    throws = false,
    time = throws ? "1 second" : "1 millis"
  }: {
    readonly broken?: number
    readonly intents?: () => Effect.Effect<void, string>
    readonly throws?: boolean
    readonly time?: "1 second" | "1 millis"
  }) =>
    Effect.gen(function* () {
      yield* (yield* Slips).send("a", { _tag: "Slip", throws })
      yield* TestClock.adjust(time)
    }).pipe(
      Effect.provide(
        Slips.layer({ intents, retry: Schedule.stop }).pipe(
          Layer.provide(
            FaultyStateStore.layer([
              { operation: "compareAndSet", nth, times: Infinity, fault: FaultyStateStore.fail("full") }
            ])
          ),
          Layer.provide(StateStoreMemory.layer())
        )
      )
    )

  class Asks extends OrchestratorNode.Service<Asks>()("telemetry/Asks", { dag: Asking }) {}
  const child = OrchestratorNode.childId(Asks, { runId: id, path: "asked" })

  /** A parent is cancelled whose child another process drives. */
  const orphaning = Effect.gen(function* () {
    const { dag, fingerprint } = yield* Plan.make(Asking)
    const policy = JSON.stringify({ concurrency: "unbounded", onFailure: "failFast", durability: "committed" })
    const run = { runId: child, dag, fingerprint, total: 1, input: "{}", policy, signals: "[]", owner: "other" }
    yield* (yield* RunStore.RunStore).open({ ...run, createdAt: yield* Clock.currentTimeMillis })
    const asked = Module.node("asked", { node: Asks, input: () => ({}) })
    const parent = yield* Engine.start(
      Dag.make("parent", { outputs: { asked } }),
      {},
      { runId: id, durability: "memory" }
    )
    yield* TestClock.adjust("1 second")
    yield* parent.cancel
  }).pipe(Effect.provide(Layer.provideMerge(Asks.layer(), Layer.provideMerge(Heddle.layer(), RunStoreMemory.layer()))))

  class Two extends ComputeNode.Service<Two>()("telemetry/Two", { input: Schema.Void, output: Schema.Int }) {}

  /** A result that is looked for, and kept, in a store that cannot do one of the two. */
  const computing = (operation: "get" | "compareAndSet") =>
    Two.call(undefined).pipe(
      Effect.provide(
        Two.layerPure({ compute: () => 2 }).pipe(
          Layer.provide(ComputeCache.layerStore()),
          Layer.provide(FaultyStateStore.layer([{ operation, nth: 1, fault: FaultyStateStore.fail("full") }])),
          Layer.provide(StateStoreMemory.layer())
        )
      )
    )

  /** How each log of the page comes about. */
  const causes: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
    Effect.gen(function* () {
      yield* Engine.start(Waiting, {})
      yield* TestClock.adjust("1 second")
    }).pipe(Effect.provide(engineOver(() => ({ heartbeat: () => broken("failed") })))),

    Engine.execute(Counting, {}).pipe(Effect.provide(engineOver(() => ({ release: () => broken("failed") })))),

    withTime(Engine.execute(Counting, {})).pipe(Effect.provide(engineOver(() => ({ release: () => Effect.never })))),

    Effect.gen(function* () {
      yield* Effect.flip(Engine.execute(Asking, {}, { runId: id }))
      yield* Engine.signal(id, ask, "it")
      yield* TestClock.adjust(0)
    }).pipe(Effect.provide(owningOver(() => ({ claim: () => broken("failed") })))),

    TestClock.adjust(0).pipe(
      Effect.provide(Layer.provide(Heddle.layer({ engine: { dags: [Asking], maxRecoveries: 0 } }), abandoned))
    ),

    TestClock.adjust(0).pipe(Effect.provide(owningOver(() => ({ due: () => broken("failed") })))),

    TestClock.adjust(0).pipe(
      Effect.provide(
        Layer.provide(
          Heddle.layer({ engine: { retention: { keepLast: 1 } } }),
          storeWith(() => ({ prune: () => broken("failed") }))
        )
      )
    ),

    Effect.flip(Engine.execute(Counting, {})).pipe(
      Effect.provide(engineOver(() => ({ commit: () => broken("full"), bury: () => broken("full") })))
    ),

    Effect.scoped(Effect.flatMap(killable(), ({ kill }) => kill)).pipe(Effect.provide(ControlledStore.layer)),

    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const store = storeWith(({ commit }) => ({ commit: (batch) => Effect.delay(commit(batch), "1 minute") }))
      const layer = Layer.provide(StateWriter.layer(), store)
      const writer = Context.get(yield* Layer.buildWithScope(layer, scope), StateWriter.StateWriter)
      yield* writer.update(started)
      yield* withTime(Scope.close(scope, Exit.void))
    }),

    Effect.gen(function* () {
      const writer = yield* StateWriter.StateWriter
      writer.unsafeUpdate(started, {
        settled: () => {
          throw new Error("no")
        }
      })
      yield* Effect.exit(writer.updateDurable(started))
    }).pipe(
      Effect.provide(
        Layer.provide(
          StateWriter.layer(),
          storeWith(() => ({}))
        )
      )
    ),

    Effect.flip(Engine.execute(Counting, {})).pipe(
      Effect.provide(engineOver(() => ({ commit: () => Effect.succeed(null as never) })))
    ),

    computing("get"),
    computing("compareAndSet"),

    Effect.flip(Effect.flatMap(CircuitBreaker.make(), (breaker) => breaker.protect("key")(Effect.fail("no")))).pipe(
      Effect.provide(
        Layer.map(StateStoreMemory.layer(), (context) => {
          const store = Context.get(context, StateStore.StateStore)
          return Context.make(StateStore.StateStore, { ...store, get: () => broken("unavailable") })
        })
      )
    ),

    Effect.flatMap(
      CircuitBreaker.make({
        isFailure: () => {
          throw new Error("no")
        }
      }),
      (breaker) => Effect.flip(breaker.protect("key")(Effect.fail("no")))
    ),

    slipping({ intents: () => Effect.fail("no") }),
    slipping({ broken: 2 }),
    slipping({ throws: true }),
    slipping({ broken: 2, intents: () => Effect.never, time: "1 second" }),

    orphaning
  ]

  it.effect("of the page are those that are written", () =>
    Effect.gen(function* () {
      const lines = (yield* Effect.forEach(causes, logged)).flat()
      const listed = table("level", "message", "annotations", "when").map(([level, message, annotations]) => ({
        level,
        message: message!,
        annotations: Object.fromEntries(
          Array.fromIterable(annotations!.matchAll(/`([^`]+)`: (\w+)/g)).map(([, name, value]) => [name, value])
        )
      }))
      const asListed = lines.map((line) => ({
        ...line,
        // what differs from one log to another is an ellipsis on the page
        message: listed.find(({ message }) => matches(message, line.message))?.message ?? line.message
      }))
      assert.deepStrictEqual(asListed, listed)
    })
  )

  const matches = (pattern: string, message: string) =>
    new RegExp(
      `^${pattern
        .split("…")
        .map((part) => part.replace(/[^\w ]/g, "\\$&"))
        .join(".+")}$`
    ).test(message)
})
