/** What a writer is told, by options and by configuration. */
import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Cause,
  Chunk,
  Config,
  ConfigError,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Inspectable,
  Layer,
  Option,
  TestClock
} from "effect"
import { RunError, StateWriter } from "heddle"
import * as ControlledStore from "./ControlledStore.js"
import { hasState, isDone, observer, openRun, quiet, resultOf, seqs, storedState, writerOf } from "./Writers.js"

/** How many updates there were in each batch of this run, as far as they are written. */
const batchesOf = (name: string) =>
  Effect.map(ControlledStore.ControlledStore, ({ written }) =>
    written.flatMap((runs) => runs.filter(({ runId }) => runId === name).map((changes) => seqs([changes]).length))
  )

/** The timers that there are. One that was given up is among the test clock's until its time has come. */
const timers = Effect.map(Effect.zipRight(quiet, TestClock.sleeps()), Chunk.toReadonlyArray)

describe("options", () => {
  it.scoped("are the defaults where nothing is said", () =>
    Effect.gen(function* () {
      const { retry: _, ...defaults } = StateWriter.defaults
      assert.deepStrictEqual(defaults, {
        batchSize: 1000,
        interval: "100 millis",
        capacity: 10_000,
        whenFull: "wait",
        close: "10 seconds",
        cache: 1000,
        snapshotEvery: 1000
      })
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf()
      const write = (count: number) =>
        Effect.forEach(Array.range(1, count), (x) => writer.update({ key: "k", set: { x } }), { discard: true })
      yield* write(1)
      yield* TestClock.adjust("99 millis")
      assert.lengthOf(control.batches, 0)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(control.batches, 1)
      yield* write(999)
      yield* quiet
      assert.lengthOf(control.batches, 1)
      yield* write(1)
      yield* quiet
      assert.lengthOf(control.batches, 2)
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      yield* write(1000)
      yield* quiet
      yield* write(10_000)
      const one = yield* Effect.fork(write(1))
      yield* quiet
      assert.isFalse(yield* isDone(one))
      yield* gate.open
      yield* Fiber.join(one)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  const invalid: ReadonlyArray<Partial<StateWriter.Options>> = [
    ...(["batchSize", "capacity", "cache", "snapshotEvery"] as const).flatMap((name) =>
      [0, -1, 1.5, NaN, name === "snapshotEvery" ? -Infinity : Infinity, 2 ** 53].map((value) => ({ [name]: value }))
    ),
    ...(["interval", "close"] as const).flatMap((name) =>
      ([-1, NaN, "-1 seconds", [-1, 0]] as ReadonlyArray<Duration.DurationInput>).map((value) => ({ [name]: value }))
    )
  ]
  for (const options of invalid) {
    const [[name, value] = []] = Object.entries(options)
    it.effect(`a ${name} of ${Inspectable.toStringUnknown(value)} is a defect of the layer`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(StateWriter.layer(options))))
        assert(Exit.isFailure(exit))
        const defect = Option.getOrThrow(Cause.dieOption(exit.cause))
        assert(Cause.isIllegalArgumentException(defect))
        assert.include(defect.message, `the writer's ${name} is`)
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }
})

describe("config", () => {
  const read = (entries: Readonly<Record<string, string>>) =>
    Effect.withConfigProvider(
      StateWriter.config,
      ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "_" })
    )

  it.effect("has the defaults where nothing is said, and each of its variables", () =>
    Effect.gen(function* () {
      const { retry: _, ...defaults } = StateWriter.defaults
      const inMillis = ({ close, interval, ...options }: typeof defaults) => ({
        ...options,
        close: Duration.toMillis(close),
        interval: Duration.toMillis(interval)
      })
      const readInMillis = (entries: Readonly<Record<string, string>>) => Effect.map(read(entries), inMillis)
      const empty = inMillis(defaults)
      assert.deepStrictEqual(yield* readInMillis({}), empty)
      const variables = {
        HEDDLE_WRITER_BATCH_SIZE: ["7", { batchSize: 7 }],
        HEDDLE_WRITER_INTERVAL: ["1.5 seconds", { interval: 1500 }],
        HEDDLE_WRITER_CAPACITY: ["8", { capacity: 8 }],
        HEDDLE_WRITER_WHEN_FULL: ["fail", { whenFull: "fail" }],
        HEDDLE_WRITER_CLOSE: ["0 millis", { close: 0 }],
        HEDDLE_WRITER_CACHE: ["9", { cache: 9 }],
        HEDDLE_WRITER_SNAPSHOT_EVERY: ["7", { snapshotEvery: 7 }]
      } as const
      for (const [name, [text, option]] of Object.entries(variables)) {
        assert.deepStrictEqual(yield* readInMillis({ [name]: text }), { ...empty, ...option }, name)
      }
    })
  )

  const invalid = {
    BATCH_SIZE: ["0", "-1", "1.5", "many", "", "99999999999999999999"],
    CAPACITY: ["0", "1e"],
    CACHE: ["0", "x"],
    INTERVAL: ["-1 millis", "soon", "5", "", "-0.5 seconds"],
    CLOSE: ["-1 seconds", "later"],
    WHEN_FULL: ["maybe", "Wait", ""]
  } as const
  for (const [name, texts] of Object.entries(invalid)) {
    it.effect(`names HEDDLE_WRITER_${name} when it is not valid`, () =>
      Effect.forEach(texts, (text) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(read({ [`HEDDLE_WRITER_${name}`]: text }))
          assert(ConfigError.isConfigError(error) && ConfigError.isInvalidData(error), text)
          assert.strictEqual(error.path.join("_"), `HEDDLE_WRITER_${name}`)
        })
      )
    )
  }

  it.scoped("makes a writer, and its errors are those of the layer", () =>
    Effect.gen(function* () {
      const build = (entries: Readonly<Record<string, string>>) =>
        Effect.map(Layer.build(StateWriter.layerConfig(StateWriter.config)), Context.get(StateWriter.StateWriter)).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "_" }))
        )
      const writer = yield* build({ HEDDLE_WRITER_CAPACITY: "1", HEDDLE_WRITER_WHEN_FULL: "fail" })
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* quiet
      yield* writer.update({ key: "k", set: { x: 2 } })
      assert.strictEqual((yield* Effect.flip(writer.update({ key: "k", set: { x: 3 } }))).reason, "full")
      yield* gate.open
      assert.isTrue(ConfigError.isConfigError(yield* Effect.flip(build({ HEDDLE_WRITER_CACHE: "none" }))))
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("may also be one's own, in part", () =>
    Effect.gen(function* () {
      const options = { batchSize: Config.integer("MINE"), whenFull: Config.succeed("fail" as const) }
      const build = (mine: string) =>
        Effect.withConfigProvider(
          Layer.build(StateWriter.layerConfig(options)),
          ConfigProvider.fromMap(new Map([["MINE", mine]]))
        )
      const control = yield* ControlledStore.ControlledStore
      const writer = Context.get(yield* build("2"), StateWriter.StateWriter)
      for (let x = 0; x < 4; x++) yield* writer.update({ key: `${x}`, set: { x } })
      yield* quiet
      assert.deepStrictEqual(
        control.batches.map(({ states }) => states.length),
        [2, 2]
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(build("0"))))
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("the interval", () => {
  it.scoped("may be zero: then nothing waits", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: 0 })
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* quiet
      assert.deepStrictEqual(yield* storedState("k"), { x: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("may be infinite: then only a full batch, a durable update or a flush writes", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: Duration.infinity, batchSize: 3 })
      const counts = Effect.map(writer.stats, ({ depth, processed }) => [depth, processed])
      yield* writer.update({ key: "k", set: { x: 1 } })
      yield* TestClock.adjust("1000 days")
      assert.deepStrictEqual(yield* counts, [1, 0])
      yield* writer.flush
      assert.deepStrictEqual(yield* counts, [0, 1])
      yield* writer.update({ key: "k", set: { x: 2 } })
      yield* writer.updateDurable({ key: "l", set: { x: 2 } })
      assert.deepStrictEqual(yield* counts, [0, 3])
      for (let x = 0; x < 3; x++) yield* writer.update({ key: "k", set: { x } })
      yield* quiet
      assert.deepStrictEqual(yield* counts, [0, 6])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("may be longer than a timer can count", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "60 days" })
      yield* writer.update({ key: "k", set: { x: 1 } })
      for (let day = 0; day < 60; day++) {
        assert.isUndefined(yield* storedState("k"))
        const now = yield* TestClock.currentTimeMillis
        for (const at of yield* timers) assert.isBelow(at - now, 2 ** 31)
        yield* TestClock.adjust("1 day")
      }
      assert.deepStrictEqual(yield* storedState("k"), { x: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("the pace of a run", () => {
  it.scoped("writes it sooner than the others, which go with it", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "100 millis" })
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* writer.update(b.module("m", "running"))
      yield* writer.update(a.module("m", "running", { pace: { interval: 10 } }))
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual([yield* batchesOf("a"), yield* batchesOf("b")], [[], []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([yield* batchesOf("a"), yield* batchesOf("b")], [[1], [1]])
      yield* writer.update(b.module("n", "running"))
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(yield* batchesOf("b"), [1])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* batchesOf("b"), [1, 1])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("counts from its own time, whatever comes right behind it", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "100 millis" })
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      yield* writer.update(b.module("m", "running"))
      yield* quiet
      // in one turn: the writer looks once
      const { offer } = observer(writer)
      offer(a.module("m", "running", { pace: { interval: 10 } }))
      offer(b.module("n", "running"))
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual([yield* batchesOf("a"), yield* batchesOf("b")], [[1], [2]])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("lets it wait longer, unless others are written", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "100 millis" })
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      const slow = { pace: { interval: 1000 } }
      yield* writer.update(a.module("m", "running", slow))
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* batchesOf("a"), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* batchesOf("a"), [1])
      yield* writer.update(a.module("n", "running", slow))
      yield* TestClock.adjust("500 millis")
      yield* writer.update(b.module("m", "running"))
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual([yield* batchesOf("a"), yield* batchesOf("b")], [[1, 1], [1]])
      // what is behind counts from its own time
      yield* writer.update(a.module("o", "running", { pace: { interval: Infinity } }))
      yield* TestClock.adjust("30 days")
      yield* writer.update(b.module("n", "running"))
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(
        [yield* batchesOf("a"), yield* batchesOf("b")],
        [
          [1, 1, 1],
          [1, 1]
        ]
      )
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("writes it when so many of its updates are queued, however many others there are", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "1 hour" })
      const [a, b] = [yield* openRun("a"), yield* openRun("b")]
      const pace = { pace: { batchSize: 3 } }
      for (const name of ["m", "n"]) yield* writer.update(a.module(name, "running", pace))
      for (let i = 0; i < 10; i++) yield* writer.update(b.module(`m${i}`, "running"))
      yield* quiet
      assert.deepStrictEqual([yield* batchesOf("a"), yield* batchesOf("b")], [[], []])
      yield* writer.update(a.module("o", "running", pace))
      yield* writer.update(b.module("last", "running"))
      yield* quiet
      assert.deepStrictEqual(yield* batchesOf("a"), [3])
      for (const name of ["m", "n"]) yield* writer.update(a.module(name, "completed", pace))
      yield* quiet
      assert.deepStrictEqual(yield* batchesOf("a"), [3])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("that is not a number is no time to wait, and nothing turns in circles", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.update(a.module("m", "running", { pace: { interval: NaN, batchSize: NaN } }))
      yield* quiet
      assert.deepStrictEqual(yield* batchesOf("a"), [1])
      assert.deepStrictEqual(yield* timers, [])
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("whenFull: fail", () => {
  it.scoped("refuses what has no room, queues nothing of it, and takes more once there is room", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf({ capacity: 2, whenFull: "fail" })
      const a = yield* openRun("a")
      const { offer } = observer(writer)
      const fates = [offer(a.module("m", "running", { durable: true }))]
      yield* quiet
      fates.push(offer(a.module("n", "running")))
      yield* writer.update({ key: "k", set: { x: 1 } })
      const before = yield* writer.stats
      assert.deepStrictEqual([before.inFlight, before.depth], [1, 2])

      const full = new RunError.WriterFull({ runId: a.runId, capacity: 2 })
      const late = offer(a.module("o", "running"))
      assert.strictEqual(late.accepted, 0)
      assert.strictEqual(resultOf(late), "WriterFull")
      assert.deepStrictEqual(yield* Effect.flip(writer.update(a.module("p", "running"))), full)
      assert.deepStrictEqual(yield* Effect.flip(writer.updateDurable(a.module("q", "running"))), full)
      for (const write of [writer.update, writer.updateDurable]) {
        const error = yield* Effect.flip(write({ key: "k", set: { x: 2 } }))
        assert.deepStrictEqual([error.key, error.reason], ["k", "full"])
      }
      assert.deepStrictEqual(yield* writer.stats, before)
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ x: 1 }))

      yield* gate.open
      yield* writer.flush
      yield* writer.updateDurable(a.module("r", "running"))
      yield* writer.updateDurable({ key: "k", set: { x: 3 } })
      assert.deepStrictEqual(fates.map(resultOf), ["written", "written"])
      assert.deepStrictEqual(control.written.flatMap(seqs), [1, 2, 6])
      assert.deepStrictEqual(yield* storedState("k"), { x: 3 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})

describe("a writer with nothing to write", () => {
  const later = TestClock.adjust("1 minute")

  it.scoped("has no timer, at first or after it has written", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ interval: "10 seconds" })
      assert.deepStrictEqual(yield* timers, [])
      yield* writer.update({ key: "k", set: { x: 1 } })
      assert.lengthOf(yield* timers, 1)
      yield* writer.flush
      yield* later
      assert.deepStrictEqual(yield* timers, [])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("has no timer after it has refused all that was queued", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ interval: "10 days", batchSize: 1 })
      control.commit = (_, commit, batch) =>
        hasState(batch, "k") ? Effect.fail(ControlledStore.broken("full")) : commit
      for (let x = 0; x < 3; x++) yield* writer.update({ key: "k", set: { x } })
      yield* later
      assert.deepStrictEqual(yield* timers, [])
      yield* writer.update({ key: "l", set: { x: 1 } })
      yield* quiet
      assert.deepStrictEqual(yield* storedState("l"), { x: 1 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )
})
