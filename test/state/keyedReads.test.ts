/** What `get` gives: from where, how often the store is asked, and how much is kept. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, FastCheck as fc, Fiber, Option, Random } from "effect"
import { RunStore } from "heddle"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"
import { closable, killable, quiet, storedState, writerOf } from "./Writers.js"

/** A state that is stored, and that the writer does not know. */
const put = (key: string, x: number) =>
  Effect.flatMap(RunStore.RunStore, (store) =>
    store.commit({
      runs: [],
      states: [{ key, set: new Map([["x", String(x)]]), clear: new Set() }],
      synced: false
    })
  )

const some = (x: number) => Option.some({ x })

describe("get", () => {
  it.scoped("gives what is queued, in flight or stored", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      yield* put("k", 1)
      control.commit = (_, commit) => gate.whenOpen(commit)
      const writer = yield* writerOf()
      assert.deepStrictEqual(yield* writer.get("none"), Option.none())
      assert.deepStrictEqual(yield* writer.get("k"), some(1))
      yield* writer.update({ key: "k", set: { x: 2 }, durability: "committed" })
      assert.deepStrictEqual(yield* writer.get("k"), some(2), "queued")
      yield* quiet
      assert.strictEqual((yield* writer.stats).inFlight, 1)
      assert.deepStrictEqual(yield* writer.get("k"), some(2), "in flight")
      yield* writer.update({ key: "k", set: { x: 3 } })
      assert.deepStrictEqual(yield* writer.get("k"), some(3), "queued behind it")
      yield* gate.open
      yield* writer.flush
      assert.deepStrictEqual(yield* writer.get("k"), some(3), "stored")
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("finds what was queued and in flight before anybody asked, over what is stored", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      yield* put("k", 1)
      control.commit = () => Effect.never
      const writer = yield* writerOf()
      yield* writer.update({ key: "k", set: { y: 1, z: 1 }, durability: "committed" })
      yield* quiet
      yield* writer.update({ key: "k", set: { y: 2 }, clear: ["x"] })
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ y: 2, z: 1 }))
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("reads a key once for all who ask meanwhile, and then no more", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.state = (read) => gate.whenOpen(read)
      yield* put("k", 1)
      const writer = yield* writerOf()
      const fibers = yield* Effect.forEach(Array.range(1, 50), () => Effect.fork(writer.get("k")))
      yield* quiet
      yield* gate.open
      assert.deepStrictEqual([...(yield* Fiber.join(Fiber.all(fibers)))], Array.replicate(some(1), 50))
      yield* writer.get("k")
      assert.deepStrictEqual(control.reads, ["k"])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("goes on for the others when the first who asked is interrupted", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.state = (read) => gate.whenOpen(read)
      yield* put("k", 1)
      const writer = yield* writerOf()
      const first = yield* Effect.fork(writer.get("k"))
      yield* quiet
      const second = yield* Effect.fork(writer.get("k"))
      yield* quiet
      yield* Fiber.interrupt(first)
      yield* gate.open
      assert.deepStrictEqual(yield* Fiber.join(second), some(1))
      assert.deepStrictEqual(control.reads, ["k"])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("misses nothing that is accepted, in flight or committed while it reads", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const opened = yield* Effect.makeLatch(false)
      // what is read is old by the time it is there
      control.state = (read) => Effect.zipLeft(read, opened.await)
      const commits = yield* Effect.makeLatch(false)
      control.commit = (_, commit) => commits.whenOpen(commit)
      const writer = yield* writerOf()
      yield* writer.update({ key: "k", set: { a: 1 }, durability: "committed" })
      yield* quiet
      yield* writer.update({ key: "k", set: { b: 2 } })
      const reading = yield* Effect.fork(writer.get("k"))
      yield* quiet
      yield* writer.update({ key: "k", set: { a: 3, c: 3 } })
      yield* commits.open
      yield* writer.flush
      yield* writer.update({ key: "k", clear: ["c"] })
      yield* opened.open
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.some({ a: 3, b: 2 }))
      assert.deepStrictEqual(yield* writer.get("k"), Option.some({ a: 3, b: 2 }))
      yield* writer.flush
      assert.deepStrictEqual(yield* storedState("k"), { a: 3, b: 2 })
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  const failures = {
    fails: [Effect.fail(ControlledStore.broken("corrupt")), "it is corrupt"],
    dies: [Effect.die(new Error("broken")), "broken"]
  } as const
  for (const [what, [failure, message]] of Object.entries(failures)) {
    it.scoped(`tells all who ask when the read ${what}, and reads anew the next time`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const gate = yield* Effect.makeLatch(false)
        yield* put("k", 1)
        const writer = yield* writerOf()
        control.state = () => gate.whenOpen(failure)
        const asked = yield* Effect.forEach(Array.range(1, 3), () => Effect.fork(Effect.sandbox(writer.get("k"))))
        yield* quiet
        yield* gate.open
        for (const fiber of asked) {
          assert.include(String(yield* Effect.flip(Fiber.join(fiber))), message)
        }
        assert.deepStrictEqual(control.reads, ["k"])
        control.state = undefined
        assert.deepStrictEqual(yield* writer.get("k"), some(1))
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }

  it.scoped("says so when what is stored is no JSON", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      control.state = () => Effect.succeed(new Map([["x", "{"]]))
      const error = yield* Effect.flip((yield* writerOf()).get("k"))
      assert.deepStrictEqual([error._tag, error.reason, error.operation], ["StoreError", "corrupt", "state"])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("keeps as many as it is told, those that were asked for last", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const writer = yield* writerOf({ cache: 3 })
      for (const key of ["a", "b", "c", "a", "d", "a", "c", "d", "b"]) yield* writer.get(key)
      assert.deepStrictEqual(control.reads, ["a", "b", "c", "d", "b"])
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.scoped("keeps no more when many are read at once", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      const gate = yield* Effect.makeLatch(false)
      control.state = (read) => gate.whenOpen(read)
      const writer = yield* writerOf({ cache: 3 })
      const keys = Array.makeBy(20, String)
      const reading = yield* Effect.fork(Effect.forEach(keys, writer.get, { concurrency: "unbounded" }))
      yield* quiet
      yield* gate.open
      yield* Fiber.join(reading)
      const read = control.reads.length
      for (const key of keys) yield* writer.get(key)
      assert.isAtLeast(control.reads.length - read, keys.length - 3)
    }).pipe(Effect.provide(ControlledStore.layer))
  )

  it.effect.prop(
    "gives what was written last, however much of it is kept, whatever fails and however slow the store is",
    [
      fc.array(
        fc.record({
          key: fc.constantFrom("a", "b", "c", "d"),
          action: fc.constantFrom("update", "update", "durable", "get", "get", "gets", "flush", "fail"),
          turns: fc.nat(6)
        }),
        { maxLength: 50 }
      ),
      fc.integer({ min: 1, max: 3 }),
      fc.string()
    ],
    ([actions, cache, seed]) =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const slow = Effect.flatMap(Random.nextIntBetween(0, 4), (turns) =>
          Effect.replicateEffect(Effect.yieldNow(), turns)
        )
        control.state = (read) => slow.pipe(Effect.zipRight(read), Effect.zipLeft(slow))
        let fails = ""
        control.commit = (_, commit, { states }) =>
          slow.pipe(
            Effect.zipRight(
              Effect.suspend(() =>
                states.some(({ key }) => key === fails) ? Effect.fail(ControlledStore.broken("failed")) : commit
              )
            ),
            Effect.zipLeft(slow)
          )
        const writer = yield* writerOf({ cache, interval: "1 hour", batchSize: 4 })
        const asked: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
        const unwritten: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
        let x = 0
        const last = new Map<string, number>()
        for (const { action, key, turns } of actions) {
          switch (action) {
            case "update": {
              last.set(key, ++x)
              yield* writer.update({ key, set: { x } })
              break
            }
            case "durable": {
              last.set(key, ++x)
              unwritten.push(yield* Effect.fork(writer.updateDurable({ key, set: { x } })))
              yield* Effect.yieldNow()
              break
            }
            case "get": {
              const before = last.get(key)
              const state = Option.getOrUndefined(yield* writer.get(key))
              if (fails === "") assert.strictEqual(state?.["x"], before, "what was accepted last")
              break
            }
            case "gets":
              for (const other of ["a", "b", "c", "d"]) asked.push(yield* Effect.fork(writer.get(other)))
              break
            case "flush":
              yield* Effect.fork(writer.flush)
              break
            case "fail": {
              yield* writer.flush
              fails = key
              yield* writer.update({ key, set: { x: -1 } })
              if (turns % 2 === 0) yield* writer.get(key)
              const flush = yield* Effect.fork(writer.flush)
              yield* Effect.replicateEffect(Effect.yieldNow(), turns)
              if (turns % 3 === 0) yield* writer.get(key)
              yield* Fiber.join(flush)
              fails = ""
              assert.strictEqual(Option.getOrUndefined(yield* writer.get(key))?.["x"], last.get(key), "it is dropped")
            }
          }
          yield* Effect.replicateEffect(Effect.yieldNow(), turns)
        }
        yield* writer.flush
        yield* Fiber.awaitAll(unwritten)
        yield* Fiber.awaitAll(asked)
        for (const key of ["a", "b", "c", "d"]) {
          const state = Option.getOrUndefined(yield* writer.get(key))
          assert.deepStrictEqual(state, yield* storedState(key), "it is what the store has")
          assert.strictEqual(state?.["x"], last.get(key))
        }
      }).pipe(Effect.scoped, Effect.provide(ControlledStore.layer), Effect.withRandom(Random.make(seed))),
    { fastCheck: { numRuns } }
  )

  const ends = {
    "that was closed": Effect.map(closable({ close: 0 }), ({ writer }) => ({ writer, end: writer.close })),
    "of which the fiber was killed": Effect.map(killable(), ({ kill, writer }) => ({ writer, end: kill }))
  }
  for (const [what, make] of Object.entries(ends)) {
    it.scoped(`gives what is stored once a writer has ended ${what}`, () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        yield* put("k", 1)
        const { end, writer } = yield* make
        control.commit = () => Effect.never
        yield* writer.update({ key: "k", set: { x: 2 } })
        assert.deepStrictEqual(yield* writer.get("k"), some(2))
        const slow = yield* Effect.makeLatch(false)
        control.state = (read) => slow.whenOpen(read)
        yield* writer.update({ key: "slow", set: { x: 2 } })
        const reading = yield* Effect.fork(writer.get("slow"))
        yield* quiet
        yield* end
        control.state = undefined
        yield* slow.open
        assert.deepStrictEqual(yield* writer.get("k"), some(1), "it was never written")
        assert.deepStrictEqual(yield* Fiber.join(reading), Option.none())
        // others may write it now
        control.commit = undefined
        yield* put("k", 3)
        assert.deepStrictEqual(yield* writer.get("k"), some(3))
      }).pipe(Effect.provide(ControlledStore.layer))
    )
  }
})
