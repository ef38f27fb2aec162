import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import { WriterClosed, WriterFull } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import { StateNotWritten } from "../../model/StateNotWritten.js"
import * as Telemetry from "../../model/Telemetry.js"
import { isEnded } from "../../model/Transition.js"
import * as Wait from "../../model/Wait.js"
import { RunStore } from "../../store/RunStore.js"
import type { Claim, RunUpdate } from "../Update.js"
import type { Options } from "../WriterOptions.js"
import type { CloseReport } from "../WriterStats.js"
import * as Committer from "./Committer.js"
import {
  isRun,
  type Entry,
  type Patch,
  type RunEntry,
  type RunWriteError,
  type StateEntry,
  type Unit
} from "./Entry.js"
import * as Keeper from "./Keeper.js"
import * as Known from "./Known.js"
import * as Ledger from "./Ledger.js"
import * as Units from "./Units.js"
import * as WriteQueue from "./WriteQueue.js"

/** Changed in place, by this file alone. */
interface State {
  phase: "open" | "closing" | "closed"
  /** Why its fiber has ended before it was closed. */
  fault: Cause.Cause<unknown> | undefined
  /** What was taken from the queue and is being written, or refused. */
  batch: ReadonlyArray<Entry>
  /** How many entries were offered. */
  offered: number
  /** The entries up to this number are written as soon as the writer is free. */
  urgentUpTo: number
  /** When the first of the queued entries has waited long enough, in milliseconds since the epoch. */
  dueAt: number
}

/**
 * Milliseconds after which timers get their turn: Effect's scheduler goes on in microtasks, and a writer that is never idle
 * would hold up the heartbeats of its runs.
 */
const millisBeforeTimers = 20

const annotations = { package: "heddle", module: "StateWriter", fiber: "writer" }

