/** The writer under one interleaving of its fibers and of those who use it after the other. */
import { assert, it } from "@effect/vitest"
import {
  Context,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Option,
  Random,
  Schedule,
  Scope,
  Stream
} from "effect"
import { RunId, StateWriter, Timeline } from "heddle"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import * as VirtualClock from "../run/VirtualClock.js"
import * as ControlledStore from "../state/ControlledStore.js"
import * as FaultedStore from "../state/FaultedStore.js"
import * as WriterModel from "../state/WriterModel.js"
import { checkCounts, storedState, withFiber, type Writer } from "../state/Writers.js"
import { pause, upTo } from "./Calls.js"

const oneOf = <const A extends ReadonlyArray<unknown>>(...choices: A): Effect.Effect<A[number]> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (i) => choices[i])

const all = { concurrency: "unbounded", discard: true } as const

/** So many faults, the rest of the calls have none. */
const faultsOf = (count: number, ...faults: ReadonlyArray<FaultedStore.Fault>) =>
  Effect.gen(function* () {
    const drawn = yield* Effect.replicateEffect(oneOf(...faults), count)
    let calls = 0
    return () => drawn[calls++] ?? "none"
  })

/** Small enough for batches, a full queue and an eviction to matter. */
const options = Effect.gen(function* () {
  return {
    batchSize: yield* oneOf(1, 2, 4, 100),
    capacity: yield* oneOf(1, 2, 5, 100),
    interval: yield* oneOf("0 millis", "20 millis"),
    cache: yield* oneOf(1, 2, 100),
    retry: Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(8)),
    close: "1 second"
  } as const
})

/** The effect, or its interruption after a while. */
const perhaps = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    if ((yield* upTo(5)) > 0) return yield* Effect.asVoid(Effect.exit(effect))
    const fiber = yield* Effect.fork(effect)
    yield* Effect.replicateEffect(Effect.yieldNow(), yield* upTo(6))
    yield* Fiber.interrupt(fiber)
  })

const inTime = <A, E>(
  program: Effect.Effect<A, E, ControlledStore.ControlledStore | Store | Timeline.Timeline | Scope.Scope>
) =>
  VirtualClock.test((time) =>
    time.until(
      program.pipe(
        Effect.scoped,
        Effect.provide(Layer.provideMerge(Timeline.layer, ControlledStore.layer)),
        Logger.withMinimumLogLevel(LogLevel.None)
      )
    )
  )

type Store = Layer.Layer.Success<typeof ControlledStore.layer>

type Register = { readonly write: number } | "read"

const register = Linearizability.deterministic<number, Register, number>({
  init: 0,
  step: (value, input) => (input === "read" ? [value, value] : [input.write, 0])
})

it.live("a keyed state is a register: what was accepted is read, whatever the store does", () =>
  SeededScheduler.explore({
    seeds: numRuns,
    effect: inTime(
      Effect.gen(function* () {
        yield* FaultedStore.make({
          commit: yield* faultsOf(12, "none", "slow", "slow", "busy", "lost"),
          letter: () => "none"
        })
        const context = yield* Layer.build(StateWriter.layer(yield* options))
        const writer = Context.get(context, StateWriter.StateWriter)
        const { history, record } = yield* Linearizability.recorder<Register, number>()
        const read = record("read")(
          Effect.map(writer.get("r"), (state) => Option.match(state, { onNone: () => 0, onSome: ({ x }) => Number(x) }))
        )
        let last = 0
        const write = Effect.gen(function* () {
          const x = ++last
          const update = { key: "r", set: { x }, durability: yield* oneOf("buffered", "committed") }
          const isDurable = yield* Random.nextBoolean
          yield* perhaps(
            Effect.as(isDurable ? writer.updateDurable(update) : writer.update(update), 0).pipe(record({ write: x }))
          )
        })
        const worker = Effect.gen(function* () {
          for (let i = 0; i < 4; i++) {
            yield* (yield* Random.nextBoolean) ? write : perhaps(read)
            // it takes the place of the other
            if (yield* Random.nextBoolean) yield* writer.get("s")
            yield* pause
          }
        })
        yield* Effect.all([worker, worker, worker], all)
        yield* writer.flush
        const value = yield* read
        assert.strictEqual(value, (yield* storedState("r"))?.["x"] ?? 0)
        const checked = Linearizability.check(register, yield* history)
        if (Either.isLeft(checked)) return yield* checked.left
      })
    )
  })
)

