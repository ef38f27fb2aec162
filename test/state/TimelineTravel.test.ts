import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "node:assert"
import {
  Cause,
  Chunk,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  HashMap,
  Layer,
  Logger,
  Option,
  Ref,
  Stream,
  TestClock
} from "effect"
import { RunError, RunId, RunLease, RunSnapshot, RunStore, StateWriter, Timeline } from "heddle"
import type { Transition } from "heddle"
import * as JsonDiff from "heddle/model/JsonDiff"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as KeptText from "../../src/store/internal/KeptText.js"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"

type Store = typeof RunStore.RunStore.Service

const runId = RunId.make("a")

/** How much was read of a store, and what became of snapshots; `keep` may be changed. */
const observed = (below: Store) => {
  const seen = { rows: 0, calls: 0, kept: [] as Array<number> }
  const control: { keep: Store["keepSnapshot"] } = { keep: below.keepSnapshot }
  const store: Store = {
    ...below,
    history: (id, page) =>
      Effect.tap(below.history(id, page), (rows) => {
        seen.calls++
        seen.rows += rows.length
      }),
    snapshot: (id, bound) =>
      Effect.tap(below.snapshot(id, bound), (kept) => {
        seen.calls++
        seen.rows += Option.isSome(kept) ? kept.value.stored.modules.length : 0
      }),
    keepSnapshot: (run) =>
      Effect.tap(
        Effect.suspend(() => control.keep(run)),
        (rows) => seen.kept.push(rows)
      )
  }
  return { store, seen, control }
}

/** A run that a driver writes through a writer; everything is read through an observed store. */
const driven = (options: Partial<StateWriter.Options> = {}, layer = RunStoreMemory.layer()) =>
  Effect.gen(function* () {
    const below = yield* Effect.map(Layer.build(layer), (context) => Layer.succeedContext(context))
    const made = observed(yield* Effect.provide(RunStore.RunStore, below))
    const services = Layer.mergeAll(StateWriter.layer(options), RunLease.layer(), Timeline.layer).pipe(
      Layer.provide(Layer.succeed(RunStore.RunStore, made.store))
    )
    const context = yield* Layer.build(services)
    const [writer, lease, timeline] = yield* Effect.provide(
      Effect.all([StateWriter.StateWriter, RunLease.RunLease, Timeline.Timeline]),
      context
    )
    const opened = yield* lease.open(ControlledStore.newRun("a"))
    assert(opened._tag === "Created")
    const { claim } = opened.held
    let seq = 0
    /** Writes so many transitions, of `modules` modules in turn, each a second after the one before it. */
    const write = (count: number, modules = 5) =>
      Effect.gen(function* () {
        for (let i = 0; i < count; i++) {
          seq++
          yield* writer.update({
            claim,
            transition: {
              _tag: "ModuleTransition",
              seq,
              at: seq * 1000,
              module: `m${seq % modules}`,
              status: "running",
              attempt: Math.ceil(seq / modules)
            },
            output: null,
            durability: "buffered"
          })
          if (i % 500 === 499) yield* flush
        }
        yield* flush
      })
    const flush = Effect.zipRight(writer.flush, Effect.repeatN(Effect.yieldNow(), 50))
    /** What was read to give the state after a transition. */
    const costOf = (seq: number) =>
      Effect.gen(function* () {
        const { calls, rows } = made.seen
        const state = Option.getOrThrow(yield* timeline.stateAt(runId, { seq }))
        assert.strictEqual(state.seq, seq)
        return { calls: made.seen.calls - calls, rows: made.seen.rows - rows }
      })
    return { ...made, writer, lease, timeline, claim, write, flush, costOf }
  })

const plain = ({ modules, shared, ...snapshot }: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(modules),
  shared: Object.fromEntries(shared)
})

