import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Either, FastCheck as fc, Fiber, Layer, Option, Ref, Stream, TestClock } from "effect"
import { Dag, FlowAdmission, FlowRegistry, Module } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import { FlowStore, type FlowChange } from "heddle/store/FlowStore"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { numRuns } from "../numRuns.js"
import { dagOf, definitionOf, foundAs, kinds } from "./FlowFixtures.js"
import * as FlowModel from "./FlowModel.js"

type Registry = FlowRegistry.FlowRegistry["Type"]

const live = FlowRegistry.layer({ actor: "test" }).pipe(Layer.provideMerge(FlowStoreMemory.layer()))

const withRegistry = <A, E>(
  use: (registry: Registry, store: FlowStore["Type"]) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.all([FlowRegistry.FlowRegistry, FlowStore]), ([registry, store]) => use(registry, store)).pipe(
    Effect.provide(live)
  )

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const dag = dagOf("orders", kinds[0]!)
const first = { version: "1.0.0" } as const
const nodes = { "node:test/Rate": foundAs("node:test/Rate")[3]! }

/** Its error. What succeeded all the same is told as a text: runners do not end over a frozen value that was thrown. */
const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.flip(Effect.flatMap(effect, (value) => Effect.dieMessage(`it gave ${JSON.stringify(value)}`)))

const everything = (registry: Registry) => Effect.all([registry.list(), collect(registry.audit())])

