/**
 * Runs that are kept as they were.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type Kept, RunStore, type Stored } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch, some } from "./Expect.js"
import {
  become,
  changesOf,
  commit,
  failure,
  item,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition,
  signal,
  sorted,
  step,
  stored,
  suspend
} from "./Rows.js"
import { whole } from "./Storage.js"

const open = (name: string) => Effect.flatMap(RunStore, (store) => store.open(newRun(name)))

const keep = (name: string, epoch = 1) =>
  Effect.flatMap(RunStore, (store) => store.keepSnapshot({ runId: runId(name), epoch }))

const snapshot = (name: string, bound: { readonly seq?: number; readonly at?: number } = {}) =>
  Effect.flatMap(RunStore, (store) => store.snapshot(runId(name), bound))

/** Its lists come in no particular order. */
export const inOrder = ({ items, modules, run, shared }: Stored): Stored => ({
  run,
  modules: sorted(modules, ({ module }) => module),
  items: sorted(items, ({ module, status }) => `${status} ${module}`),
  shared: sorted(shared, ({ cell }) => cell)
})

/** What is kept within the bound is what was stored then. */
const isKept = (
  name: string,
  bound: { readonly seq?: number; readonly at?: number },
  expected: { readonly seq: number; readonly at: number; readonly stored: Stored }
): Effect.Effect<void, Mismatch | StoreError, RunStore> =>
  Effect.gen(function* () {
    const kept: Kept = yield* some(yield* snapshot(name, bound), JSON.stringify(bound))
    yield* equal([kept.seq, kept.at], [expected.seq, expected.at], JSON.stringify(bound))
    yield* equal(inOrder(kept.stored), inOrder(expected.stored), JSON.stringify(bound))
  })

/** A run with three transitions, each of which is kept. */
const three = (name: string, times: readonly [number, number, number]) =>
  Effect.gen(function* () {
    yield* open(name)
    const kept: Array<{ readonly seq: number; readonly at: number; readonly stored: Stored }> = []
    for (const [index, at] of times.entries()) {
      const seq = index + 1
      const changes = step(name, seq, `m${seq}`, "running")
      yield* commit({ ...changes, transitions: [{ ...moduleTransition(seq, `m${seq}`, "running"), at }] })
      yield* equal(yield* keep(name), seq)
      kept.push({ seq, at, stored: yield* stored(name) })
    }
    // three were kept
    return kept as [(typeof kept)[number], (typeof kept)[number], (typeof kept)[number]]
  })

