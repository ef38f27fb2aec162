import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunId } from "../../model/RunId.js"
import { StoreError } from "../../model/StoreError.js"
import type { RunLease, RunRow } from "../../state/RunLease.js"
import type { Signals } from "../../state/Signals.js"
import type { LiveRun } from "./LiveRuns.js"
import { longestSleep } from "./Timers.js"

/** Runs that are looked at together. */
const limit = 100

/** Milliseconds in which a run that could not be driven is left alone: it would be due again at once. */
const backOff = 60_000

export interface Options {
  /** Those of the Dags that this engine owns. */
  readonly fingerprints: ReadonlyArray<string>
  readonly poll: Duration.DurationInput
  readonly lease: typeof RunLease.Service
  readonly signals: typeof Signals.Service
  /** The stored runs of this process that have signals which may come from another one. */
  readonly waiting: Effect.Effect<ReadonlyArray<LiveRun>>
  /** Claims a run and drives it on; ends when it is driven. */
  readonly drive: (run: RunRow) => Effect.Effect<void, unknown>
}

export interface Waker {
  /** There may be something to do: a run was suspended, or a signal was delivered. */
  readonly notify: Effect.Effect<void>
  /** Never ends. */
  readonly run: Effect.Effect<never>
}

/**
 * Drives suspended runs on when they are due and takes over those that were cut off, of the Dags that the engine owns,
 * and tells live runs of signals that another process delivered. One fiber: it sleeps until the earliest deadline, until
 * it is notified, or for `poll`, and waits for notice only when there is nothing to wait for.
 */
export const make = (options: Options): Effect.Effect<Waker> =>
  Effect.gen(function* () {
    const { fingerprints, lease, signals } = options
    const poll = Duration.toMillis(options.poll)
    const latch = yield* Effect.makeLatch(true)
    const leftAlone = new Map<RunId, number>()

    const driveOn = (run: RunRow, now: number) =>
      options.drive(run).pipe(
        Effect.tap(() => Effect.sync(() => leftAlone.delete(run.runId))),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.zipRight(
                Effect.sync(() =>
                  leftAlone.set(run.runId, now + (isStoreError(cause) ? Math.min(poll, backOff) : backOff))
                ),
                Effect.logWarning(`run "${run.runId}" is due and could not be driven on`, cause)
              )
        )
      )

    /** Gives when there is something to do again, in milliseconds since the epoch. */
    const driveDue: Effect.Effect<number, StoreError> = Effect.gen(function* () {
      if (fingerprints.length === 0) return Infinity
      const now = yield* Clock.currentTimeMillis
      for (const [runId, until] of leftAlone) if (until <= now) leftAlone.delete(runId)
      // those that are left alone are due all the same, and come first
      const wanted = limit + leftAlone.size
      const { nextAt, runs } = yield* lease.due(fingerprints, wanted)
      const due = runs.filter(({ runId }) => !leftAlone.has(runId))
      yield* Effect.forEach(due, (run) => driveOn(run, now), { discard: true })
      if (runs.length === wanted && due.length > 0) return now
      return Math.min(nextAt ?? Infinity, ...leftAlone.values())
    })

    const deliver = Effect.gen(function* () {
      const live = yield* options.waiting
      if (live.length === 0) return Infinity
      const byId = new Map(live.map((run) => [run.handle.id, run]))
      for (const { closed, module, runId, value } of yield* signals.of([...byId.keys()])) {
        byId.get(runId)?.driven.deliver(module, { closed, value })
      }
      return (yield* Clock.currentTimeMillis) + poll
    })

    const round = Effect.gen(function* () {
      yield* latch.close
      const next = yield* Effect.all([driveDue, deliver]).pipe(
        Effect.map(([a, b]) => Math.min(a, b)),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.zipRight(
                Effect.logWarning("the runs that are due could not be read", cause),
                Effect.map(Clock.currentTimeMillis, (now) => now + Math.min(poll, 5_000))
              )
        )
      )
      const now = yield* Clock.currentTimeMillis
      const delay = Math.min(next - now, fingerprints.length === 0 ? Infinity : poll)
      if (delay === Infinity) return yield* latch.await
      yield* Effect.raceFirst(latch.await, Effect.sleep(Math.min(longestSleep, Math.max(0, Math.ceil(delay)))))
    })

    return {
      notify: latch.open,
      run: Effect.forever(round).pipe(Effect.annotateLogs({ package: "heddle", module: "Engine", fiber: "waker" }))
    }
  })

/** A store may be there again soon, where a run that does not decode needs somebody. */
const isStoreError = (cause: Cause.Cause<unknown>) =>
  Option.exists(Cause.failureOption(cause), (error) => error instanceof StoreError)
