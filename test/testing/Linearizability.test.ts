import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Either, Equal, FastCheck as fc, Fiber, Option, Ref } from "effect"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"

type Operation<I, O> = Linearizability.Operation<I, O>
type History<I, O> = Linearizability.History<I, O>

/** An object with the inputs that are tried on it. */
interface Specimen<S, I, O> {
  readonly init: S
  readonly step: (state: S, input: I) => readonly [S, O]
  readonly input: fc.Arbitrary<I>
  readonly output: fc.Arbitrary<O>
}

type Access = "read" | { readonly write: number }
const register: Specimen<number, Access, number> = {
  init: 0,
  step: (value, access) => (access === "read" ? [value, value] : [access.write, 0]),
  input: fc.oneof(fc.constant("read" as const), fc.record({ write: fc.integer({ min: 1, max: 3 }) })),
  output: fc.nat(3)
}

/** Each increment gives what was before. */
const counter: Specimen<number, number, number> = {
  init: 0,
  step: (n, by) => [n + by, n],
  input: fc.nat(2),
  output: fc.nat(6)
}

type Use = "dequeue" | { readonly enqueue: number }
const queue: Specimen<Chunk.Chunk<number>, Use, Option.Option<number>> = {
  init: Chunk.empty(),
  step: (items, use) =>
    use === "dequeue" ? [Chunk.drop(items, 1), Chunk.head(items)] : [Chunk.append(items, use.enqueue), Option.none()],
  input: fc.oneof(fc.constant("dequeue" as const), fc.record({ enqueue: fc.nat(3) })),
  output: fc.option(fc.nat(3)).map(Option.fromNullable)
}

const respondedOf = (operation: Operation<unknown, unknown>) =>
  operation._tag === "Completed" ? operation.responded : Infinity

/** Whether the operations, one after the other, keep to the model and to their order in time. */
const isExplained = <S, I, O>({ init, step }: Specimen<S, I, O>, order: History<I, O>) => {
  let state = init
  let latest = -Infinity
  for (const operation of order) {
    const [next, output] = step(state, operation.input)
    if (operation._tag === "Completed" && !Equal.equals(output, operation.output)) return false
    // none after it has responded before it was invoked
    latest = Math.max(latest, operation.invoked)
    if (latest > respondedOf(operation)) return false
    state = next
  }
  return true
}

/** All orders of all operations that have responded at the time, with any of the others: for small histories. */
const orders = function* <I, O>(history: History<I, O>, time: number): Generator<History<I, O>> {
  if (history.every((operation) => respondedOf(operation) > time)) yield []
  for (const [i, first] of history.entries()) {
    const others = history.filter((_, j) => j !== i)
    for (const rest of orders(others, time)) yield [first, ...rest]
  }
}

const isLinearizable = <S, I, O>(specimen: Specimen<S, I, O>, history: History<I, O>, time = Number.MAX_VALUE) => {
  for (const order of orders(history, time)) if (isExplained(specimen, order)) return true
  return false
}

/** A history that is linearizable because it was made so: each operation takes effect at its place in the order. */
const valid = <S, I, O>({ init, input, step }: Specimen<S, I, O>, maxLength: number, reach: number) =>
  fc
    .array(
      fc.record({
        input,
        before: fc.double({ min: 0, max: reach, noNaN: true }),
        after: fc.double({ min: 0, max: reach, noNaN: true }),
        fate: fc.oneof(
          { weight: 6, arbitrary: fc.constant("responds" as const) },
          { weight: 1, arbitrary: fc.constantFrom("takes effect" as const, "takes none" as const) }
        )
      }),
      { maxLength }
    )
    .map((drafts) => {
      let state = init
      return drafts.map(({ after, before, fate, input }, at): Operation<I, O> => {
        const [next, output] = step(state, input)
        if (fate !== "takes none") state = next
        return fate === "responds"
          ? { _tag: "Completed", input, output, invoked: at - before, responded: at + after }
          : { _tag: "Pending", input, invoked: at - before }
      })
    })

/** Any history. */
const arbitrary = <S, I, O>({ input, output }: Specimen<S, I, O>) =>
  fc.array(
    fc
      .record({ input, output, invoked: fc.nat(12), lasts: fc.nat(6), responds: fc.integer({ min: 0, max: 7 }) })
      .map(({ input, invoked, lasts, output, responds }): Operation<I, O> =>
        responds === 0
          ? { _tag: "Pending", input, invoked }
          : { _tag: "Completed", input, output, invoked, responded: invoked + lasts }
      ),
    { maxLength: 6 }
  )

/** One output of a history that was linearizable is another one. */
const mutated = <S, I, O>(specimen: Specimen<S, I, O>) =>
  fc
    .tuple(valid(specimen, 6, 1.5), fc.nat(5), specimen.output)
    .map(([history, at, output]) =>
      history.map((operation, i) => (i === at && operation._tag === "Completed" ? { ...operation, output } : operation))
    )

