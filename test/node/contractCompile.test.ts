/** What contracts become: machines, functions, operations, Dags. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Either, FastCheck, Fiber, Layer, Option, Ref, Schema, TestClock } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as Contract from "heddle/node/Contract"
import * as ContractDag from "heddle/node/ContractDag"
import * as ContractMachine from "heddle/node/ContractMachine"
import * as ContractOperation from "heddle/node/ContractOperation"
import * as ContractPipeline from "heddle/node/ContractPipeline"
import * as EffectNode from "heddle/node/EffectNode"
import { Json } from "heddle/node/Json"
import * as Machine from "heddle/node/Machine"
import { OperationRefused } from "heddle/node/OperationRefused"
import * as Shape from "heddle/node/Shape"
import { numRuns } from "../numRuns.js"
import { files } from "./contractFiles.js"

const parse = <K extends Contract.Kind>(text: string, kind: K) =>
  Effect.flatMap(Contract.parse(text), (contract) => Contract.ofKind(contract, kind))

const dateOf = (millis: number) => new Date(millis)

describe("ContractMachine.make", () => {
  const order = Effect.map(parse(files.stateMachine, "stateMachine"), ContractMachine.make)
  type Step = Machine.Step<string, { readonly [field: string]: Json }, ContractMachine.Tagged>

  it.effect("has guards, priorities, assignments and intents of the contract", () =>
    Effect.gen(function* () {
      const machine = yield* order
      const begun = yield* Machine.start(machine, "1", 0)
      assert.deepStrictEqual(begun.context, { total: 100, paid: 0, tags: ["new"] })
      assert.strictEqual(begun.due, Duration.toMillis("15 minutes"))
      const first: Step = yield* Machine.transition(machine, begun, { _tag: "pay", amount: 40 }, 1)
      assert.deepInclude(first.snapshot, { state: "cart", context: { total: 100, paid: 40, tags: ["new"] } })
      assert.deepStrictEqual(first.snapshot.pending, [])
      const second: Step = yield* Machine.transition(machine, first.snapshot, { _tag: "pay", amount: 60 }, 2)
      assert.deepInclude(second.snapshot, { state: "paid", context: { total: 100, paid: 100, tags: ["new"] } })
      assert.deepStrictEqual(
        second.snapshot.pending.map(({ intent }) => intent),
        [
          { _tag: "mail", text: "left" },
          { _tag: "receipt", amount: 100 }
        ]
      )
      const refused = yield* Effect.flip(Machine.transition(machine, second.snapshot, { _tag: "cancel" }, 3))
      assert.deepInclude(refused, { _tag: "TransitionRefused", reason: "terminal" })
    })
  )

  it.effect("has its timed transitions, and the wildcard", () =>
    Effect.gen(function* () {
      const machine = yield* order
      const begun = yield* Machine.start(machine, "1", 0)
      const elapsed = Machine.elapse(machine, begun, Duration.toMillis("15 minutes"))
      assert.isDefined(elapsed)
      assert.deepInclude(elapsed.snapshot, { state: "lost" })
      assert.strictEqual(elapsed.snapshot.context["note"], "late")
      const cancelled = yield* Machine.transition(machine, elapsed.snapshot, { _tag: "cancel" }, 5)
      assert.strictEqual(cancelled.snapshot.state, "cancelled")
    })
  )

  it.effect("says by name which guards refused, and keeps the context to its shape", () =>
    Effect.gen(function* () {
      const contract = yield* parse(
        `kind: stateMachine
name: counter
version: 7
context: { type: object, properties: { n: { type: integer, maximum: 2 } }, required: [n] }
initial_context: { n: 0 }
events: { add: { by: { type: integer } } }
initial: on
states: { on: {} }
transitions:
  - { from: on, on: add, guard: event.by>0, actions: [{ assign: { n: context.n + event.by } }] }
`,
        "stateMachine"
      )
      const machine = ContractMachine.make(contract)
      assert.strictEqual(machine.version, "7")
      const begun = yield* Machine.start(machine, "1", 0)
      const add = (by: number) => Effect.flip(Machine.transition(machine, begun, { _tag: "add", by }, 0))
      assert.deepInclude(yield* add(0), { reason: "guards", guards: ["event.by > 0"] })
      assert.deepInclude(yield* add(3), { reason: "contextInvalid" })
    })
  )
})

describe("ContractPipeline.make", () => {
  it.effect("does what its transformations say, in order", () =>
    Effect.gen(function* () {
      const cheapest = ContractPipeline.make(yield* parse(files.compute, "compute"))
      const item = (id: string, price: number, qty: number) => ({ id, price, qty, extra: [id] })
      assert.deepStrictEqual(
        cheapest([
          item("a", 1, 1),
          item("b", 2, 5),
          item("c", 3, 0),
          item("d", 3, 3),
          item("d", 9, 1),
          item("e", 4, 1)
        ]),
        Either.right([
          { id: "b", total: 10 },
          { id: "d", total: 9 },
          { id: "e", total: 4 }
        ])
      )
      const refused = yield* Effect.flip(cheapest([item("a", 1, 1), item("b", 1, -1)]))
      assert.deepInclude(refused, { index: 0, transformation: "validate", item: 1, reason: "a quantity is negative" })
      assert.strictEqual(refused.message, '"cheapest": validate (pipeline.0) of item 1: a quantity is negative')
    })
  )

  const pipelineOf = (pipeline: ReadonlyArray<unknown>) =>
    Effect.map(parse(JSON.stringify({ kind: "compute", name: "p", pipeline }), "compute"), ContractPipeline.make)

  const one = (transformation: unknown, input: Json) => Effect.flatMap(pipelineOf([transformation]), (f) => f(input))

  it.effect("of an object, of lists of objects, of what is neither", () =>
    Effect.gen(function* () {
      const pick = { do: "pick", fields: ["a", "toString"] }
      assert.deepStrictEqual(yield* one(pick, { a: 1, b: 2 }), { a: 1 })
      assert.deepStrictEqual(yield* one(pick, [{ a: 1, b: 2 }, {}]), [{ a: 1 }, {}])
      assert.deepInclude(yield* Effect.flip(one(pick, [{}, 3])), {
        item: 1,
        reason: "it is for objects, and this is a number"
      })
      assert.deepInclude(yield* Effect.flip(one(pick, null)), { reason: "it is for objects, and this is null" })
      const filter = { do: "filter", when: "value > 1" }
      assert.deepInclude(yield* Effect.flip(one(filter, {})), { reason: "it is for lists, and this is an object" })
      assert.deepStrictEqual(yield* one({ do: "omit", fields: ["a"] }, { a: 1, b: 2 }), { b: 2 })
      assert.deepStrictEqual(yield* one({ do: "rename", fields: { a: "b", b: "a" } }, { a: 1, b: 2 }), { a: 2, b: 1 })
      const set = { do: "set", fields: { a: "value.b", b: "value.a", c: "value.none" } }
      assert.deepStrictEqual(yield* one(set, { a: 1, b: 2, c: 3 }), { a: 2, b: 1 })
      assert.deepStrictEqual(yield* one({ do: "map", to: "value.a" }, [{ a: 1 }, {}]), [1, null])
      assert.deepStrictEqual(yield* one({ do: "map", to: ["value", "input"] }, 3), [3, 3])
      assert.deepStrictEqual(yield* one({ do: "skip", count: 2 }, [1, 2, 3]), [3])
    })
  )

  it.effect("sorts whatever there is", () =>
    Effect.gen(function* () {
      const sort = { do: "sort", by: "value.k" }
      const keys: ReadonlyArray<Json> = [[1], "b", 10, 9, true, "a", null, { a: 1 }]
      const sorted = yield* one(sort, [{ x: 1 }, ...keys.map((k) => ({ k }))])
      const expected = [null, true, 9, 10, "a", "b", [1], { a: 1 }].map((k) => ({ k }))
      assert.deepStrictEqual(sorted, [{ x: 1 }, ...expected])
    })
  )

  const value = FastCheck.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as Json)
  const transformation = FastCheck.constantFrom(
    { do: "pick", fields: ["a"] },
    { do: "omit", fields: ["a"] },
    { do: "rename", fields: { a: "b" } },
    { do: "set", fields: { a: "value", b: "input.a + 1" } },
    { do: "map", to: { a: "value", l: ["value.a"] } },
    { do: "map", to: "value" },
    { do: "validate", when: "exists value", message: "none" },
    { do: "filter", when: "value != 1" },
    { do: "sort", by: "value.a" },
    { do: "sort", by: "value", order: "descending" },
    { do: "unique", by: "value" },
    { do: "take", count: 2 }
  )

  it.effect.prop(
    "gives JSON or refuses, whatever it is given",
    [
      FastCheck.array(transformation, { maxLength: 4 }),
      FastCheck.oneof(value, FastCheck.array(value, { maxLength: 4 }))
    ],
    ([pipeline, input]) =>
      Effect.gen(function* () {
        const before = JSON.stringify(input)
        const result = (yield* pipelineOf(pipeline))(input)
        if (Either.isRight(result)) assert.isTrue(Schema.is(Json)(result.right))
        else assert.isBelow(result.left.index, pipeline.length)
        assert.strictEqual(JSON.stringify(input), before, "what it was given is as it was")
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("is what a compute node does", () =>
    Effect.gen(function* () {
      const contract = yield* parse(files.compute, "compute")
      class Cheapest extends ComputeNode.Service<Cheapest>()("app/Cheapest", {
        input: Shape.toSchema(contract.input),
        output: Shape.toSchema(contract.output),
        error: ContractPipeline.PipelineRefused
      }) {}
      const CheapestLive = Cheapest.layer({ compute: ContractPipeline.make(contract) })
      const call = (input: Json) =>
        Effect.provide(
          Effect.flatMap(Cheapest, ({ process }) => process(input)),
          CheapestLive
        )
      assert.deepStrictEqual(yield* call([{ id: "a", price: 2, qty: 2 }]), [{ id: "a", total: 4 }])
      assert.deepInclude(yield* Effect.flip(call([])), { _tag: "NodeValueInvalid", value: "input" })
      assert.deepInclude(yield* Effect.flip(call([{ id: "a", price: 2, qty: -2 }])), { _tag: "PipelineRefused" })
    })
  )
})

describe("ContractOperation.make", () => {
  class Charge extends EffectNode.Service<Charge>()("app/Charge", {
    input: Json,
    output: Json,
    error: OperationRefused
  }) {}

  type Answer = Effect.Effect<Json, OperationRefused>

  /** The node with these answers, one for each attempt; and what was asked of it. */
  const charging = (text: string, answers: ReadonlyArray<Answer>) =>
    Effect.gen(function* () {
      const contract = yield* parse(text, "effect")
      const calls = yield* Ref.make<ReadonlyArray<EffectNode.Call>>([])
      const implementation: ContractOperation.Implementation<OperationRefused, never> = (_, call) =>
        Effect.flatten(
          Ref.modify(calls, (calls) => [
            answers[calls.length] ?? Effect.dieMessage("asked too often"),
            [...calls, call]
          ])
        )
      const one = yield* ContractOperation.make(contract, "charge", { "gateway.charge": implementation })
      const charge = Effect.map(
        Layer.build(Charge.layer(one)),
        (context) => context.unsafeMap.get("app/Charge") as typeof Charge.Service
      )
      const { process } = yield* charge
      return { process, calls: Ref.get(calls) }
    })

  const operation = (lines: string) =>
    `kind: effect\nname: payments\noperations:\n  charge:\n    use: gateway.charge\n${lines}`
  const paid = Effect.succeed({ status: "paid", id: 1 })
  const busy = Effect.succeed({ status: "busy", id: 1 })
  const order = { order: "42", cents: 100 }

  it.scoped("tries again what a success condition refuses, with one key", () =>
    Effect.gen(function* () {
      const { calls, process } = yield* charging(files.effect, [busy, busy, paid])
      const fiber = yield* Effect.fork(Effect.zip(process(order), Clock.currentTimeMillis))
      yield* TestClock.adjust("10 seconds")
      const [output, _] = yield* Fiber.join(fiber)
      assert.deepStrictEqual(output, { status: "paid", id: 1 })
      assert.deepStrictEqual(
        yield* calls,
        [1, 2, 3].map((attempt) => ({ attempt, idempotencyKey: "42" }))
      )
    })
  )

  it.scoped("waits between attempts as the contract says", () =>
    Effect.gen(function* () {
      const text = operation(
        "    idempotent: true\n    retry: { times: 3, delay: 100, factor: 3, max_delay: 500 }\n    success: [output.status == 'paid']"
      )
      const { calls, process } = yield* charging(text, [busy, busy, busy, paid])
      const fiber = yield* Effect.fork(process(order))
      const asked = Effect.map(calls, ({ length }) => length)
      const counts: Array<number> = []
      for (const millis of [99, 1, 299, 1, 499, 1]) {
        yield* TestClock.adjust(millis)
        counts.push(yield* asked)
      }
      assert.deepStrictEqual(counts, [1, 2, 2, 3, 3, 4])
      yield* Fiber.join(fiber)
    })
  )

  it.scoped("gives up after so many attempts, with the condition", () =>
    Effect.gen(function* () {
      const text = operation("    idempotent: true\n    retry: { times: 1 }\n    success: [output.status=='paid']")
      const { process } = yield* charging(text, [busy, busy])
      const refused = yield* Effect.flip(process(order))
      assert.deepInclude(refused, { _tag: "OperationRefused", part: "success", operation: "payments.charge" })
      assert.strictEqual(refused.message, '"payments.charge": it did not succeed: output.status == "paid" is false')
    })
  )

  it.scoped("never repeats what it was not told to", () =>
    Effect.gen(function* () {
      const { calls, process } = yield* charging(operation("    success: [output.status == 'paid']"), [busy])
      yield* Effect.flip(process(order))
      assert.deepStrictEqual(yield* calls, [{ attempt: 1, idempotencyKey: undefined }])
    })
  )

  it.scoped("asks nobody with an input that does not fit, or makes no key; and such a call opens no breaker", () =>
    Effect.gen(function* () {
      const { calls, process } = yield* charging(files.effect, [paid])
      for (const input of [{ order: 42, cents: 1 }, { cents: 1 }, { order: "", cents: 1 }, { order: "", cents: 1 }]) {
        const refused = yield* Effect.flip(process(input))
        assert.deepInclude(refused, {
          _tag: "OperationRefused",
          part: input.order === "" ? "idempotency_key" : "input"
        })
      }
      assert.deepStrictEqual(yield* calls, [])
      yield* process(order)
    })
  )

  it.scoped("does not try again what gave something else", () =>
    Effect.gen(function* () {
      const { calls, process } = yield* charging(files.effect, [Effect.succeed({ status: 3 })])
      assert.deepInclude(yield* Effect.flip(process(order)), { part: "output" })
      assert.lengthOf(yield* calls, 1)
    })
  )

  it.scoped("opens its breaker, and its attempts time out", () =>
    Effect.gen(function* () {
      const text = operation("    timeout: 1 second\n    breaker: { failure_threshold: 2, reset_after: 10 seconds }")
      const { calls, process } = yield* charging(text, [Effect.never, Effect.never, paid])
      for (let i = 0; i < 2; i++) {
        const fiber = yield* Effect.fork(Effect.flip(process(order)))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(fiber), { _tag: "NodeTimedOut" })
      }
      assert.deepInclude(yield* Effect.flip(process(order)), { _tag: "CircuitOpen" })
      assert.lengthOf(yield* calls, 2)
      yield* TestClock.adjust("10 seconds")
      yield* process(order)
    })
  )

  it.effect("is refused for what there is not", () =>
    Effect.gen(function* () {
      const contract = yield* parse(files.effect, "effect")
      const implementations = { pay: () => Effect.succeed(null) }
      const [use, none] = [
        yield* Effect.flip(ContractOperation.make(contract, "charge", implementations)),
        yield* Effect.flip(ContractOperation.make(contract, "toString", implementations))
      ]
      assert.deepInclude(use.faults[0], { _tag: "UnknownImplementation", path: ["operations", "charge", "use"] })
      assert.deepInclude(none.faults[0], { _tag: "MissingField", field: "toString" })
    })
  )
})