export const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* RunStore
  const fork = Runtime.runFork(yield* Effect.runtime<never>())
  const clock = yield* Effect.clock
  const { capacity } = options
  const interval = Duration.toMillis(options.interval)
  const mostInBatch = Math.min(options.batchSize, capacity)
  const state = yield* Ref.get(
    yield* Ref.make<State>({
      phase: "open",
      fault: undefined,
      batch: [],
      offered: 0,
      urgentUpTo: 0,
      dueAt: Infinity
    })
  )
  const ledger = Ledger.make(clock)
  const { totals } = ledger
  const units = Units.make(options.cache)
  const some = yield* Effect.makeLatch(false)
  const wake = yield* Effect.makeLatch(false)
  const flushes = new Set<{ readonly upTo: number; readonly done: () => void }>()

  const log = (effect: Effect.Effect<void>) => void fork(Effect.annotateLogs(effect, annotations))

  /** A listener is the code of others: the writer does not end with it. */
  const tell = (report: () => void) => {
    try {
      report()
    } catch (defect) {
      log(Effect.logError("a listener of the writer threw", Cause.die(defect)))
    }
  }

  // --- entries come in

  const queue = WriteQueue.make<Entry>(capacity, (entry) => {
    const { unit, update } = entry
    const pace = isRun(entry) ? entry.update.pace : undefined
    const wait = pace?.interval ?? interval
    entry.acceptedAt = clock.unsafeCurrentTimeMillis()
    // also where it is not a number
    entry.dueAt = entry.acceptedAt + (wait > 0 ? wait : 0)
    ledger.accepted(entry)
    known.accepted(entry)
    const isEnough = unit.tally.depth >= (pace?.batchSize ?? Infinity)
    if (isEnough || update.durability !== "buffered") state.urgentUpTo = Math.max(state.urgentUpTo, entry.number)
    const isEarlier = entry.dueAt < state.dueAt
    if (isEarlier) state.dueAt = entry.dueAt
    some.unsafeOpen()
    if (isEarlier || isReady()) wake.unsafeOpen()
    if (entry.accepted !== undefined) tell(entry.accepted)
  })

  const offer = <E extends Entry>(
    unit: E["unit"],
    update: E["update"],
    accepted: (() => void) | undefined,
    settled: E["settled"]
  ): Entry => {
    const number = ++state.offered
    // the unit, the update and who hears of it are of one kind
    const entry = { number, place: "offered", acceptedAt: 0, dueAt: 0, accepted, unit, update, settled } as Entry
    units.enter(unit)
    const isFull = options.whenFull === "fail" && totals.depth >= capacity
    if (state.phase !== "open" || isFull) {
      entry.place = "refused"
      refuse(entry, state.phase === "open" ? fullError(unit) : closedError(unit))
    } else {
      ledger.offered(entry)
      queue.offer(entry)
      if (entry.place === "offered") ledger.waits()
    }
    return entry
  }

  const withdraw = (entry: Entry) => {
    if (entry.place !== "offered") return
    queue.withdraw(entry)
    ledger.withdrawn(entry)
    units.leave(entry.unit)
    endFlushes()
  }

  // --- entries are settled

  const acknowledge = (entry: Entry) => {
    if (!ledger.settled(entry, "processed")) return
    units.leave(entry.unit)
    tell(() => entry.settled(Exit.void))
    if (!isRun(entry)) return
    const { transition } = entry.update
    // nothing follows it
    if (transition._tag === "RunTransition" && isEnded(transition.status)) forget(entry.unit)
  }

  const refuse = (entry: Entry, error: RunWriteError | StateNotWritten) => {
    const wasAccepted = entry.place === "queued" || entry.place === "inFlight"
    if (!ledger.settled(entry, "failed")) return
    if (wasAccepted) known.forget(entry.unit)
    Telemetry.writerRefused.unsafeUpdate(1, [])
    units.leave(entry.unit)
    // an error is of the kind of its unit
    const settled = entry.settled as (result: Exit.Exit<void, typeof error>) => void
    tell(() => settled(Exit.fail(error)))
  }

  const closedError = (unit: Unit) => {
    const cause = state.fault
    if (unit._tag === "State") {
      const detail = `the writer ${cause === undefined ? "is closed" : "has failed"}`
      return new StateNotWritten({ key: unit.key, reason: "closed", detail, cause })
    }
    return new WriterClosed({ runId: unit.claim.runId, ...(cause === undefined ? undefined : { cause }) })
  }

  const fullError = (unit: Unit) => {
    if (unit._tag === "Run") return new WriterFull({ runId: unit.claim.runId, capacity })
    const detail = `the writer's queue has no room for more than ${capacity} updates`
    return new StateNotWritten({ key: unit.key, reason: "full", detail })
  }

  const forget = (unit: Unit) => {
    units.forget(unit)
    if (units.find(unit.key) === undefined) known.forget(unit)
  }

  // --- batches go out

  const unsettled = () => state.batch.filter(({ place }) => place !== "settled")

  const known = Known.make({
    capacity: options.cache,
    store,
    fork,
    pending: () => [...unsettled(), ...queue.accepted()],
    isOpen: () => state.phase !== "closed",
    isDrivenHere: (runId) => {
      const unit = units.find(runId)
      return unit !== undefined && unit.refused === undefined
    }
  })

  const isReady = (): boolean => {
    const first = queue.first()
    return first !== undefined && (first.number <= state.urgentUpTo || totals.depth >= mostInBatch)
  }

  /** Waits for a first entry and, unless somebody waits for it, for its interval or a full batch. */
  const gather: Effect.Effect<void> = Effect.flatMap(some.await, () => {
    if (isReady()) return Effect.void
    const left = state.dueAt - clock.unsafeCurrentTimeMillis()
    if (left <= 0) return Effect.void
    wake.unsafeClose()
    // the timer counts, not another look at a clock that may have been set back
    return Effect.flatMap(Wait.untilOpen(wake, left), (inTime) => (inTime ? gather : Effect.void))
  })

  const keeper = Keeper.make({
    store,
    every: options.snapshotEvery,
    capacity: options.cache,
    patience: options.close,
    fork: (effect) => fork(Effect.annotateLogs(effect, { ...annotations, fiber: "keeper" }))
  })

  const { giveUp, write } = Committer.make(store, options, ledger, {
    acknowledge,
    refuse,
    committed: keeper.committed,
    reject: (unit, error) => {
      // an error is of the kind of its unit
      if (unit._tag === "Run") unit.refused = error as RunWriteError
      known.forget(unit)
      const removed = queue.remove((entry) => entry.unit === unit)
      state.batch = [...state.batch, ...removed]
      return removed
    }
  })

  const take = () => {
    const batch = (state.batch = queue.take(mostInBatch))
    ledger.taken(batch)
    state.dueAt = queue.accepted().reduce((due, entry) => Math.min(due, entry.dueAt), Infinity)
    if (queue.first() === undefined) some.unsafeClose()
    queue.admit()
    return batch
  }

  let restedAt = clock.unsafeCurrentTimeMillis()
  const rest = Effect.suspend(() => {
    if (clock.unsafeCurrentTimeMillis() - restedAt < millisBeforeTimers) return Effect.void
    return Effect.zipRight(
      Effect.sleep(0),
      Effect.sync(() => (restedAt = clock.unsafeCurrentTimeMillis()))
    )
  })

  const process = Effect.suspend(() => write(take())).pipe(
    // a fault of the writer itself must hang nobody: what it was writing is refused, and it goes on
    Effect.catchAllDefect((defect) => Effect.suspend(() => giveUp(unsettled(), defect))),
    Effect.zipRight(
      Effect.sync(() => {
        state.batch = []
        queue.admit()
        // what was queued may have been refused
        if (queue.first() === undefined) {
          some.unsafeClose()
          state.dueAt = Infinity
        }
        endFlushes()
      })
    )
  )

  // --- flush and close

  /** What was accepted first of all that is not settled; nothing when the first only waits for room. */
  const oldest = () => {
    const entry = unsettled()[0] ?? queue.first()
    return entry?.place === "offered" ? undefined : entry
  }

  const endFlushes = () => {
    if (flushes.size === 0) return
    const first = (unsettled()[0] ?? queue.first())?.number ?? Infinity
    for (const flush of flushes) if (first > flush.upTo) flush.done()
  }

  const flush = Effect.async<void>((resume) => {
    const waiter = {
      upTo: state.offered,
      done: () => {
        flushes.delete(waiter)
        resume(Effect.void)
      }
    }
    flushes.add(waiter)
    state.urgentUpTo = Math.max(state.urgentUpTo, waiter.upTo)
    wake.unsafeOpen()
    endFlushes()
    return Effect.sync(() => flushes.delete(waiter))
  })

  /** Settles everything, and gives what was not written. */
  const end = (): CloseReport => {
    state.phase = "closed"
    const unwritten = new Map<string, number>()
    for (const entry of [...unsettled(), ...queue.drain()]) {
      const { key } = entry.unit
      if (entry.place !== "offered") unwritten.set(key, (unwritten.get(key) ?? 0) + 1)
      refuse(entry, closedError(entry.unit))
    }
    state.batch = []
    endFlushes()
    ledger.ended()
    return { unwritten }
  }

  const report = ({ unwritten }: CloseReport) => {
    const lost = Array.from(unwritten.values()).reduce((sum, count) => sum + count, 0)
    const keys = Array.from(unwritten, ([key, count]) => `${key} (${count})`).join(", ")
    return lost === 0 ? Effect.void : Effect.logError(`closed before ${lost} updates were written: ${keys}`)
  }

  const ended = yield* Deferred.make<CloseReport>()
  // it is made where nothing is interrupted
  const fiber = fork(
    Effect.annotateLogs(
      Effect.interruptible(Effect.forever(Effect.zipRight(Effect.zipRight(gather, process), rest))),
      annotations
    )
  )
  fiber.addObserver((exit) => {
    if (state.phase === "closed" || Exit.isSuccess(exit)) return
    state.fault = exit.cause
    const left = end()
    Deferred.unsafeDone(ended, Exit.succeed(left))
    log(Effect.logError("the writer's fiber has ended, and nothing is written any more", exit.cause))
    log(report(left))
  })

  /** For a limited time. */
  const patiently = <A>(effect: Effect.Effect<A>) =>
    Effect.timeoutOption(Effect.interruptible(Effect.disconnect(effect)), options.close)

  const shut = Effect.gen(function* () {
    yield* patiently(flush)
    if (state.phase === "closed") return
    const left = end()
    log(report(left))
    yield* patiently(Effect.zipRight(Fiber.interrupt(fiber), keeper.close))
    yield* Deferred.succeed(ended, left)
  })

  return {
    offerRun: (update: RunUpdate, accepted: (() => void) | undefined, settled: RunEntry["settled"]) =>
      offer<RunEntry>(units.ofRun(update.claim), update, accepted, settled),
    offerState: (update: Patch, accepted: (() => void) | undefined, settled: StateEntry["settled"]) =>
      offer<StateEntry>(units.ofState(update.key), update, accepted, settled),
    withdraw,
    flush,
    release: (claim: Claim) =>
      Effect.map(flush, () => {
        const unit = units.known(claim)
        if (unit !== undefined) forget(unit)
      }),
    close: Effect.suspend(() => {
      if (state.phase === "open") {
        state.phase = "closing"
        // not in a child: an interruption goes to the children of whoever closes, however uninterruptible closing is
        fork(shut)
      }
      return Deferred.await(ended)
    }),
    state: known.state,
    run: known.run,
    stats: Effect.sync(() => ledger.stats(oldest())),
    statsOf: (runId: RunId) =>
      Effect.sync(() => Option.map(Option.fromNullable(units.find(runId)), ({ tally }) => ({ ...tally }))),
    changes: ledger.changes(() => ledger.stats(oldest()))
  }
})
