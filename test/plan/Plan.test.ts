import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, FastCheck as fc, Schedule, Schema } from "effect"
import { Dag, Module, Plan } from "heddle"
import { numRuns } from "../numRuns.js"

const n = Module.input("n", Schema.Number)
const one = Module.pure("one", { needs: { n }, run: ({ n }) => n })

const named = (name: string) => Module.pure(name, { run: () => 1 })

const issuesOf = (dag: Dag.Any) => Effect.map(Effect.flip(Plan.make(dag)), ({ issues }) => issues)
const fingerprintOf = (dag: Dag.Any) => Effect.map(Plan.make(dag), ({ fingerprint }) => fingerprint)

/** A record with an own property of any name. */
const record = <A>(name: string, value: A): { readonly [key: string]: A } =>
  Object.defineProperty({}, name, { value, enumerable: true })

/** A random graph: for each vertex its needs by key and its route, each an earlier vertex (modulo its own position). */
interface Vertex {
  readonly kind: "input" | "pure" | "effect" | "map" | "route" | "signal" | "sleep" | "dag"
  readonly needs: { readonly [key: string]: number }
  readonly when: readonly [route: number, branch: "a" | "b"] | undefined
}

const graph: fc.Arbitrary<ReadonlyArray<Vertex>> = fc.array(
  fc.record({
    kind: fc.constantFrom<Vertex["kind"]>(
      "input",
      "pure",
      "effect",
      "effect",
      "map",
      "route",
      "route",
      "signal",
      "sleep",
      "dag"
    ),
    // numbers too: objects have those before all other keys
    needs: fc.dictionary(fc.constantFrom("a", "b", "c", "7", "10", "left", "x y"), fc.nat(20), {
      maxKeys: 4,
      noNullPrototype: true
    }),
    when: fc.option(fc.tuple(fc.nat(20), fc.constantFrom<"a" | "b">("a", "b")), { nil: undefined })
  }),
  { minLength: 1, maxLength: 20 }
)

const child = Dag.make("child", { outputs: { signal: Module.signal("signal", { value: Schema.Number }) } })

/** The Dag of a graph; `order` shuffles how its records are written down, and nothing else. */
const build = (vertices: ReadonlyArray<Vertex>, order: ReadonlyArray<number> = []) => {
  let next = 0
  const shuffled = <A>(entries: ReadonlyArray<readonly [string, A]>): { readonly [key: string]: A } =>
    Object.fromEntries(
      entries
        .map((entry) => ({ entry, rank: order.length === 0 ? 0 : order[next++ % order.length]! }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ entry }) => entry)
    )
  const modules: Array<Module.Any> = []
  const routes: Array<{ readonly is: (branch: "a" | "b") => Module.AnyBranch }> = []
  for (const [i, { kind, needs: positions, when }] of vertices.entries()) {
    const name = `m${i}`
    const needs = shuffled(
      Object.entries(i === 0 ? {} : positions).map(([key, need]) => [key, modules[need % i]!] as const)
    )
    const branch = when === undefined ? undefined : routes[when[0] % Math.max(1, routes.length)]?.is(when[1])
    const vertex = { needs, ...(branch === undefined ? {} : { when: branch }) }
    const make = (): Module.Any => {
      switch (kind) {
        case "input":
          return Module.input(
            name,
            Schema.Struct(
              shuffled<Schema.Schema.Any>([
                ["x", Schema.Number],
                ["y", Schema.String]
              ])
            )
          )
        case "pure":
          return Module.pure(name, { ...vertex, join: "always", run: () => i })
        case "effect":
          return Module.make(name, { ...vertex, output: Schema.Number, run: () => Effect.succeed(i) })
        case "map":
          return Module.map(name, { ...vertex, over: () => [i], dag: child, input: () => ({}) })
        case "route": {
          const branches = Object.keys(shuffled([["a", 1] as const, ["b", 2] as const])) as Array<"a" | "b">
          const route = Module.route(name, { ...vertex, branches, choose: () => "a" })
          routes.push(route)
          return route
        }
        case "signal":
          return Module.signal(name, { ...vertex, value: Schema.Number })
        case "sleep":
          return Module.sleep(name, { ...vertex, duration: i })
        case "dag":
          return Module.dag(name, { ...vertex, dag: child, input: () => ({}) })
      }
    }
    modules.push(make())
  }
  // every second vertex that may be one, and one that is there whatever the others are
  const outputs = modules.filter(({ definition }, i) => i % 2 === 0 && definition.kind !== "input")
  return Dag.make("random", {
    outputs: shuffled<Module.Any>([
      ...outputs.map((module) => [`of ${module.name}`, module] as const),
      ["last", Module.pure("last", { needs: { it: modules.at(-1)! }, run: () => 1 })] as const
    ])
  })
}