describe("ContractDag.make", () => {
  class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", { step: Schema.String }) {}

  /** Says who it is, waits and then does as it is told. */
  class Work extends EffectNode.Service<Work>()("app/Work", {
    input: Schema.Struct({
      step: Schema.String,
      millis: Schema.optional(Schema.Int),
      fails: Schema.optional(Schema.Int),
      seen: Schema.optional(Schema.Unknown)
    }),
    output: Schema.Struct({ step: Schema.String, at: Schema.DateFromNumber, seen: Schema.optional(Schema.Unknown) }),
    error: StepFailed
  }) {}

  interface Seen {
    readonly began: ReadonlyArray<string>
    readonly ended: ReadonlyArray<string>
    readonly most: number
    readonly now: number
  }

  const layer = (log: Ref.Ref<Seen>) =>
    Work.layer({
      execute: ({ fails = 0, millis = 0, seen, step }) =>
        Effect.gen(function* () {
          const before = (yield* Ref.get(log)).began.filter((name) => name === step).length
          yield* Ref.update(log, (s) => ({
            ...s,
            began: [...s.began, step],
            now: s.now + 1,
            most: Math.max(s.most, s.now + 1)
          }))
          yield* Effect.sleep(millis)
          if (before < fails) return yield* new StepFailed({ step })
          yield* Ref.update(log, (s) => ({ ...s, ended: [...s.ended, step] }))
          return { step, at: dateOf(yield* Clock.currentTimeMillis), ...(seen === undefined ? {} : { seen }) }
        }).pipe(Effect.ensuring(Ref.update(log, (s) => ({ ...s, now: s.now - 1 }))))
    })

  const runId = RunId.make("w")

  const execute = (contract: unknown, input: Json = null) =>
    Effect.gen(function* () {
      const log = yield* Ref.make<Seen>({ began: [], ended: [], most: 0, now: 0 })
      const dag = yield* ContractDag.make(yield* parse(JSON.stringify(contract), "workflow"), { Work })
      const run = Effect.gen(function* () {
        const exit = yield* Effect.exit(Engine.execute(dag, { input }, { runId }))
        const { modules } = yield* Engine.get(runId)
        return { exit, statuses: new Map(Array.from(modules, ([name, { status }]) => [name, status])) }
      }).pipe(Effect.provide(Layer.merge(layer(log), Heddle.layerMemory)))
      const fiber = yield* Effect.fork(run)
      for (let i = 0; i < 50 && Option.isNone(yield* Fiber.poll(fiber)); i++) yield* TestClock.adjust("100 millis")
      return { ...(yield* Fiber.join(fiber)), seen: yield* Ref.get(log) }
    })

  const step = <R extends { readonly [field: string]: unknown } = {}>(
    name: string,
    // without one there is nothing to add
    rest: R = {} as R,
    input: { readonly [field: string]: unknown } = {}
  ) => ({
    name,
    kind: "effect",
    node: "Work",
    input: { step: `'${name}'`, millis: 100, ...input },
    ...rest
  })
  const workflow = (steps: ReadonlyArray<unknown>, rest: { readonly [field: string]: unknown } = {}) => ({
    kind: "workflow",
    name: "w",
    steps,
    ...rest
  })

  it.effect("gives each step what it is made of, and the output", () =>
    Effect.gen(function* () {
      const { exit, seen } = yield* execute(
        workflow(
          [
            step("b", { depends_on: ["a"] }, { seen: { n: "input.n + 1", from: "needs.a.step", none: "input.none" } }),
            step("a")
          ],
          {
            input: { type: "object", properties: { n: { type: "integer" }, none: { type: "any" } } },
            output: { b: "needs.b.seen", at: "needs.b.at", list: ["needs.a.at", "needs.a.none"] }
          }
        ),
        { n: 1 }
      )
      assert.deepStrictEqual(seen.ended, ["a", "b"])
      const result = { b: { n: 2, from: "a" }, at: 200, list: [100, null] }
      assert.deepStrictEqual(yield* exit, { result })
    })
  )

  it.effect("without `output` and `input` gives all steps, and gives each the input", () =>
    Effect.gen(function* () {
      const { input: _, ...plain } = step("a")
      const { exit } = yield* execute(workflow([plain, step("off", { enabled: false })]), { step: "me" })
      assert.deepStrictEqual(yield* exit, { result: { a: { step: "me", at: 0 } } })
    })
  )

  it.effect("skips steps that are not enabled, or not wanted, and their dependants do not wait", () =>
    Effect.gen(function* () {
      const { exit, seen, statuses } = yield* execute(
        workflow([
          step("off", { enabled: false }),
          step("unwanted", { when: "input.n > 5" }),
          step("wanted", { when: "input.n <= 5 and not exists needs.off", depends_on: ["off"] }),
          step("last", {
            depends_on: ["off", "unwanted", "wanted"],
            when: "exists needs.wanted and not exists needs.unwanted"
          })
        ]),
        { n: 5 }
      )
      assert.deepStrictEqual(seen.ended, ["wanted", "last"])
      yield* exit
      const of = (name: string) => statuses.get(name)
      assert.deepStrictEqual(["off", "unwanted", "wanted", "last"].map(of), [
        "skipped",
        "skipped",
        "completed",
        "completed"
      ])
    })
  )

  const names = ["a", "b", "c", "d", "e"]
  const modes = [
    ["parallel", { mode: "parallel" }, 5, 100],
    ["sequential", { mode: "sequential" }, 1, 500],
    ["batch", { mode: "batch", batch_size: 2 }, 2, 300]
  ] as const
  for (const [name, mode, most, millis] of modes) {
    it.effect(`runs ${most} at a time in mode ${name}, those of a higher priority first`, () =>
      Effect.gen(function* () {
        const steps = names.map((name, at) => step(name, { priority: at === 3 ? 9 : 0 }))
        const { exit, seen } = yield* execute(
          workflow(steps, { ...mode, output: names.map((name) => `needs.${name}.at`) })
        )
        const { result } = yield* exit
        assert.strictEqual(seen.most, most)
        assert.strictEqual(Math.max(...(result as ReadonlyArray<number>)), millis)
        assert.deepStrictEqual(seen.began, ["d", "a", "b", "c", "e"])
      })
    )
  }

  it.effect("keeps to its waves however long a step takes, and to what they depend on", () =>
    Effect.gen(function* () {
      const steps = [
        step("a", { depends_on: ["c"], priority: 9 }),
        step("b", {}, { millis: 300 }),
        step("c"),
        step("off", { enabled: false, depends_on: ["a"] }),
        step("d", { depends_on: ["off"] })
      ]
      const { seen } = yield* execute(workflow(steps, { mode: "batch", batch_size: 2 }))
      assert.deepStrictEqual(seen.began, ["b", "c", "a", "d"])
      assert.deepStrictEqual(seen.ended.slice(0, 2), ["c", "b"])
    })
  )

  it.effect("fails, skips or goes on when a step fails", () =>
    Effect.gen(function* () {
      const failing = (rest: { readonly [field: string]: unknown }) =>
        execute(
          workflow([step("a", rest, { fails: 9 }), step("b", { depends_on: ["a"] }, { seen: "needs.a" })], {
            output: "needs.b.seen"
          })
        )
      const failed = yield* failing({})
      assert.deepInclude(yield* Effect.flip(failed.exit), { _tag: "StepFailed", step: "a" })
      assert.deepStrictEqual(
        ["a", "b"].map((name) => failed.statuses.get(name)),
        ["failed", "skipped"]
      )
      const skipped = yield* failing({ on_error: "skip" })
      assert.deepStrictEqual(yield* skipped.exit, { result: null })
      assert.deepStrictEqual(
        ["a", "b"].map((name) => skipped.statuses.get(name)),
        ["skipped", "completed"]
      )
      const went = yield* failing({ on_error: "continue", fallback: { n: 0 } })
      assert.deepStrictEqual(yield* went.exit, { result: { n: 0 } })
      assert.deepStrictEqual(
        ["a", "b"].map((name) => went.statuses.get(name)),
        ["completed", "completed"]
      )
    })
  )

  it.effect("tries a step again as it says, and stops one that takes too long", () =>
    Effect.gen(function* () {
      const retry = { idempotent: true, retry: { times: 2, delay: 100 } }
      const { exit, seen } = yield* execute(workflow([step("a", retry, { fails: 2 })], { output: "needs.a.at" }))
      assert.deepStrictEqual(yield* exit, { result: 500 })
      assert.deepStrictEqual(seen.began, ["a", "a", "a"])
      const slow = yield* execute(workflow([step("a", { timeout: 50 })]))
      assert.include((yield* Effect.flip(slow.exit)).message, "a: timeout")
    })
  )

  it.effect("fails with what does not fit a node", () =>
    Effect.gen(function* () {
      const { exit, seen } = yield* execute(workflow([step("a", {}, { step: "3" })]))
      assert.deepInclude(yield* Effect.flip(exit), { _tag: "NodeValueInvalid", node: "app/Work", value: "input" })
      assert.deepStrictEqual(seen.began, [])
    })
  )

  it.effect("is refused with a node that there is not, or of another kind", () =>
    Effect.gen(function* () {
      const contract = yield* parse(
        JSON.stringify(workflow([step("a"), step("b", { node: "Wrok" }), step("c", { kind: "compute" })])),
        "workflow"
      )
      const { faults } = yield* Effect.flip(ContractDag.make(contract, { Work }))
      assert.deepStrictEqual(
        faults.map(({ _tag, path }) => [_tag, path.join(".")]),
        [
          ["UnknownNode", "steps.1.node"],
          ["OtherKind", "steps.2.kind"]
        ]
      )
    })
  )

  const plan = FastCheck.array(
    FastCheck.record({
      needs: FastCheck.array(FastCheck.nat(9), { maxLength: 3 }),
      priority: FastCheck.nat(2),
      off: FastCheck.boolean()
    }),
    { minLength: 1, maxLength: 6 }
  )

  it.effect.prop(
    "ends every step of any plan in one list, after what it depends on, in every mode",
    [plan, FastCheck.constantFrom("parallel", "sequential", "batch"), FastCheck.integer({ min: 1, max: 3 })],
    ([plan, mode, size]) =>
      Effect.gen(function* () {
        const steps = plan.map(({ needs, off, priority }, at) =>
          step(`s${at}`, {
            priority,
            enabled: !off,
            // those before it, so that there is no cycle
            depends_on: [...new Set(needs.filter((need) => need < at).map((need) => `s${need}`))]
          })
        )
        const { seen, statuses } = yield* execute(
          workflow(steps, { mode, ...(mode === "batch" ? { batch_size: size } : {}) })
        )
        for (const [at, { depends_on, enabled, name }] of steps.entries()) {
          assert.strictEqual(statuses.get(name), enabled ? "completed" : "skipped")
          assert.strictEqual(seen.ended.filter((ended) => ended === name).length, enabled ? 1 : 0)
          for (const need of depends_on) {
            if (plan[at]!.off || !seen.ended.includes(need)) continue
            assert.isBelow(seen.ended.indexOf(need), seen.began.indexOf(name) + 1)
          }
        }
        const limit = mode === "parallel" ? 6 : mode === "sequential" ? 1 : size
        assert.isAtMost(seen.most, limit)
      }),
    { fastCheck: { numRuns: Math.ceil(numRuns / 4) } }
  )
})
