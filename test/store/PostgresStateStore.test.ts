import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Fiber, Layer, Option, Queue, Random, Schedule, Stream, TestClock } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import { Linearizability } from "heddle/testing"
import * as PostgresEntries from "../../src/store/internal/PostgresEntries.js"
import * as PostgresErrors from "../../src/store/internal/PostgresErrors.js"
import { withPostgres } from "../services/Services.js"
import { inTurn } from "./inTurn.js"
import * as PostgresDatabases from "./PostgresDatabases.js"
import { stateContract } from "./stateContract.js"

type Input =
  | { readonly _tag: "get" | "delete" }
  | { readonly _tag: "set"; readonly value: string }
  | { readonly _tag: "compareAndSet"; readonly expected: number; readonly value: string }

/** What is there, as text: nothing, or the version and the value. */
const register: Linearizability.Model<string, Input, string> = {
  init: "",
  step: (state, operation) => {
    // every operation of the test is answered
    if (operation._tag === "Pending") return Option.none()
    const { input, output } = operation
    switch (input._tag) {
      case "get":
        return output === state ? Option.some(state) : Option.none()
      case "delete":
        return output === String(state !== "") ? Option.some("") : Option.none()
      case "set":
        return Option.some(`${output} ${input.value}`)
      case "compareAndSet": {
        const version = state === "" ? 0 : Number(state.split(" ")[0])
        if (version === input.expected)
          return output === "none" ? Option.none() : Option.some(`${output} ${input.value}`)
        return output === "none" ? Option.some(state) : Option.none()
      }
    }
  }
}

