import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { Dag, Module, Plan, Shared } from "heddle"
import { numRuns } from "../numRuns.js"

const schemas = [Schema.Number, Schema.Struct({ value: Schema.Number })] as const
const oneOf = <const A extends ReadonlyArray<unknown>>(...values: A): fc.Arbitrary<A[number]> =>
  fc.constantFrom(...values)
const schema = oneOf(0, 1)
const optional = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const rule = oneOf("allSucceeded", "noneFailed", "anySucceeded", "always")
const failOrSkip = oneOf("fail", "skip")

/** What the fingerprint of a Dag of all kinds is made of. */
const parts = fc.record({
  pureJoin: rule,
  effectJoin: rule,
  execution: oneOf("atLeastOnce", "atMostOnce"),
  onFailure: oneOf("fail", "skip", "fallback"),
  route: oneOf("left", "right"),
  branch: optional(oneOf("a", "b")),
  branches: oneOf("ab", "abc"),
  default: optional(oneOf("a", "b")),
  value: schema,
  signalVersion: optional(oneOf("1", "2")),
  sleepNeeds: oneOf("none", "signal", "route"),
  item: oneOf("effect", "dag"),
  itemOutput: schema,
  itemError: optional(schema),
  onItemFailure: oneOf("fail", "collect"),
  onMapFailure: failOrSkip,
  childName: oneOf("child", "other"),
  childVersion: optional(fc.nat(1)),
  childValue: schema,
  onChildFailure: failOrSkip,
  group: optional(oneOf("g", "h")),
  cell: oneOf("c", "d"),
  cellSchema: oneOf("Int", "Number"),
  cellKind: oneOf("staged", "merged", "live")
})
type Parts = typeof parts extends fc.Arbitrary<infer A> ? A : never

/** What it is not made of. */
const rest = fc.record({
  timeout: oneOf(1000, "2 seconds"),
  duration: oneOf(0, "1 day", () => 5),
  concurrency: oneOf(1, 4, "unbounded"),
  limit: oneOf("x", "y"),
  priority: fc.integer(),
  onTimeout: fc.boolean(),
  initial: fc.integer(),
  again: fc.boolean()
})
type Rest = typeof rest extends fc.Arbitrary<infer A> ? A : never

const set = <K extends string, A>(key: K, value: A | undefined): { readonly [_ in K]?: A } =>
  // one key of this name, or none
  (value === undefined ? {} : { [key]: value }) as { readonly [_ in K]?: A }

const build = (of: Parts, { concurrency, duration, initial, limit, priority, timeout, ...rest }: Rest): Dag.Any => {
  const names = of.branches.split("") as Array<"a" | "b" | "c">
  const branches = rest.again ? names.reverse() : names
  const left = Module.route("left", { branches, choose: () => "a" as const, ...set("default", of.default) })
  const right = Module.route("right", { branches, choose: () => "a" as const })
  const when = set("when", of.branch === undefined ? undefined : (of.route === "left" ? left : right).is(of.branch))

  const signal = Module.signal("signal", {
    ...when,
    value: schemas[of.value] as Schema.Schema<any>,
    timeout,
    ...set("version", of.signalVersion),
    ...set("onTimeout", rest.onTimeout ? () => 1 : undefined)
  })
  const upstream: Module.Needs = { none: {}, signal: { it: signal }, route: { it: left } }[of.sleepNeeds]
  const sleep = Module.sleep("sleep", { needs: upstream, duration })
  const child = Dag.make(of.childName, {
    outputs: { value: Module.signal("value", { value: schemas[of.childValue] as Schema.Schema<any>, timeout }) },
    ...set("version", of.childVersion)
  })
  const nested = Module.dag("nested", { dag: child, input: () => ({}), onFailure: of.onChildFailure })
  const map = {
    over: () => [1],
    concurrency,
    onItemFailure: of.onItemFailure,
    onFailure: of.onMapFailure
  }
  const each: Module.Any =
    of.item === "dag"
      ? Module.map("each", { ...map, dag: child, input: () => ({}) })
      : Module.map("each", {
          ...map,
          output: schemas[of.itemOutput] as Schema.Schema<any>,
          run: () => Effect.never,
          timeout,
          limit,
          priority,
          ...set("error", of.itemError === undefined ? undefined : (schemas[of.itemError] as Schema.Schema<any>))
        })
  const needs: { readonly [key: string]: Module.Any } = { signal, sleep, nested, each }
  const pure = Module.pure("pure", { needs, join: of.pureJoin, output: Schema.Number, run: () => 1 })
  const effect = Module.make("effect", {
    needs: { pure },
    join: of.effectJoin,
    output: Schema.Number,
    run: () => Effect.succeed(1),
    execution: of.execution,
    onFailure: of.onFailure === "fallback" ? () => Effect.succeed(2) : of.onFailure,
    limit,
    priority,
    timeout
  })
  const type = of.cellSchema === "Int" ? Schema.Int : Schema.Number
  const cell = {
    staged: Shared.cell(type, initial),
    merged: Shared.cell(type, initial, { merge: Math.max }),
    live: Shared.live(type, initial)
  }[of.cellKind]
  const fixed = Shared.make("fixed", { n: Shared.cell(Schema.Int, 0) })
  const groups = of.group === undefined ? [fixed] : [fixed, Shared.make(of.group, { [of.cell]: cell })]
  const outputs: { readonly [key: string]: Module.Any } = { effect, left, right }
  return Dag.make("d", { outputs, shared: rest.again ? groups.reverse() : groups })
}

