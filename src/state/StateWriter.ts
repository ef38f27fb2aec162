/**
 * The queue and the one fiber behind it that write what runs did.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import { RunLost, WriteFailed, WriterClosed } from "../model/RunError.js"
import { StoreError } from "../model/StoreError.js"
import * as Telemetry from "../model/Telemetry.js"
import { RunStore } from "../store/RunStore.js"
import * as Batch from "./internal/Batch.js"
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
     * **Interruption**: an update that was accepted is written all the same.
     */
    readonly updateDurable: (update: Update) => Effect.Effect<void, WriteError>

    /** For the scheduler, which is synchronous: `update` and `updateDurable` with a callback in place of a fiber. */
    readonly unsafeUpdate: (update: Update, listener: Listener) => void

    /** Everything that was accepted before is committed, or was refused. */
    readonly flush: Effect.Effect<void>
  }
>() {}

/**
 * - `batchSize`: the most updates in a batch. 1,000 rows take SQLite about 4 ms, in which nothing else runs
 * - `interval`: how long an update that is not durable waits for others to share its batch
 * - `capacity`: how many updates the queue holds before `update` waits
 * - `retry`: how long a batch is tried again while the store is busy, on top of the store's own patience
 * - `close`: how long closing waits for what is queued
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
  readonly settled: (result: Exit.Exit<void, WriteError>) => void
}

/** Changed in place, by this file alone. */
interface State {
  closed: boolean
  /** Entries that were offered and not yet taken, those that wait for room included. */
  depth: number
  /** The claims that lost their run; weak, so that they are forgotten with their driver. */
  readonly refused: WeakMap<Claim, WriteError>
}

