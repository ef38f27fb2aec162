import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { RunId } from "../../model/RunId.js"
import type { StoreError } from "../../model/StoreError.js"
import * as Telemetry from "../../model/Telemetry.js"
import * as Wait from "../../model/Wait.js"
import type { RunLease, RunRow } from "../../state/RunLease.js"
import type { Signals } from "../../state/Signals.js"
import type { Recovery } from "../Recovery.js"
import { isPassing } from "./Faults.js"
import type { LiveRun } from "./LiveRuns.js"

/** Runs that are looked at together. */
const limit = 100

/** How many are taken up at once: what takes time there is waiting for the store. */
const concurrency = 8

/** How many more are looked at than there is room for: other engines may be faster. */
const spare = 20

/** Milliseconds in which a run that could not be driven is left alone: it would be due again at once. */
const backOff = 60_000

/** What became of a run that was due. */
export type Outcome =
  | { readonly _tag: "Driven" }
  /** Somebody else drives it, or it has ended. */
  | { readonly _tag: "Elsewhere" }
  | { readonly _tag: "Quarantined"; readonly run: RunRow }

export interface Options {
  /** Those of the Dags that this engine owns. */
  readonly fingerprints: ReadonlyArray<string>
  /** Whether runs that were cut off are taken over by themselves. */
  readonly recover: boolean
  /** How many runs are driven at once that were taken up by themselves. */
  readonly maxRuns: number
  readonly poll: Duration.DurationInput
  readonly lease: typeof RunLease.Service
  readonly signals: typeof Signals.Service
  /** The stored runs of this process that have signals which may come from another one. */
  readonly waiting: Effect.Effect<ReadonlyArray<LiveRun>>
  /** Claims a run and drives it on; ends when it is driven. */
  readonly drive: (run: RunRow) => Effect.Effect<Outcome, unknown>
}

export interface Waker {
  /** There may be something to do: a run was suspended, or a signal was delivered. */
  readonly notify: Effect.Effect<void>
  /** A run is driven no longer: there may be room for another, and it may be due again. */
  readonly released: (runId: RunId) => Effect.Effect<void>
  /** A run that was let go of is not taken up by itself for a while, since it could not be driven. */
  readonly leaveAlone: (runId: RunId, why: Cause.Cause<unknown>) => Effect.Effect<void>
  /** Looks once, also for runs that were cut off and those that are left alone. */
  readonly recover: Effect.Effect<Recovery, StoreError>
  /** Never ends. */
  readonly run: Effect.Effect<never>
}

/**
 * Drives suspended runs on when they are due, takes over those that were cut off and takes up those that were submitted,
 * of the Dags that the engine owns, and tells live runs of signals that another process delivered. One fiber: it sleeps until the earliest deadline, until
 * it is notified, or for `poll`, and waits for notice only when there is nothing to wait for.
 */
