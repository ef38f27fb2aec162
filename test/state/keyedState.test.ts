/** State under keys of one's own: what is written, what is refused, and what becomes of a key that cannot be written. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Exit, FastCheck as fc, Fiber, Layer, Option } from "effect"
import { RunStore, Timeline } from "heddle"
import type { StateUpdate } from "heddle/state/Update"
import type { StateChange } from "heddle/store/RunStore"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import { hasState, openRun, quiet, stored, storedState, writerOf, type Writer } from "./Writers.js"

/** The state as it is read: undefined when there is none. */
const read = (writer: Writer, key: string) => Effect.map(writer.get(key), Option.getOrUndefined)

const keys = ["a", "b", "c"]
const fields = ["x", "y", "z"]

interface Patch {
  readonly set: { readonly [field: string]: unknown }
  readonly clear: ReadonlyArray<string>
}

const patch: fc.Arbitrary<Patch> = fc
  .record({
    set: fc.dictionary(fc.constantFrom(...fields), fc.oneof(fc.nat(9), fc.constantFrom(null, "", [{ a: 0.5 }])), {
      noNullPrototype: true
    }),
    clear: fc.subarray(fields)
  })
  .map(({ clear, set }) => ({ set, clear: clear.filter((field) => !Object.hasOwn(set, field)) }))
  .filter(({ clear, set }) => clear.length > 0 || Object.keys(set).length > 0)

type Fields = Map<string, unknown>

const apply = (state: Fields, { clear, set }: Patch) => {
  for (const field of clear) state.delete(field)
  for (const [field, value] of Object.entries(set)) state.set(field, value)
}

const asState = (state: Fields | undefined) =>
  state === undefined || state.size === 0 ? undefined : Object.fromEntries(state)

/** Whether the changes are those of the fields, each key once; a field that is undefined is cleared. */
const isFold = (states: ReadonlyArray<StateChange>, fields: ReadonlyMap<string, ReadonlyMap<string, unknown>>) =>
  states.length === fields.size &&
  states.every(({ clear, key, set }) => {
    const all = [...clear, ...set.keys()]
    const of = fields.get(key)
    return of?.size === all.length && all.every((field) => of.has(field) && of.get(field) === set.get(field))
  })