/** Without what has no meaning beside the others. */
const meaning = ({ branch, cell, cellKind, cellSchema, group, item, itemError, itemOutput, route, ...of }: Parts) =>
  JSON.stringify({
    ...of,
    item: item === "dag" ? { dag: true } : { itemOutput, itemError },
    when: branch === undefined ? undefined : { route, branch },
    group: group === undefined ? undefined : { group, cell, cellKind, cellSchema }
  })

describe("fingerprints of Dags of all kinds", () => {
  it.effect.prop(
    "differ exactly when a part differs that they are made of",
    [parts, parts, rest, rest],
    ([a, other, x, y]) =>
      Effect.gen(function* () {
        const plan = yield* Plan.make(build(a, x))
        assert.strictEqual((yield* Plan.make(build(a, y))).fingerprint, plan.fingerprint)
        // each part alone, so that none hides behind another
        for (const key of Object.keys(a) as ReadonlyArray<keyof Parts>) {
          const b: Parts = { ...a, [key]: other[key] }
          const { fingerprint } = yield* Plan.make(build(b, y))
          assert.strictEqual(fingerprint === plan.fingerprint, meaning(a) === meaning(b), key)
        }
        const { fingerprint } = yield* Plan.make(build(other, y))
        assert.strictEqual(fingerprint === plan.fingerprint, meaning(a) === meaning(other))
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("of modules differ where the module does, and those of a child only where the child does", () =>
    Effect.gen(function* () {
      const dag = (version: number) => {
        const child = Dag.make("child", { outputs: { one: Module.pure("one", { run: () => 1, version }) } })
        const input = () => ({}) as never
        const nested = Module.dag("nested", { dag: child, input })
        const each = Module.map("each", { over: () => [1], dag: child, input })
        return Dag.make("d", {
          outputs: { nested, each, last: Module.pure("last", { needs: { nested }, run: () => 1 }) }
        })
      }
      const [a, b] = [yield* Plan.make(dag(1)), yield* Plan.make(dag(2))]
      assert.notStrictEqual(a.fingerprint, b.fingerprint)
      assert.deepStrictEqual(
        a.modules.filter(({ fingerprint }, i) => fingerprint !== b.modules[i]!.fingerprint).map(({ name }) => name),
        ["each", "nested"]
      )
    })
  )

  // Every stored run is compared with these: a change of them refuses all of them.
  it.effect("do not change from release to release", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Schema.Number)
      const one = Module.pure("one", { needs: { n }, run: () => 1 })
      const two = Module.make("two", {
        needs: { one, n },
        output: Schema.Number,
        error: Schema.String,
        run: () => Effect.fail("no"),
        version: 2
      })
      const { fingerprint } = yield* Plan.make(Dag.make("d", { outputs: { two }, version: 1 }))
      assert.strictEqual(fingerprint, "36ce824a0625cc3e15ab029b407582dbde96a648a2b414eeac96e1ccc3fb3b0e")
    })
  )
})