describe("what it costs to tell an earlier state", () => {
  for (const [name, layer] of [
    ["memory", () => RunStoreMemory.layer()],
    ["SQLite", () => Layer.orDie(RunStoreSqlite.layer({ filename: ":memory:" }))]
  ] as const) {
    it.scoped(`grows with the distance to the nearest snapshot, not with the history, over ${name}`, () =>
      Effect.gen(function* () {
        const costs: Array<ReadonlyArray<{ readonly rows: number; readonly calls: number }>> = []
        for (const length of [400, 4000]) {
          const { costOf, seen, write } = yield* driven({ snapshotEvery: 100, batchSize: 10 }, layer())
          yield* write(length)
          assert.isAtLeast(seen.kept.length, length / 200)
          costs.push(yield* Effect.forEach([length, length - 1, length - 60, length / 2 + 7], costOf))
        }
        for (const of of costs) {
          for (const { calls, rows } of of) {
            // the modules of a snapshot, and the transitions since: what is committed while one is kept comes on top
            assert.isAtMost(rows, 5 + 200)
            assert.isAtMost(calls, 3)
          }
        }
      })
    )
  }

  it.scoped("is all of the history without snapshots", () =>
    Effect.gen(function* () {
      const { costOf, seen, write } = yield* driven({ snapshotEvery: Infinity })
      yield* write(3000)
      assert.deepStrictEqual(seen.kept, [])
      assert.deepStrictEqual(yield* costOf(2500), { rows: 2500, calls: 4 })
      assert.deepStrictEqual(yield* costOf(0), { rows: 0, calls: 1 })
    })
  )
})

describe("the writer", () => {
  it.scoped("has a run kept once it has had as many transitions as it says, and not before", () =>
    Effect.gen(function* () {
      const { seen, write } = yield* driven({ snapshotEvery: 100 })
      yield* write(99)
      assert.deepStrictEqual(seen.kept, [])
      yield* write(1)
      assert.deepStrictEqual(seen.kept, [5])
      yield* write(99)
      assert.lengthOf(seen.kept, 1)
      yield* write(1)
      assert.lengthOf(seen.kept, 2)
    })
  )

  it.scoped("does so after 1,000 transitions unless it is told otherwise", () =>
    Effect.gen(function* () {
      const { seen, write } = yield* driven()
      yield* write(999)
      assert.deepStrictEqual(seen.kept, [])
      yield* write(1)
      assert.deepStrictEqual(seen.kept, [5])
    })
  )

  it.scoped("keeps a wide run after more transitions than it has rows", () =>
    Effect.gen(function* () {
      const { seen, write } = yield* driven({ snapshotEvery: 10, batchSize: 10 })
      yield* write(2000, 300)
      // a part of a row for each transition, whatever the width
      assert.isAtMost(
        seen.kept.reduce((sum, rows) => sum + rows, 0),
        2000
      )
      assert.isAtLeast(seen.kept.length, 3)
    })
  )

  it.scoped("only logs what could not be kept, and tries again later", () =>
    Effect.gen(function* () {
      const logged = yield* Ref.make<ReadonlyArray<string>>([])
      const logger = Logger.make(({ logLevel, message }) => {
        Effect.runSync(Ref.update(logged, (all) => [...all, `${logLevel.label} ${String(message)}`]))
      })
      yield* Effect.gen(function* () {
        const { control, seen, store, timeline, write } = yield* driven({ snapshotEvery: 100 })
        const { keep } = control
        control.keep = () => Effect.fail(ControlledStore.broken("busy"))
        yield* write(150)
        assert.deepStrictEqual(seen.kept, [])
        assert.match((yield* Ref.get(logged)).join(), /WARN run "a" could not be kept as it is/)
        control.keep = () => Effect.die("a broken store")
        yield* write(100)
        assert.deepStrictEqual(seen.kept, [])
        control.keep = keep
        yield* write(49)
        assert.deepStrictEqual(seen.kept, [])
        yield* write(100)
        assert.lengthOf(seen.kept, 1)
        assert.isTrue(Option.isSome(yield* store.snapshot(runId, {})))
        assert.lengthOf(yield* timeline.history(runId), 399)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    })
  )

  it.effect("acknowledges, flushes and closes while a store that hangs keeps a run", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { control, seen, write } = yield* driven({ snapshotEvery: 10 })
          control.keep = () => Effect.uninterruptible(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never))
          yield* write(10)
          yield* Deferred.await(begun)
          yield* write(1000)
          assert.deepStrictEqual(seen.kept, [])
        })
      )
    })
  )

  it.scoped("acknowledges a batch before the run is kept", () =>
    Effect.gen(function* () {
      const { claim, control, seen, writer } = yield* driven({ snapshotEvery: 1 })
      const events: Array<string> = []
      const { keep } = control
      control.keep = (run) =>
        Effect.zipRight(
          Effect.sync(() => events.push("kept")),
          keep(run)
        )
      for (const seq of [1, 2, 3]) {
        writer.unsafeUpdate(
          {
            claim,
            transition: { _tag: "ModuleTransition", seq, at: 0, module: "m", status: "running", attempt: seq },
            output: null,
            durability: "committed"
          },
          { settled: (exit) => void events.push(Exit.isSuccess(exit) ? "acknowledged" : "refused") }
        )
      }
      yield* writer.flush
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      assert.deepStrictEqual(events, ["acknowledged", "acknowledged", "acknowledged", "kept"])
      assert.deepStrictEqual(seen.kept, [1])
    })
  )

  it.scoped("keeps nothing of a run that another driver has", () =>
    Effect.gen(function* () {
      const { control, seen, store, write, writer } = yield* driven({ snapshotEvery: 10 })
      yield* write(9)
      const gate = yield* Deferred.make<void>()
      const { keep } = control
      control.keep = (run) => Effect.zipRight(Deferred.await(gate), keep(run))
      yield* write(1)
      yield* store.claim({ runId, owner: "two", now: 0, expiredBefore: Infinity, reopen: false })
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      assert.deepStrictEqual(seen.kept, [0])
      yield* Effect.exit(write(30))
      yield* writer.flush
      assert.deepStrictEqual(seen.kept, [0])
      assert.isTrue(Option.isNone(yield* store.snapshot(runId, {})))
    })
  )
})

