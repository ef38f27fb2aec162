/**
 * How much is stored, and that large outputs are as others.
 */
import * as Effect from "effect/Effect"
import { RunStore, type RunChanges, type Storage } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, sameMembers, some } from "./Expect.js"
import {
  become,
  changesOf,
  commit,
  item,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition,
  step
} from "./Rows.js"

/** A JSON text that no store may want among its rows. */
const large = (n: number): string => JSON.stringify(`${n}`.repeat(100_000))

/** Of everything something; the run ends at this time. */
export const whole = (name: string, endedAt: number): RunChanges =>
  changesOf(name, {
    modules: [moduleChange("m", { status: "completed", output: large(1) }), moduleChange("n", { status: "failed" })],
    items: [item("orders", 0, "completed", { output: large(2) }), item("orders", 1, "failed")],
    shared: [{ cell: "stats/counter", value: "7" }],
    transitions: [moduleTransition(1, "m", "completed"), { ...runTransition(2, "failed"), at: endedAt }],
    status: "failed"
  })

export const openAll = (names: ReadonlyArray<string>) =>
  Effect.flatMap(RunStore, (store) => Effect.forEach(names, (name) => store.open(newRun(name)), { discard: true }))

/** How many rows there are, and how large their outputs are: the same in every store. */
export const counts = Effect.flatMap(RunStore, (store) =>
  Effect.map(store.storage, ({ bytes: _, freeBytes: __, spilled: ___, ...counts }) => counts)
)

const noRuns = { running: 0, suspended: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0, stopped: 0 }

/** Of a store in which there is nothing. */
export const nothing: Omit<Storage, "bytes" | "freeBytes" | "spilled"> = {
  runs: noRuns,
  modules: 0,
  items: 0,
  transitions: 0,
  outputs: 0,
  outputBytes: 0,
  states: 0,
  deadLetters: 0
}