describe("Plan", () => {
  describe("refuses", () => {
    it.effect("different modules with one name, and counts them", () =>
      Effect.gen(function* () {
        const inner = Module.pure("reader", { needs: { a: named("y"), b: named("y") }, run: () => 1 })
        const dag = Dag.make("d", { outputs: { a: named("x"), b: named("x"), c: named("x"), inner, one } })
        assert.deepStrictEqual(yield* issuesOf(dag), [
          { _tag: "DuplicateName", name: "x", count: 3 },
          { _tag: "DuplicateName", name: "y", count: 2 }
        ])
      })
    )

    it.effect("no module that is used twice", () =>
      Effect.gen(function* () {
        const twice = Module.pure("twice", { needs: { left: one, right: one, n }, run: () => 1 })
        const plan = yield* Plan.make(Dag.make("d", { outputs: { a: one, b: one, c: twice, d: twice } }))
        assert.deepStrictEqual(
          plan.modules.map(({ name }) => name),
          ["n", "one", "twice"]
        )
        assert.deepStrictEqual(
          plan.outputs.map(({ index, key }) => [key, index]),
          [
            ["a", 1],
            ["b", 1],
            ["c", 2],
            ["d", 2]
          ]
        )
        assert.deepStrictEqual(Array.fromIterable(plan.inDegree as Int32Array), [0, 1, 3])
        assert.deepStrictEqual(Array.fromIterable(plan.dependants as Int32Array), [1, 2, 2, 2])
      })
    )

    for (const [name, reason] of [
      ["", "is empty"],
      [" \t", "is empty"],
      ["\u00a0\u3000", "is empty"],
      ["__proto__", "is reserved"],
      ["constructor", "is reserved"],
      ["prototype", "is reserved"],
      ["heddle/x", "is reserved"],
      ["a\u0000b", "has control characters"],
      ["a\nb", "has control characters"],
      ["\u007f", "has control characters"],
      ["\ud800", "is not well-formed Unicode"],
      ["a\udc00\ud800", "is not well-formed Unicode"]
    ] as const) {
      it.effect(`the name ${JSON.stringify(name)}, of a Dag, a module, an output and a need`, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* issuesOf(Dag.make(name, { outputs: { one } })), [
            { _tag: "InvalidName", of: "dag", name, reason }
          ])
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { x: named(name) } })), [
            { _tag: "InvalidName", of: "module", name, reason }
          ])
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: record(name, one) })), [
            { _tag: "InvalidName", of: "output", name, reason }
          ])
          const reader = Module.pure("reader", { needs: record(name, one), run: () => 1 })
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { reader } })), [
            { _tag: "InvalidName", of: "need", name, reason, module: "reader" }
          ])
        })
      )
    }

    it.effect("no other name", () =>
      Effect.gen(function* () {
        const names = ["0", "a b", " a ", "heddle", "Constructor", "toString", "hasOwnProperty", "then", "é", "e\u0301"]
        for (const name of [...names, "日本語 👩‍👩‍👧", "-", '"', "::", "x".repeat(10_000)]) {
          const reader = Module.pure("reader", { needs: record(name, named(name)), run: () => 1 })
          const plan = yield* Plan.make(Dag.make(name, { outputs: record(name, reader) }))
          assert.deepStrictEqual([plan.dag, plan.outputs[0]!.key, plan.modules[0]!.name], [name, name, name])
          assert.strictEqual(plan.index.get(name), 0)
        }
        const reader = Module.pure("reader", { needs: { "a/b": one }, run: () => 1 })
        yield* Plan.make(Dag.make("a/b", { outputs: { "a/b": reader } }))
      })
    )

    it.effect("a Dag without outputs", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: {} })), [{ _tag: "NoOutputs" }])
      })
    )

    it.effect("an output that is an input", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { x: n, one, n } })), [
          { _tag: "OutputIsInput", output: "n", module: "n" },
          { _tag: "OutputIsInput", output: "x", module: "n" }
        ])
      })
    )

    it.effect("a need or an output that is not a module", () =>
      Effect.gen(function* () {
        const not = { text: "one", none: null, nothing: undefined, dag: Dag.make("d", { outputs: { one } }), like: {} }
        const reader = Module.pure("reader", { needs: not as never, run: () => 1 })
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { reader, gone: undefined as never } })), [
          { _tag: "NotAModule", of: undefined, key: "gone" },
          ...["dag", "like", "none", "nothing", "text"].map(
            (key) => ({ _tag: "NotAModule", of: "reader", key }) as const
          )
        ])
      })
    )

    it.effect("schemas that cannot be told from others, by module and path", () =>
      Effect.gen(function* () {
        const even = () => Schema.Number.pipe(Schema.filter((value) => value % 2 === 0))
        const Even = even()
        const Order = Schema.Struct({ lines: Schema.Array(Schema.Struct({ count: even() })), total: even() })
        const order = Module.input("order", Order)
        const count = Module.make("count", {
          needs: { order },
          output: Even,
          error: Schema.Struct({ why: Even }),
          run: () => Effect.succeed(2)
        })
        const half = Module.pure("half", { needs: { count }, output: Even, run: () => 2 })
        const issues = yield* issuesOf(Dag.make("d", { outputs: { half } }))
        assert.deepStrictEqual(
          issues.map((issue) => (issue._tag === "OpaqueSchema" ? [issue.module, issue.schema, issue.path] : [])),
          [
            ["order", "input", ["total"]],
            ["order", "input", ["lines", "0", "count"]],
            ["count", "output", []],
            ["count", "error", ["why"]],
            ["half", "output", []]
          ]
        )
        for (const issue of issues) assert(issue._tag === "OpaqueSchema" && issue.message.includes("identifier"))
        const Named = Even.annotations({ identifier: "Even" })
        const fine = Module.make("count", { output: Named, run: () => Effect.succeed(2) })
        yield* Plan.make(Dag.make("d", { outputs: { fine } }))
      })
    )

    it.effect("everything that is wrong at once, and names every culprit in its message", () =>
      Effect.gen(function* () {
        const Secret = Schema.String.pipe(Schema.filter((text) => text.length > 3))
        const deep = Module.make("deep", {
          needs: { "": one, bad: "one" as never },
          output: Schema.Struct({ secret: Secret }),
          run: () => Effect.succeed({ secret: "hidden" })
        })
        const reader = Module.pure("reader", { needs: { deep, a: named("x"), b: named("x") }, run: () => 1 })
        const outputs = { n, reader, blank: named(" "), gone: null as never, ...record("__proto__", one) }
        const error = yield* Effect.flip(Plan.make(Dag.make("heddle/d", { outputs })))
        assert.strictEqual(error.dag, "heddle/d")
        const { message: _, ...opaque } = error.issues.find((issue) => issue._tag === "OpaqueSchema")!
        assert.deepStrictEqual(opaque, { _tag: "OpaqueSchema", module: "deep", schema: "output", path: ["secret"] })
        assert.deepStrictEqual(
          error.issues.filter((issue) => issue._tag !== "OpaqueSchema"),
          [
            { _tag: "InvalidName", of: "dag", name: "heddle/d", reason: "is reserved" },
            { _tag: "NotAModule", of: undefined, key: "gone" },
            { _tag: "NotAModule", of: "deep", key: "bad" },
            { _tag: "InvalidName", of: "module", name: " ", reason: "is empty" },
            { _tag: "DuplicateName", name: "x", count: 2 },
            { _tag: "InvalidName", of: "need", name: "", reason: "is empty", module: "deep" },
            { _tag: "InvalidName", of: "output", name: "__proto__", reason: "is reserved" },
            { _tag: "OutputIsInput", output: "n", module: "n" }
          ]
        )
        const lines = error.message.split("\n")
        assert.lengthOf(lines, 1 + error.issues.length)
        assert.strictEqual(lines[0], 'the Dag "heddle/d" cannot be run:')
        for (const part of [
          'the dag name "heddle/d" is reserved',
          'the output "gone" is not a module',
          'the need "bad" of module "deep" is not a module',
          'the module name " " is empty',
          '2 modules are named "x"',
          'the need name "" of module "deep" is empty',
          'the output name "__proto__" is reserved',
          'the output "n" is the run input "n"',
          'the output schema of module "deep" at secret: '
        ]) {
          assert.include(error.message, part)
        }
      })
    )
  })

  describe("compiles", () => {
    it.effect("a Dag once: the plan, and what is wrong, is the same value ever after", () =>
      Effect.gen(function* () {
        const dag = Dag.make("d", { outputs: { one } })
        assert.strictEqual(yield* Plan.make(dag), yield* Plan.make(dag))
        assert.notStrictEqual(yield* Plan.make(Dag.make("d", { outputs: { one } })), yield* Plan.make(dag))
        const wrong = Dag.make("d", { outputs: {} })
        assert.strictEqual(yield* Effect.flip(Plan.make(wrong)), yield* Effect.flip(Plan.make(wrong)))
      })
    )

    it.effect(
      "a chain of 100,000 modules",
      () =>
        Effect.gen(function* () {
          let last: Module.Of<number, never, never, Module.Input<"n", number>> = one
          for (let i = 0; i < 100_000; i++) last = Module.pure(`m${i}`, { needs: { last }, run: ({ last }) => last })
          const plan = yield* Plan.make(Dag.make("chain", { outputs: { last } }))
          assert.strictEqual(plan.modules.length, 100_002)
          assert.isTrue(plan.modules.every(({ name }, i) => name === (i < 2 ? ["n", "one"][i] : `m${i - 2}`)))
        }),
      10_000
    )

    it.effect(
      "a chain of 100,000 modules by needs and branches in turn",
      () =>
        Effect.gen(function* () {
          const route = (i: number, needs: Module.Needs, when: { readonly when?: Module.AnyBranch }) =>
            Module.route(`m${i}`, { needs, branches: ["a"], choose: () => "a", ...when })
          let last = route(0, {}, {})
          for (let i = 1; i < 100_000; i++)
            last = i % 2 === 0 ? route(i, { last }, {}) : route(i, {}, { when: last.is("a") })
          const plan = yield* Plan.make(Dag.make("chain", { outputs: { last } }))
          assert.isTrue(plan.modules.every(({ name }, i) => name === `m${i}`))
          assert.isTrue((plan.inDegree as Int32Array).every((degree, i) => degree === (i === 0 ? 0 : 1)))
          assert.isTrue((plan.dependants as Int32Array).every((dependant, i) => dependant === i + 1))
        }),
      10_000
    )

    it.effect("a route that only branches lead to, and its needs, as part of the Dag", () =>
      Effect.gen(function* () {
        const route = Module.route("route", { needs: { one }, branches: ["a", "b"], choose: () => "b" as const })
        const both = Module.pure("both", { needs: { route }, when: route.is("b"), run: () => 1 })
        const plan = yield* Plan.make(Dag.make("d", { outputs: { a: both } }))
        assert.deepStrictEqual(
          plan.modules.map(({ name, when }) => [name, when]),
          [
            ["n", undefined],
            ["one", undefined],
            ["route", undefined],
            ["both", { index: 2, branch: "b" }]
          ]
        )
        assert.deepStrictEqual(Array.fromIterable(plan.inDegree as Int32Array), [0, 1, 1, 2])
        assert.deepStrictEqual(Array.fromIterable(plan.dependants as Int32Array), [1, 2, 3, 3])
      })
    )

    it.effect("child Dags, with the paths of their signals and limits", () =>
      Effect.gen(function* () {
        const limited = (name: string, limit: string) =>
          Module.make(name, { output: Schema.Void, run: () => Effect.void, limit })
        const approval = Module.signal("approval", { value: Schema.Boolean })
        const inner = Dag.make("inner", { outputs: { approval, call: limited("call", "api") } })
        const input = () => ({}) as never
        const orders = Module.map("orders", { over: () => [1], dag: inner, input })
        const middle = Dag.make("middle", { outputs: { orders, again: Module.dag("again", { dag: inner, input }) } })
        const plan = yield* Plan.make(
          Dag.make("outer", {
            outputs: {
              approval,
              call: limited("call", "api"),
              items: Module.map("items", {
                over: () => [1],
                output: Schema.Void,
                run: () => Effect.void,
                limit: "items"
              }),
              middle: Module.dag("middle", { dag: middle, input })
            }
          })
        )
        assert.deepStrictEqual(plan.signals, ["approval", "middle/again/approval", "middle/orders/:/approval"])
        assert.deepStrictEqual(
          plan.limits.map(({ limit, module }) => [module, limit]),
          [
            ["call", "api"],
            ["items", "items"]
          ]
        )
        const at = plan.modules[plan.index.get("middle")!]!
        assert.strictEqual(at.child, yield* Plan.make(middle))
        assert.strictEqual(at.child!.modules[at.child!.index.get("orders")!]!.child, yield* Plan.make(inner))
        assert.isUndefined(plan.modules[plan.index.get("items")!]!.child)
      })
    )

    it.effect(
      "a module with 50,000 needs",
      () =>
        Effect.gen(function* () {
          const needs = Object.fromEntries(Array.makeBy(50_000, (i) => [`m${i}`, named(`m${i}`)] as const))
          const all = Module.pure("all", { needs, run: () => 1 })
          const plan = yield* Plan.make(Dag.make("wide", { outputs: { all } }))
          assert.strictEqual(plan.inDegree[50_000], 50_000)
        }),
      10_000
    )

    it.effect.prop(
      "needs before dependants, with arrays that agree with them",
      [graph, fc.array(fc.nat(), { minLength: 1, maxLength: 50 })],
      ([vertices, order]) =>
        Effect.gen(function* () {
          const dag = build(vertices, order)
          const plan = yield* Plan.make(dag)
          const edges: Array<string> = []
          plan.modules.forEach(({ definition, name, needs, when }, i) => {
            assert.strictEqual(plan.index.get(name), i)
            assert.strictEqual(plan.inDegree[i], needs.length + (when === undefined ? 0 : 1))
            const declared = definition.kind === "input" ? {} : definition.needs
            assert.deepStrictEqual(
              Object.fromEntries(needs.map(({ index, key }) => [key, plan.modules[index]!.name])),
              Object.fromEntries(Object.entries(declared).map(([key, need]) => [key, need.name]))
            )
            for (const { index } of needs) {
              assert.isBelow(index, i)
              edges.push(`${index} ${i}`)
            }
            const branch = definition.kind === "input" ? undefined : definition.when
            assert.strictEqual(when?.branch, branch?.branch)
            if (when !== undefined) {
              assert.strictEqual(plan.modules[when.index]!.name, branch!.route.name)
              assert.isBelow(when.index, i)
              edges.push(`${when.index} ${i}`)
            }
          })
          assert.deepStrictEqual(
            plan.signals,
            plan.modules.flatMap(({ definition: { kind }, name }) =>
              kind === "signal"
                ? [name]
                : kind === "dag"
                  ? [`${name}/signal`]
                  : kind === "map"
                    ? [`${name}/:/signal`]
                    : []
            )
          )
          assert.strictEqual(plan.index.size, plan.modules.length)
          assert.strictEqual(plan.inDegree.length, plan.modules.length)
          assert.strictEqual(plan.dependantsFrom.length, plan.modules.length + 1)
          assert.strictEqual(plan.dependantsFrom[0], 0)
          const listed: Array<string> = []
          for (let i = 0; i < plan.modules.length; i++) {
            for (let d = plan.dependantsFrom[i]!; d < plan.dependantsFrom[i + 1]!; d++) {
              listed.push(`${i} ${plan.dependants[d]}`)
            }
          }
          assert.lengthOf(listed, plan.dependants.length)
          assert.sameMembers(listed, edges)
          assert.deepStrictEqual(
            Object.fromEntries(plan.outputs.map(({ index, key }) => [key, plan.modules[index]!.name])),
            Object.fromEntries(Object.entries(dag.outputs).map(([key, { name }]) => [key, name]))
          )
        }),
      { fastCheck: { numRuns } }
    )
  })

  describe("fingerprints", () => {
    it.effect.prop(
      "and positions do not depend on the order in which a Dag was written down",
      [graph, fc.array(fc.nat(), { minLength: 1, maxLength: 50 })],
      ([vertices, order]) =>
        Effect.gen(function* () {
          const [a, b] = [yield* Plan.make(build(vertices)), yield* Plan.make(build(vertices, order))]
          const shape = (plan: Plan.Plan) => ({
            fingerprint: plan.fingerprint,
            modules: plan.modules.map(({ fingerprint, name, when }) => [name, fingerprint, when]),
            signals: plan.signals,
            outputs: plan.outputs,
            inDegree: plan.inDegree,
            dependantsFrom: plan.dependantsFrom,
            dependants: plan.dependants
          })
          assert.deepStrictEqual(shape(b), shape(a))
          assert.strictEqual(new Set(a.modules.map(({ fingerprint }) => fingerprint)).size, a.modules.length)
        }),
      { fastCheck: { numRuns } }
    )

    /** What a Dag of one module of each kind is made of, to be changed one by one. */
    const base = {
      dag: "d",
      dagVersion: undefined as string | number | undefined,
      input: "n",
      inputSchema: Schema.Number as Schema.Schema<any, any>,
      source: "source",
      sourceVersion: undefined as string | number | undefined,
      sourceOutput: Schema.Number as Schema.Schema<any, any> | undefined,
      sourceKind: "pure" as "pure" | "effect",
      name: "it",
      keys: ["x", "y"] as readonly [string, string],
      swapped: false,
      output: Schema.Number as Schema.Schema<any, any>,
      error: Schema.String as Schema.Schema<any, any> | undefined,
      version: "1" as string | number | undefined,
      run: (): Effect.Effect<number> => Effect.succeed(1),
      timeout: undefined as string | undefined,
      retries: 0,
      outputKey: "it",
      alsoSource: false
    }

    const without = <A extends object>(options: A): { [K in keyof A]: Exclude<A[K], undefined> } =>
      Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never

    const fingerprintWith = (change: Partial<typeof base>) => {
      const of = { ...base, ...change }
      const input = Module.input(of.input, of.inputSchema)
      const source =
        of.sourceKind === "pure"
          ? Module.pure(of.source, {
              needs: { input },
              run: () => 1,
              ...without({ output: of.sourceOutput, version: of.sourceVersion })
            })
          : Module.make(of.source, { needs: { input }, output: of.sourceOutput!, run: () => Effect.succeed(1) })
      const [x, y] = of.swapped ? [input, source] : [source, input]
      const it = Module.make(of.name, {
        needs: { [of.keys[0]]: x, [of.keys[1]]: y },
        output: of.output,
        run: of.run,
        ...without({
          error: of.error,
          version: of.version,
          timeout: of.timeout as never,
          retry: of.retries === 0 ? undefined : Schedule.recurs(of.retries)
        })
      })
      const outputs = { [of.outputKey]: it, ...(of.alsoSource ? { source } : {}) }
      return fingerprintOf(Dag.make(of.dag, { outputs, ...without({ version: of.dagVersion }) }))
    }

    const changing: { readonly [what: string]: Partial<typeof base> } = {
      "the name of the Dag": { dag: "e" },
      "the version of the Dag": { dagVersion: 1 },
      "the name of an input": { input: "m" },
      "the schema of an input": { inputSchema: Schema.Int },
      "the name of a module": { name: "that" },
      "the name of a need": { source: "other" },
      "the key of a need": { keys: ["x", "z"] },
      "the modules behind two keys, exchanged": { swapped: true },
      "an output schema": { output: Schema.Struct({ value: Schema.Number }) },
      "an error schema": { error: Schema.Number },
      "no error schema": { error: undefined },
      "the version of a module": { version: 2 },
      "no version of a module": { version: undefined },
      "a version that is empty": { version: "" },
      "the version of a need": { sourceVersion: 1 },
      "the output schema of a need": { sourceOutput: Schema.String },
      "no output schema of a need": { sourceOutput: undefined },
      "the kind of a need": { sourceKind: "effect" },
      "the key of an output": { outputKey: "that" },
      "another output": { alsoSource: true }
    }
    const keeping: { readonly [what: string]: Partial<typeof base> } = {
      nothing: {},
      "the body of a function": { run: () => Effect.sleep("1 second").pipe(Effect.as(2)) },
      "a timeout": { timeout: "1 second" },
      "a retry": { retries: 3 },
      "the order of needs": { keys: ["y", "x"], swapped: true },
      "a version that is a number with the same text": { version: 1 },
      "a description of a schema": {
        output: Schema.Number.annotations({ title: "the number", description: "a number" })
      }
    }

    it.effect("change with each of these, and all differ", () =>
      Effect.gen(function* () {
        const seen = new Map([[yield* fingerprintWith({}), "nothing"]])
        for (const [what, change] of Object.entries(changing)) {
          const fingerprint = yield* fingerprintWith(change)
          assert.isUndefined(seen.get(fingerprint), what)
          seen.set(fingerprint, what)
        }
      })
    )

    for (const [what, change] of Object.entries(keeping)) {
      it.effect(`do not change with ${what}`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* fingerprintWith(change), yield* fingerprintWith({}))
        })
      )
    }

    it.effect("change with any of a chain, however far up, and of one module with what is its own only", () =>
      Effect.gen(function* () {
        const chain = (version: number) => {
          const first = Module.pure("m0", { run: () => 0, version })
          let last: Module.Of<number> = first
          for (let i = 1; i < 50; i++) last = Module.pure(`m${i}`, { needs: { last }, run: ({ last }) => last })
          return Dag.make("chain", { outputs: { last } })
        }
        const [a, b] = [yield* Plan.make(chain(1)), yield* Plan.make(chain(2))]
        assert.notStrictEqual(a.fingerprint, b.fingerprint)
        const differs = a.modules.filter(({ fingerprint }, i) => fingerprint !== b.modules[i]!.fingerprint)
        assert.deepStrictEqual(
          differs.map(({ name }) => name),
          ["m0"]
        )
      })
    )

    it.effect("are made of versions that are any text", () =>
      Effect.gen(function* () {
        const versions = ["\ud800", "\ud801", "\\ud800", "", '"', "null", undefined]
        const all = yield* Effect.forEach(versions, (version) => fingerprintWith({ version, dagVersion: version }))
        assert.strictEqual(new Set(all).size, all.length)
      })
    )
  })
})
