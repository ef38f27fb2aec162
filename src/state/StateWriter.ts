/**
 * The queue and the one fiber behind it that write what runs did, and keyed state.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as CanonicalJson from "../model/CanonicalJson.js"
import type { RunLost, WriteFailed, WriterClosed, WriterFull } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import { StateNotWritten } from "../model/StateNotWritten.js"
import { StoreError } from "../model/StoreError.js"
import type { RunStore } from "../store/RunStore.js"
import type { Entry, Patch } from "./internal/Entry.js"
import * as Writer from "./internal/Writer.js"
import type { Claim, Level, RunUpdate, StateUpdate } from "./Update.js"
import { check, defaults, type Options } from "./WriterOptions.js"
import type { CloseReport, Counts, Stats } from "./WriterStats.js"

export { config, defaults, type Options } from "./WriterOptions.js"
export type { CloseReport, Counts, Stats } from "./WriterStats.js"

/**
 * Why an update of a run was not written.
 *
 * @since 0.1.0
 * @category errors
 */
export type WriteError = RunLost | WriteFailed | WriterClosed | WriterFull

/**
 * Where the writer reports what became of an update of a run, each at most once and synchronously.
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
 * The fields of a keyed state.
 *
 * @since 0.1.0
 * @category models
 */
export type State = { readonly [field: string]: unknown }

/**
 * Writes transitions of runs and changes of keyed state. Updates are written in the order in which they were accepted;
 * each batch is one transaction. Updates of one module or field in a batch share its row; of runs all transitions are kept
 * in the history.
 *
 * The unit of rejection is the run, or the key of a state: when one of its rows cannot be written, or somebody else
 * drives the run, everything of it that is queued is dropped, fails with a typed error and is kept in a dead letter
 * (`Timeline.deadLetters`). All others are written. So the store holds a prefix of what each run did.
 *
 * @since 0.1.0
 * @category services
 */
export class StateWriter extends Context.Tag("heddle/state/StateWriter")<
  StateWriter,
  {
    /**
     * Accepted: the update is queued. Waits while the queue is full, or fails, as `whenFull` says.
     *
     * **Interruption**: of an update that still waits, it is not queued.
     */
    readonly update: {
      (update: RunUpdate): Effect.Effect<void, WriterClosed | WriterFull>
      (update: StateUpdate): Effect.Effect<void, StateNotWritten>
    }

    /**
     * Acknowledged: the update, and every one of its run or key that was accepted before it, is committed; and synced,
     * when its durability is `fsynced`. What was acknowledged is what the store has.
     *
     * **Interruption**: an update that was accepted is written all the same; one that still waits is not queued.
     */
    readonly updateDurable: {
      (update: RunUpdate): Effect.Effect<void, WriteError>
      (update: StateUpdate): Effect.Effect<void, StateNotWritten>
    }

    /** For the scheduler, which is synchronous: `update` and `updateDurable` with a callback in place of a fiber. */
    readonly unsafeUpdate: (update: RunUpdate, listener: Listener) => void

    /**
     * The latest state of a key, accepted or stored. What is not known is read from the store once, for all who ask.
     *
     * **Interruption**: the read goes on for the others.
     */
    readonly get: (key: string) => Effect.Effect<Option.Option<State>, StoreError>

    /** The same of a run: also what is accepted and not yet committed. Only what this writer writes is kept in memory. */
    readonly run: (runId: RunId) => Effect.Effect<Option.Option<RunSnapshot>, StoreError>

    /** Everything that was offered before is committed, or was refused. */
    readonly flush: Effect.Effect<void>

    /** `flush`; then what is known of a run that its driver lets go of is forgotten. */
    readonly release: (claim: Claim) => Effect.Effect<void>

    readonly stats: Effect.Effect<Stats>

    /** Of the run's present driver; none when nothing was written for it lately, or it has ended. */
    readonly statsOf: (runId: RunId) => Effect.Effect<Option.Option<Counts>>

    /** The present stats, then each time that they have changed: the latest ones, for a consumer that is slow. */
    readonly changes: Stream.Stream<Stats>

    /**
     * Refuses further updates, writes what is queued, for at most `close`, and gives what it could not write. Whoever
     * closes it again is given the same.
     *
     * **Interruption**: it is closed all the same.
     */
    readonly close: Effect.Effect<CloseReport>
  }
>() {}