export const checks: ReadonlyArray<Check.Check> = [
  ...Check.group("storage", {
    "is nothing at first": Effect.gen(function* () {
      const { bytes, freeBytes, spilled } = yield* (yield* RunStore).storage
      yield* equal(yield* counts, nothing)
      yield* equal(spilled, 0)
      yield* isTrue(freeBytes === null || bytes !== null, "what is free is a part of what is known")
      yield* isTrue(bytes === null || freeBytes === null || freeBytes <= bytes, "what is free is a part of it")
    }),

    "counts what is stored": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a", "b", "c", "d"])
      yield* store.commit({
        runs: [
          changesOf("a", {
            modules: [moduleChange("m", { status: "completed", output: '"é"' }), moduleChange("n")],
            items: [item("orders", 0, "completed", { output: "1" }), item("orders", 1, "failed")],
            transitions: [1, 2, 3].map((seq) => moduleTransition(seq, "m", "running"))
          }),
          become("b", 1, "suspended"),
          become("c", 1, "timedOut"),
          become("d", 1, "timedOut")
        ],
        states: [
          { key: "k", set: new Map([["f", "1"]]), clear: new Set() },
          { key: "l", set: new Map(["f", "g"].map((field) => [field, "1"])), clear: new Set() }
        ],
        synced: false
      })
      yield* equal(yield* counts, {
        runs: { ...noRuns, running: 1, suspended: 1, timedOut: 2 },
        modules: 2,
        items: 2,
        transitions: 6,
        outputs: 2,
        outputBytes: 5,
        states: 2,
        deadLetters: 0
      })
    }),

    "counts large outputs once": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a", "b"])
      yield* commit(whole("a", 10))
      const before = yield* store.storage
      yield* equal([before.outputs, before.outputBytes], [2, large(1).length + large(2).length])
      yield* commit(whole("b", 10))
      const after = yield* store.storage
      yield* equal([after.outputs, after.outputBytes], [4, before.outputBytes * 2])
      yield* equal(after.spilled, before.spilled * 2)
    })
  }),

  ...Check.group("large outputs", {
    "are read as they were written": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a"])
      // about every size at which a store could begin to keep them apart
      const lengths = [0, 100, 1000, 2000, 4094, 4095, 4096, 4097, 8192, 65_536, 1_000_000]
      const texts = lengths.flatMap((length) => ["x", "é", "😀"].map((text) => JSON.stringify(text.repeat(length))))
      yield* commit(
        changesOf("a", {
          modules: texts.map((output, i) => moduleChange(`m${i}`, { status: "completed", output })),
          items: texts.map((output, i) => item("orders", i, "completed", { output }))
        })
      )
      const outputs = yield* store.outputs(
        runId("a"),
        texts.map((_, i) => `m${i}`)
      )
      for (const [i, text] of texts.entries()) yield* isTrue(outputs.get(`m${i}`) === text, `the output of m${i}`)
      const items = yield* store.items(runId("a"), ["orders"])
      yield* equal(items.length, texts.length)
      for (const { index, output } of items) yield* isTrue(output === texts[index], `the output of item ${index}`)
    }),

    "are taken over by a new run": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open({
        ...newRun("a"),
        seed: {
          modules: [moduleChange("m", { status: "completed", output: large(1) })],
          items: [item("orders", 3, "completed", { output: large(2) })],
          shared: [],
          transitions: []
        }
      })
      yield* equal(yield* store.outputs(runId("a"), ["m"]), new Map([["m", large(1)]]))
      yield* equal(
        (yield* store.items(runId("a"), ["orders"])).map(({ output }) => output),
        [large(2)]
      )
      yield* equal(
        yield* store.open({ ...newRun("a"), seed: { modules: [], items: [], shared: [], transitions: [] } }),
        {
          _tag: "Exists",
          run: yield* some(yield* store.run(runId("a")))
        }
      )
      yield* equal((yield* store.storage).outputs, 2)
    }),

    "of changes that are refused are not kept": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a"])
      const first = changesOf("a", {
        modules: [moduleChange("m", { status: "completed", output: large(1) })],
        items: [item("orders", 0, "completed", { output: large(1) })]
      })
      const late = changesOf("a", {
        modules: [moduleChange("m", { status: "completed", output: large(2) })],
        items: [item("orders", 0, "completed", { output: large(2) })]
      })
      yield* commit(first, late)
      yield* commit(late)
      yield* commit({ ...late, epoch: 2 })
      yield* equal(yield* store.outputs(runId("a"), ["m"]), new Map([["m", large(1)]]))
      yield* equal(
        (yield* store.items(runId("a"), ["orders"])).map(({ output }) => output),
        [large(1)]
      )
      const { outputBytes, outputs } = yield* store.storage
      yield* equal([outputs, outputBytes], [2, large(1).length * 2])
    }),

    "take the place of what an item failed with": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a"])
      const rows = [
        item("orders", 0, "failed"),
        item("orders", 0, "completed", { output: large(1) }),
        item("orders", 1, "failed")
      ]
      for (const row of rows) yield* commit(changesOf("a", { items: [row] }))
      yield* sameMembers(yield* store.items(runId("a"), ["orders"]), rows.slice(1))
    }),

    "are gone with a module that is pending again, and those that completed are not": Effect.gen(function* () {
      const store = yield* RunStore
      yield* openAll(["a"])
      yield* commit(
        become("a", 1, "failed", {
          modules: [
            moduleChange("m", { status: "completed", output: large(1) }),
            // no driver gives an output of what failed
            moduleChange("n", { status: "failed", output: large(2) })
          ],
          items: [item("n", 0, "completed", { output: large(3) }), item("n", 1, "failed", { output: large(4) })]
        })
      )
      yield* store.claim({ runId: runId("a"), owner: "two", now: 9, expiredBefore: 0, reopen: true })
      yield* equal(yield* store.outputs(runId("a"), ["m", "n"]), new Map([["m", large(1)]]))
      yield* equal(
        (yield* store.items(runId("a"), ["n"])).map(({ output }) => output),
        [large(3)]
      )
      const { outputBytes, outputs } = yield* store.storage
      yield* equal([outputs, outputBytes], [2, large(1).length * 2])
      yield* commit({ ...step("a", 2, "n", "completed", { attempt: 2, output: large(5) }), epoch: 2 })
      yield* equal(yield* store.outputs(runId("a"), ["n"]), new Map([["n", large(5)]]))
    })
  })
]
