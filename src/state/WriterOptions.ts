/**
 * What a writer may be told.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Millis from "../model/Millis.js"
import type { StoreError } from "../model/StoreError.js"

/**
 * - `batchSize`: the most updates in a batch. A commit of 1,000 rows takes SQLite about 5 to 7 ms, in which nothing else
 *   of the process runs
 * - `interval`: how long a `buffered` update waits for others to share its batch
 * - `capacity`: how many updates the queue holds
 * - `whenFull`: whether an update waits while the queue is full, or fails with `WriterFull`. A run of which an update
 *   fails is cut off, and can be resumed
 * - `retry`: while the store is busy or away (`StoreError.isTransient`), the batch is tried again by this schedule, on top of the
 *   store's own patience, and the queue waits. When the schedule ends, each run and state is tried once more alone
 * - `close`: how long closing waits for what is queued, and then for a commit that does not end when it is interrupted;
 *   also how long a dead letter may take
 * - `cache`: of how many runs, and of how many states, what is known of them is kept
 * - `snapshotEvery`: after how many transitions a run is kept as it is then, for time travel (`Timeline.stateAt`): a run
 *   with many modules and items, after four times as many transitions as it has of those. `Infinity`: never
 *
 * `batchSize`, `capacity`, `cache` and, unless it is infinite, `snapshotEvery` are whole numbers of at least 1; any other
 * is a defect of the layer.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly batchSize: number
  readonly interval: Duration.DurationInput
  readonly capacity: number
  readonly whenFull: "wait" | "fail"
  readonly retry: Schedule.Schedule<unknown, StoreError>
  readonly close: Duration.DurationInput
  readonly cache: number
  readonly snapshotEvery: number
}

// whole milliseconds, which every clock can count
const wholeMillis = Schedule.delayed((delay: Duration.Duration) => Duration.millis(Math.ceil(Duration.toMillis(delay))))

/**
 * `retry`: after 5 ms, then twice as long each time up to 250 ms, jittered, for 30 seconds.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  batchSize: 1000,
  interval: "100 millis",
  capacity: 10_000,
  whenFull: "wait",
  retry: Schedule.exponential("5 millis").pipe(
    Schedule.either(Schedule.spaced("250 millis")),
    Schedule.jittered,
    wholeMillis,
    Schedule.upTo("30 seconds")
  ),
  close: "10 seconds",
  cache: 1000,
  snapshotEvery: 1000
}

const atLeastOne = Config.validate({
  message: "Expected a whole number of at least 1",
  validation: (value: number) => Number.isSafeInteger(value) && value >= 1
})

/** `Config.duration` makes zero of what is negative. */
const duration = (name: string): Config.Config<Duration.Duration> =>
  Config.mapOrFail(Config.string(name), (text) => {
    const millis = Millis.of(text)
    return millis === undefined
      ? Either.left(ConfigError.InvalidData([], `Expected a duration that is not negative but received "${text}"`))
      : Either.right(Duration.millis(millis))
  })

/**
 * The options from the configuration, `defaults` where it says nothing: `HEDDLE_WRITER_BATCH_SIZE`, `_INTERVAL`,
 * `_CAPACITY`, `_WHEN_FULL` (`wait` or `fail`), `_CLOSE`, `_CACHE` and `_SNAPSHOT_EVERY`. Durations are written as in `100 millis`.
 *
 * @example
 * ```ts
 * import { StateWriter } from "heddle"
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { Layer } from "effect"
 *
 * const WriterLive = StateWriter.layerConfig(StateWriter.config).pipe(Layer.provide(RunStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export const config: Config.Config<Omit<Options, "retry">> = Config.all({
  batchSize: Config.integer("BATCH_SIZE").pipe(atLeastOne, Config.withDefault(defaults.batchSize)),
  interval: duration("INTERVAL").pipe(Config.withDefault(Duration.decode(defaults.interval))),
  capacity: Config.integer("CAPACITY").pipe(atLeastOne, Config.withDefault(defaults.capacity)),
  whenFull: Config.literal("wait", "fail")("WHEN_FULL").pipe(Config.withDefault(defaults.whenFull)),
  close: duration("CLOSE").pipe(Config.withDefault(Duration.decode(defaults.close))),
  cache: Config.integer("CACHE").pipe(atLeastOne, Config.withDefault(defaults.cache)),
  snapshotEvery: Config.integer("SNAPSHOT_EVERY").pipe(atLeastOne, Config.withDefault(defaults.snapshotEvery))
}).pipe(Config.nested("WRITER"), Config.nested("HEDDLE"))

/**
 * Options that no writer can have are a fault of the program.
 *
 * @since 0.1.0
 * @category options
 */
export const check = ({ batchSize, cache, capacity, close, interval, snapshotEvery }: Options): Effect.Effect<void> =>
  Effect.suspend(() => {
    const counts = { batchSize, cache, capacity, ...(snapshotEvery === Infinity ? undefined : { snapshotEvery }) }
    for (const [name, value] of Object.entries(counts)) {
      if (!(Number.isSafeInteger(value) && value >= 1)) {
        return refuse(`the writer's ${name} is a whole number of at least 1, not ${value}`)
      }
    }
    for (const [name, value] of Object.entries({ close, interval })) {
      if (Millis.of(value) === undefined) {
        return refuse(`the writer's ${name} is a duration that is not negative, not ${String(value)}`)
      }
    }
    return Effect.void
  })

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
