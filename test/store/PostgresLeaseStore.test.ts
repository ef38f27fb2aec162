import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Fiber, Layer, Option, Random, TestClock } from "effect"
import { type Acquired, type LeaseRow, LeaseStore } from "heddle/store/LeaseStore"
import { Linearizability } from "heddle/testing"
import * as PostgresLeases from "../../src/store/internal/PostgresLeases.js"
import { withPostgres } from "../services/Services.js"
import { inTurn } from "./inTurn.js"
import { leaseContract } from "./leaseContract.js"
import * as PostgresDatabases from "./PostgresDatabases.js"

interface Input {
  readonly _tag: "acquire" | "renew" | "release" | "get"
  readonly holder: string
  readonly token: number
}

const shown = ({ holder, token }: { readonly holder: string; readonly token: number }) => `${holder} ${token}`

/** Who has it, or nobody, and the last token; no time goes by. */
const lease = Linearizability.deterministic<string, Input, string>({
  init: " 0",
  step: (state, { _tag, holder, token }) => {
    const [present = "", last = ""] = state.split(" ")
    switch (_tag) {
      case "get":
        return [state, present === "" ? "nobody" : state]
      case "acquire": {
        if (present !== "" && present !== holder) return [state, `held by ${state}`]
        const next = present === holder ? state : shown({ holder, token: Number(last) + 1 })
        return [next, `acquired by ${next}`]
      }
      case "renew":
        return [state, String(state === shown({ holder, token }))]
      case "release":
        return state === shown({ holder, token }) ? [` ${last}`, "true"] : [state, "false"]
    }
  }
})

const answer = (acquired: Acquired): string =>
  acquired._tag === "Acquired"
    ? `acquired by ${shown(acquired.lease)}`
    : Option.match(acquired.lease, { onNone: () => "others wait", onSome: (by) => `held by ${shown(by)}` })