const tells = <S, I, O>(name: string, specimen: Specimen<S, I, O>) =>
  describe(name, () => {
    const model = Linearizability.deterministic(specimen)
    const check = (history: History<I, O>) => Linearizability.check(model, history)

    it.prop(
      "histories that were made from an order of their operations are explained",
      [valid(specimen, 40, 2)],
      ([history]) => {
        const order = Either.getOrThrow(check(history))
        assert.isTrue(isExplained(specimen, order))
        const given = history.filter(({ _tag }) => _tag === "Completed")
        assert.sameMembers(
          order.filter(({ _tag }) => _tag === "Completed"),
          given
        )
        assert.includeMembers([...history], [...order])
      },
      { fastCheck: { numRuns } }
    )

    it.prop(
      "small histories of any kind are explained when one of all their orders does",
      [fc.oneof(arbitrary(specimen), mutated(specimen))],
      ([history]) => {
        const result = check(history)
        assert.strictEqual(Either.isRight(result), isLinearizable(specimen, history))
        if (Either.isRight(result)) return assert.isTrue(isExplained(specimen, result.right))
        const error = result.left
        assert(error._tag === "NotLinearizable")
        // the prefix explains all that has responded before the misfit, and nothing explains the misfit as well
        const isEarlier = (operation: Operation<unknown, unknown>) => respondedOf(operation) < error.misfit.responded
        assert.sameMembers(error.prefix.filter(isEarlier), history.filter(isEarlier))
        assert.isTrue(isExplained(specimen, error.prefix as History<I, O>))
        assert.isFalse(isLinearizable(specimen, history, error.misfit.responded))
      },
      { fastCheck: { numRuns: numRuns * 2 } }
    )
  })

tells("register", register)
tells("counter", counter)
tells("queue", queue)

describe("faults", () => {
  const at = <I, O>(input: I, output: O, invoked: number, responded: number): Operation<I, O> => ({
    _tag: "Completed",
    input,
    output,
    invoked,
    responded
  })
  const refused = <S, I, O>(specimen: Specimen<S, I, O>, history: History<I, O>) => {
    assert.isFalse(isLinearizable(specimen, history))
    const error = Either.getOrThrow(
      Either.flip(Linearizability.check(Linearizability.deterministic(specimen), history))
    )
    assert(error._tag === "NotLinearizable")
    return error
  }

  it("a stale read", () => {
    const stale = at<Access, number>("read", 0, 3, 6)
    const history = [at<Access, number>({ write: 1 }, 0, 1, 2), at<Access, number>("read", 1, 4, 5), stale]
    const error = refused(register, history)
    assert.strictEqual<unknown>(error.misfit, stale)
    assert.deepStrictEqual(error.prefix, history.slice(0, 2))
    assert.strictEqual(
      error.message,
      'not linearizable: nothing explains\n- read -> 0, from 3 to 6\nafter\n- {"write":1} -> 0, from 1 to 2\n- read -> 1, from 4 to 5'
    )
    // while the write goes on it may be read or not
    assert.isTrue(
      Either.isRight(
        Linearizability.check(Linearizability.deterministic(register), [
          at<Access, number>({ write: 1 }, 0, 1, 5),
          at<Access, number>("read", 0, 2, 3)
        ])
      )
    )
  })

  it("a value that is read before the write of it is invoked", () => {
    const error = refused(register, [at<Access, number>("read", 1, 1, 2), at<Access, number>({ write: 1 }, 0, 3, 4)])
    assert.deepStrictEqual(error.prefix, [])
    assert.include(error.message, "after nothing")
  })

  it("a lost update", () => {
    const history = [at(1, 0, 1, 3), at(1, 0, 2, 4)]
    assert.strictEqual<unknown>(refused(counter, history).misfit, history[1])
  })

  it("an item that is dequeued twice, out of turn, or never was in the queue", () => {
    const put = (enqueue: number, from: number, to: number) =>
      at<Use, Option.Option<number>>({ enqueue }, Option.none(), from, to)
    const take = (item: number, from: number, to: number) =>
      at<Use, Option.Option<number>>("dequeue", Option.some(item), from, to)
    refused(queue, [put(1, 1, 2), take(1, 3, 5), take(1, 4, 6)])
    refused(queue, [put(1, 1, 2), put(2, 3, 4), take(2, 5, 6), take(1, 7, 8)])
    refused(queue, [put(1, 1, 2), take(2, 3, 4)])
  })

  it("what no operation can have given is found among many", () => {
    const history = Array.from({ length: 1000 }, (_, i) => at(1, i, 3 * i, 3 * i + 4))
    assert.isTrue(Either.isRight(Linearizability.check(Linearizability.deterministic(counter), history)))
    const wrong = history.map((operation, i) => (i === 700 ? { ...operation, output: 699 } : operation))
    const error = Either.getOrThrow(Either.flip(Linearizability.check(Linearizability.deterministic(counter), wrong)))
    assert(error._tag === "NotLinearizable")
    assert.include([699, 700], error.misfit.output)
    assert.isAtMost(error.message.split("\n").length, 25)
    assert.match(error.message, /\d+ before these/)
  })
})

