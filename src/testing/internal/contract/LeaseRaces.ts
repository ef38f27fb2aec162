/**
 * Methods that are called at the same time.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type LeaseRow, LeaseStore } from "../../../store/LeaseStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch } from "./Expect.js"
import { acquired, is, ttl } from "./Leases.js"
import { at } from "./Moment.js"

// Who waits for a lock does so in real time, under any clock of a test.
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<Array<A>, E, R> =>
  at(1000)(Effect.all(calls, { concurrency: "unbounded" }))

/** Twenty ask at once; the lease of the one that has it. */
const one = (above?: number) =>
  Effect.gen(function* () {
    const store = yield* LeaseStore
    const answers = yield* together(
      Array.makeBy(20, (i) => store.acquire({ resource: "r", holder: `h${i}`, ttl, above }))
    )
    const leases = answers.flatMap((answer) => (answer._tag === "Acquired" ? [answer.lease] : []))
    yield* equal(leases.length, 1, "how many have it")
    const [lease] = leases
    if (lease === undefined) return yield* Effect.dieMessage("it is there")
    for (const answer of answers) {
      if (answer._tag === "Held") yield* equal(answer.lease, Option.some(lease), "who has it, by the others")
    }
    yield* at(1000)(is(lease))
    return lease
  })

export const checks = Check.group("at the same time", {
  "one acquires what nobody has held": Effect.asVoid(one()),

  "one acquires what was released, or has expired, with a larger token": Effect.gen(function* () {
    const store = yield* LeaseStore
    const expired = yield* at(900)(acquired("one"))
    const first = yield* one()
    yield* isTrue(first.token > expired.token, `${first.token} is more than ${expired.token}`)
    yield* equal(yield* at(1000)(store.release(first)), true)
    const second = yield* one(1000)
    yield* isTrue(second.token > Math.max(1000, first.token), `${second.token} is more than ${first.token}`)
  }),

  "no two hold it, and tokens grow in the order in which it is held": Effect.gen(function* () {
    const store = yield* LeaseStore
    const tokens: Array<number> = []
    let holders = 0
    const hold = (holder: string): Effect.Effect<void, Mismatch | StoreError> =>
      Effect.gen(function* () {
        const answer = yield* store.acquire({ resource: "r", holder, ttl })
        if (answer._tag === "Held") return yield* Effect.zipRight(Effect.yieldNow(), hold(holder))
        tokens.push(answer.lease.token)
        const others = holders++
        yield* Effect.yieldNow()
        holders--
        yield* equal(others, 0, "how many others hold it")
        yield* equal(yield* store.release(answer.lease), true)
      })
    yield* together(Array.makeBy(5, (i) => Effect.repeatN(hold(`h${i}`), 3)))
    yield* equal(
      tokens,
      [...new Set(tokens)].sort((a, b) => a - b),
      "the tokens, in their order"
    )
    yield* equal(tokens.length, 20)
  }),

  "one release finds it, and no renew does after that": Effect.gen(function* () {
    const store = yield* LeaseStore
    const lease = yield* at(1000)(acquired("one"))
    const found = yield* together(Array.makeBy(20, (i) => store.release({ ...lease, forget: i % 2 === 0 })))
    yield* equal(found.filter((was) => was).length, 1)
    const renewed = yield* together(Array.makeBy(5, () => store.renew({ ...lease, ttl })))
    yield* equal(renewed.filter((was) => was).length, 0)
    yield* at(1000)(is(undefined))
  }),

  "each who waits has a ticket of its own, and acquires it when its turn is": Effect.gen(function* () {
    const store = yield* LeaseStore
    const first = yield* at(1000)(acquired("one"))
    const waiting = yield* together(
      Array.makeBy(12, (i) =>
        Effect.map(store.enqueue({ resource: "r", holder: `h${i}`, ttl }), (ticket) => ({ holder: `h${i}`, ticket }))
      )
    )
    const line = [...waiting].sort((a, b) => a.ticket - b.ticket)
    yield* equal(new Set(line.map(({ ticket }) => ticket)).size, 12, "how many tickets there are")
    let last: LeaseRow = first
    for (const { holder } of line) {
      yield* equal(yield* at(1000)(store.release(last)), true)
      const answers = yield* together(waiting.map(({ holder }) => store.acquire({ resource: "r", holder, ttl })))
      const leases = answers.flatMap((answer) => (answer._tag === "Acquired" ? [answer.lease] : []))
      yield* equal(
        leases.map((lease) => lease.holder),
        [holder],
        "whose turn it is"
      )
      const [lease] = leases
      if (lease !== undefined) last = lease
    }
  }),

  "an interrupted acquire has taken place or not, and the next one works": Effect.gen(function* () {
    const store = yield* LeaseStore
    for (const i of Array.range(1, 30)) {
      const fiber = yield* Effect.fork(at(1000)(store.acquire({ resource: "r", holder: `h${i}`, ttl })))
      yield* Effect.repeatN(Effect.yieldNow(), i % 6)
      yield* Fiber.interrupt(fiber)
      const present = yield* at(1000)(store.get("r"))
      if (Option.isSome(present)) {
        yield* equal(present.value.holder, `h${i}`)
        yield* equal(yield* at(1000)(store.release(present.value)), true)
      }
      const next = yield* at(1000)(acquired("next"))
      yield* equal(yield* at(1000)(store.release(next)), true)
    }
  })
})