/**
 * The writer over the `RunStore`. Its fiber lives in the layer's scope; closing the scope refuses further updates and
 * writes what is queued, for at most `close`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<StateWriter, never, RunStore> =>
  Layer.scoped(StateWriter, make({ ...defaults, ...options }))

const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* RunStore
  const fork = Runtime.runFork(yield* Effect.runtime<never>())
  const state = yield* Ref.get(yield* Ref.make<State>({ closed: false, depth: 0, refused: new WeakMap() }))
  const queue = yield* Queue.bounded<Entry>(options.capacity)
  const wake = yield* Effect.makeLatch(false)

  // --- entries come in

  const offer = (entry: Entry, accepted?: () => void) => {
    state.depth++
    Telemetry.writerDepth.unsafeUpdate(state.depth, [])
    if (isUrgent(entry) || state.depth >= options.batchSize) wake.unsafeOpen()
    if (queue.unsafeOffer(entry)) return accepted?.()
    // full: offers that wait are taken in their order, and before any later one finds room
    fork(Queue.offer(queue, entry)).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return accepted?.()
      state.depth--
      refuse(entry, closedError(entry))
    })
  }

  const unsafeUpdate = (update: Update, { accepted, settled }: Listener) => {
    const entry: Entry = { update, settled }
    if (state.closed) refuse(entry, closedError(entry))
    else offer(entry, accepted)
  }

  const refuse = (entry: Entry, error: WriteError | undefined) => {
    if (entry.update !== undefined) Telemetry.writerRefused.unsafeUpdate(1, [])
    entry.settled(error === undefined ? Exit.void : Exit.fail(error))
  }

  // --- batches go out

  const takeAll = Effect.map(Queue.takeUpTo(queue, options.batchSize), Chunk.toReadonlyArray)

  /** Waits for a first entry and, unless somebody waits for it, for the interval or a full batch. */
  const take: Effect.Effect<ReadonlyArray<Entry>> = Effect.gen(function* () {
    const first = yield* Queue.take(queue)
    yield* wake.close
    const batch = [first, ...(yield* takeAll)]
    if (!batch.some(isUrgent) && batch.length < options.batchSize) {
      yield* Effect.raceFirst(wake.await, Effect.sleep(options.interval))
      batch.push(...(yield* takeAll))
    }
    state.depth -= batch.length
    Telemetry.writerDepth.unsafeUpdate(state.depth, [])
    return batch
  })

  const commit = (batch: ReadonlyArray<Batch.RunBatch<Entry>>) =>
    store.commit(batch.map(({ changes }) => changes)).pipe(
      Effect.sandbox,
      // a defect of a store is a write that was not made, like any of its errors
      Effect.mapError((cause) =>
        Option.getOrElse(
          Cause.failureOption(cause),
          () =>
            new StoreError({
              reason: "failed",
              location: "the run store",
              operation: "commit",
              message: Cause.pretty(cause),
              cause
            })
        )
      ),
      Effect.tapError((error) =>
        error.reason === "busy" ? Effect.sync(() => Telemetry.writerRetries.unsafeUpdate(1, [])) : Effect.void
      ),
      Effect.retry({ while: (error) => error.reason === "busy", schedule: patience(options) })
    )

  /** The unit of rejection is the run: when a batch cannot be written, each of its runs is tried alone. */
  const write = (batch: ReadonlyArray<Batch.RunBatch<Entry>>): Effect.Effect<void> =>
    Effect.matchEffect(commit(batch), {
      onSuccess: (refused) =>
        Effect.sync(() => {
          Telemetry.writerBatches.unsafeUpdate(1, [])
          for (const { changes, claim, entries } of batch) {
            if (refused.includes(changes)) refuseRun(claim, entries, new RunLost(claim))
            else {
              Telemetry.writerUpdates.unsafeUpdate(entries.length, [])
              Telemetry.writerCoalesced.unsafeUpdate(changes.transitions.length - Batch.rows(changes), [])
              for (const entry of entries) entry.settled(Exit.void)
            }
          }
        }),
      onFailure: (cause) =>
        batch.length > 1
          ? Effect.forEach(batch, (run) => write([run]), { discard: true })
          : Effect.zipRight(
              Effect.logError("the state of a run could not be written", cause),
              Effect.sync(() => {
                for (const { claim, entries } of batch) {
                  refuseRun(claim, entries, new WriteFailed({ runId: claim.runId, cause }))
                }
              })
            )
    })

  const refuseRun = (claim: Claim, entries: ReadonlyArray<Entry>, error: WriteError) => {
    state.refused.set(claim, error)
    for (const entry of entries) refuse(entry, error)
  }

  const process = (entries: ReadonlyArray<Entry>) =>
    Effect.gen(function* () {
      const live: Array<Entry & { readonly update: Update }> = []
      const flushes: Array<Entry> = []
      for (const entry of entries) {
        if (!hasUpdate(entry)) flushes.push(entry)
        else if (state.refused.has(entry.update.claim)) refuse(entry, state.refused.get(entry.update.claim))
        else live.push(entry)
      }
      if (live.length > 0) {
        const [took] = yield* Effect.timed(write(Batch.make(live)))
        Telemetry.writerCommitDuration.unsafeUpdate(Duration.toMillis(took), [])
      }
      for (const entry of flushes) entry.settled(Exit.void)
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => entries.forEach((entry) => refuse(entry, closedError(entry))))))

  const fiber = yield* Effect.forever(Effect.flatMap(take, process)).pipe(
    Effect.annotateLogs({ package: "heddle", module: "StateWriter", fiber: "writer" }),
    Effect.interruptible,
    Effect.forkDaemon
  )

  const flush = Effect.async<void>((resume) => offer({ update: undefined, settled: () => resume(Effect.void) }))

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      state.closed = true
      const flushed = yield* Effect.timeoutOption(flush, options.close)
      yield* Fiber.interrupt(fiber)
      const left = Chunk.toReadonlyArray(yield* Queue.takeAll(queue))
      for (const entry of left) refuse(entry, closedError(entry))
      yield* Queue.shutdown(queue)
      if (Option.isNone(flushed)) {
        yield* Effect.logError(`closed before ${state.depth} updates were written`).pipe(
          Effect.annotateLogs({ package: "heddle", module: "StateWriter", fiber: "writer" })
        )
      }
    })
  )

  const awaited = (update: Update): Effect.Effect<void, WriteError> =>
    Effect.async((resume) => unsafeUpdate(update, { settled: (result) => resume(result) }))

  return StateWriter.of({
    unsafeUpdate,
    update: (update) =>
      Effect.async((resume) =>
        unsafeUpdate(update, {
          accepted: () => resume(Effect.void),
          // only a closed writer settles what it has not accepted
          settled: (result) => resume(Exit.mapError(result, () => new WriterClosed({ runId: update.claim.runId })))
        })
      ),
    updateDurable: (update) => awaited({ ...update, durable: true }),
    flush: Effect.suspend(() => (state.closed ? Effect.void : flush))
  })
})

const hasUpdate = (entry: Entry): entry is Entry & { readonly update: Update } => entry.update !== undefined

const isUrgent = (entry: Entry) => entry.update === undefined || entry.update.durable

const closedError = (entry: Entry) =>
  entry.update === undefined ? undefined : new WriterClosed({ runId: entry.update.claim.runId })

const patience = (options: Options) =>
  Schedule.exponential("5 millis").pipe(
    Schedule.either(Schedule.spaced("250 millis")),
    Schedule.jittered,
    Schedule.upTo(options.retry)
  )
