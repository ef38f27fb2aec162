import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Dag, Module, Plan, Shared } from "heddle"

const one = Module.pure("one", { run: () => 1 })
const even = Schema.Number.pipe(Schema.filter((value) => value % 2 === 0))
const slash = 'has a "/", which separates the modules of child Dags in paths'

const dagOf = (...modules: ReadonlyArray<Module.Any>) =>
  Dag.make("d", { outputs: Object.fromEntries(modules.map((module, i) => [`o${i}`, module])) })

const refused = (dag: Dag.Any) => Effect.flip(Plan.make(dag))

/** The issues of a Dag, and that each has a line of the message, which these lines are. */
const expectIssues = (dag: Dag.Any, issues: ReadonlyArray<unknown>, lines: ReadonlyArray<string>) =>
  Effect.map(refused(dag), (error) => {
    assert.deepStrictEqual(error.issues, issues as typeof error.issues)
    assert.deepStrictEqual(error.message.split("\n"), [`the Dag "d" cannot be run:`, ...lines])
  })

const route = (branches: ReadonlyArray<string>, fallback?: string) =>
  Module.route("decide", { branches, choose: () => "", ...(fallback === undefined ? {} : { default: fallback }) })

describe("PlanIssue", () => {
  it.effect("a name that would be two steps of a path", () =>
    Effect.gen(function* () {
      yield* expectIssues(
        dagOf(Module.pure("a/b", { run: () => 1 })),
        [{ _tag: "InvalidName", of: "module", name: "a/b", reason: slash }],
        [`- the module name "a/b" ${slash}: choose another`]
      )
      const group = Shared.make("g/h", { "c/d": Shared.cell(Schema.Int, 0), "": Shared.live(Schema.Int, 0) })
      yield* expectIssues(
        Dag.make("d", { outputs: { one }, shared: [group] }),
        [
          { _tag: "InvalidName", of: "shared group", name: "g/h", reason: slash },
          { _tag: "InvalidName", of: "shared cell", name: "", reason: "is empty", group: "g/h" },
          { _tag: "InvalidName", of: "shared cell", name: "c/d", reason: slash, group: "g/h" }
        ],
        [
          `- the shared group name "g/h" ${slash}: choose another`,
          `- the shared cell name "" of group "g/h" is empty: choose another`,
          `- the shared cell name "c/d" of group "g/h" ${slash}: choose another`
        ]
      )
    })
  )

  it.effect("a `when` that is not of a route", () =>
    expectIssues(
      dagOf(
        Module.pure("a", { when: { route: one, branch: "x" } as never, run: () => 1 }),
        Module.pure("b", { when: { branch: "x" } as never, run: () => 1 })
      ),
      [
        { _tag: "NotARoute", module: "a", route: "one" },
        { _tag: "NotARoute", module: "b", route: undefined }
      ],
      [
        '- the `when` of module "a" is of module "one", which is no route: take it from a route, as in decide.is("approve")',
        '- the `when` of module "b" is not a branch of a route: take it from a route, as in decide.is("approve")'
      ]
    )
  )

  it.effect("a branch that the route does not have", () =>
    expectIssues(
      dagOf(Module.pure("a", { when: route(["x", "y"]).is("z"), run: () => 1 })),
      [{ _tag: "UnknownBranch", module: "a", route: "decide", branch: "z", branches: ["x", "y"] }],
      [
        '- module "a" is in the branch "z" of route "decide", which does not have it (it has "x", "y"): take one that it has, or add it'
      ]
    )
  )

  it.effect("branches that are no choice", () =>
    Effect.gen(function* () {
      yield* expectIssues(
        dagOf(route([])),
        [{ _tag: "NoBranches", module: "decide" }],
        ['- route "decide" has no branches: give it at least one']
      )
      yield* expectIssues(
        dagOf(route(["x", "y", "x", "x"])),
        [{ _tag: "DuplicateBranch", module: "decide", branch: "x" }],
        ['- route "decide" has the branch "x" more than once: name it once']
      )
      yield* expectIssues(
        dagOf(route(["x"], "y")),
        [{ _tag: "UnknownDefault", module: "decide", branch: "y", branches: ["x"] }],
        ['- the default "y" of route "decide" is none of its branches (it has "x"): take one of them, or add it']
      )
      yield* expectIssues(
        dagOf(route(["\ud800"])),
        [
          {
            _tag: "InvalidName",
            of: "branch",
            name: "\ud800",
            reason: "is not well-formed Unicode",
            module: "decide"
          }
        ],
        ['- the branch name "\\ud800" of module "decide" is not well-formed Unicode: choose another']
      )
    })
  )

  describe("an option that cannot be", () => {
    const effect = (options: { readonly [option: string]: unknown }) =>
      Module.make("it", { output: Schema.Void, run: () => Effect.void, ...options })
    const map = (options: { readonly [option: string]: unknown }) =>
      Module.map("it", { over: () => [1], output: Schema.Void, run: () => Effect.void, ...options })
    const notADuration = 'it must be a duration that is not negative, as 5000 (milliseconds) or "5 seconds"'
    const whole = 'it must be a whole number of at least 1, or "unbounded"'

    const cases: ReadonlyArray<
      readonly [
        option: string,
        value: unknown,
        shown: string,
        reason: string,
        make: (options: { readonly [option: string]: unknown }) => Module.Any
      ]
    > = [
      ["timeout", -1, "-1", notADuration, effect],
      ["timeout", NaN, "NaN", notADuration, effect],
      ["timeout", -5n, "-5n", notADuration, effect],
      ["timeout", "-1 seconds", '"-1 seconds"', notADuration, effect],
      ["timeout", "-0.5 millis", '"-0.5 millis"', notADuration, effect],
      ["timeout", [-1, 0], "[-1, 0]", notADuration, effect],
      ["timeout", [0, -1], "[0, -1]", notADuration, effect],
      ["timeout", [NaN, 1], "[NaN, 1]", notADuration, effect],
      ["timeout", [-Infinity, Infinity], "[-Infinity, Infinity]", notADuration, effect],
      ["timeout", "soon", '"soon"', notADuration, effect],
      ["timeout", [1], "[1]", notADuration, effect],
      ["timeout", null, "null", notADuration, effect],
      ["timeout", -1, "-1", notADuration, map],
      ["priority", Infinity, "Infinity", "it must be a finite number", effect],
      ["priority", NaN, "NaN", "it must be a finite number", map],
      ["limit", "", '""', "it must be the name of a limit", effect],
      ["limit", " ", '" "', "it must be the name of a limit", map],
      ["concurrency", 0, "0", whole, map],
      ["concurrency", -1, "-1", whole, map],
      ["concurrency", 1.5, "1.5", whole, map],
      ["concurrency", NaN, "NaN", whole, map],
      ["concurrency", -Infinity, "-Infinity", whole, map]
    ]
    for (const [option, value, shown, reason, make] of cases) {
      const module = make({ [option]: value })
      it.effect(`${option} ${shown} (${module.definition.kind})`, () =>
        expectIssues(
          dagOf(module),
          [{ _tag: "InvalidOption", module: "it", option, value, reason }],
          [`- the ${option} of module "it" is ${shown}: ${reason}`]
        )
      )
    }

    it.effect("the limit of a map over a child Dag", () => {
      const inner = Dag.make("inner", { outputs: { one: Module.pure("one", { run: () => 1 }) } })
      const reason = "the modules of a child Dag have limits of their own"
      const options = { over: () => [1], dag: inner, input: () => ({}), limit: "few" }
      return expectIssues(
        dagOf(Module.map("it", options)),
        [{ _tag: "InvalidOption", module: "it", option: "limit", value: "few", reason }],
        [`- the limit of module "it" is "few": ${reason}`]
      )
    })

    it.effect("the timeout of a signal and the duration of a sleep", () =>
      expectIssues(
        dagOf(
          Module.signal("signal", { value: Schema.Int, timeout: -1 }),
          Module.sleep("sleep", { duration: "-1 day" }),
          Module.sleep("computed", { duration: () => -1 })
        ),
        [
          { _tag: "InvalidOption", module: "signal", option: "timeout", value: -1, reason: notADuration },
          { _tag: "InvalidOption", module: "sleep", option: "duration", value: "-1 day", reason: notADuration }
        ],
        [
          `- the timeout of module "signal" is -1: ${notADuration}`,
          `- the duration of module "sleep" is "-1 day": ${notADuration}`
        ]
      )
    )

    it.effect("and none that can", () =>
      Effect.gen(function* () {
        const durations = [0, -0, 1.5, Infinity, 5n, "1 second", "0 millis", [1, 2], [1, -5], [1, Infinity]] as const
        for (const timeout of durations) yield* Plan.make(dagOf(effect({ timeout })))
        for (const priority of [0, -1, 0.5]) yield* Plan.make(dagOf(map({ priority })))
        for (const concurrency of [1, 7, Infinity, "unbounded"]) yield* Plan.make(dagOf(map({ concurrency })))
      })
    )
  })

  it.effect("schemas of signals and of items that hide something", () =>
    Effect.gen(function* () {
      const error = yield* refused(
        dagOf(
          Module.signal("signal", { value: Schema.Struct({ n: even }) }),
          Module.map("map", {
            over: () => [1],
            output: even,
            error: Schema.Struct({ why: even }),
            run: () => Effect.fail({ why: 2 })
          })
        )
      )
      assert.deepStrictEqual(
        error.issues.map((issue) => (issue._tag === "OpaqueSchema" ? [issue.module, issue.schema, issue.path] : [])),
        [
          ["signal", "value", ["n"]],
          ["map", "output", []],
          ["map", "error", ["why"]]
        ]
      )
    })
  )

  describe("shared groups", () => {
    const group = (name: string) => Shared.make(name, { n: Shared.cell(Schema.Int, 0) })

    it.effect("different ones with one name, but none that is listed twice", () =>
      Effect.gen(function* () {
        const [a, b, c] = [group("g"), group("g"), group("h")]
        yield* expectIssues(
          Dag.make("d", { outputs: { one }, shared: [a, b, a, c] }),
          [{ _tag: "DuplicateGroup", name: "g", count: 2 }],
          ['- 2 shared groups are named "g": give each its own name']
        )
        const plan = yield* Plan.make(Dag.make("d", { outputs: { one }, shared: [c, a, c, a] }))
        assert.deepStrictEqual(
          plan.shared.map((shared) => shared.name),
          ["g", "h"]
        )
        assert.strictEqual(plan.shared[0], a)
      })
    )

    const cells: {
      readonly [what: string]: readonly [schema: Schema.Schema.Any, initial: unknown, messages: ReadonlyArray<string>]
    } = {
      "a first value that does not fit": [
        Schema.Struct({ a: Schema.Int, b: Schema.String }),
        { a: 0.5, b: 1 },
        [
          "its first value cannot be encoded at a: Expected an integer, actual 0.5",
          "its first value cannot be encoded at b: Expected string, actual 1"
        ]
      ],
      "a first value that is not JSON": [
        Schema.Struct({ big: Schema.BigIntFromSelf }),
        { big: 1n },
        ["its first value is not JSON at big: a bigint"]
      ],
      "an asynchronous schema": [
        Schema.transformOrFail(Schema.String, Schema.String, {
          decode: (text) => Effect.succeed(text),
          encode: (text) => Effect.as(Effect.never, text)
        }).annotations({ identifier: "Slow" }),
        "",
        ["its schema must be synchronous and need no services"]
      ],
      "a schema that decodes asynchronously": [
        Schema.transformOrFail(Schema.String, Schema.String, {
          decode: (text) => Effect.as(Effect.never, text),
          encode: (text) => Effect.succeed(text)
        }).annotations({ identifier: "Slow" }),
        "",
        ["its schema must be synchronous and need no services"]
      ],
      "a schema that throws": [
        Schema.transform(Schema.String, Schema.String, {
          decode: (text) => text,
          encode: () => {
            throw new Error("no")
          }
        }).annotations({ identifier: "Broken" }),
        "",
        ["its schema throws when its first value is encoded"]
      ],
      "a schema that does not read what it wrote": [
        Schema.transform(Schema.Literal("a"), Schema.String, {
          decode: (text) => text,
          encode: () => "b" as never
        }).annotations({ identifier: "Wrong" }),
        "a",
        ['its first value cannot be encoded: Expected "a", actual "b"']
      ],
      "a schema that hides something": [
        Schema.Struct({ even }),
        { even: 2 },
        [
          "its schema at even: this filter is a function: give it an `identifier` annotation (a later `annotations` or `brand` removes it)"
        ]
      ]
    }
    for (const [what, [schema, initial, messages]] of Object.entries(cells)) {
      it.effect(`${what}, of a cell`, () => {
        const cell = Shared.cell(schema as Schema.Schema<any>, initial)
        const shared = [Shared.make("g", { fine: Shared.cell(Schema.Date, new Date(0)), cell })]
        return expectIssues(
          Dag.make("d", { outputs: { one }, shared }),
          messages.map((message) => ({ _tag: "InvalidCell", group: "g", cell: "cell", message })),
          messages.map((message) => `- the cell "cell" of shared group "g": ${message}`)
        )
      })
    }

    it.effect("but no cell of nothing", () => {
      const shared = [Shared.make("g", { nothing: Shared.cell(Schema.UndefinedOr(Schema.Int), undefined) })]
      return Plan.make(Dag.make("d", { outputs: { one }, shared }))
    })
  })

  describe("child Dags", () => {
    const child = (name: string, dag: Dag.Any) => Module.dag(name, { dag, input: () => ({}) as never })

    it.effect("what is not a Dag", () =>
      expectIssues(
        dagOf(child("a", undefined as never), child("b", one as never)),
        [
          { _tag: "NotADag", module: "a" },
          { _tag: "NotADag", module: "b" }
        ],
        [
          '- the `dag` of module "a" is not a Dag: make it with Dag.make',
          '- the `dag` of module "b" is not a Dag: make it with Dag.make'
        ]
      )
    )

    it.effect("what is wrong inside of them, indented, once for each child", () =>
      Effect.gen(function* () {
        const inner = Dag.make("inner", { outputs: { x: Module.pure("x/y", { run: () => 1 }) } })
        const middle = Dag.make("middle", { outputs: { inner: child("in", inner), none: null as never } })
        const items = Module.map("items", { over: () => [1], dag: middle, input: () => ({}) })
        const dag = dagOf(items, child("again", middle), Module.pure("", { run: () => 1 }))
        const innerIssues = [{ _tag: "InvalidName", of: "module", name: "x/y", reason: slash }]
        yield* expectIssues(
          dag,
          [
            { _tag: "InvalidName", of: "module", name: "", reason: "is empty" },
            {
              _tag: "ChildInvalid",
              module: "items",
              dag: "middle",
              issues: [
                { _tag: "NotAModule", of: undefined, key: "none" },
                { _tag: "ChildInvalid", module: "in", dag: "inner", issues: innerIssues }
              ]
            }
          ],
          [
            '- the module name "" is empty: choose another',
            '- the Dag "middle" of module "items" cannot be run:',
            '  - the output "none" is not a module',
            '  - the Dag "inner" of module "in" cannot be run:',
            `    - the module name "x/y" ${slash}: choose another`
          ]
        )
      })
    )

    /** A Dag in which child Dags are nested so deep. */
    const nested = (depth: number, bottom: Dag.Any = dagOf(one)): Dag.Any => {
      let dag = bottom
      for (let i = 0; i < depth; i++) dag = dagOf(child("child", dag), child("other", dag))
      return dag
    }

    it.effect("nested as deep as they may be, and deeper", () =>
      Effect.gen(function* () {
        assert.strictEqual(Plan.maxDepth, 16)
        let plan: Plan.Plan | undefined = yield* Plan.make(nested(Plan.maxDepth))
        for (let i = 0; i <= Plan.maxDepth; i++) plan = plan?.modules[0]!.child
        assert.isUndefined(plan)
        const message = "nests child Dags 17 deep, and at most 16 are allowed: move modules of the inner ones up"
        yield* expectIssues(
          nested(Plan.maxDepth + 1),
          ["child", "other"].map((module) => ({ _tag: "TooDeep", module, depth: 17, max: 16 })),
          [`- module "child" ${message}`, `- module "other" ${message}`]
        )
      })
    )

    it.effect("nested without any measure", () =>
      Effect.gen(function* () {
        const deep = nested(100_000)
        yield* expectIssues(
          dagOf(Module.map("it", { over: () => [1], dag: deep, input: () => ({}) as never })),
          [{ _tag: "TooDeep", module: "it", depth: 100_001, max: 16 }],
          ['- module "it" nests child Dags 100001 deep, and at most 16 are allowed: move modules of the inner ones up']
        )
      })
    )

    it.effect("with more signals than may be stored with a run, counted wherever they are", () =>
      Effect.gen(function* () {
        const count = 100
        const of = (make: (name: string) => Module.Any) =>
          dagOf(...Array.from({ length: count }, (_, i) => make(`s${String(i)}`)))
        const wide = of((name) => Module.signal(name, { value: Schema.Int }))
        const input = () => ({}) as never
        yield* Plan.make(of((name) => Module.map(name, { over: () => [1], dag: wide, input })))
        const most = of((name) => Module.dag(name, { dag: wide, input }))
        assert.lengthOf((yield* Plan.make(most)).signals, Plan.maxSignals)
        const message = "it has 20000 signals with those of its child Dags, and at most 10000 are allowed"
        yield* expectIssues(
          dagOf(Module.dag("a", { dag: most, input }), Module.dag("b", { dag: most, input })),
          [{ _tag: "TooManySignals", count: 20_000, max: 10_000 }],
          [`- ${message}: map over a list of what is waited for`]
        )
      })
    )

    it.effect("nested too deep in what is otherwise invalid, and everywhere at once", () =>
      Effect.gen(function* () {
        const invalid = Dag.make("invalid", { outputs: {} })
        const error = yield* refused(nested(Plan.maxDepth, invalid))
        assert.lengthOf(error.message.split("\n"), 1 + Plan.maxDepth + 1)
        assert.deepStrictEqual(
          (yield* refused(nested(Plan.maxDepth + 1, invalid))).issues.map(({ _tag }) => _tag),
          ["TooDeep", "TooDeep"]
        )
      })
    )
  })
})
