/** Several operations, of which all take place or those that did are made up for. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Telemetry from "../../model/Telemetry.js"

const StoredCause = Schema.Cause({ error: Schema.Defect, defect: Schema.Defect })

/**
 * A transaction failed, or was interrupted, and not all that it had done could be made up for: somebody has to look after
 * it. `cause` is why it failed. `failures` are the compensations that failed, in the order in which they were run; `step`
 * is the number of the operation, from 1. All others were run.
 *
 * @since 0.1.0
 * @category errors
 */
export class CompensationFailed extends Schema.TaggedError<CompensationFailed>("heddle/CompensationFailed")(
  "CompensationFailed",
  {
    cause: StoredCause,
    failures: Schema.NonEmptyArray(Schema.Struct({ step: Schema.Int, cause: StoredCause }))
  }
) {
  override get message() {
    const steps = this.failures.map(({ cause, step }) => `step ${step} (${Cause.pretty(cause)})`)
    return `what was done could not be made up for: ${steps.join(", ")}; after: ${Cause.pretty(this.cause)}`
  }
}

/**
 * `compensate` was called, or what it began has succeeded, after the body of its transaction had ended: in a fiber that
 * outlives it. `operation` says what became of the operation: it was not run, or it was and has been made up for, or that
 * failed with `cause`.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransactionEnded extends Schema.TaggedError<TransactionEnded>("heddle/TransactionEnded")(
  "TransactionEnded",
  { operation: Schema.Literal("notRun", "compensated", "notCompensated"), cause: Schema.optional(StoredCause) }
) {
  override get message() {
    const became = {
      notRun: "the operation was not run",
      compensated: "the operation was run, and has been made up for",
      notCompensated: "the operation was run, and could not be made up for"
    }
    return `the transaction has ended: ${became[this.operation]}`
  }
}

type Undo = (cause: Cause.Cause<unknown>) => Effect.Effect<unknown, unknown>

/**
 * The transaction whose body this is: only `transaction` provides it. `register` says whether it has, which it has not
 * when the body has ended.
 *
 * @since 0.1.0
 * @category services
 */
export class Transaction extends Context.Tag("heddle/node/EffectNode/Transaction")<
  Transaction,
  {
    readonly hasEnded: Effect.Effect<boolean>
    readonly register: (
      undo: (cause: Cause.Cause<unknown>) => Effect.Effect<unknown, unknown>
    ) => Effect.Effect<boolean>
  }
>() {}

/**
 * Runs the body. When it succeeds, that is all. When it fails, dies or is interrupted, the compensations of what it has done
 * are run, in reverse order, and it fails as the body did. When compensations fail, the others are run all the same, and
 * it fails with `CompensationFailed`, which has the cause of the body and those of the compensations.
 *
 * A transaction within another is one of its own: `compensate` belongs to the innermost, and one that has succeeded is not
 * undone by the failure of the outer one. To have that, give the whole of it a compensation:
 * `compensate(transaction(inner), undo)`.
 *
 * It lives in memory: a process that crashes compensates nothing. For that give each step a module of its own in a Dag.
 *
 * **Interruption**: the body is interrupted; then the compensations are run, which cannot be interrupted. One that comes
 * after the body has succeeded changes nothing.
 *
 * @example
 * ```ts
 * import * as EffectNode from "heddle/node/EffectNode"
 * import { Effect } from "effect"
 *
 * declare const holdStock: Effect.Effect<{ readonly hold: string }, Error>
 * declare const releaseStock: (hold: string) => Effect.Effect<void, Error>
 * declare const chargeCard: Effect.Effect<string, Error>
 *
 * // a card that is declined releases the stock
 * const order = EffectNode.transaction(
 *   Effect.gen(function* () {
 *     yield* EffectNode.compensate(holdStock, ({ hold }) => releaseStock(hold))
 *     return yield* chargeCard
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category transactions
 */
