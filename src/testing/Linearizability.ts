/**
 * Whether what concurrent operations gave can be explained by some order of them, one after the other, that keeps to their
 * order in time: each as if it took effect at one moment between its invocation and its response.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as LinearSearch from "./internal/LinearSearch.js"

/**
 * An operation with its response. `invoked` and `responded` are numbers in one order; one operation is before another
 * when it has responded before the other is invoked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Completed<out Input, out Output> {
  readonly _tag: "Completed"
  readonly input: Input
  readonly output: Output
  readonly invoked: number
  readonly responded: number
}

/**
 * An operation without a response: it may have taken effect at any time since its invocation, or may not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pending<out Input> {
  readonly _tag: "Pending"
  readonly input: Input
  readonly invoked: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type Operation<Input, Output> = Completed<Input, Output> | Pending<Input>

/**
 * In any order: the numbers in the operations say what was before what.
 *
 * @since 0.1.0
 * @category models
 */
export type History<Input, Output> = ReadonlyArray<Operation<Input, Output>>

/**
 * What the operations do when they come one after the other.
 *
 * - `init`: the state before any operation
 * - `step`: the state after the operation, or none when it cannot have this output in this state. It is pure, and called
 *   many times
 *
 * States are compared by `Equal`: those that are no numbers or strings are best made of `Data`, `Chunk`, `List`,
 * `HashMap` or `HashSet`. Others make the search longer, not wrong.
 *
 * @since 0.1.0
 * @category models
 */
export interface Model<State, in Input, in Output> {
  readonly init: State
  readonly step: (state: State, operation: Operation<Input, Output>) => Option.Option<State>
}

/**
 * No order explains the history. That of `prefix` explains all that had responded before `misfit`, and may have others in
 * it that overlap `misfit`; no order explains the response of `misfit` as well.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotLinearizable extends Data.TaggedError("NotLinearizable")<{
  readonly prefix: History<unknown, unknown>
  readonly misfit: Completed<unknown, unknown>
}> {
  override get message() {
    const left = Math.max(0, this.prefix.length - mostShown)
    const lines = this.prefix.slice(left).map((operation) => `\n- ${show(operation)}`)
    if (left > 0) lines.unshift(`\n- ${left} before these`)
    return `not linearizable: nothing explains\n- ${show(this.misfit)}\nafter${lines.join("") || " nothing"}`
  }
}

/**
 * The search was given up, and the history may be linearizable or not.
 *
 * @since 0.1.0
 * @category errors
 */
export class Undecided extends Data.TaggedError("Undecided")<{
  readonly operations: number
  readonly configurations: number
}> {
  override get message() {
    return (
      `undecided: ${this.operations} operations have more than ${this.configurations} configurations. ` +
      "Record fewer at the same time, or check what is independent by itself"
    )
  }
}

/**
 * - `maxConfigurations`: after how many configurations, each a set of operations and a state that they can lead to, the
 *   search is given up
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly maxConfigurations: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { maxConfigurations: 1_000_000 }

/**
 * A model of which each operation has one output in each state. Outputs are compared by `Equal`.
 *
 * @example
 * ```ts
 * import { Linearizability } from "heddle/testing"
 * import { Chunk, Option } from "effect"
 *
 * type Input = { readonly enqueue: number } | "dequeue"
 *
 * const queue = Linearizability.deterministic<Chunk.Chunk<number>, Input, Option.Option<number>>({
 *   init: Chunk.empty(),
 *   step: (items, input) =>
 *     input === "dequeue"
 *       ? [Chunk.drop(items, 1), Chunk.head(items)]
 *       : [Chunk.append(items, input.enqueue), Option.none()]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const deterministic = <State, Input, Output>(model: {
  readonly init: State
  readonly step: (state: State, input: Input) => readonly [state: State, output: Output]
}): Model<State, Input, Output> => ({
  init: model.init,
  step: (state, operation) => {
    const [next, output] = model.step(state, operation.input)
    return operation._tag === "Pending" || Equal.equals(output, operation.output) ? Option.some(next) : Option.none()
  }
})

/**
 * An order of the operations that explains all responses; pending operations are in it where it takes them.
 *
 * It costs more the more operations overlap, not the more there are. Histories of 10,000 operations by 4 fibers, and of
 * 1,000 by 8, take at most about a second for a register, a counter or a queue; by 16 fibers, 100 of a queue and 1,000 of
 * a register. Of operations that all overlap one another, some 15 of a queue and 20 of a register can be checked. One
 * without a response overlaps all that come after it. What is independent, as the keys of a map are, is best checked each
 * by itself: a history is linearizable when that of each object in it is.
 *
 * @example
 * ```ts
 * import { Linearizability } from "heddle/testing"
 *
 * const counter = Linearizability.deterministic({ init: 0, step: (n: number, by: number) => [n + by, n] })
 *
 * // two increments at the same time that both saw 0
 * const result = Linearizability.check(counter, [
 *   { _tag: "Completed", input: 1, output: 0, invoked: 1, responded: 3 },
 *   { _tag: "Completed", input: 1, output: 0, invoked: 2, responded: 4 }
 * ])
 * ```
 *
 * @since 0.1.0
 * @category checking
 */