const runs = ["a", "b"]
const keys = ["k", "l"]

it.live("no acknowledged update is lost, reordered or duplicated, and each that was accepted is accounted for", () =>
  SeededScheduler.explore({
    seeds: numRuns,
    effect: inTime(
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const faults = yield* FaultedStore.make({
          commit: yield* faultsOf(
            10,
            ...([
              "none",
              "none",
              "slow",
              "slow",
              "busy",
              "lost",
              "fails",
              "fails after",
              "dies",
              "hangs after"
            ] as const)
          ),
          letter: yield* faultsOf(3, "none", "slow", "busy", "fails", "hangs")
        })
        const model = yield* WriterModel.make(faults, { runs, keys })
        const level = oneOf("buffered", "committed", "fsynced")
        const way = oneOf("unsafe", "update", "durable")

        const driver = (writer: Writer, name: string) =>
          Effect.gen(function* () {
            for (let i = 0; i < 5; i++) {
              const step = {
                module: yield* oneOf("m", "n"),
                choice: yield* upTo(99),
                way: yield* way,
                level: yield* level
              }
              yield* perhaps(model.updateRun(writer, name, step))
              yield* pause
            }
          })
        const producer = (writer: Writer, key: string) =>
          Effect.gen(function* () {
            for (let i = 0; i < 4; i++) {
              const clear = yield* oneOf([], ["x"], ["x", "y"])
              const patch = { set: clear.length === 0 ? { x: i, y: i } : { z: i }, clear }
              yield* perhaps(model.updateState(writer, key, patch, yield* way, yield* level))
              yield* pause
            }
          })
        const reader = (writer: Writer) =>
          Effect.gen(function* () {
            for (let i = 0; i < 4; i++) {
              yield* perhaps(writer.get(yield* oneOf("k", "l")))
              yield* perhaps(writer.run(RunId.make(yield* oneOf("a", "b"))))
              checkCounts(yield* writer.stats, "in between")
              if ((yield* upTo(3)) === 0) yield* perhaps(writer.flush)
            }
          })
        const troubler = Effect.gen(function* () {
          yield* pause
          const kind = yield* upTo(3)
          if (kind === 0) faults.poisoned.add(yield* oneOf("a", "k"))
          if (kind === 1) yield* model.drive(yield* oneOf("a", "b"))
        })

        for (let generation = 0; generation < 2; generation++) {
          const scope = yield* Scope.make()
          const { built, fiber } = yield* withFiber(Layer.buildWithScope(StateWriter.layer(yield* options), scope))
          const writer = Context.get(built, StateWriter.StateWriter)
          const watching = yield* Effect.fork(
            Stream.runForEach(writer.changes, (stats) => Effect.sync(() => checkCounts(stats, "a watcher")))
          )
          const working = yield* Effect.fork(
            Effect.all(
              [
                ...runs.map((name) => driver(writer, name)),
                ...keys.map((key) => producer(writer, key)),
                reader(writer),
                troubler
              ],
              all
            )
          )
          const end = (yield* Random.nextBoolean) ? Fiber.interrupt(fiber) : writer.close
          // a commit may hang
          if (yield* Random.nextBoolean) yield* Effect.timeoutOption(Fiber.join(working), "300 millis")
          else yield* Effect.replicateEffect(Effect.yieldNow(), yield* upTo(60))
          yield* end
          // nobody hangs
          yield* Fiber.join(working)
          yield* Fiber.join(watching)
          yield* Scope.close(scope, Exit.void)
          yield* model.ended(writer)
          faults.poisoned.clear()
          for (const name of runs) yield* model.drive(name)
        }

        // what the next one knows is what is stored
        const context = yield* Layer.build(StateWriter.layer())
        const writer = Context.get(context, StateWriter.StateWriter)
        for (const key of keys) {
          assert.deepStrictEqual(Option.getOrUndefined(yield* writer.get(key)), yield* storedState(key))
        }
        for (const name of runs) {
          const stored = Option.getOrThrow(yield* timeline.get(RunId.make(name)))
          assert.strictEqual(Option.getOrThrow(yield* writer.run(RunId.make(name))).seq, stored.snapshot.seq)
        }
      })
    )
  })
)