/**
 * The writer over the `RunStore`. Its fiber lives in the layer's scope, and sleeps while there is nothing to write;
 * closing the scope closes the writer. When its fiber is killed, everything that waits for it fails with `WriterClosed`,
 * as does everything after that, and the log says so.
 *
 * @example
 * ```ts
 * import { StateWriter } from "heddle"
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { Effect, Layer } from "effect"
 *
 * // without an engine: state of one's own, by key
 * const program = Effect.gen(function* () {
 *   const writer = yield* StateWriter.StateWriter
 *   yield* writer.update({ key: "pages/home", set: { title: "Home", views: 1 } })
 *   yield* writer.updateDurable({ key: "pages/home", set: { views: 2 }, clear: ["title"] })
 *   return yield* writer.get("pages/home") // { views: 2 }
 * }).pipe(Effect.provide(StateWriter.layer().pipe(Layer.provide(RunStoreMemory.layer()))))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<StateWriter, never, RunStore> =>
  Layer.scoped(StateWriter, make({ ...defaults, ...options }))

/**
 * `layer` with options from the configuration, as `config` reads them or as you do.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Partial<Options>>
): Layer.Layer<StateWriter, ConfigError, RunStore> => Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))

const make = Effect.fnUntraced(function* (options: Options) {
  yield* check(options)
  const writer = yield* Effect.acquireRelease(Writer.make(options), ({ close }) => close)
  const { offerRun, offerState, withdraw } = writer

  /** Ends when the entry is accepted or, with `isDurable`, settled; an interruption takes it back while it waits. */
  const offered = <E>(
    offer: (accepted: (() => void) | undefined, settled: (result: Exit.Exit<void, E>) => void) => Entry,
    isDurable: boolean
  ): Effect.Effect<void, E> =>
    Effect.async((resume) => {
      const entry = offer(isDurable ? undefined : () => resume(Effect.void), (result) => resume(result))
      return Effect.sync(() => withdraw(entry))
    })

  const write = (
    update: RunUpdate | StateUpdate,
    isDurable: boolean
  ): Effect.Effect<void, WriteError | StateNotWritten> =>
    "claim" in update
      ? offered((accepted, settled) => offerRun(isDurable ? durable(update) : update, accepted, settled), isDurable)
      : Effect.flatMap(encode(update), (patch) =>
          offered((accepted, settled) => offerState(isDurable ? durable(patch) : patch, accepted, settled), isDurable)
        )

  return StateWriter.of({
    run: writer.run,
    flush: writer.flush,
    release: writer.release,
    stats: writer.stats,
    statsOf: writer.statsOf,
    changes: writer.changes,
    close: writer.close,
    unsafeUpdate: (update, { accepted, settled }) => void offerRun(update, accepted, settled),
    // the errors are those of the kind of update, and an update that is only accepted learns of no write
    update: ((update: RunUpdate | StateUpdate) => write(update, false)) as StateWriter["Type"]["update"],
    updateDurable: ((update: RunUpdate | StateUpdate) => write(update, true)) as StateWriter["Type"]["updateDurable"],
    get: (key) => Effect.flatMap(writer.state(key), (state) => Effect.transposeOption(Option.map(state, decode(key))))
  })
})

const durable = <U extends { readonly durability: Level }>(update: U): U =>
  update.durability === "buffered" ? { ...update, durability: "committed" } : update

/** Whether every store keeps it as it is. */
const isText = (text: string): boolean => Either.isRight(CanonicalJson.stringify(text))

const encode = ({ clear = [], durability = "buffered", key, set = {} }: StateUpdate) =>
  Effect.gen(function* () {
    const refuse = (detail: string) => new StateNotWritten({ key, reason: "invalid", detail })
    if (key === "") return yield* refuse("its key is empty")
    if (!isText(key)) return yield* refuse("its key has a lone surrogate")
    const nameless = [...Object.keys(set), ...clear].find((field) => !isText(field))
    if (nameless !== undefined) return yield* refuse(`its field ${nameless} has a lone surrogate in its name`)
    const texts = new Map<string, string>()
    for (const [field, value] of Object.entries(set)) {
      const text = CanonicalJson.stringify(value)
      if (Either.isLeft(text)) {
        return yield* refuse(`its field ${[field, ...text.left.path].join(".")} holds ${text.left.message}`)
      }
      texts.set(field, text.right)
    }
    const both = clear.find((field) => texts.has(field))
    if (both !== undefined) return yield* refuse(`its field ${both} is to be both set and cleared`)
    if (texts.size === 0 && clear.length === 0) return yield* refuse("no field is to be set or cleared")
    return { key, set: texts, clear: new Set(clear), durability } satisfies Patch
  })

const decode = (key: string) => (fields: ReadonlyMap<string, string>) =>
  Effect.try({
    try: (): State => Object.fromEntries(Array.from(fields, ([field, text]) => [field, JSON.parse(text)])),
    catch: (cause) =>
      new StoreError({
        reason: "corrupt",
        location: `state "${key}"`,
        operation: "state",
        message: `the stored state "${key}" cannot be read`,
        cause
      })
  })
