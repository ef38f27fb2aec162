import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import { RunLost, WriteFailed } from "../../model/RunError.js"
import { StateNotWritten } from "../../model/StateNotWritten.js"
import { isTransient, StoreError } from "../../model/StoreError.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { DeadLetter, RunStore } from "../../store/RunStore.js"
import type { Options } from "../WriterOptions.js"
import * as Batch from "./Batch.js"
import { isRun, type Entry, type RunUnit, type RunWriteError, type Unit } from "./Entry.js"
import type { Ledger } from "./Ledger.js"
import * as Letter from "./Letter.js"

type WriteError = RunWriteError | StateNotWritten

/** What becomes of entries. */
export interface Fate {
  readonly acknowledge: (entry: Entry) => void
  readonly refuse: (entry: Entry, error: WriteError) => void
  /** The transitions of a run with these numbers are acknowledged. */
  readonly committed: (unit: RunUnit, first: number, last: number) => void
  /** The unit takes no more: gives those of its entries that are still queued, or wait to be. */
  readonly reject: (unit: Unit, error: WriteError) => ReadonlyArray<Entry>
}

export interface Committer {
  /** Writes a batch: each of its entries is acknowledged or refused, unless the fiber is interrupted in between. */
  readonly write: (batch: ReadonlyArray<Entry>) => Effect.Effect<void>
  /** Refuses what is left of a batch after a fault of the writer itself. */
  readonly giveUp: (left: ReadonlyArray<Entry>, defect: unknown) => Effect.Effect<void>
}