export const transaction = <A, E, R>(
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, TransactionEnded> | CompensationFailed, Exclude<R, Transaction>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const registered = yield* Ref.make<{ readonly ended: boolean; readonly undos: ReadonlyArray<Undo> }>({
        ended: false,
        undos: []
      })
      const exit = yield* body.pipe(
        Effect.provideService(Transaction, {
          hasEnded: Effect.map(Ref.get(registered), ({ ended }) => ended),
          register: (undo) =>
            Ref.modify(registered, (state) =>
              state.ended ? [false, state] : [true, { ...state, undos: [...state.undos, undo] }]
            )
        }),
        restore,
        Effect.exit
      )
      const { undos } = yield* Ref.getAndSet(registered, { ended: true, undos: [] })
      if (Exit.isSuccess(exit)) return exit.value
      // what the body itself does it does before its end
      const cause = exit.cause as Cause.Cause<Exclude<E, TransactionEnded>>
      const failures: Array<{ readonly step: number; readonly cause: Cause.Cause<unknown> }> = []
      for (let step = undos.length; step > 0; step--) {
        const undone = yield* Effect.exit(undos[step - 1]!(cause))
        Telemetry.compensations[undone._tag].unsafeUpdate(1, [])
        if (Exit.isFailure(undone)) failures.push({ step, cause: undone.cause })
      }
      const [first, ...others] = failures
      return yield* first === undefined
        ? Effect.failCause(cause)
        : new CompensationFailed({ cause, failures: [first, ...others] })
    })
  )

/**
 * Does something of which the transaction knows how to make up for it: `undo` is given what the operation gave, and why
 * the transaction failed. An operation that has succeeded is registered, whatever interrupts it; one that failed is not.
 * `undo` has the services that are there now: resources that it needs have to live as long as the transaction. Operations may
 * be run in parallel: their order is that in which they succeeded.
 *
 * It requires the `Transaction`, so that it does not compile elsewhere. It fails with `TransactionEnded` in a fiber that
 * outlives the body: nothing is run then, or what was run meanwhile is made up for at once. `transaction` takes that error
 * out.
 *
 * **Interruption**: not while the operation runs, since an operation that was interrupted may have taken place; give it
 * a timeout. That of an `EffectNode` works here.
 *
 * @example
 * ```ts
 * import * as EffectNode from "heddle/node/EffectNode"
 * import { Effect } from "effect"
 *
 * declare const book: (what: string) => Effect.Effect<string, Error>
 * declare const cancel: (booking: string) => Effect.Effect<void, Error>
 *
 * // both or none
 * const trip = EffectNode.transaction(
 *   Effect.forEach(["flight", "hotel"], (what) => EffectNode.compensate(book(what), cancel), { concurrency: 2 })
 * )
 * ```
 *
 * @since 0.1.0
 * @category transactions
 */
export const compensate = <A, E, R, X, E2, R2>(
  operation: Effect.Effect<A, E, R>,
  undo: (value: A, cause: Cause.Cause<unknown>) => Effect.Effect<X, E2, R2>
): Effect.Effect<A, E | TransactionEnded, R | R2 | Transaction> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const { hasEnded, register } = yield* Transaction
      const services = yield* Effect.context<R2>()
      if (yield* hasEnded) return yield* new TransactionEnded({ operation: "notRun" })
      const value = yield* operation
      const undone: Undo = (cause) =>
        Effect.provide(
          Effect.suspend(() => undo(value, cause)),
          services
        )
      if (yield* register(undone)) return value
      const late = yield* Effect.exit(undone(Cause.fail(new TransactionEnded({ operation: "notCompensated" }))))
      Telemetry.compensations[late._tag].unsafeUpdate(1, [])
      return yield* Exit.isSuccess(late)
        ? new TransactionEnded({ operation: "compensated" })
        : new TransactionEnded({ operation: "notCompensated", cause: late.cause })
    })
  )