describe("FlowRegistry", () => {
  it.effect("is what the model is, whatever is done, and what was given before stays as it was", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(FlowModel.commands(50), (commands) =>
          Effect.runPromise(
            withRegistry((registry) =>
              Effect.gen(function* () {
                let state: FlowModel.State = new Map()
                const log: Array<FlowModel.ModelFlow> = []
                const held: Array<readonly [value: unknown, text: string]> = []
                for (const [i, command] of commands.entries()) {
                  const actor = `actor ${i}`
                  const there = "version" in command ? state.get(FlowModel.keyOf(command))?.revision : undefined
                  const based = FlowModel.baseOf(command, there ?? 0)
                  const expected = FlowModel.apply(state, command, actor, based)
                  const result = yield* FlowModel.perform(registry, command, actor, based)
                  const told = typeof result === "string" ? result : result.map(FlowModel.modelOf)
                  assert.deepStrictEqual(told, expected.result)
                  state = expected.state
                  log.push(...expected.changed)
                  const listed = yield* registry.list()
                  assert.deepStrictEqual(listed.map(FlowModel.modelOf), FlowModel.present(state))
                  for (const value of [result, listed]) held.push([value, JSON.stringify(value)])
                }
                const audit = yield* collect(registry.audit())
                assert.deepStrictEqual(
                  audit.map(({ actor, name, revision, version }) => ({ actor, name, revision, version })),
                  log.map(({ name, revision, updatedBy, version }) => ({ actor: updatedBy, name, revision, version }))
                )
                assert.deepStrictEqual(
                  audit.map(({ flow }) => flow && FlowModel.modelOf(flow)),
                  log.map((flow, i) => (audit[i]?.action === "remove" ? undefined : flow))
                )
                for (const name of ["a", "b"]) {
                  const flows = FlowModel.present(state).filter((flow) => flow.name === name)
                  assert.deepStrictEqual(
                    yield* registry.versions(name),
                    flows.map(({ version }) => version)
                  )
                  const latest = flows.find(({ version }) => !version.includes("-")) ?? flows[0]
                  const got = Either.getOrUndefined(yield* Effect.either(registry.get(name)))
                  assert.deepStrictEqual(got && FlowModel.modelOf(got), latest)
                  for (const status of ["active", "needsReview", "disabled"] as const) {
                    assert.deepStrictEqual(
                      (yield* registry.list({ name, status })).map(FlowModel.modelOf),
                      flows.filter((flow) => flow.status === status)
                    )
                  }
                }
                for (const [value, text] of held) assert.strictEqual(JSON.stringify(value), text)
              })
            )
          )
        ),
        { numRuns }
      )
    )
  )

  it.effect("finds flows by fingerprint and tool", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const flow = yield* registry.register(dag, first)
        const other = yield* registry.register(
          Dag.make("other", { outputs: { one: Module.pure("one", { run: () => 1 }) }, version: "2.0.0" })
        )
        assert.strictEqual(other.version, "2.0.0")
        assert.deepStrictEqual(yield* registry.list({ tool: "node:test/Rate" }), [flow])
        assert.deepStrictEqual(yield* registry.list({ fingerprint: other.fingerprint }), [other])
        assert.deepStrictEqual(yield* registry.list({ tool: "toString" }), [])
      })
    )
  )

  describe("refuses what no flow can have, and changes nothing", () => {
    /** What comes from JavaScript has any type. */
    const wild = (registry: Registry) =>
      // the very point: types do not hold there
      registry as unknown as {
        readonly [K in keyof Registry]: (
          ...args: ReadonlyArray<unknown>
        ) => Effect.Effect<unknown, { readonly _tag: string }>
      }
    const hash = "a".repeat(64)
    const cyclic: Record<string, unknown> = { version: "1.0.0" }
    cyclic["itself"] = cyclic
    const thrower = {
      get version(): string {
        throw new Error("no")
      }
    }
    const cases: ReadonlyArray<
      readonly [
        string,
        (registry: ReturnType<typeof wild>) => Effect.Effect<unknown, { readonly _tag: string }>,
        string
      ]
    > = [
      ...["1.0", "v1.0.0", " 1.0.0", "1.0.0+build", "01.0.0", "", "latest", "1.0.0\n", "9".repeat(300), 1, null].map(
        (version) =>
          [
            `the version ${JSON.stringify(version)}`,
            (_: ReturnType<typeof wild>) => _["register"](dag, { version }),
            "version"
          ] as const
      ),
      ["a Dag without a version", (_) => _.register(dag), "dag.version"],
      [
        "a Dag whose version is none",
        (_) => _.register(Dag.make("d", { outputs: dag.outputs, version: "2" })),
        "dag.version"
      ],
      ["no Dag", (_) => _.register({ name: "orders" }, first), "dag"],
      ["a status of a registration", (_) => _.register(dag, { ...first, status: "on" }), "status"],
      ["an actor that is none", (_) => _.register(dag, { ...first, actor: 5 }), "actor"],
      ["a note with a lone surrogate", (_) => _.register(dag, { ...first, lifecycle: "\ud800" }), "lifecycle"],
      ...["../x", "a/../b", "..\\x", "./a"].map(
        (name) =>
          [
            `the name ${name}`,
            (_: ReturnType<typeof wild>) => _.register(Dag.make(name, { outputs: dag.outputs }), first),
            "dag.name"
          ] as const
      ),
      ["a name that is none", (_) => _.get("../x"), "name"],
      ["a name that is no text", (_) => _.versions(5), "name"],
      ["a version to get", (_) => _.get("orders", "1"), "version"],
      ["a status", (_) => _.setFlowStatus("orders", { ...first, status: "on" }), "status"],
      ["no options", (_) => _.setFlowStatus("orders"), "version"],
      ["options that are none", (_) => _.setFlowStatus("orders", 5), ""],
      ["a revision", (_) => _.setFlowStatus("orders", { ...first, status: "disabled", revision: 1.5 }), "revision"],
      ["NaN", (_) => _.setFlowStatus("orders", { ...first, status: "disabled", revision: NaN }), "revision"],
      [
        "a hash",
        (_) => _.updateFlowState("orders", { ...first, status: "active", toolSchemaHashes: { n: "x" } }),
        "toolSchemaHashes.n"
      ],
      [
        "a reserved key",
        (_) =>
          _.updateFlowState("orders", {
            ...first,
            status: "active",
            toolSchemaHashes: JSON.parse(`{"__proto__":"${hash}"}`)
          }),
        ""
      ],
      ["tools that are none", (_) => _.acceptDrift("orders", { ...first, tools: "n" }), "tools"],
      ["what contains itself", (_) => _.remove("orders", cyclic), "itself"],
      ["what throws", (_) => _.remove("orders", thrower), ""],
      ["a tool that is none", (_) => _.reportDrift({ n: { hash } }), "n"],
      [
        "a hash that is not that of the schema",
        (_) => _.reportDrift({ n: { ...definitionOf(dag).tools["n"], hash } }),
        "n"
      ],
      ["a module of no flow in particular", (_) => _.reportDrift({ n: foundAs("n")[3], ...nodes }), "n"],
      ["a module of a flow without a name", (_) => _.reportDrift({ n: foundAs("n")[3] }, { flow: "" }), "flow"],
      ["tools that are no record", (_) => _.reportDrift(undefined), ""],
      ["a filter", (_) => _.list({ status: "on" }), "status"],
      ["flows that are none", (_) => _.registerAll(5), ""],
      ["a flow that is none", (_) => _.registerAll([{ dag, ...first }, null]), "1.dag"],
      [
        "a flow of several",
        (_) =>
          _.registerAll([
            { dag, version: "3.0.0" },
            { dag, version: "3" }
          ]),
        "1.version"
      ],
      [
        "a flow twice",
        (_) =>
          _.registerAll([
            { dag, version: "3.0.0" },
            { dag, version: "3.0.0" }
          ]),
        "version"
      ]
    ]
    for (const [name, attempt, path] of cases) {
      it.effect(name, () =>
        withRegistry((registry) =>
          Effect.gen(function* () {
            yield* registry.register(dag, first)
            const before = yield* everything(registry)
            const error = yield* errorOf(attempt(wild(registry)))
            assert.strictEqual(error._tag, "FlowInvalid")
            const { faults } = error as unknown as { readonly faults: ReadonlyArray<{ readonly path: string }> }
            assert.include(
              faults.map((fault) => fault.path),
              path
            )
            assert.deepStrictEqual(yield* everything(registry), before)
          })
        )
      )
    }

    it.effect("a filter of the audit trail", () =>
      withRegistry((registry) =>
        Effect.map(errorOf(collect(registry.audit({ after: -1 }))), (error) =>
          assert.strictEqual(error._tag, "FlowInvalid")
        )
      )
    )
  })

  it.effect("what was passed in may be changed afterwards, also before the effect is run", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const registration = { version: "1.0.0", lifecycle: "new", actor: "ann" }
        const registering = registry.register(dag, registration)
        registration.lifecycle = "changed"
        registration.version = "2.0.0"
        const flow = yield* registering
        registration.actor = "changed"
        assert.deepInclude(flow, { version: "1.0.0", lifecycle: "new", updatedBy: "ann" })

        const tool = foundAs("total")[2]!
        const found = { total: { hash: tool.hash, schema: JSON.parse(JSON.stringify(tool.schema)) } }
        const reporting = registry.reportDrift(found, { flow: "orders" })
        found.total.schema.output[0][0].union = 7
        const [drifted] = yield* reporting
        found.total.hash = "changed"
        assert.deepStrictEqual(drifted!.drift["total"], tool)

        const hashes: Record<string, string> = { n: "b".repeat(64) }
        const updating = registry.updateFlowState("orders", { ...first, status: "disabled", toolSchemaHashes: hashes })
        hashes["n"] = "c".repeat(64)
        hashes["none"] = "c".repeat(64)
        const updated = yield* updating
        assert.deepStrictEqual(updated.tools["n"], { hash: "b".repeat(64), schema: null })

        const tools = ["total"]
        const accepting = registry.acceptDrift("orders", { ...first, tools })
        tools[0] = "none"
        assert.deepStrictEqual((yield* accepting).drift, {})
        assert.deepStrictEqual(yield* registry.get("orders"), yield* accepting)
      })
    )
  )

  describe("what was passed in may be changed afterwards, before the effect is run, in", () => {
    /** Nothing of it is as it was. */
    const spoil = (value: unknown): void => {
      if (typeof value !== "object" || value === null || Dag.isDag(value)) return
      for (const key of Object.keys(value)) {
        // whatever it was
        const fields = value as Record<string, unknown>
        spoil(fields[key])
        fields[key] = "spoiled"
      }
    }
    const calls: ReadonlyArray<
      readonly [string, () => unknown, (registry: Registry, given: any) => Effect.Effect<unknown, object>]
    > = [
      ["register", () => ({ version: "2.0.0", lifecycle: "x", actor: "ann" }), (_, given) => _.register(dag, given)],
      ["registerAll", () => [{ dag, version: "2.0.0", governance: "x" }], (_, given) => _.registerAll(given)],
      ["list", () => ({ name: "orders", tool: "n" }), (_, given) => _.list(given)],
      ["remove", () => ({ ...first, reason: "x" }), (_, given) => _.remove("orders", given)],
      [
        "updateFlowState",
        () => ({ ...first, status: "disabled", toolSchemaHashes: { n: "b".repeat(64) }, revision: 2 }),
        (_, given) => _.updateFlowState("orders", given)
      ],
      ["setFlowStatus", () => ({ ...first, status: "disabled" }), (_, given) => _.setFlowStatus("orders", given)],
      ["acceptDrift", () => ({ ...first, tools: ["total"] }), (_, given) => _.acceptDrift("orders", given)],
      ["annotate", () => ({ ...first, lifecycle: "x" }), (_, given) => _.annotate("orders", given)],
      [
        "reportDrift",
        () => JSON.parse(JSON.stringify([{ n: definitionOf(dag).tools["rate"] }, { flow: "orders", actor: "ann" }])),
        (_, [found, options]) => _.reportDrift(found, options)
      ],
      ["audit", () => ({ name: "orders", after: 1 }), (_, given) => collect(_.audit(given))]
    ]
    /** What it gives, and what is there then. */
    const told = (call: (registry: Registry) => Effect.Effect<unknown, object>) =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          yield* registry.register(dag, first)
          yield* registry.reportDrift({ total: foundAs("total")[2]! }, { flow: "orders" })
          return [yield* call(registry), yield* everything(registry)]
        })
      )
    for (const [name, given, call] of calls) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const spoiled = yield* told((registry) => {
            const passed = given()
            const calling = call(registry, passed)
            spoil(passed)
            return calling
          })
          assert.deepStrictEqual(spoiled, yield* told((registry) => call(registry, given())))
        })
      )
    }
  })

  it.effect("a flow is active again when the last of its drift is accepted, not before", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* registry.register(dag, first)
        const found = { n: foundAs("n")[3]!, total: foundAs("total")[2]! }
        yield* registry.reportDrift(found, { flow: "orders" })
        const some = yield* registry.acceptDrift("orders", { ...first, tools: ["n"] })
        assert.deepInclude(some, { status: "needsReview", drift: { total: found.total }, revision: 3 })
        const none = yield* registry.acceptDrift("orders", { ...first, tools: ["n"] })
        assert.deepStrictEqual(none, some)
        const all = yield* registry.acceptDrift("orders", { ...first, tools: ["total"] })
        assert.deepInclude(all, { status: "active", drift: {}, revision: 4 })
      })
    )
  )

  it.effect("registers the same again after its drift was accepted, and what it became, and nothing else", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const [before, after, another] = kinds.map((kind) => dagOf("orders", kind))
        yield* registry.register(before!, first)
        const differs = yield* errorOf(registry.register(after!, first))
        assert.deepInclude(differs, { _tag: "FlowDiffers", differs: ["node:test/Rate"] })
        yield* registry.reportDrift({ "node:test/Rate": definitionOf(after!).tools["node:test/Rate"]! })
        assert.strictEqual((yield* errorOf(registry.register(after!, first)))._tag, "FlowDiffers")
        const accepted = yield* registry.acceptDrift("orders", first)
        assert.deepStrictEqual(yield* registry.register(before!, first), accepted)
        assert.deepStrictEqual(yield* registry.register(after!, first), accepted)
        assert.deepInclude(yield* errorOf(registry.register(another!, first)), {
          differs: ["node:test/Rate", "total"]
        })
        yield* registry.remove("orders", first)
        yield* registry.register(after!, first)
        assert.strictEqual((yield* errorOf(registry.register(before!, first)))._tag, "FlowDiffers")
      })
    )
  )

  it.effect("tells of time, actor and reason, and exports them as lines of JSON", () =>
    Effect.gen(function* () {
      yield* FlowRegistry.register(dag, { ...first, reason: "for a test" })
      yield* TestClock.adjust("1 hour")
      yield* FlowRegistry.setFlowStatus("orders", { ...first, status: "disabled", actor: "ann" })
      yield* FlowRegistry.remove("orders", { ...first, actor: "ben", reason: "no more" })
      const audit = Chunk.toReadonlyArray(yield* Stream.runCollect(FlowRegistry.audit({ name: "orders" })))
      assert.deepStrictEqual(
        audit.map(({ action, actor, at, reason, revision }) => [action, actor, at, reason, revision]),
        [
          ["register", "test", 0, "for a test", 1],
          ["setFlowStatus", "ann", 3_600_000, "", 2],
          ["remove", "ben", 3_600_000, "no more", 3]
        ]
      )
      assert.deepInclude(audit[1]!.flow, { createdAt: 0, updatedAt: 3_600_000, updatedBy: "ann" })
      const lines = Chunk.toReadonlyArray(yield* Stream.runCollect(FlowRegistry.exportAudit()))
      for (const line of lines) assert.match(line, /^[^\n]*\n$/)
      assert.deepStrictEqual(
        lines.map((line) => JSON.parse(line)),
        audit.map((entry) => ({ ...entry, flow: entry.flow ?? null }))
      )
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(yield* Stream.runCollect(FlowRegistry.audit({ after: audit[0]!.position }))),
        audit.slice(1)
      )
    }).pipe(Effect.provide(live))
  )

  describe("changes", () => {
    it.effect("begins with what is there, and tells others' changes within `poll`", () =>
      Effect.gen(function* () {
        const store = FlowStoreMemory.layer()
        const context = yield* Layer.build(store)
        const open = (poll: string) =>
          Layer.build(
            Layer.fresh(FlowRegistry.layer({ poll: poll as "1 second" })).pipe(
              Layer.provide(Layer.succeedContext(context))
            )
          ).pipe(Effect.map(Context.get(FlowRegistry.FlowRegistry)))
        const [one, two] = [yield* open("1 hour"), yield* open("1 second")]
        yield* one.register(dagOf("b", kinds[0]!), first)
        yield* one.register(dagOf("a", kinds[0]!), { version: "1.9.0" })
        yield* one.register(dagOf("a", kinds[0]!), { version: "1.10.0" })
        yield* one.remove("b", first)
        const seen: Array<string> = []
        yield* Effect.fork(
          Stream.runForEach(two.changes, (change) =>
            Effect.sync(() => {
              const { name, revision, version } = change._tag === "Present" ? change.flow : change
              seen.push(`${change._tag} ${name} ${version} ${revision}`)
            })
          )
        )
        yield* TestClock.adjust("1 millis")
        const state = ["Present a 1.10.0 1", "Present a 1.9.0 1"]
        assert.deepStrictEqual(seen, state)
        yield* one.remove("a", { version: "1.9.0" })
        yield* TestClock.adjust("900 millis")
        assert.deepStrictEqual(seen, state)
        yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual(seen, [...state, "Removed a 1.9.0 2"])
        // its own are told at once
        yield* two.setFlowStatus("a", { version: "1.10.0", status: "disabled" })
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(seen, [...state, "Removed a 1.9.0 2", "Present a 1.10.0 2"])
      }).pipe(Effect.scoped)
    )

    it.effect("tells at once what was written while the log was read", () =>
      Effect.gen(function* () {
        const store = Context.get(yield* Layer.build(FlowStoreMemory.layer()), FlowStore)
        const slow: FlowStore["Type"] = {
          ...store,
          log: (filter) => Effect.zipLeft(store.log(filter), Effect.sleep("10 millis"))
        }
        const registry = Context.get(
          yield* Layer.build(
            FlowRegistry.layer({ poll: "1 hour" }).pipe(Layer.provide(Layer.succeed(FlowStore, slow)))
          ),
          FlowRegistry.FlowRegistry
        )
        yield* registry.register(dag, first)
        const seen: Array<string> = []
        yield* Effect.fork(
          Stream.runForEach(registry.changes, (change) =>
            Effect.sync(() => void seen.push(change._tag === "Present" ? change.flow.lifecycle : change._tag))
          )
        )
        yield* TestClock.adjust("1 second")
        const told = [""]
        for (const millis of [0, 5, 10, 15, 20, 25]) {
          yield* registry.annotate("orders", { ...first, lifecycle: `${millis} a` })
          yield* TestClock.adjust(millis)
          yield* registry.annotate("orders", { ...first, lifecycle: `${millis} b` })
          yield* TestClock.adjust("1 second")
          told.push(`${millis} a`, `${millis} b`)
          assert.deepStrictEqual(seen, told)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("tells more than a page of changes, each once, also those that come while it begins", () =>
      Effect.gen(function* () {
        const store = Context.get(yield* Layer.build(FlowStoreMemory.layer()), FlowStore)
        const count = 600
        // each look at the store is late, so that changes fall between its looks
        const registry = Context.get(
          yield* Layer.build(
            FlowRegistry.layer().pipe(
              Layer.provide(
                Layer.succeed(FlowStore, {
                  ...store,
                  list: (filter) => Effect.zipLeft(store.list(filter), Effect.sleep("10 millis")),
                  position: Effect.zipLeft(store.position, Effect.sleep("10 millis"))
                })
              )
            )
          ),
          FlowRegistry.FlowRegistry
        )
        yield* registry.register(dag, first)
        const seen: Array<number> = []
        yield* Effect.fork(
          Stream.runForEach(registry.changes, (change) =>
            Effect.sync(() => void seen.push(change._tag === "Present" ? change.flow.revision : -1))
          )
        )
        const changing = Effect.fork(
          Effect.forEach(
            Array.from({ length: count }, (_, i) => i),
            (i) =>
              Effect.delay(registry.annotate("orders", { ...first, lifecycle: String(i) }), i < 50 ? "1 millis" : 0)
          )
        )
        const fiber = yield* changing
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        yield* TestClock.adjust("10 seconds")
        assert.isAbove(seen[0]!, 1, "it began in between")
        assert.deepStrictEqual(
          seen,
          Array.from({ length: count + 2 - seen[0]! }, (_, i) => seen[0]! + i)
        )
        assert.strictEqual((yield* collect(registry.audit())).length, count + 1)
      }).pipe(Effect.scoped)
    )
  })

  describe("over a store", () => {
    /** A registry over a store, of which something is changed. */
    const over = (change: (store: FlowStore["Type"]) => Partial<FlowStore["Type"]>) =>
      Effect.gen(function* () {
        const store = Context.get(yield* Layer.build(FlowStoreMemory.layer()), FlowStore)
        const other = Layer.succeed(FlowStore, { ...store, ...change(store) })
        const build = (store: Layer.Layer<FlowStore>) =>
          Effect.map(Layer.build(Layer.fresh(FlowRegistry.layer()).pipe(Layer.provide(store))), (context) => ({
            registry: Context.get(context, FlowRegistry.FlowRegistry),
            admission: Context.get(context, FlowAdmission.FlowAdmission)
          }))
        return { sound: yield* build(Layer.succeed(FlowStore, store)), changed: yield* build(other), store }
      })

    const asText = (change: (text: string) => string | null) => (store: FlowStore["Type"]) => {
      const altered = <R extends { readonly text: string | null }>(row: R): R => ({
        ...row,
        text: row.text === null ? null : change(row.text)
      })
      return {
        get: (name: string, version: string) => Effect.map(store.get(name, version), Option.map(altered)),
        list: (filter: Parameters<typeof store.list>[0]) =>
          Effect.map(store.list(filter), (rows) => rows.map((row) => altered(row))),
        log: (filter: Parameters<typeof store.log>[0]) =>
          Effect.map(store.log(filter), (rows) => rows.map((row) => altered(row)))
      }
    }
    const edit = (change: (flow: any) => unknown) => (text: string) => JSON.stringify(change(JSON.parse(text)))

    const damages: ReadonlyArray<readonly [string, StoreError["reason"], (text: string) => string]> = [
      ["a later release has written", "newer", edit((flow) => ({ format: 2, later: flow }))],
      ["is no JSON", "corrupt", (text) => text.slice(1)],
      ["is another JSON", "corrupt", () => "null"],
      ["has no format", "corrupt", edit(({ format: _, ...flow }) => flow)],
      ["has another format", "corrupt", edit((flow) => ({ ...flow, format: "1" }))],
      ["lacks a field", "corrupt", edit(({ lifecycle: _, ...flow }) => flow)],
      ["has a field too many", "corrupt", edit((flow) => ({ ...flow, more: 1 }))],
      ["has another name", "corrupt", edit((flow) => ({ ...flow, name: "other" }))],
      ["has another status", "corrupt", edit((flow) => ({ ...flow, status: "disabled" }))],
      ["has no status", "corrupt", edit((flow) => ({ ...flow, status: "on" }))],
      ["has another revision", "corrupt", edit((flow) => ({ ...flow, revision: 7 }))],
      ["has another fingerprint", "corrupt", edit((flow) => ({ ...flow, fingerprint: "a".repeat(64) }))],
      [
        "has another schema",
        "corrupt",
        edit((flow) => ({ ...flow, tools: { ...flow.tools, n: { ...flow.tools.n, schema: flow.tools.total.schema } } }))
      ],
      [
        "has another hash",
        "corrupt",
        edit((flow) => ({ ...flow, tools: { ...flow.tools, n: { ...flow.tools.n, hash: "a".repeat(64) } } }))
      ],
      ["has no tool", "corrupt", edit((flow) => ({ ...flow, tools: { ...flow.tools, n: null } }))],
      [
        "has no document",
        "corrupt",
        edit((flow) => ({
          ...flow,
          tools: { ...flow.tools, n: { ...flow.tools.n, schema: { input: null, output: [["x", [1]]] } } }
        }))
      ],
      ["has modules that are none", "corrupt", edit((flow) => ({ ...flow, modules: { n: 5 } }))],
      ["has drift of no tool", "corrupt", edit((flow) => ({ ...flow, drift: { none: flow.tools.n } }))],
      [
        "has a reserved key",
        "corrupt",
        (text) => text.replace('"modules":{', `"modules":{"__proto__":"${"a".repeat(64)}",`)
      ]
    ]
    for (const [name, reason, damage] of damages) {
      it.scoped(`names a flow whose text ${name}, and changes nothing`, () =>
        Effect.gen(function* () {
          const { changed, sound } = yield* over(asText(damage))
          const flow = yield* sound.registry.register(dag, first)
          const before = yield* everything(sound.registry)
          const { registry } = changed
          const tools = { total: foundAs("total")[2]! }
          const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
            registry.register(dag, first),
            registry.registerAll([
              { dag, ...first },
              { dag, version: "2.0.0" }
            ]),
            registry.get("orders"),
            registry.list(),
            registry.updateFlowState("orders", { ...first, status: "disabled", toolSchemaHashes: {} }),
            registry.setFlowStatus("orders", { ...first, status: "disabled" }),
            registry.acceptDrift("orders", first),
            registry.reportDrift(tools, { flow: "orders" }),
            registry.annotate("orders", { ...first, lifecycle: "x" }),
            collect(registry.changes),
            collect(registry.audit()),
            changed.admission.admit({ dag: "orders", fingerprint: flow.fingerprint }),
            changed.admission.versionOf(flow.fingerprint)
          ]
          for (const call of calls) {
            const error = yield* errorOf(call)
            assert.strictEqual(error._tag, "StoreError")
            // the tag says so
            const failure = error as StoreError
            assert.strictEqual(failure.reason, reason)
            assert.include(failure.message, `the flow "orders" 1.0.0`)
          }
          assert.deepStrictEqual(yield* everything(sound.registry), before)
          // it can be removed, so that it is not in the way of all others, but not when another release can read it
          const removed = yield* Effect.either(registry.remove("orders", { ...first, reason: "damaged" }))
          if (reason === "newer") {
            assert.deepInclude(Option.getOrUndefined(Either.getLeft(removed)), { _tag: "StoreError", reason })
            assert.deepStrictEqual(yield* everything(sound.registry), before)
            return
          }
          assert.deepStrictEqual(removed, Either.right(undefined))
          assert.deepStrictEqual(yield* registry.list(), [])
          const [, gone] = yield* collect(sound.registry.audit())
          assert.deepInclude(gone, { action: "remove", reason: "damaged", revision: 2, flow: undefined })
          const again = yield* sound.registry.register(dag, first)
          assert.deepStrictEqual(again, { ...flow, revision: 3 })
        })
      )
    }

    it.scoped("a change is in the store before anybody sees it, and nobody sees one that could not be written", () =>
      Effect.gen(function* () {
        const gate = yield* Effect.makeSemaphore(1)
        const failing = yield* Ref.make(false)
        const { changed } = yield* over((store) => ({
          write: (changes: readonly [FlowChange, ...Array<FlowChange>]) =>
            gate.withPermits(1)(
              Effect.flatMap(Ref.get(failing), (fails) =>
                fails
                  ? new StoreError({ reason: "unavailable", location: "x", operation: "write", message: "away" })
                  : store.write(changes)
              )
            )
        }))
        const { registry } = changed
        const flow = yield* registry.register(dag, first)
        const told: Array<FlowRegistry.FlowChange> = []
        yield* Effect.fork(Stream.runForEach(registry.changes, (change) => Effect.sync(() => void told.push(change))))
        const changing: ReadonlyArray<readonly [string, Effect.Effect<unknown, object>]> = [
          ["setFlowStatus", registry.setFlowStatus("orders", { ...first, status: "disabled" })],
          [
            "updateFlowState",
            registry.updateFlowState("orders", { ...first, status: "needsReview", toolSchemaHashes: {} })
          ],
          ["reportDrift", registry.reportDrift(nodes)],
          ["annotate", registry.annotate("orders", { ...first, lifecycle: "x" })],
          ["register", registry.register(dag, { version: "2.0.0" })],
          ["remove", registry.remove("orders", first)]
        ]
        for (const fails of [true, false]) {
          yield* Ref.set(failing, fails)
          for (const [name, change] of changing) {
            yield* TestClock.adjust("1 second")
            const before = [yield* everything(registry), told.length]
            yield* gate.take(1)
            const fiber = yield* Effect.fork(Effect.either(change))
            yield* TestClock.adjust("1 second")
            assert.deepStrictEqual([yield* everything(registry), told.length], before, name)
            assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)), name)
            yield* gate.release(1)
            const result = yield* Fiber.join(fiber)
            assert.strictEqual(Either.isLeft(result), fails, name)
            yield* TestClock.adjust("1 second")
            const after = [yield* everything(registry), told.length]
            if (fails) assert.deepStrictEqual(after, before, name)
            else assert.notDeepEqual(after, before, name)
          }
        }
        assert.deepStrictEqual(told[0], { _tag: "Present", flow })
      })
    )

    it.scoped("every error of it is given on, and a store that contradicts itself is not asked for ever", () =>
      Effect.gen(function* () {
        const { changed, sound } = yield* over(() => ({
          write: ([change]) =>
            Effect.succeed({
              _tag: "Conflict",
              name: change.name,
              version: change.version,
              actual: change.revision - 1
            })
        }))
        yield* sound.registry.register(dag, first)
        const error = yield* errorOf(changed.registry.setFlowStatus("orders", { ...first, status: "disabled" }))
        assert.deepInclude(error, { _tag: "StoreError", reason: "failed" })
      })
    )

    it.scoped("a change that was made of another revision is made again, or is a conflict where it replaces", () =>
      Effect.gen(function* () {
        const meanwhile = yield* Ref.make<Effect.Effect<unknown>>(Effect.void)
        const { changed, sound } = yield* over((store) => ({
          write: (changes: readonly [FlowChange, ...Array<FlowChange>]) =>
            Effect.zipRight(Effect.flatten(Ref.getAndSet(meanwhile, Effect.void)), store.write(changes))
        }))
        const annotate = (lifecycle: string) =>
          Ref.set(meanwhile, Effect.orDie(sound.registry.annotate("orders", { ...first, lifecycle })))
        // another process registers the same
        yield* Ref.set(meanwhile, Effect.orDie(sound.registry.register(dag, { ...first, actor: "first" })))
        const flow = yield* changed.registry.register(dag, { ...first, actor: "second" })
        assert.deepInclude(flow, { revision: 1, updatedBy: "first" })
        yield* annotate("one")
        const disabled = yield* changed.registry.setFlowStatus("orders", { ...first, status: "disabled" })
        assert.deepInclude(disabled, { revision: 3, lifecycle: "one", status: "disabled" })
        yield* annotate("two")
        const update = { ...first, status: "needsReview", toolSchemaHashes: {} } as const
        const conflict = yield* errorOf(changed.registry.updateFlowState("orders", update))
        assert.deepInclude(conflict, { _tag: "FlowConflict", expected: 3, actual: 4 })
        yield* annotate("three")
        const revised = yield* errorOf(
          changed.registry.setFlowStatus("orders", { ...first, status: "needsReview", revision: 4 })
        )
        assert.deepInclude(revised, { _tag: "FlowConflict", expected: 4, actual: 5 })
        yield* annotate("four")
        const [drifted] = yield* changed.registry.reportDrift({ total: foundAs("total")[2]! }, { flow: "orders" })
        assert.deepInclude(drifted, { revision: 7, lifecycle: "four", status: "disabled" })
        // a version that is registered while drift is reported is marked, too
        yield* Ref.set(meanwhile, Effect.orDie(sound.registry.register(dag, { version: "2.0.0" })))
        const both = yield* changed.registry.reportDrift(
          { n: { hash: "d".repeat(64), schema: null } },
          { flow: "orders" }
        )
        assert.deepStrictEqual(
          both.map(({ status, version }) => [version, status]),
          [
            ["2.0.0", "needsReview"],
            ["1.0.0", "disabled"]
          ]
        )
      })
    )
  })
})