describe("an operation without a response", () => {
  const model = Linearizability.deterministic(register)
  const write: Operation<Access, number> = { _tag: "Pending", input: { write: 2 }, invoked: 3 }
  const read = (output: number, invoked: number): Operation<Access, number> => ({
    _tag: "Completed",
    input: "read",
    output,
    invoked,
    responded: invoked + 1
  })

  it("may take effect at any later time, or not at all, and once only", () => {
    assert.isTrue(Either.isRight(Linearizability.check(model, [write, read(0, 5), read(2, 7)])))
    assert.deepStrictEqual(Either.getOrThrow(Linearizability.check(model, [write, read(0, 5)])), [read(0, 5)])
    assert.isTrue(Either.isLeft(Linearizability.check(model, [write, read(2, 5), read(0, 7)])))
    assert.isTrue(Either.isLeft(Linearizability.check(model, [write, read(2, 1)])))
  })

  it("is still there when it was tried before the others in vain", () => {
    const other: Operation<Access, number> = { ...read(0, 4), input: { write: 1 } }
    assert.deepStrictEqual(Either.getOrThrow(Linearizability.check(model, [write, other, read(2, 7)])), [
      other,
      write,
      read(2, 7)
    ])
  })
})

it("a model may leave several states open", () => {
  // a register that may lose a write
  const lossy: Linearizability.Model<number, Access, number> = {
    init: 0,
    step: (value, { _tag, input, ...operation }) =>
      input !== "read"
        ? Option.some(_tag === "Completed" && "output" in operation && operation.output === -1 ? value : input.write)
        : _tag === "Pending" || ("output" in operation && operation.output === value)
          ? Option.some(value)
          : Option.none()
  }
  const history = (lost: number): History<Access, number> => [
    { _tag: "Completed", input: { write: 1 }, output: lost, invoked: 1, responded: 2 },
    { _tag: "Completed", input: "read", output: 0, invoked: 3, responded: 4 }
  ]
  assert.isTrue(Either.isRight(Linearizability.check(lossy, history(-1))))
  assert.isTrue(Either.isLeft(Linearizability.check(lossy, history(0))))
})

it("a search that is too long is given up, and says so", () => {
  const model = Linearizability.deterministic(queue)
  const history = Array.from({ length: 30 }, (_, i): Operation<Use, Option.Option<number>> => ({
    _tag: "Completed",
    input: i % 2 === 0 ? { enqueue: i } : "dequeue",
    output: i === 29 ? Option.some(-1) : i % 2 === 0 ? Option.none() : Option.some(i - 1),
    invoked: i,
    responded: 100 + i
  }))
  const error = Either.getOrThrow(Either.flip(Linearizability.check(model, history, { maxConfigurations: 1000 })))
  assert(error._tag === "Undecided")
  assert.include(error.message, "30 operations have more than 1000 configurations")
})

it("a response before its invocation is refused", () => {
  const model = Linearizability.deterministic(counter)
  assert.throws(
    () => Linearizability.check(model, [{ _tag: "Completed", input: 1, output: 0, invoked: 2, responded: 1 }]),
    RangeError
  )
})

describe("a recorder", () => {
  const model = Linearizability.deterministic(counter)
  const counting = (increment: (ref: Ref.Ref<number>) => Effect.Effect<number>) =>
    Effect.gen(function* () {
      const { history, record } = yield* Linearizability.recorder<number, number>()
      const ref = yield* Ref.make(0)
      yield* Effect.replicateEffect(record(1)(increment(ref)), 5, { concurrency: "unbounded" })
      return yield* Linearizability.check(model, yield* history)
    })

  it.live("shows which interleavings lose an update", () =>
    Effect.gen(function* () {
      const racing = counting((ref) => Effect.tap(Ref.get(ref), (n) => Ref.set(ref, n + 1)))
      const found = yield* SeededScheduler.failures({ seeds: 100, effect: racing })
      assert.isAtLeast(found.length, 20)
      for (const { message } of found) assert.include(message, "not linearizable: nothing explains\n- 1 -> ")
      yield* SeededScheduler.explore({ seeds: 100, effect: counting(Ref.getAndUpdate((n) => n + 1)) })
    })
  )

  it.effect("numbers what happens in its order; what fails or is interrupted stays pending", () =>
    Effect.gen(function* () {
      const { history, record } = yield* Linearizability.recorder<string, number>()
      const go = yield* Deferred.make<number>()
      const long = yield* Effect.fork(record("long")(Deferred.await(go)))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* record("short")(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(record("fails")(Effect.fail("no"))), "no")
      const never = yield* Effect.fork(record("never")(Effect.never))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(never)
      yield* Deferred.succeed(go, 2)
      yield* Fiber.join(long)
      assert.deepStrictEqual(yield* history, [
        { _tag: "Completed", input: "long", output: 2, invoked: 1, responded: 6 },
        { _tag: "Completed", input: "short", output: 1, invoked: 2, responded: 3 },
        { _tag: "Pending", input: "fails", invoked: 4 },
        { _tag: "Pending", input: "never", invoked: 5 }
      ])
    })
  )
})
