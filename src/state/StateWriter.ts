/**
 * The queue and the one fiber behind it that write what runs did.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import { RunLost, WriteFailed, WriterClosed } from "../model/RunError.js"
import { StoreError } from "../model/StoreError.js"
import * as Telemetry from "../model/Telemetry.js"
import { RunStore } from "../store/RunStore.js"
import * as Batch from "./internal/Batch.js"
import * as WriteQueue from "./internal/WriteQueue.js"
import type { Claim, Update } from "./Update.js"

/**
 * Why an update was not written.
 *
 * @since 0.1.0
 * @category errors
 */
export type WriteError = RunLost | WriteFailed | WriterClosed

/**
 * Where the writer reports what became of an update, each at most once and synchronously.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** It is in the queue. */
  readonly accepted?: () => void
  /** It is committed, or it never will be. */
  readonly settled: (result: Exit.Exit<void, WriteError>) => void
}

/**
 * Writes the transitions of runs. Updates are written in the order in which they were accepted; each batch is one
 * transaction. Transitions of one module in a batch share its row; all of them are kept in the history.
 *
 * @since 0.1.0
 * @category services
 */
export class StateWriter extends Context.Tag("heddle/state/StateWriter")<
  StateWriter,
  {
    /**
     * Accepted: the update is queued. Waits while the queue is full.
     *
     * **Interruption**: of an update that still waits, it is not queued.
     */
    readonly update: (update: Update) => Effect.Effect<void, WriterClosed>

    /**
     * Acknowledged: the update, and every one accepted before it, is committed.
     *
     * **Interruption**: an update that was accepted is written all the same; one that still waits is not queued.
     */
    readonly updateDurable: (update: Update) => Effect.Effect<void, WriteError>

    /** For the scheduler, which is synchronous: `update` and `updateDurable` with a callback in place of a fiber. */
    readonly unsafeUpdate: (update: Update, listener: Listener) => void

    /** Everything that was accepted before is committed, or was refused. */
    readonly flush: Effect.Effect<void>
  }
>() {}

/**
 * - `batchSize`: the most updates in a batch. A commit of 1,000 rows takes SQLite about 5 to 7 ms, in which nothing else
 *   of the process runs
 * - `interval`: how long an update that is not durable waits for others to share its batch
 * - `capacity`: how many updates the queue holds before `update` waits
 * - `retry`: how long a batch is tried again while the store is busy, on top of the store's own patience
 * - `close`: how long closing waits for what is queued, and then for a commit that does not end when it is interrupted
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly batchSize: number
  readonly interval: Duration.DurationInput
  readonly capacity: number
  readonly retry: Duration.DurationInput
  readonly close: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  batchSize: 1000,
  interval: "100 millis",
  capacity: 10_000,
  retry: "30 seconds",
  close: "10 seconds"
}

interface Entry {
  /** Undefined for a flush, which is only there to be settled. */
  readonly update: Update | undefined
  readonly listener: Listener
  /** Changed by `settle` alone. */
  settled: boolean
}

interface UpdateEntry extends Entry {
  readonly update: Update
}

/** Changed in place, by this file alone. */
interface State {
  phase: "open" | "closing" | "closed"
  /** What was taken from the queue and is being written. */
  batch: ReadonlyArray<Entry>
  /** The claims that lost their run; weak, so that they are forgotten with their driver. */
  readonly refused: WeakMap<Claim, WriteError>
}