export const checks = Check.group("snapshot", {
  "has all that is stored of a run, as it was then": Effect.gen(function* () {
    yield* open("a")
    yield* commit(
      changesOf("a", {
        modules: [
          moduleChange("o'p", { status: "failed", attempt: 3, failure: JSON.stringify(failure), because: "stop" }),
          moduleChange("ask", { status: "suspended", startedAt: 0.5, until: Infinity }),
          moduleChange("orders", { scheduledAt: 1, startedAt: 2.5, finishedAt: null, items: 3 }),
          moduleChange("m", { status: "completed", finishedAt: 3, output: '"large"' })
        ],
        items: [item("orders", 0, "completed"), item("orders", 1, "failed"), item("orders", 2, "completed")],
        shared: [{ cell: "stats/😀", value: '{"a":[null,"ü"]}' }],
        transitions: [moduleTransition(1, "m", "running"), { ...moduleTransition(2, "m", "completed"), at: 7.5 }]
      })
    )
    const before = yield* stored("a")
    yield* isTrue((yield* keep("a")) >= 4 + 3 + 1, "it counts modules, items and cells")
    yield* commit(
      changesOf("a", {
        modules: [moduleChange("n"), moduleChange("orders", { status: "completed" })],
        items: [item("orders", 1, "completed")],
        shared: [{ cell: "stats/😀", value: "0" }],
        transitions: [moduleTransition(3, "n", "running")]
      })
    )
    yield* isKept("a", {}, { seq: 2, at: 7.5, stored: before })
  }),

  "is the latest one within its bounds, which are included": Effect.gen(function* () {
    const [first, second, third] = yield* three("a", [10, 20.5, 30])
    yield* isKept("a", {}, third)
    for (const [seq, expected] of [
      [3, third],
      [1000, third],
      [2.5, second],
      [2, second],
      [1, first]
    ] as const) {
      yield* isKept("a", { seq }, expected)
    }
    for (const [at, expected] of [
      [Infinity, third],
      [30, third],
      [29.9, second],
      [20.5, second],
      [20.4, first],
      [10, first]
    ] as const) {
      yield* isKept("a", { at }, expected)
    }
    yield* isKept("a", { seq: 2, at: 50 }, second)
    yield* isKept("a", { seq: 9, at: 15 }, first)
    for (const bound of [{ seq: 0 }, { seq: -1 }, { at: 9.9 }, { at: -Infinity }, { seq: 3, at: 9 }]) {
      yield* equal(yield* snapshot("a", bound), Option.none(), JSON.stringify(bound))
    }
  }),

  "is by number the latest one, also where the clock went back": Effect.gen(function* () {
    const [first, second, third] = yield* three("a", [30, 10, 20])
    yield* isKept("a", {}, third)
    yield* isKept("a", { at: 30 }, third)
    yield* isKept("a", { at: 19 }, second)
    yield* isKept("a", { seq: 1 }, first)
    yield* equal(yield* snapshot("a", { seq: 1, at: 20 }), Option.none())
  }),

  "is kept once for each transition": Effect.gen(function* () {
    const [, , third] = yield* three("a", [10, 20, 30])
    yield* equal(yield* keep("a"), 0)
    // what changes without a transition
    yield* (yield* RunStore).heartbeat([{ runId: runId("a"), epoch: 1 }], 5000)
    yield* equal(yield* keep("a"), 0)
    yield* isKept("a", {}, third)
  }),

  "is not kept of a run that is unknown or has done nothing, nor for a driver that has lost it": Effect.gen(
    function* () {
      yield* equal(yield* keep("a"), 0)
      yield* open("a")
      yield* equal(yield* keep("a"), 0)
      yield* commit(step("a", 1, "m", "failed"), become("a", 2, "failed"))
      yield* equal(yield* keep("a", 2), 0)
      yield* equal(yield* snapshot("a"), Option.none())
      yield* (yield* RunStore).claim({ runId: runId("a"), owner: "two", now: 9, expiredBefore: 0, reopen: true })
      // it is no longer as it was after the transition 2
      yield* equal(yield* keep("a", 1), 0)
      yield* equal(yield* snapshot("a"), Option.none())
      yield* commit({ ...step("a", 3, "m", "running", { attempt: 2 }), epoch: 2 })
      yield* equal(yield* keep("a", 1), 0)
      yield* equal(yield* keep("a", 2), 1)
      yield* isKept("a", {}, { seq: 3, at: 1003, stored: yield* stored("a") })
    }
  ),

  "of a run that has ended has its end": Effect.gen(function* () {
    yield* open("a")
    yield* commit(whole("a", 10))
    yield* isTrue((yield* keep("a")) > 0, "it is kept")
    const ended = yield* stored("a")
    yield* equal(ended.run.finishedAt, 10)
    yield* isKept("a", {}, { seq: 2, at: 10, stored: ended })
  }),

  "of a suspended run says when it was to be due, whatever signals have come": Effect.gen(function* () {
    for (const [name, until] of [
      ["a", 70.5],
      ["b", null]
    ] as const) {
      yield* open(name)
      const changes = suspend(name, 1, until)
      const transition = { ...runTransition(1, "suspended"), ...(until === null ? undefined : { until }) }
      yield* commit({ ...changes, transitions: [transition] })
      const before = yield* stored(name)
      yield* (yield* RunStore).signal(signal(name, "ask"))
      yield* equal((yield* stored(name)).run.wakeAt, 0)
      yield* equal(yield* keep(name), 1)
      yield* equal(before.run.wakeAt, until)
      yield* isKept(name, {}, { seq: 1, at: 1001, stored: before })
    }
  }),

  "is of its own run": Effect.gen(function* () {
    const [first] = yield* three("a", [10, 20, 30])
    const [, , other] = yield* three("b", [11, 21, 31])
    yield* isKept("a", { seq: 1 }, first)
    yield* isKept("b", {}, other)
    yield* equal(yield* snapshot("c"), Option.none())
  }),

  "goes with its run": Effect.gen(function* () {
    const store = yield* RunStore
    const [, , other] = yield* three("b", [11, 21, 31])
    // what comes after it may have the number of a row that it had
    yield* three("a", [10, 20, 30])
    yield* commit(become("a", 4, "completed"))
    yield* equal(yield* store.prune({ keep: 0, endedBefore: Infinity, limit: Infinity }), 1)
    yield* isTrue(Option.isNone(yield* snapshot("a")), "nothing is kept of it")
    yield* isKept("b", {}, other)
    yield* open("a")
    yield* isTrue(Option.isNone(yield* snapshot("a")), "nothing is kept of it")
    yield* commit(step("a", 1, "m", "running"))
    yield* equal(yield* keep("a"), 1)
    yield* isKept("a", {}, { seq: 1, at: 1001, stored: yield* stored("a") })
  })
})