describe("keyed state", () => {
  it.effect.prop(
    "of each field the last patch counts, whether it is queued or stored; only what changed is written",
    [
      fc.array(
        fc.oneof(
          {
            weight: 6,
            arbitrary: fc.record({ key: fc.constantFrom(...keys), patch, way: fc.constantFrom("update", "durable") })
          },
          { weight: 1, arbitrary: fc.constantFrom("flush" as const, "read" as const) }
        ),
        { maxLength: 40 }
      ),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 2 })
    ],
    ([actions, batchSize, cache]) =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf({ batchSize, cache, interval: "1 hour" })
        const model = new Map(keys.map((key) => [key, new Map() as Fields]))
        const patches: Array<readonly [key: string, patch: Patch]> = []
        for (const action of actions) {
          if (action === "flush") yield* writer.flush
          else if (action === "read") {
            for (const key of keys) assert.deepStrictEqual(yield* read(writer, key), asState(model.get(key)), key)
          } else {
            const { key, patch, way } = action
            const update = { key, ...patch }
            yield* way === "update" ? writer.update(update) : writer.updateDurable(update)
            apply(model.get(key)!, patch)
            patches.push([key, patch])
            assert.deepStrictEqual(yield* read(writer, key), asState(model.get(key)), key)
            if (way === "durable") assert.deepStrictEqual(yield* storedState(key), asState(model.get(key)), key)
          }
        }
        yield* writer.flush
        for (const key of keys) assert.deepStrictEqual(yield* storedState(key), asState(model.get(key)), key)

        // Each batch has each key once and is the fold of patches that follow those of the batch before. A patch that
        // repeats the one before may be in either batch, so all the places where a batch may end are followed.
        let ends = new Set([0])
        for (const { states } of control.batches) {
          const starts = ends
          ends = new Set()
          for (const start of starts) {
            const changes = new Map<string, Map<string, unknown>>()
            for (let at = start; at < patches.length;) {
              const [key, { clear, set }] = patches[at++]!
              const change = changes.get(key) ?? new Map<string, unknown>()
              changes.set(key, change)
              for (const field of clear) change.set(field, undefined)
              for (const [field, value] of Object.entries(set)) change.set(field, JSON.stringify(value))
              if (isFold(states, changes)) ends.add(at)
            }
          }
        }
        assert.isTrue(ends.has(patches.length), "the batches are folds of all patches in their order")
      }).pipe(Effect.scoped, Effect.provide(ControlledStore.layer)),
    { fastCheck: { numRuns } }
  )

  it.scoped("a state of which every field is cleared is gone, and can be set again", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const store = yield* RunStore.RunStore
      yield* writer.updateDurable({ key: "k", set: { a: 1, b: 2 } })
      yield* writer.update({ key: "k", clear: ["a"] })
      yield* writer.update({ key: "k", clear: ["b"] })
      assert.deepStrictEqual(yield* writer.get("k"), Option.none())
      yield* writer.flush
      assert.strictEqual((yield* store.storage).states, 0)
      yield* writer.updateDurable({ key: "k", set: { a: 3 } })
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ a: 3 }))
      // in one batch
      yield* writer.update({ key: "k", clear: ["a"] })
      yield* writer.update({ key: "k", set: { a: 4 } })
      yield* writer.flush
      assert.deepStrictEqual(yield* storedState("k"), { a: 4 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("keeps odd names and values as they are", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf({ cache: 1 })
      const value = { "": [null, -0.5, 1e21, "\u0000\u2028😀"], __proto__x: { deep: [[[]]] } }
      const set = { "": 1, ["__proto__"]: value, constructor: "c", "a.b:c/d": true }
      yield* writer.updateDurable({ key: "toString", set })
      assert.deepStrictEqual(yield* writer.get("toString"), Option.some(set))
      yield* writer.get("another")
      assert.deepStrictEqual(yield* writer.get("toString"), Option.some(set), "also as it is read again")
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("is as it was when the update was made: what was given may change, what is read is the reader's", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const list = [1]
      yield* writer.update({ key: "k", set: { list } })
      list.push(2)
      const read = Option.getOrThrow(yield* writer.get("k"))
      ;(read["list"] as Array<number>).push(3)
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ list: [1] }))
      yield* writer.flush
      assert.deepStrictEqual(yield* storedState("k"), { list: [1] })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  const lone = "\ud800"
  const invalid: Record<string, StateUpdate> = {
    "a number that is not one": { key: "k", set: { a: NaN } },
    "an infinite number": { key: "k", set: { a: [1, Infinity] } },
    undefined: { key: "k", set: { a: undefined } },
    "a text with a lone surrogate": { key: "k", set: { a: { b: `x${lone}` } } },
    "a function": { key: "k", set: { a: () => 1 } },
    "an instance of a class": { key: "k", set: { a: new Map() } },
    "a bigint": { key: "k", set: { a: 1n } },
    "a field with a lone surrogate": { key: "k", set: { [lone]: 1 } },
    "a field with a lone surrogate that is cleared": { key: "k", clear: [lone] },
    "a key with a lone surrogate": { key: lone, set: { a: 1 } },
    "an empty key": { key: "", set: { a: 1 } },
    "a field that is set and cleared": { key: "k", set: { a: 1, b: 2 }, clear: ["b"] },
    "nothing at all": { key: "k" },
    "nothing, said at length": { key: "k", set: {}, clear: [] }
  }
  for (const [what, update] of Object.entries(invalid)) {
    it.scoped(`refuses ${what} before anything is queued`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const writer = yield* writerOf()
        for (const write of [writer.update(update), writer.updateDurable(update)]) {
          const error = yield* Effect.flip(write)
          assert.strictEqual(error._tag, "StateNotWritten")
          assert.deepStrictEqual([error.key, error.reason], [update.key, "invalid"])
        }
        const { failed, queued, waiting } = yield* writer.stats
        assert.deepStrictEqual([queued, waiting, failed], [0, 0, 0])
        yield* writer.flush
        assert.deepStrictEqual(control.tried, [])
        if (update.key !== "") assert.deepStrictEqual(yield* writer.get(update.key), Option.none())
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }

  it.scoped("is written in one transaction with the runs of its batch", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      yield* writer.update(a.module("m", "running"))
      yield* writer.update({ key: "a", set: { x: 1 } })
      yield* writer.update(a.module("m", "completed"))
      yield* writer.updateDurable({ key: "b", set: { x: 2 } })
      assert.lengthOf(control.batches, 1)
      const [{ runs, states }] = control.batches as [RunStore.Batch]
      assert.deepStrictEqual(
        runs.map(({ runId, transitions }) => [runId, transitions.length]),
        [["a", 2]]
      )
      assert.deepStrictEqual(
        states.map(({ key, set }) => [key, [...set]]),
        [
          ["a", [["x", "1"]]],
          ["b", [["x", "2"]]]
        ]
      )
      assert.deepStrictEqual([yield* stored("a"), yield* storedState("a")], [[1, 2], { x: 1 }])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("counts as coalesced what leaves no field of its own", () =>
    Effect.gen(function* () {
      const writer = yield* writerOf()
      const updates: ReadonlyArray<StateUpdate> = [
        { key: "k", set: { a: 1 } },
        { key: "k", set: { a: 2, b: 2 } },
        { key: "other", set: { a: 1 } },
        { key: "k", set: { a: 3 } },
        { key: "k", clear: ["a"] }
      ]
      yield* Effect.forEach(updates, writer.update)
      yield* writer.flush
      // the first and the fourth
      assert.strictEqual((yield* writer.stats).coalesced, 2)
      yield* Effect.forEach(updates, writer.updateDurable)
      assert.strictEqual((yield* writer.stats).coalesced, 2)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  describe("of a key that cannot be written", () => {
    const setup = Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.commit = (_, commit, batch) =>
        gate.whenOpen(hasState(batch, "bad") ? Effect.fail(ControlledStore.broken("full")) : commit)
      const writer = yield* writerOf()
      const a = yield* openRun("a")
      const write = (key: string, x: number) => Effect.fork(Effect.exit(writer.updateDurable({ key, set: { x } })))
      const firsts = [yield* write("bad", 1), yield* write("good", 1)]
      const run = yield* Effect.fork(Effect.exit(writer.updateDurable(a.module("m", "running"))))
      yield* quiet
      const seconds = [yield* write("bad", 2), yield* write("good", 2)]
      yield* quiet
      return { control, firsts, gate, run, seconds, writer }
    })

    it.scoped("everything that is queued of it fails and is kept in a dead letter; the others are written", () =>
      Effect.gen(function* () {
        const { control, firsts, gate, run, seconds, writer } = yield* setup
        yield* gate.open
        for (const fiber of [firsts[0]!, seconds[0]!]) {
          const error = yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))
          assert.deepStrictEqual([error.key, error.reason], ["bad", "failed"])
          assert.deepStrictEqual(error.cause, ControlledStore.broken("full"))
        }
        for (const fiber of [firsts[1]!, seconds[1]!]) assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(run)))
        assert.deepStrictEqual([yield* storedState("bad"), yield* storedState("good")], [undefined, { x: 2 }])
        assert.deepStrictEqual(yield* stored("a"), [1])

        const timeline = yield* Timeline.Timeline
        const letters = yield* timeline.deadLetters({ key: "bad" })
        assert.deepStrictEqual(letters, yield* (yield* RunStore.RunStore).deadLetters({ limit: 10 }))
        assert.deepStrictEqual(
          letters.map(({ count, epoch, kind, reason }) => ({ kind, epoch, reason, count })),
          [{ kind: "state", epoch: null, reason: "failed", count: 2 }]
        )
        assert.deepStrictEqual(JSON.parse(letters[0]!.updates), [
          { set: { x: "1" }, clear: [] },
          { set: { x: "2" }, clear: [] }
        ])

        // later ones are taken again
        control.commit = undefined
        yield* writer.updateDurable({ key: "bad", set: { y: 3 } })
        assert.deepStrictEqual(yield* storedState("bad"), { y: 3 })
        assert.deepStrictEqual(yield* writer.get("bad"), Option.some({ y: 3 }))
      }).pipe(Effect.provide(Layer.provideMerge(Timeline.layer, ControlledStore.layer)))
    )

    it.scoped("what is read is what is stored, whenever it was read before", () =>
      Effect.gen(function* () {
        const { control, gate, seconds, writer } = yield* setup
        const burial = yield* Effect.makeLatch(false)
        control.bury = (bury) => burial.whenOpen(bury)
        // it is accepted
        assert.deepStrictEqual(yield* writer.get("bad"), Option.some({ x: 2 }))
        yield* gate.open
        yield* quiet
        yield* writer.get("bad")
        yield* writer.update({ key: "bad", set: { y: 3 } })
        yield* writer.get("bad")
        control.commit = undefined
        yield* burial.open
        yield* Fiber.join(seconds[0]!)
        assert.deepStrictEqual(yield* writer.get("bad"), Option.some({ y: 3 }))
        yield* writer.flush
        assert.deepStrictEqual(yield* storedState("bad"), { y: 3 })
        assert.deepStrictEqual(yield* writer.get("bad"), Option.some({ y: 3 }))
      }).pipe(Effect.provide(ControlledStore.layer))
    )

    it.scoped("those that still wait for room fail with the others", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        control.commit = () => gate.whenOpen(Effect.fail(ControlledStore.broken("failed")))
        const writer = yield* writerOf({ capacity: 1 })
        const fibers = yield* Effect.forEach(Array.range(1, 5), (x) =>
          Effect.zipLeft(Effect.fork(Effect.exit(writer.updateDurable({ key: "bad", set: { x } }))), quiet)
        )
        yield* gate.open
        for (const fiber of fibers) {
          assert.strictEqual((yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))).reason, "failed")
        }
        // of those that were accepted
        const [letter] = yield* (yield* RunStore.RunStore).deadLetters({ limit: 10 })
        assert.strictEqual(letter?.count, 2)
        const { failed, queued, waiting } = yield* writer.stats
        assert.deepStrictEqual([queued, failed, waiting], [2, 2, 0])
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  })
})