withPostgres((url) => {
  const shared = PostgresDatabases.share(url)

  /** Nothing is left of the test before. */
  const emptied = Effect.suspend(() => shared().execute("DELETE FROM heddle.leases")).pipe(
    Effect.zipRight(Effect.suspend(() => shared().execute("DELETE FROM heddle.lease_waiters")))
  )

  const stores = Effect.map(emptied, () => {
    const { databases } = shared()
    return [PostgresLeases.make(databases[0]), PostgresLeases.make(databases[1])] as const
  })

  leaseContract(
    "PostgreSQL, as two processes have it,",
    () =>
      Layer.effect(
        LeaseStore,
        Effect.map(stores, (both) => inTurn(...both))
      ),
    15
  )

  describe("LeaseStore on PostgreSQL", () => {
    it.effect("operations of two processes have an order", () =>
      Effect.gen(function* () {
        const both = yield* stores
        const { history, record } = yield* Linearizability.recorder<Input, string>()
        const client = (store: LeaseStore["Type"], name: number) =>
          Effect.gen(function* () {
            // two of them are one holder
            const holder = `h${name % 4}`
            const resource = "r"
            let token = 0
            const acquire = Effect.map(store.acquire({ resource, holder, ttl: 1000 }), (acquired) => {
              if (acquired._tag === "Acquired") token = acquired.lease.token
              return answer(acquired)
            })
            const operations = {
              acquire,
              renew: Effect.suspend(() => Effect.map(store.renew({ resource, holder, token, ttl: 1000 }), String)),
              release: Effect.suspend(() => Effect.map(store.release({ resource, holder, token }), String)),
              get: Effect.map(store.get(resource), Option.match({ onNone: () => "nobody", onSome: shown }))
            }
            const tags = ["acquire", "acquire", "release", "release", "renew", "get"] as const
            for (let i = 0; i < 30; i++) {
              const _tag = tags[yield* Random.nextIntBetween(0, tags.length)]!
              yield* record({ _tag, holder, token })(operations[_tag])
            }
          })
        yield* Effect.all(
          Array.makeBy(6, (i) => client(both[i % 2]!, i)),
          { concurrency: "unbounded" }
        )
        yield* Linearizability.check(lease, yield* history)
      })
    )

    it.scoped("who waited for another transaction judges what is there then", () =>
      Effect.gen(function* () {
        const both = yield* stores
        const held = yield* shared().held
        const other = PostgresLeases.make(held.database)
        const ask = (resource: string) => (holder: string, i: number) =>
          Effect.fork(both[i % 2]!.acquire({ resource, holder, ttl: 1000 }))
        for (const before of ["nothing", "a lease that was released", "a lease that has expired"]) {
          for (const how of ["commit", "rollback"] as const) {
            const resource = `${before}, ${how}`
            if (before !== "nothing") {
              const first = yield* both[0].acquire({ resource, holder: "zero", ttl: 10 })
              assert(first._tag === "Acquired")
              if (before === "a lease that was released") yield* both[0].release(first.lease)
              else yield* TestClock.adjust(10)
            }
            const token = before === "nothing" ? 1 : 2
            yield* held.begin
            yield* other.acquire({ resource, holder: "one", ttl: 1000 })
            const asked = yield* Effect.forEach(["two", "three"], ask(resource))
            yield* shared().blocked(2)
            yield* held[how]
            const answers = (yield* Effect.forEach(asked, Fiber.join)).map(answer)
            const winner = answers.find((answer) => answer.startsWith("acquired"))?.split(" ")[2] ?? "one"
            assert.strictEqual(winner === "one", how === "commit")
            const by = `${winner} ${token}`
            const expected = ["two", "three"].map((holder) => `${holder === winner ? "acquired" : "held"} by ${by}`)
            assert.deepStrictEqual(answers, expected)
          }
        }
      })
    )

    it.live("a lease ends by the clock of the database, and so does a place in line", () =>
      Effect.gen(function* () {
        yield* emptied
        const store = PostgresLeases.make(shared().real)
        const r = { resource: "r", holder: "one", ttl: 300 }
        const first = yield* store.acquire(r)
        assert(first._tag === "Acquired")
        assert.deepStrictEqual(first.lease, { resource: "r", holder: "one", token: 1, remaining: 300 })
        const held = Option.getOrThrow(yield* store.get("r"))
        assert.isTrue(held.remaining > 0 && held.remaining <= 300)
        yield* store.enqueue({ ...r, holder: "gone", ttl: 100 })
        const others: Array<LeaseRow> = []
        const waiting = Effect.tap(store.acquire({ ...r, holder: "two", ttl: 60_000 }), (acquired) =>
          Effect.sync(() => acquired._tag === "Held" && others.push(...Option.toArray(acquired.lease)))
        )
        const second = yield* Effect.delay(waiting, 20).pipe(
          Effect.repeat({ until: ({ _tag }) => _tag === "Acquired" }),
          Effect.timeout("5 seconds")
        )
        assert(second._tag === "Acquired")
        assert.deepStrictEqual(second.lease, { resource: "r", holder: "two", token: 2, remaining: 60_000 })
        assert.isAbove(others.length, 0)
        for (const other of others) assert.strictEqual(shown(other), "one 1")
        assert.isFalse(yield* store.renew({ ...first.lease, ttl: 300 }))
        assert.isFalse(yield* store.release(first.lease))
      })
    )

    it.effect("those who have left the line without saying so leave nothing behind", () =>
      Effect.gen(function* () {
        const [store] = yield* stores
        for (let i = 0; i < 20; i++) yield* store.enqueue({ resource: `r${i}`, holder: "gone", ttl: 0.001 })
        const other = { resource: "r", holder: "there", ttl: 1000 }
        yield* TestClock.adjust(10)
        yield* store.enqueue(other)
        const left = yield* shared().execute("SELECT holder FROM heddle.lease_waiters ORDER BY holder DESC")
        assert.deepStrictEqual(
          left.map(({ holder }) => holder),
          ["there", ...Array.replicate("gone", 4)]
        )
        yield* store.dequeue(other)
        assert.strictEqual((yield* shared().execute("SELECT 1 FROM heddle.lease_waiters")).length, 4)
      })
    )
  })
})