/**
 * The writer over the `RunStore`. Its fiber lives in the layer's scope; closing the scope refuses further updates and
 * writes what is queued, for at most `close`. What was not written then is refused.
 *
 * @example
 * ```ts
 * import { StateWriter } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Layer } from "effect"
 *
 * const WriterLive = StateWriter.layer({ interval: "20 millis" }).pipe(
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<StateWriter, never, RunStore> =>
  Layer.scoped(StateWriter, make({ ...defaults, ...options }))

const annotations = { package: "heddle", module: "StateWriter", fiber: "writer" }

const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* RunStore
  const fork = Runtime.runFork(yield* Effect.runtime<never>())
  const capacity = Math.max(1, options.capacity)
  const mostInBatch = Math.max(1, Math.min(options.batchSize, capacity))
  const state = yield* Ref.get(yield* Ref.make<State>({ phase: "open", batch: [], refused: new WeakMap() }))
  const some = yield* Effect.makeLatch(false)
  const wake = yield* Effect.makeLatch(false)

  // --- entries come in

  /** A listener is the code of others: the writer does not end with it. */
  const tell = (report: () => void) => {
    try {
      report()
    } catch (defect) {
      const log = Effect.logError("a listener of the writer threw", Cause.die(defect))
      fork(Effect.annotateLogs(log, annotations))
    }
  }

  const queue = WriteQueue.make<Entry>(capacity, ({ listener: { accepted } }) => {
    if (accepted !== undefined) tell(accepted)
  })
  const measureDepth = () => Telemetry.writerDepth.unsafeUpdate(queue.size(), [])

  const settle = (entry: Entry, result: Exit.Exit<void, WriteError>) => {
    if (entry.settled) return
    entry.settled = true
    tell(() => entry.listener.settled(result))
  }

  const refuse = (entry: Entry, error: WriteError) => {
    if (!entry.settled) Telemetry.writerRefused.unsafeUpdate(1, [])
    settle(entry, Exit.fail(error))
  }

  const refuseClosed = (entry: Entry) => {
    if (hasUpdate(entry)) refuse(entry, new WriterClosed({ runId: entry.update.claim.runId }))
    else settle(entry, Exit.void)
  }

  const submit = (update: Update | undefined, listener: Listener): Entry => {
    const entry: Entry = { update, listener, settled: false }
    // while it closes, what it still writes can be waited for
    if (state.phase === "closed" || (state.phase === "closing" && update !== undefined)) refuseClosed(entry)
    else {
      queue.offer(entry)
      measureDepth()
      some.unsafeOpen()
      if (isUrgent(entry) || queue.size() >= mostInBatch) wake.unsafeOpen()
    }
    return entry
  }

  // --- batches go out

  /** Waits for a first entry and, unless somebody waits for it, for the interval or a full batch. */
  const gather = Effect.flatMap(some.await, () => {
    if (queue.size() >= mostInBatch || queue.some(isUrgent)) return Effect.void
    wake.unsafeClose()
    return Effect.raceFirst(wake.await, Effect.sleep(options.interval))
  })

  const commit = (runs: ReadonlyArray<Batch.RunEntries<UpdateEntry>>, patient: boolean) =>
    Effect.suspend(() => {
      const batch = runs.map(Batch.changesOf)
      const attempt = Effect.tapError(
        Effect.suspend(() => store.commit(batch)),
        (error) =>
          error.reason === "busy" ? Effect.sync(() => Telemetry.writerRetries.unsafeUpdate(1, [])) : Effect.void
      )
      const made = patient
        ? Effect.retry(attempt, { while: (error) => error.reason === "busy", schedule: patience(options) })
        : attempt
      return Effect.map(made, (refused) => ({ batch, refused }))
    }).pipe(
      Effect.sandbox,
      // a defect of a store is a write that was not made, like any of its errors
      Effect.mapError((cause) => Option.getOrElse(Cause.failureOption(cause), () => failed(cause)))
    )

  /** The unit of rejection is the run: when a batch cannot be written, each of its runs is tried alone. */
  const write = (runs: ReadonlyArray<Batch.RunEntries<UpdateEntry>>, patient = true): Effect.Effect<void> =>
    Effect.matchEffect(commit(runs, patient), {
      onSuccess: ({ batch, refused }) =>
        Effect.sync(() => {
          Telemetry.writerBatches.unsafeUpdate(1, [])
          runs.forEach(({ claim, entries }, i) => {
            const changes = batch[i]!
            if (refused.includes(changes)) refuseRun(claim, entries, new RunLost(claim))
            else {
              Telemetry.writerUpdates.unsafeUpdate(entries.length, [])
              Telemetry.writerCoalesced.unsafeUpdate(Batch.coalesced(changes), [])
              for (const entry of entries) settle(entry, Exit.void)
            }
          })
        }),
      onFailure: (cause) =>
        runs.length > 1
          ? // all of them have waited for a busy store already
            Effect.forEach(runs, (run) => write([run], cause.reason !== "busy"), { discard: true })
          : Effect.zipRight(
              Effect.logError("the state of a run could not be written", cause),
              Effect.sync(() => {
                for (const { claim, entries } of runs) {
                  refuseRun(claim, entries, new WriteFailed({ runId: claim.runId, cause }))
                }
              })
            )
    })

  const refuseRun = (claim: Claim, entries: ReadonlyArray<Entry>, error: WriteError) => {
    state.refused.set(claim, error)
    for (const entry of entries) refuse(entry, error)
  }

  const process = Effect.gen(function* () {
    const batch = (state.batch = queue.take(mostInBatch))
    if (queue.size() === 0) some.unsafeClose()
    measureDepth()
    const live: Array<UpdateEntry> = []
    for (const entry of batch) {
      if (!hasUpdate(entry)) continue
      const refused = state.refused.get(entry.update.claim)
      if (refused === undefined) live.push(entry)
      else refuse(entry, refused)
    }
    if (live.length > 0) {
      const began = yield* Clock.currentTimeMillis
      yield* write(Batch.byRun(live))
      Telemetry.writerCommitDuration.unsafeUpdate((yield* Clock.currentTimeMillis) - began, [])
    }
    for (const entry of batch) if (!hasUpdate(entry)) settle(entry, Exit.void)
    state.batch = []
  }).pipe(
    // a fault of the writer itself must hang nobody: what it was writing is refused, and it goes on
    Effect.catchAllDefect((defect) =>
      Effect.zipRight(
        Effect.logError("the writer failed", Cause.die(defect)),
        Effect.sync(() => {
          for (const { claim, entries } of Batch.byRun(state.batch.filter(hasUpdate))) {
            const cause = failed(Cause.die(defect))
            refuseRun(claim, entries, new WriteFailed({ runId: claim.runId, cause }))
          }
          for (const entry of state.batch) settle(entry, Exit.void)
          state.batch = []
        })
      )
    )
  )

  const flush = Effect.async<void>((resume) => {
    const entry = submit(undefined, { settled: () => resume(Effect.void) })
    return Effect.sync(() => withdraw(entry))
  })

  const withdraw = (entry: Entry) => {
    queue.withdraw(entry)
    measureDepth()
  }

  yield* Effect.acquireRelease(
    Effect.forever(Effect.zipRight(gather, process)).pipe(
      Effect.annotateLogs(annotations),
      Effect.interruptible,
      Effect.forkDaemon
    ),
    (fiber) =>
      Effect.gen(function* () {
        // not in a child: an interruption goes to the children of whoever closes, however uninterruptible closing is
        const patiently = <A>(effect: Effect.Effect<A>) =>
          Effect.timeoutOption(Effect.interruptible(effect), options.close).pipe(
            Effect.forkDaemon,
            Effect.flatMap(Fiber.join)
          )
        state.phase = "closing"
        yield* patiently(flush)
        state.phase = "closed"
        const left = [...state.batch, ...queue.drain()].filter((entry) => !entry.settled)
        measureDepth()
        left.forEach(refuseClosed)
        const lost = left.filter(hasUpdate).length
        if (lost > 0) {
          yield* Effect.annotateLogs(Effect.logError(`closed before ${lost} updates were written`), annotations)
        }
        yield* patiently(Fiber.interrupt(fiber))
      })
  )

  return StateWriter.of({
    unsafeUpdate: (update, listener) => void submit(update, listener),
    update: (update) =>
      Effect.async((resume) => {
        const entry = submit(update, {
          accepted: () => resume(Effect.void),
          // only a closed writer settles what it has not accepted
          settled: (result) => resume(Exit.mapError(result, () => new WriterClosed({ runId: update.claim.runId })))
        })
        return Effect.sync(() => withdraw(entry))
      }),
    updateDurable: (update) =>
      Effect.async((resume) => {
        const entry = submit({ ...update, durable: true }, { settled: (result) => resume(result) })
        return Effect.sync(() => withdraw(entry))
      }),
    flush
  })
})

const failed = (cause: Cause.Cause<unknown>) =>
  new StoreError({
    reason: "failed",
    location: "the run store",
    operation: "commit",
    message: Cause.pretty(cause),
    cause
  })

const hasUpdate = (entry: Entry): entry is UpdateEntry => entry.update !== undefined

const isUrgent = (entry: Entry) => entry.update === undefined || entry.update.durable

// whole milliseconds, which every clock can count
const patience = (options: Options) =>
  Schedule.exponential("5 millis").pipe(
    Schedule.either(Schedule.spaced("250 millis")),
    Schedule.jittered,
    Schedule.delayed((delay) => Duration.millis(Math.ceil(Duration.toMillis(delay)))),
    Schedule.upTo(options.retry)
  )