/** A run with these transitions, that began at the time 5. */
const written = (transitions: ReadonlyArray<Transition.Transition>) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    yield* store.open({ ...ControlledStore.newRun("a"), owner: "me", createdAt: 5 })
    const changes = { runId, epoch: 1, modules: [], items: [], shared: [], status: undefined, wakeAt: null }
    yield* store.commit({ runs: [{ ...changes, transitions }], states: [], synced: false })
    return { store, timeline: yield* Timeline.Timeline }
  })

const moduleAt = (seq: number, at: number): Transition.Transition => ({
  _tag: "ModuleTransition",
  seq,
  at,
  module: `m${seq}`,
  status: "completed",
  attempt: 1
})

const layer = Layer.provideMerge(
  Timeline.layer,
  Layer.suspend(() => RunStoreMemory.layer())
)

describe("stateAt", () => {
  const seqAt = (point: Timeline.Point) =>
    Effect.flatMap(Timeline.Timeline, (timeline) =>
      Effect.map(timeline.stateAt(runId, point), Option.match({ onNone: () => "none", onSome: ({ seq }) => seq }))
    )

  it.effect("gives the state at a time, with the transitions of that time", () =>
    Effect.gen(function* () {
      yield* written([moduleAt(1, 10), moduleAt(2, 10), moduleAt(3, 20.5)])
      for (const [at, seq] of [
        [5, 0],
        [9.9, 0],
        [10, 2],
        [20.4, 2],
        [20.5, 3],
        [Infinity, 3]
      ] as const) {
        assert.deepStrictEqual(yield* seqAt({ at }), seq, `at ${at}`)
      }
      for (const at of [4.9, -1, -Infinity, NaN]) assert.strictEqual(yield* seqAt({ at }), "none", `at ${at}`)
    }).pipe(Effect.provide(layer))
  )

  it.effect("goes at a time to the first transition that is later, from the last snapshot that is not", () =>
    Effect.gen(function* () {
      const { store } = yield* written([moduleAt(1, 10), moduleAt(2, 30), moduleAt(3, 20)])
      assert.deepStrictEqual(yield* seqAt({ at: 25 }), 1)
      yield* store.keepSnapshot({ runId, epoch: 1 })
      assert.deepStrictEqual(yield* seqAt({ at: 25 }), 3)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is refused at a number that the run does not have, and gives nothing of an unknown run", () =>
    Effect.gen(function* () {
      yield* written([moduleAt(1, 10), moduleAt(2, 20)])
      assert.deepStrictEqual(yield* seqAt({ seq: 2 }), 2)
      assert.deepStrictEqual(yield* seqAt({ seq: 0 }), 0)
      for (const seq of [3, -1, 1.5, NaN, Infinity, 2 ** 53]) {
        const error = yield* Effect.flip(seqAt({ seq }))
        assert(error instanceof Timeline.UnknownSequence)
        assert.deepStrictEqual([error.of, error.id, error.last], ["run", "a", 2])
      }
      const timeline = yield* Timeline.Timeline
      assert.isTrue(Option.isNone(yield* timeline.stateAt(RunId.make("other"), { seq: 9 })))
      assert.isTrue(Option.isNone(yield* timeline.stateAt(RunId.make("other"), { at: 9 })))
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails as the store does, and where what was kept cannot be read", () =>
    Effect.gen(function* () {
      const { store } = yield* written([moduleAt(1, 10)])
      yield* store.keepSnapshot({ runId, epoch: 1 })
      const kept = Option.getOrThrow(yield* store.snapshot(runId, {}))
      const failing = (change: Partial<Store>) =>
        Effect.flip(
          Effect.provide(
            seqAt({ seq: 1 }),
            Timeline.layer.pipe(Layer.provide(Layer.succeed(RunStore.RunStore, { ...store, ...change })))
          )
        )
      const down = ControlledStore.broken("unavailable")
      assert.strictEqual(yield* failing({ snapshot: () => Effect.fail(down) }), down)
      assert.strictEqual(yield* failing({ run: () => Effect.fail(down) }), down)
      const modules = kept.stored.modules.concat({
        module: "m",
        status: "failed",
        attempt: 1,
        scheduledAt: null,
        startedAt: null,
        finishedAt: null,
        failure: "{",
        because: null,
        until: null,
        items: null
      })
      const stored = { ...kept.stored, modules }
      const error = yield* failing({ snapshot: () => Effect.succeedSome({ ...kept, stored }) })
      assert(error._tag === "StoreError")
      assert.strictEqual(error.reason, "corrupt")
    }).pipe(Effect.provide(layer))
  )

  it.effect("refuses a kept text that is not one", () =>
    Effect.gen(function* () {
      const { store } = yield* written([moduleAt(1, 10)])
      const stored = Option.getOrThrow(yield* store.get(runId))
      assert.deepStrictEqual(yield* KeptText.decode(KeptText.encode(stored), stored.run), stored)
      for (const text of ["", "{", "null", "{}", KeptText.encode(stored).replace("running", "dancing")]) {
        assert.strictEqual((yield* Effect.flip(KeptText.decode(text, stored.run)))._tag, "ParseError", text)
      }
    }).pipe(Effect.provide(layer))
  )
})

describe("transitions", () => {
  it.effect("are those above a number, read as they are consumed", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 2500 }, (_, i) => moduleAt(i + 1, i))
      const { store } = yield* written(all)
      const { seen, store: counted } = observed(store)
      const timeline = yield* Effect.provide(
        Timeline.Timeline,
        Timeline.layer.pipe(Layer.provide(Layer.succeed(RunStore.RunStore, counted)))
      )
      const collect = (options?: { readonly after: number }) =>
        Effect.map(Stream.runCollect(timeline.transitions(runId, options)), Chunk.toReadonlyArray)
      assert.deepStrictEqual(yield* collect(), all)
      assert.deepStrictEqual(yield* collect({ after: 1000 }), all.slice(1000))
      assert.deepStrictEqual(yield* collect({ after: 2500 }), [])
      assert.deepStrictEqual(yield* Stream.runCollect(timeline.transitions(RunId.make("b"))), Chunk.empty())
      const { rows } = seen
      yield* Stream.runDrain(Stream.take(timeline.transitions(runId), 3))
      assert.strictEqual(seen.rows - rows, 1000)
    }).pipe(Effect.provide(layer))
  )
})