export const make = (store: typeof RunStore.Service, options: Options, ledger: Ledger, fate: Fate): Committer => {
  const commit = (parts: ReadonlyArray<Batch.Part>, patient: boolean) =>
    Effect.suspend(() => {
      const { batch, changes } = Batch.make(parts)
      let attempts = 0
      const attempt = Effect.suspend(() => {
        if (attempts++ > 0) {
          ledger.retried()
          Telemetry.writerRetries.unsafeUpdate(1, [])
        }
        return store.commit(batch)
      })
      const made = patient ? Effect.retry(attempt, { while: isTransient, schedule: options.retry }) : attempt
      return Effect.map(made, (refused) => ({ changes, refused }))
    })

  const acknowledge = (part: Batch.Part, coalesced: number) => {
    ledger.coalesced(part.unit.tally, coalesced)
    Telemetry.writerUpdates.unsafeUpdate(part.entries.length, [])
    Telemetry.writerCoalesced.unsafeUpdate(coalesced, [])
    part.entries.forEach(fate.acknowledge)
    const { entries, unit } = part
    if (unit._tag === "State") return
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined || !isRun(first) || !isRun(last)) return
    fate.committed(unit, first.update.transition.seq, last.update.transition.seq)
  }

  /** The unit of rejection is the run or the state: when a batch cannot be written, each of them is tried alone. */
  const writeParts = (
    parts: ReadonlyArray<Batch.Part>,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
    patient = true
  ): Effect.Effect<void> =>
    Effect.matchCauseEffect(restore(commit(parts, patient)), {
      onSuccess: ({ changes, refused }) =>
        Effect.suspend(() => {
          ledger.committed()
          Telemetry.writerBatches.unsafeUpdate(1, [])
          const lost: Array<Effect.Effect<void>> = []
          for (const part of parts) {
            const change = changes.get(part)
            const { entries, unit } = part
            if (unit._tag === "Run" && change !== undefined && refused.includes(change)) {
              lost.push(drop(unit, entries, new RunLost(unit.claim)))
            } else acknowledge(part, Batch.coalescedOf(part, change))
          }
          return Effect.all(lost, { discard: true })
        }),
      onFailure: (cause) =>
        unlessToldToEnd(() => {
          // a defect of a store is a write that was not made, like any of its errors
          const error = Option.getOrElse(Cause.failureOption(cause), () => broken(cause))
          const [part, ...others] = parts
          if (part === undefined) return Effect.void
          return others.length === 0
            ? Effect.zipRight(
                Effect.logError(`the updates of ${nameOf(part.unit)} could not be written`, error),
                drop(part.unit, part.entries, notWritten(part.unit, error))
              )
            : // all of them have waited for a busy store already
              Effect.forEach(parts, (part) => writeParts([part], restore, !isTransient(error)), { discard: true })
        })
    })

  /** Nothing of the unit that is queued is written; it is kept in a dead letter. */
  const drop = (unit: Unit, entries: ReadonlyArray<Entry>, error: WriteError): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const queued = fate.reject(unit, error)
      const accepted = [...entries, ...queued.filter(({ place }) => place === "queued")]
      return Effect.zipRight(
        bury(unit, Letter.make(unit, accepted, error, now)),
        Effect.sync(() => {
          for (const entry of accepted) fate.refuse(entry, error)
          for (const entry of queued) fate.refuse(entry, error)
        })
      )
    })

  /** Of a store that is stuck, the letters of one batch wait for one answer together. */
  let isStuck = false
  const noAnswer = new Cause.TimeoutException("the store does not answer")

  const bury = (unit: Unit, letter: DeadLetter) => {
    const kept = Effect.suspend(() => store.bury(letter)).pipe(
      Effect.retry({ while: isTransient, schedule: options.retry }),
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutFail({
        duration: options.close,
        onTimeout: () => {
          isStuck = true
          return noAnswer
        }
      })
    )
    return Effect.suspend(() => (isStuck ? Effect.fail(noAnswer) : kept)).pipe(
      Effect.tap(() => Effect.sync(() => Telemetry.deadLetters.unsafeUpdate(1, []))),
      Effect.catchAllCause((cause) =>
        // else it is reported with all that the writer leaves behind
        unlessToldToEnd(() =>
          Effect.logError(`the dead letter of ${letter.count} updates of ${nameOf(unit)} could not be kept`, cause)
        )
      )
    )
  }

  return {
    write: (batch) =>
      // what was committed is acknowledged, whenever the writer is told to end
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          isStuck = false
          const live: Array<Batch.Part> = []
          for (const part of Batch.byUnit(batch)) {
            if (part.unit.refused === undefined) live.push(part)
            else yield* drop(part.unit, part.entries, part.unit.refused)
          }
          if (live.length === 0) return
          const began = yield* Clock.currentTimeMillis
          yield* writeParts(live, restore)
          Telemetry.writerCommitDuration.unsafeUpdate((yield* Clock.currentTimeMillis) - began, [])
        })
      ),
    giveUp: (left, defect) =>
      Effect.zipRight(
        Effect.logError("the writer failed", Cause.die(defect)),
        Effect.forEach(
          Batch.byUnit(left),
          ({ entries, unit }) => drop(unit, entries, notWritten(unit, broken(Cause.die(defect)))),
          { discard: true }
        )
      ).pipe(Effect.uninterruptible)
  }
}

/** An interruption of the writer itself, and not of what a store does. */
const unlessToldToEnd = (then: () => Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(FiberRef.get(FiberRef.interruptedCause), (interrupted) =>
    Cause.isEmpty(interrupted) ? then() : Effect.failCause(interrupted)
  )

const notWritten = (unit: Unit, cause: StoreError): WriteError =>
  unit._tag === "Run"
    ? new WriteFailed({ runId: unit.claim.runId, cause })
    : new StateNotWritten({ key: unit.key, reason: "failed", detail: cause.message, cause })

/** For people. */
const nameOf = ({ _tag, key }: Unit) => `${_tag === "Run" ? "run" : "state"} "${key}"`

const broken = (cause: Cause.Cause<unknown>) =>
  new StoreError({
    reason: "failed",
    location: "the run store",
    operation: "commit",
    message: Cause.pretty(cause),
    cause
  })
