/**
 * Signals, and the runs that they make due.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { isEnded, RunStatus } from "../../../model/Transition.js"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, sameMembers } from "./Expect.js"
import { become, changesOf, commit, moduleChange, newRun, run, runId, signal, suspend } from "./Rows.js"

const settled = Check.group("signal", {
  "is delivered or closed once, and stays so": Effect.gen(function* () {
    const store = yield* RunStore
    for (const id of ["a", "b"]) yield* store.open(newRun(id))
    const rows = [
      signal("a", "ask"),
      signal("a", "orders/0/ask", { closed: true, value: null }),
      signal("a", "orders/12/ask", { value: null }),
      signal("b", "ask", { value: "2" })
    ]
    for (const row of rows) yield* equal(yield* store.signal(row), { _tag: "Settled", was: undefined })
    for (const row of rows) {
      for (const closed of [true, false]) {
        yield* equal(yield* store.signal({ ...row, closed, value: "other" }), { _tag: "Settled", was: row })
      }
    }
    yield* sameMembers(yield* store.signals([runId("a"), runId("a"), runId("none")]), rows.slice(0, 3))
    yield* sameMembers(yield* store.signals([runId("a"), runId("b")]), rows)
    yield* equal(yield* store.signals([]), [])
  }),

  "is refused of a run that is unknown, has ended or does not have it": Effect.gen(function* () {
    const store = yield* RunStore
    yield* equal(yield* store.signal(signal("a", "ask")), { _tag: "Unknown" })
    yield* store.open(newRun("a"))
    for (const path of ["", "m", "ask/", "orders", "orders/:/ask", "orders/-1/ask", "orders/01/ask", "orders/1"]) {
      yield* equal(yield* store.signal(signal("a", path)), { _tag: "UnknownSignal" }, path)
    }
    yield* store.open({ ...newRun("none"), signals: "[]" })
    yield* equal(yield* store.signal(signal("none", "ask")), { _tag: "UnknownSignal" })
    for (const status of RunStatus.literals.filter(isEnded)) {
      yield* store.open(newRun(status))
      yield* store.signal(signal(status, "ask"))
      yield* commit(become(status, 1, status))
      const finished = { _tag: "Finished" as const, run: yield* run(status) }
      for (const path of ["ask", "orders/1/ask", "m"]) {
        yield* equal(yield* store.signal(signal(status, path)), finished, path)
      }
    }
    yield* equal(yield* store.signals([runId("a"), runId("none")]), [])
  }),

  "has one winner when many come at once": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const answers = yield* Effect.forEach(
      Array.range(1, 20),
      (i) => store.signal(signal("a", "ask", { closed: i % 2 === 0, value: `${i}` })),
      { concurrency: "unbounded" }
    )
    const [row] = yield* store.signals([runId("a")])
    yield* sameMembers(answers, [
      { _tag: "Settled", was: undefined },
      ...Array.makeBy(19, () => ({ _tag: "Settled" as const, was: row }))
    ])
  })
})

/** A signal wakes in the same way when it is closed as when it is delivered. */
const waking = (closed: boolean) => {
  const verb = closed ? "closed" : "delivered"
  const ask = (name: string, module = "ask") => signal(name, module, { closed, value: closed ? null : "1" })
  const wakeAt = (name: string) => Effect.map(run(name), ({ wakeAt }) => wakeAt)

  return Check.group("signal", {
    [`that is ${verb} after its run was suspended makes it due at once, when that module waits`]: Effect.gen(
      function* () {
        const store = yield* RunStore
        yield* store.open(newRun("a"))
        yield* commit(suspend("a", 1, null))
        yield* store.signal(ask("a", "orders/0/ask"))
        yield* equal(yield* wakeAt("a"), null)
        yield* store.signal(ask("a"))
        yield* equal(yield* wakeAt("a"), 0)
        // a batch that is written again does not take it back
        yield* commit(suspend("a", 1, 99))
        yield* equal(yield* wakeAt("a"), 0)
      }
    ),

    [`that is ${verb} before its run is suspended makes it due at once, when that module waits`]: Effect.gen(
      function* () {
        const store = yield* RunStore
        const ids = ["together", "module first", "twice", "another", "completed"]
        for (const id of ids) {
          yield* store.open(newRun(id))
          yield* store.signal(ask(id))
          yield* equal(yield* wakeAt(id), null, id)
        }
        const waiting = [moduleChange("ask", { status: "suspended" })]
        const completed = [moduleChange("ask", { status: "completed" })]
        yield* commit(changesOf("module first", { modules: waiting }))
        yield* commit(
          suspend("together", 1, 70),
          become("module first", 1, "suspended", { wakeAt: null }),
          become("twice", 1, "suspended", { wakeAt: 70 }),
          changesOf("twice", { modules: waiting }),
          suspend("another", 1, 70, "orders/0/ask"),
          become("completed", 1, "suspended", { wakeAt: 70, modules: completed })
        )
        yield* equal(yield* Effect.forEach(ids, wakeAt), [0, 0, 0, 70, 70])
      }
    ),

    [`that is ${verb} while its run is running does not mark it`]: Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      yield* commit(changesOf("a", { modules: [moduleChange("ask", { status: "suspended" })] }))
      yield* store.signal(ask("a"))
      const { status, wakeAt } = yield* run("a")
      yield* equal([status, wakeAt], ["running", null])
    })
  })
}

export const checks = [...settled, ...waking(false), ...waking(true)]