describe("replay", () => {
  const history = [moduleAt(1, 1005), moduleAt(2, 1005), moduleAt(3, 2005), moduleAt(4, 602_005), moduleAt(5, 600_000)]

  /** The numbers of the steps, and how many milliseconds after the beginning each came. */
  const played = (options: Timeline.ReplayOptions, times: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const { timeline } = yield* written(history)
      const seen: Array<readonly [seq: number, at: number]> = []
      let now = 0
      const fiber = yield* Effect.fork(
        Stream.runForEach(timeline.replay(runId, options), ({ snapshot, transition }) =>
          Effect.sync(() => {
            if (Option.isSome(transition)) assert.strictEqual(transition.value.seq, snapshot.seq)
            seen.push([snapshot.seq, now])
          })
        )
      )
      yield* TestClock.adjust(0)
      for (const time of times) {
        yield* TestClock.adjust(time - now - 1)
        now = time
        yield* TestClock.adjust(1)
      }
      yield* Fiber.join(fiber)
      return seen
    })

  it.effect("takes the time that it took", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* played({}, [1000, 601_000]), [
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 1000],
        [4, 601_000],
        // its clock was behind
        [5, 601_000]
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("goes faster or slower by its rate, and counts gaps as `maxGap` at most", () =>
    Effect.gen(function* () {
      const seen = yield* played({ rate: 2, from: 2, to: 4, maxGap: "1 minute" }, [30_000])
      assert.deepStrictEqual(seen, [
        [2, 0],
        [3, 0],
        [4, 30_000]
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("goes slower with a rate below 1", () =>
    Effect.gen(function* () {
      const seen = yield* played({ rate: 0.5, to: 3 }, [2000])
      assert.deepStrictEqual(seen.at(-1), [3, 2000])
    }).pipe(Effect.provide(layer))
  )

  it.effect("does not wait with an infinite rate, or with gaps of no time", () =>
    Effect.gen(function* () {
      const { timeline } = yield* written(history)
      for (const options of [{ rate: Infinity }, { maxGap: 0 }, { rate: Infinity, maxGap: Duration.infinity }]) {
        const steps = yield* Stream.runCollect(timeline.replay(runId, options))
        const states = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (seq) => timeline.stateAt(runId, { seq }))
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(steps).map(({ snapshot }) => plain(snapshot)),
          states.map((state) => plain(Option.getOrThrow(state)))
        )
      }
      const one = yield* Stream.runCollect(timeline.replay(runId, { from: 3, to: 3 }))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(one).map(({ snapshot, transition }) => [snapshot.seq, Option.isNone(transition)]),
        [[3, true]]
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("is refused of an unknown run, at numbers that there are not, and with a rate that is none", () =>
    Effect.gen(function* () {
      const { timeline } = yield* written(history)
      const end = (id: RunId, options: Timeline.ReplayOptions) =>
        Effect.exit(Stream.runDrain(timeline.replay(id, { rate: Infinity, ...options })))
      const errorOf = (exit: Exit.Exit<unknown, unknown>) =>
        Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
      assert.instanceOf(errorOf(yield* end(RunId.make("b"), {})), RunError.UnknownRun)
      for (const options of [{ from: 6 }, { to: 6 }, { from: -1 }, { to: 0.5 }]) {
        assert.instanceOf(errorOf(yield* end(runId, options)), Timeline.UnknownSequence)
      }
      for (const options of [{ rate: 0 }, { rate: -1 }, { rate: NaN }, { maxGap: -1 }, { maxGap: NaN }]) {
        const exit = yield* end(runId, options)
        assert(Exit.isFailure(exit))
        assert.isTrue(Option.exists(Cause.dieOption(exit.cause), Cause.isIllegalArgumentException))
      }
    }).pipe(Effect.provide(layer))
  )
})

describe("diff", () => {
  const base = RunSnapshot.make({ runId, dag: "d", fingerprint: "f", total: 3, startedAt: 0 })
  const fold = (transitions: ReadonlyArray<Transition.Transition>) => transitions.reduce(RunSnapshot.evolve, base)

  it("names what differs: the run, its modules by path, its shared cells", () => {
    const first: ReadonlyArray<Transition.Transition> = [
      moduleAt(1, 1),
      { _tag: "ModuleTransition", seq: 2, at: 2, module: "b/0/c", status: "running", attempt: 1 },
      { _tag: "SharedTransition", seq: 3, at: 3, shared: { x: [1], y: { a: 1 } } }
    ]
    const before = fold(first)
    const after = fold([
      ...first,
      { _tag: "ModuleTransition", seq: 4, at: 4, module: "b/0/c", status: "running", attempt: 2 },
      { _tag: "ModuleTransition", seq: 5, at: 5, module: "a", status: "scheduled", attempt: 1 },
      { _tag: "SharedTransition", seq: 6, at: 6, shared: { x: [1], y: { a: 2 }, z: null } },
      { _tag: "RunTransition", seq: 7, at: 7, status: "failed", epoch: 1 }
    ])
    deepStrictEqual(Timeline.diff(before, after), {
      status: Option.some({ before: "running" as const, after: "failed" as const }),
      modules: [
        {
          module: "a",
          before: { status: "pending", attempt: 0 },
          after: { status: "scheduled", attempt: 1, scheduledAt: 5 }
        },
        {
          module: "b/0/c",
          before: { status: "running", attempt: 1, startedAt: 2 },
          after: { status: "running", attempt: 2, startedAt: 4 }
        }
      ],
      shared: [
        { cell: "y", before: Option.some({ a: 1 }), after: Option.some({ a: 2 }) },
        { cell: "z", before: Option.none(), after: Option.some(null) }
      ]
    })
  })

  it("makes no difference between runs that went alike at other times", () => {
    const other = { ...base, runId: RunId.make("b"), startedAt: 9 }
    const nothing = { status: Option.none(), modules: [], shared: [] }
    deepStrictEqual(Timeline.diff(fold([moduleAt(1, 1)]), RunSnapshot.evolve(other, moduleAt(1, 7))), nothing)
  })

  const anyStates = fc.dictionary(fc.constantFrom("a", "b", "c/0/d"), fc.constantFrom("running", "completed"))

  it.prop(
    "of two states has each module that differs once, and turned round its two sides are too",
    [anyStates, anyStates],
    ([left, right]) => {
      const stateOf = (statuses: Readonly<Record<string, string>>) => ({
        ...base,
        modules: HashMap.fromIterable(
          Object.entries(statuses).map(
            ([module, status]) => [module, { status: status as "running" | "completed", attempt: 1 }] as const
          )
        )
      })
      const [before, after] = [stateOf(left), stateOf(right)]
      const { modules } = Timeline.diff(before, after)
      const differing = ["a", "b", "c/0/d"].filter((module) => left[module] !== right[module])
      assert.deepStrictEqual(
        modules.map(({ module }) => module),
        differing
      )
      assert.deepStrictEqual(
        Timeline.diff(after, before).modules,
        modules.map(({ after, before, module }) => ({ module, before: after, after: before }))
      )
    },
    { fastCheck: { numRuns } }
  )
})

describe("JsonDiff", () => {
  it("names the deepest places, absent fields and items", () => {
    const paths = (a: unknown, b: unknown) => JsonDiff.make(a, b).map(({ path }) => path.join("."))
    assert.deepStrictEqual(paths({ a: 1, b: { c: [1, 2], d: null } }, { a: 1, b: { c: [1, 3, 4] } }), [
      "b.c.1",
      "b.c.2",
      "b.d"
    ])
    assert.deepStrictEqual(paths([], {}), [""])
    assert.deepStrictEqual(paths({ a: undefined }, {}), [])
    assert.deepStrictEqual(paths(null, {}), [""])
    assert.deepStrictEqual(paths(NaN, NaN), [])
  })

  it.prop(
    "finds nothing between equal values, and something between others",
    [fc.jsonValue(), fc.jsonValue()],
    ([a, b]) => {
      const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
      assert.deepStrictEqual(JsonDiff.make(JSON.parse(left), JSON.parse(left)), [])
      const differences = JsonDiff.make(JSON.parse(left), JSON.parse(right))
      const isSame = (() => {
        try {
          assert.deepStrictEqual(JSON.parse(left), JSON.parse(right))
          return true
        } catch {
          return false
        }
      })()
      assert.strictEqual(differences.length === 0, isSame)
      for (const { after, before } of differences) {
        const texts = [before, after].map((side) => JSON.stringify(Option.getOrUndefined(side)))
        assert.notStrictEqual(texts[0], texts[1])
      }
    },
    { fastCheck: { numRuns } }
  )
})