export const make = (options: Options): Effect.Effect<Waker> =>
  Effect.gen(function* () {
    const { fingerprints, lease, signals } = options
    const poll = Duration.toMillis(options.poll)
    const latch = yield* Effect.makeLatch(true)
    // two looks at once would find the same runs
    const turn = yield* Effect.makeSemaphore(1)
    const leftAlone = new Map<RunId, number>()
    /** The runs that are driven since they were taken up here; entered before that: one may end at once. */
    const taken = new Set<RunId>()
    /** How many runs that were cut off are due, and come before those that are suspended; 0 where they are taken over. */
    let passedOver = 0

    const leaveAlone: Waker["leaveAlone"] = (runId, why) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (fingerprints.length > 0) leftAlone.set(runId, now + (isPassing(why) ? Math.min(poll, backOff) : backOff))
      })

    const driveOn = (run: RunRow) =>
      Effect.suspend(() => {
        // before it is driven: its driver may end, and leave it alone, at once
        leftAlone.delete(run.runId)
        return options.drive(run)
      }).pipe(
        Effect.tap((outcome) => (outcome._tag === "Quarantined" ? reportQuarantined(outcome.run) : Effect.void)),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? // it holds no failure
              Effect.failCause(cause as Cause.Cause<never>)
            : Effect.as(leaveAlone(run.runId, cause), { _tag: "Failed", cause } as const)
        )
      )

    const takeUp = (run: RunRow): Effect.Effect<void> =>
      Effect.suspend(() => {
        taken.add(run.runId)
        return driveOn(run).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isFailure(exit) || exit.value._tag !== "Driven") taken.delete(run.runId)
            })
          ),
          Effect.flatMap((outcome) =>
            outcome._tag === "Failed"
              ? Effect.logWarning(`run "${run.runId}" is due and could not be driven on`, outcome.cause)
              : Effect.void
          )
        )
      })

    /** Several side by side: one that finds that a run is taken goes on with the next, until there is no more room. */
    const takeUpAll = (due: ReadonlyArray<RunRow>): Effect.Effect<void> =>
      Effect.gen(function* () {
        let next = 0
        const one: Effect.Effect<void> = Effect.suspend(() => {
          const run = taken.size < options.maxRuns ? due[next++] : undefined
          return run === undefined ? Effect.void : Effect.zipRight(takeUp(run), one)
        })
        // no concurrent Effect.all: when it is interrupted as it begins it never ends
        const fibers = yield* Effect.replicateEffect(Effect.fork(one), Math.min(concurrency, due.length))
        for (const fiber of fibers) yield* Fiber.join(fiber)
      })

    /** Gives when there is something to do again, in milliseconds since the epoch. */
    const driveDue: Effect.Effect<number, StoreError> = Effect.gen(function* () {
      if (fingerprints.length === 0) return Infinity
      // the end of one of its runs makes room, and wakes it
      if (taken.size >= options.maxRuns) return Infinity
      const now = yield* Clock.currentTimeMillis
      for (const [runId, until] of leftAlone) if (until <= now) leftAlone.delete(runId)
      // those that are left alone are due all the same, and come first
      const wanted = Math.min(limit, options.maxRuns + spare) + leftAlone.size + 2 * passedOver
      const { nextAt, runs } = yield* lease.due(fingerprints, wanted)
      // what was submitted has had no driver that could have been cut off
      const passed = options.recover ? [] : runs.filter(({ epoch, status }) => status === "running" && epoch > 0)
      const due = runs.filter((run) => !leftAlone.has(run.runId) && !passed.includes(run))
      const isMore = runs.length === wanted && (due.length > 0 || passed.length > passedOver)
      passedOver = passed.length
      yield* takeUpAll(due)
      if (taken.size >= options.maxRuns) return Infinity
      return isMore ? now : Math.min(nextAt ?? Infinity, ...leftAlone.values())
    })

    const recover: Waker["recover"] = Effect.gen(function* () {
      const recovered: Array<RunId> = []
      const quarantined: Array<RunId> = []
      const failed: Array<Recovery["failed"][number]> = []
      const seen = new Set<RunId>()
      let isMore = fingerprints.length > 0
      while (isMore) {
        // those that were seen may still be due, or be it again
        const { runs } = yield* lease.due(fingerprints, limit + seen.size)
        const due = runs.filter(({ runId }) => !seen.has(runId))
        isMore = due.length > 0
        for (const run of due) {
          const { runId } = run
          seen.add(runId)
          const outcome = yield* driveOn(run)
          if (outcome._tag === "Driven") recovered.push(runId)
          if (outcome._tag === "Quarantined") quarantined.push(runId)
          if (outcome._tag === "Failed") failed.push({ runId, cause: outcome.cause })
        }
      }
      return { recovered, quarantined, failed }
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
      const next = yield* Effect.all([turn.withPermits(1)(driveDue), deliver]).pipe(
        Effect.map(([a, b]) => Math.min(a, b)),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? // it holds no failure
              Effect.failCause(cause as Cause.Cause<never>)
            : Effect.zipRight(
                Effect.logWarning("the runs that are due could not be read", cause),
                Effect.map(Clock.currentTimeMillis, (now) => now + Math.min(poll, 5_000))
              )
        )
      )
      const now = yield* Clock.currentTimeMillis
      const delay = Math.min(next - now, fingerprints.length === 0 ? Infinity : poll)
      yield* Wait.untilOpen(latch, delay)
    })

    return {
      notify: latch.open,
      released: (runId) =>
        Effect.suspend(() => {
          taken.delete(runId)
          return latch.open
        }),
      leaveAlone,
      recover: annotated(turn.withPermits(1)(recover)),
      run: annotated(Effect.forever(round))
    }
  })

const annotated = Effect.annotateLogs({ package: "heddle", module: "Engine", fiber: "waker" })

const reportQuarantined = ({ recoveries, runId }: RunRow) =>
  Effect.zipRight(
    Effect.sync(() => Telemetry.runsQuarantined.unsafeUpdate(1, [])),
    Effect.logWarning(
      `run "${runId}" is quarantined: ${recoveries} drivers have vanished, or could not drive it, since it last made ` +
        "progress; look at it, then resume it with Engine.resume"
    )
  )