withPostgres((url) => {
  const shared = PostgresDatabases.share(url)

  /** Nothing is left of the test before. */
  const emptied = Effect.suspend(() => shared().execute("DELETE FROM heddle.entries"))

  const stores = Effect.map(emptied, () => {
    const { databases } = shared()
    return [PostgresEntries.make(databases[0]), PostgresEntries.make(databases[1])] as const
  })

  stateContract(
    "PostgreSQL, as two processes have it,",
    () =>
      Layer.effect(
        StateStore,
        Effect.map(stores, (both) => inTurn(...both))
      ),
    { cases: 15 }
  )

  describe("StateStore on PostgreSQL", () => {
    it.effect("operations of two processes have an order", () =>
      Effect.gen(function* () {
        const both = yield* stores
        const { history, record } = yield* Linearizability.recorder<Input, string>()
        const client = (store: StateStore["Type"], name: number) =>
          Effect.gen(function* () {
            let seen = 0
            for (let i = 0; i < 25; i++) {
              const value = `${name}.${i}`
              const choice = yield* Random.nextIntBetween(0, 10)
              const get = Effect.map(
                store.get("k"),
                Option.match({
                  onNone: () => ((seen = 0), ""),
                  onSome: ({ value, version }) => ((seen = version), `${version} ${value}`)
                })
              )
              if (choice < 3) yield* record({ _tag: "get" })(get)
              else if (choice === 3) yield* record({ _tag: "delete" })(Effect.map(store.delete("k"), String))
              else if (choice === 4) yield* record({ _tag: "set", value })(Effect.map(store.set("k", value), String))
              else {
                const input = { _tag: "compareAndSet", expected: seen, value } as const
                const written = Effect.map(
                  store.compareAndSet("k", seen, value),
                  Option.match({
                    onNone: () => "none",
                    onSome: (version) => ((seen = version), String(version))
                  })
                )
                yield* record(input)(written)
              }
            }
          })
        yield* Effect.all(
          Array.makeBy(6, (i) => client(both[i % 2]!, i)),
          { concurrency: "unbounded" }
        )
        yield* Linearizability.check(register, yield* history)
      })
    )

    it.scoped("who waited for another transaction judges what is there then", () =>
      Effect.gen(function* () {
        const both = yield* stores
        const held = yield* shared().held
        const other = PostgresEntries.make(held.database)
        const race = (expected: number, during: Effect.Effect<unknown, StoreError>, how: "commit" | "rollback") =>
          Effect.gen(function* () {
            yield* held.begin
            yield* during
            const write = (store: StateStore["Type"]) => Effect.fork(store.compareAndSet("k", expected, "mine"))
            const writing = yield* Effect.forEach(both, write)
            yield* shared().blocked(2)
            yield* held[how]
            return Array.getSomes(yield* Effect.forEach(writing, Fiber.join)).length
          })
        for (const how of ["commit", "rollback"] as const) {
          const won = how === "commit" ? 0 : 1
          yield* both[0].delete("k")
          assert.strictEqual(yield* race(0, other.set("k", "theirs"), how), won, "nothing was there")
          yield* both[0].set("k", "expired", { ttl: 10 })
          yield* TestClock.adjust(10)
          assert.strictEqual(yield* race(0, other.set("k", "theirs"), how), won, "what was there had expired")
          const version = yield* both[0].set("k", "a")
          assert.strictEqual(yield* race(version, other.set("k", "theirs"), how), won, "it was replaced")
          const next = yield* both[0].set("k", "a")
          assert.strictEqual(yield* race(next, other.delete("k"), how), won, "it was deleted")
          const last = yield* both[0].set("k", "a")
          const expected = how === "commit" ? 1 : 0
          assert.strictEqual(yield* race(0, other.delete("k"), how), expected, `it was there: ${last}`)
        }
      })
    )

    it.scoped("who waited for another transaction has a later version than what it replaces", () =>
      Effect.gen(function* () {
        const both = yield* stores
        const held = yield* shared().held
        const other = PostgresEntries.make(held.database)
        for (const before of ["a value", "a value that has expired", "nothing"]) {
          yield* both[0].delete("k")
          if (before !== "nothing") yield* both[0].set("k", "first", before === "a value" ? {} : { ttl: 10 })
          yield* TestClock.adjust(10)
          yield* held.begin
          yield* other.set("k", "theirs")
          const writing = yield* Effect.fork(both[1].set("k", "mine"))
          yield* shared().blocked(1)
          // that connection has numbers as texts
          const replaced = Number(yield* other.set("k", "theirs, later"))
          yield* held.commit
          assert.isAbove(yield* Fiber.join(writing), replaced, before)
        }
      })
    )

    it.effect("writers of values that have expired do not wait for each other in a circle", () =>
      Effect.gen(function* () {
        yield* emptied
        let conflicts = 0
        // the database would do it again
        const both = shared().databases.map((database) =>
          PostgresEntries.make({
            ...database,
            writeOnce: (operation, body) =>
              database.writeOnce(operation, (connection) =>
                Effect.tapError(body(connection), (error) =>
                  Effect.sync(() => (conflicts += PostgresErrors.isConflict(error) ? 1 : 0))
                )
              )
          })
        )
        const keys = Array.makeBy(24, (i) => `k${i}`)
        for (let round = 0; round < 8; round++) {
          const set = (key: string, i: number) => both[i % 2]!.set(key, "a", { ttl: 10 })
          yield* Effect.forEach(keys, set, { concurrency: 8 })
          yield* TestClock.adjust(10)
          yield* Effect.forEach([...keys, ...[...keys].reverse()], set, { concurrency: 8 })
          assert.strictEqual((yield* both[0]!.getMany(keys)).size, keys.length)
          yield* TestClock.adjust(10)
        }
        assert.strictEqual(conflicts, 0)
      })
    )

    it.effect("each write removes up to 16 rows that have expired, those that expired first", () =>
      Effect.gen(function* () {
        const [store] = yield* stores
        for (const i of Array.range(1, 40)) yield* store.set(`k${i}`, "a", { ttl: 100 + i })
        const kept = yield* store.set("kept", "a")
        yield* TestClock.adjust(1000)
        const left = Effect.map(
          shared().execute("SELECT key FROM heddle.entries ORDER BY key"),
          Array.map(({ key }) => key as string)
        )
        assert.isTrue(Option.isNone(yield* store.compareAndSet("k1", 1, "refused")))
        yield* store.set("kept", "b")
        assert.deepStrictEqual(yield* left, [...Array.range(17, 40).map((i) => `k${i}`), "kept"])
        assert.isTrue(Option.isNone(yield* store.compareAndSet("kept", kept, "refused")))
        // the row of the key is there no more than its value is
        assert.isTrue(Option.isSome(yield* store.compareAndSet("k40", 0, "a")))
        assert.deepStrictEqual(yield* left, [...Array.range(33, 40).map((i) => `k${i}`), "kept"])
      })
    )

    it.live("the time of a value ends by the clock of the database", () =>
      Effect.gen(function* () {
        yield* emptied
        const store = PostgresEntries.make(shared().real)
        const version = yield* store.set("k", "a", { ttl: 200 })
        yield* store.set("l", "a", { ttl: "1 hour" })
        assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "a", version }))
        yield* Effect.repeat(store.get("k"), { until: Option.isNone, schedule: Schedule.spaced(20) }).pipe(
          Effect.timeout("5 seconds")
        )
        assert.isTrue(Option.isNone(yield* store.compareAndSet("k", version, "b")))
        assert.isTrue(Option.isSome(yield* store.compareAndSet("k", 0, "b")))
        assert.strictEqual((yield* store.list({ prefix: "", limit: 9 })).length, 2)
      })
    )

    it.live("changes are told to other processes, and the stream fails when the connection is lost", () =>
      Effect.gen(function* () {
        const [store, other] = yield* stores
        const changes = Option.getOrThrow(other.changes)
        const told = yield* Queue.unbounded<{ readonly key: string; readonly version: Option.Option<number> }>()
        const listening = yield* Effect.fork(
          Effect.flip(Stream.runForEach(changes("a\u0000"), (change) => Queue.offer(told, change)))
        )
        const next = Effect.timeout(Queue.take(told), "5 seconds")
        // until it listens
        const begun = Effect.repeat(store.set("a\u0000", "x"), { schedule: Schedule.spaced(10) })
        yield* Effect.race(begun, next)
        yield* store.set("a\u0000 last", "x")
        yield* Effect.repeat(next, { until: ({ key }) => key === "a\u0000 last" })

        yield* store.set("a", "other")
        yield* store.set("a\u0001", "other")
        const version = yield* store.set(`a\u0000${"\u0001".repeat(998)}`, "x")
        assert.deepStrictEqual(yield* next, { key: `a\u0000${"\u0001".repeat(998)}`, version: Option.some(version) })
        yield* store.delete("a\u0000b")
        assert.isTrue(Option.isNone(yield* store.compareAndSet("a\u0000b", 7, "refused")))
        const created = yield* store.compareAndSet("a\u0000b", 0, "x")
        assert.deepStrictEqual(yield* next, { key: "a\u0000b", version: created })
        yield* store.delete("a\u0000b")
        assert.deepStrictEqual(yield* next, { key: "a\u0000b", version: Option.none() })

        yield* shared().disconnect
        const error = yield* Effect.timeout(Fiber.join(listening), "5 seconds")
        assert.deepStrictEqual(["StoreError", "unavailable"], [error._tag, error.reason])
      })
    )
  })
})