export const check = <State, Input, Output>(
  model: Model<State, Input, Output>,
  history: History<Input, Output>,
  options: Partial<Options> = {}
): Either.Either<History<Input, Output>, NotLinearizable | Undecided> => {
  const { maxConfigurations } = { ...defaults, ...options }
  const intervals = history.map((operation) => {
    const { invoked } = operation
    const responded = operation._tag === "Completed" ? operation.responded : Infinity
    if (!(invoked <= responded)) throw new RangeError(`a response comes after its invocation, not ${show(operation)}`)
    return { invoked, responded }
  })
  const found = LinearSearch.search(
    intervals,
    model.init,
    (state, id) => model.step(state, history[id]!),
    maxConfigurations
  )
  switch (found._tag) {
    case "Linearizable":
      return Either.right(found.order.map((id) => history[id]!))
    case "Undecided":
      return Either.left(new Undecided({ operations: history.length, configurations: maxConfigurations }))
    case "NotLinearizable": {
      const prefix = found.order.map((id) => history[id]!)
      // only a response can be what nothing explains
      return Either.left(new NotLinearizable({ prefix, misfit: history[found.misfit] as Completed<Input, Output> }))
    }
  }
}

/**
 * Records operations as they are made, by any number of fibers.
 *
 * @since 0.1.0
 * @category recording
 */
export interface Recorder<in out Input, in out Output> {
  /**
   * The effect, as an operation with this input; what it succeeds with is the output. One that fails, or does not end,
   * stays pending: where a failure is an answer, make a value of it first.
   *
   * **Interruption**: the operation stays pending.
   */
  readonly record: (input: Input) => <E, R>(effect: Effect.Effect<Output, E, R>) => Effect.Effect<Output, E, R>

  /** The operations that were invoked up to now, in the order of their invocations. */
  readonly history: Effect.Effect<History<Input, Output>>
}

/**
 * A recorder without operations. It numbers invocations and responses as they happen, and needs no clock.
 *
 * @example
 * ```ts
 * import { Linearizability, SeededScheduler } from "heddle/testing"
 * import { Effect, Ref } from "effect"
 *
 * const counter = Linearizability.deterministic({ init: 0, step: (n: number, by: number) => [n + by, n] })
 *
 * const program = SeededScheduler.explore({
 *   seeds: 100,
 *   effect: Effect.gen(function* () {
 *     const { history, record } = yield* Linearizability.recorder<number, number>()
 *     const ref = yield* Ref.make(0)
 *     const add = (by: number) => record(by)(Ref.getAndUpdate(ref, (n) => n + by))
 *     yield* Effect.all([add(1), add(2), add(3)], { concurrency: "unbounded" })
 *     yield* Linearizability.check(counter, yield* history)
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category recording
 */
export const recorder = <Input, Output>(): Effect.Effect<Recorder<Input, Output>> =>
  Effect.map(Ref.make<Recorded<Input, Output>>({ events: 0, operations: HashMap.empty() }), (ref) => ({
    record: (input) => (effect) =>
      Effect.flatMap(
        Ref.modify(ref, ({ events, operations }) => {
          const invoked: Pending<Input> = { _tag: "Pending", input, invoked: events + 1 }
          return [invoked, { events: events + 1, operations: HashMap.set(operations, invoked.invoked, invoked) }]
        }),
        (operation) =>
          Effect.tap(effect, (output) =>
            Ref.update(ref, ({ events, operations }) => {
              const completed = { ...operation, _tag: "Completed" as const, output, responded: events + 1 }
              return { events: events + 1, operations: HashMap.set(operations, operation.invoked, completed) }
            })
          )
      ),
    history: Effect.map(Ref.get(ref), ({ operations }) =>
      Array.from(HashMap.values(operations)).sort((a, b) => a.invoked - b.invoked)
    )
  }))

interface Recorded<Input, Output> {
  /** Invocations and responses up to now. */
  readonly events: number
  /** By the numbers of their invocations. */
  readonly operations: HashMap.HashMap<number, Operation<Input, Output>>
}

/** Operations in a message. */
const mostShown = 20

const show = (operation: Operation<unknown, unknown>) =>
  operation._tag === "Pending"
    ? `${Inspectable.toStringUnknown(operation.input, 0)}, from ${operation.invoked} on`
    : `${Inspectable.toStringUnknown(operation.input, 0)} -> ${Inspectable.toStringUnknown(operation.output, 0)}, ` +
      `from ${operation.invoked} to ${operation.responded}`
