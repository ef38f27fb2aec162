/**
 * Who holds a resource, with which token and for how long.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type Acquired, type LeaseRow, LeaseStore, maxAbove, maxTtl } from "../../../store/LeaseStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, Mismatch } from "./Expect.js"
import { at } from "./Moment.js"

export const ttl = 100

/** An acquire that has to succeed. */
export const acquired = (
  holder: string,
  request?: { readonly resource?: string; readonly ttl?: number; readonly above?: number }
): Effect.Effect<LeaseRow, Mismatch | StoreError, LeaseStore> =>
  Effect.gen(function* () {
    const asked = { resource: "r", ttl, ...request }
    const answer = yield* (yield* LeaseStore).acquire({ ...asked, holder })
    if (answer._tag === "Held") {
      return yield* new Mismatch({
        actual: answer,
        expected: "Acquired",
        message: `${holder} acquires ${asked.resource}`
      })
    }
    const { lease } = answer
    const { resource } = asked
    yield* equal(lease, { resource, holder, token: lease.token, remaining: asked.ttl })
    yield* isTrue(
      Number.isSafeInteger(lease.token) && lease.token > 0,
      `a token is a positive whole number: ${lease.token}`
    )
    return lease
  })

/** An acquire that must not succeed; who holds the resource, if anybody does. */
export const held = (
  holder: string,
  by: Omit<LeaseRow, "resource"> | undefined,
  resource = "r"
): Effect.Effect<void, Mismatch | StoreError, LeaseStore> =>
  Effect.flatMap(LeaseStore, (store) =>
    Effect.flatMap(store.acquire({ resource, holder, ttl }), (answer) =>
      equal<Acquired>(
        answer,
        { _tag: "Held", lease: Option.map(Option.fromNullable(by), (lease) => ({ ...lease, resource })) },
        `what acquire gives ${holder}`
      )
    )
  )

/** This lease, or none. */
export const is = (
  lease: LeaseRow | undefined,
  remaining = lease?.remaining ?? 0,
  resource = lease?.resource ?? "r"
): Effect.Effect<void, Mismatch | StoreError, LeaseStore> =>
  Effect.flatMap(LeaseStore, (store) =>
    Effect.flatMap(store.get(resource), (found) =>
      equal(
        found,
        Option.map(Option.fromNullable(lease), (lease) => ({ ...lease, remaining })),
        `who holds ${resource}`
      )
    )
  )

/** Each of them another lease than that of "one" with this token. */
const otherThan = (token: number): ReadonlyArray<{ readonly holder: string; readonly token: number }> => [
  { holder: "two", token },
  { holder: "One", token },
  { holder: "one ", token },
  { holder: "one", token: token - 1 },
  { holder: "one", token: token + 1 },
  { holder: "one", token: 0 },
  { holder: "one", token: Number.MAX_SAFE_INTEGER }
]

/** Neither renew nor release does anything with these. */
const areNobodys = (leases: ReadonlyArray<{ readonly holder: string; readonly token: number }>, resource = "r") =>
  Effect.forEach(
    leases,
    (lease) =>
      Effect.gen(function* () {
        const store = yield* LeaseStore
        const about = `by ${lease.holder} with ${lease.token}`
        yield* equal(yield* store.renew({ ...lease, resource, ttl: 5000 }), false, `renew ${about}`)
        yield* equal(yield* store.release({ ...lease, resource }), false, `release ${about}`)
        yield* equal(yield* store.release({ ...lease, resource, forget: true }), false, `release ${about}`)
      }),
    { discard: true }
  )

export const checks = [
  ...Check.group("acquire", {
    "makes the holder of what nobody holds": Effect.gen(function* () {
      yield* at(1000)(is(undefined))
      const lease = yield* at(1000)(acquired("one"))
      yield* at(1000)(is(lease))
      yield* at(1040)(is(lease, 60))
      yield* at(1040)(is(undefined, 0, "s"))
    }),

    "is refused while somebody else holds it, and changes nothing": Effect.gen(function* () {
      const lease = yield* at(1000)(acquired("one"))
      for (const [moment, remaining] of [
        [1000, 100],
        [1099, 1]
      ] as const) {
        yield* at(moment)(held("two", { ...lease, remaining }))
        yield* at(moment)(is(lease, remaining))
      }
      yield* at(1000)(acquired("two", { resource: "s" }))
    }),

    "by the same holder renews with the same token": Effect.gen(function* () {
      const lease = yield* at(1000)(acquired("one"))
      const again = yield* at(1050)(acquired("one", { ttl: 500 }))
      yield* equal(again.token, lease.token)
      yield* at(1549)(is(again, 1))
      const shorter = yield* at(1050)(acquired("one", { ttl: 10 }))
      yield* equal(shorter.token, lease.token)
      yield* at(1059)(is(shorter, 1))
      yield* at(1060)(is(undefined))
    }),

    "by the last holder, whose time is over, keeps the token": Effect.gen(function* () {
      const lease = yield* at(1000)(acquired("one"))
      const again = yield* at(5000)(acquired("one"))
      yield* equal(again.token, lease.token)
      yield* at(5000)(is(again))
    }),

    "gives a larger token to each new holder": Effect.gen(function* () {
      const store = yield* LeaseStore
      const tokens: Array<number> = []
      let now = 1000
      for (const holder of ["one", "two", "one", "three", "one"]) {
        const { token } = yield* at(now)(acquired(holder))
        tokens.push(token)
        now += 100
        const { token: own } = yield* at(now)(acquired("another"))
        tokens.push(own)
        yield* equal(yield* at(now)(store.release({ resource: "r", holder: "another", token: own })), true)
      }
      yield* equal(
        tokens,
        [...new Set(tokens)].sort((a, b) => a - b),
        "the tokens, in their order"
      )
    }),

    "gives a larger token to a holder that released it": Effect.gen(function* () {
      const store = yield* LeaseStore
      const { token } = yield* at(1000)(acquired("one"))
      yield* equal(yield* at(1000)(store.release({ resource: "r", holder: "one", token })), true)
      yield* at(1000)(areNobodys([{ holder: "one", token }]))
      const again = yield* at(1000)(acquired("one"))
      yield* isTrue(again.token > token, `${again.token} is more than ${token}`)
    }),

    "gives a token above `above`": Effect.gen(function* () {
      const store = yield* LeaseStore
      const first = yield* at(1000)(acquired("one", { above: 41 }))
      yield* isTrue(first.token > 41, `${first.token} is more than 41`)
      const second = yield* at(2000)(acquired("two", { above: 7 }))
      yield* isTrue(second.token > first.token, `${second.token} is more than ${first.token}`)
      const third = yield* at(3000)(acquired("three", { above: second.token }))
      yield* isTrue(third.token > second.token, `${third.token} is more than ${second.token}`)
      // who has it keeps its token, unless that is not above
      const same = yield* at(3000)(acquired("three", { above: third.token - 1 }))
      yield* equal(same.token, third.token)
      const raised = yield* at(3000)(acquired("three", { above: third.token }))
      yield* isTrue(raised.token > third.token, `${raised.token} is more than ${third.token}`)
      yield* at(3000)(areNobodys([third]))
      yield* equal(yield* at(3000)(store.renew({ ...raised, ttl })), true)
      const expired = yield* at(4000)(acquired("three", { above: 1000 }))
      yield* isTrue(expired.token > 1000, `${expired.token} is more than 1000`)
      yield* at(4000)(is(expired))
    }),

    "takes the largest numbers there are": Effect.gen(function* () {
      const lease = yield* at(1000)(acquired("one", { ttl: maxTtl, above: maxAbove }))
      yield* equal(lease.token, Number.MAX_SAFE_INTEGER)
      yield* at(1001)(is(lease, maxTtl - 1))
      yield* at(1001)(held("two", { ...lease, remaining: maxTtl - 1 }))
    }),

    "of one resource has nothing to do with another": Effect.gen(function* () {
      const store = yield* LeaseStore
      const r = yield* at(1000)(acquired("one"))
      const s = yield* at(1000)(acquired("two", { resource: "s", above: 99 }))
      yield* at(1000)(areNobodys([s]))
      yield* at(1000)(is(r))
      yield* equal(yield* at(1000)(store.release(s)), true)
      yield* at(1000)(is(r))
    })
  }),

  ...Check.group("the time of a lease", {
    "is over at its end, for all methods": Effect.gen(function* () {
      const lease = yield* at(1000)(acquired("one"))
      yield* at(1099)(is(lease, 1))
      yield* at(1100)(is(undefined))
      yield* at(1100)(areNobodys([lease]))
      yield* at(1100)(is(undefined))
      const next = yield* at(1100)(acquired("two"))
      yield* isTrue(next.token > lease.token, `${next.token} is more than ${lease.token}`)
      yield* at(1100)(areNobodys([lease]))
      yield* at(1100)(is(next))
    }),

    "begins anew with renew, longer or shorter": Effect.gen(function* () {
      const store = yield* LeaseStore
      const lease = yield* at(1000)(acquired("one"))
      yield* equal(yield* at(1099)(store.renew({ ...lease, ttl: 1000 })), true)
      yield* at(2098)(is(lease, 1))
      yield* equal(yield* at(1099)(store.renew({ ...lease, ttl: 1 })), true)
      yield* at(1099)(is(lease, 1))
      yield* at(1100)(is(undefined))
    })
  }),

  ...Check.group("renew and release", {
    "by anyone else change nothing and say so": Effect.gen(function* () {
      const store = yield* LeaseStore
      const lease = yield* at(1000)(acquired("one", { above: 5 }))
      yield* at(1050)(areNobodys(otherThan(lease.token)))
      yield* at(1050)(is(lease, 50))
      yield* at(1050)(areNobodys([lease], "s"))
      yield* at(1050)(is(lease, 50))
      yield* equal(yield* at(1050)(store.renew({ ...lease, ttl })), true)
      yield* at(1050)(is(lease, 100))
      yield* equal(yield* at(1050)(store.release(lease)), true)
    }),

    "of what nobody has held say so": Effect.gen(function* () {
      yield* at(1000)(areNobodys([{ holder: "one", token: 1 }]))
      yield* at(1000)(is(undefined))
      const lease = yield* at(1000)(acquired("two"))
      yield* at(1000)(is(lease))
    }),

    "free it at once, once": Effect.gen(function* () {
      const store = yield* LeaseStore
      const lease = yield* at(1000)(acquired("one"))
      yield* equal(yield* at(1010)(store.release(lease)), true)
      yield* at(1010)(is(undefined))
      yield* at(1010)(areNobodys([lease]))
      const next = yield* at(1010)(acquired("two"))
      yield* isTrue(next.token > lease.token, `${next.token} is more than ${lease.token}`)
      yield* at(1010)(areNobodys([lease]))
      yield* at(1010)(is(next))
    }),

    "with `forget` also its token": Effect.gen(function* () {
      const store = yield* LeaseStore
      const first = yield* at(1000)(acquired("one", { above: 41 }))
      yield* equal(yield* at(1010)(store.release({ ...first, forget: true })), true)
      yield* at(1010)(is(undefined))
      yield* at(1010)(areNobodys([first]))
      const next = yield* at(1010)(acquired("two", { above: 3 }))
      yield* equal(next.token, 4)
      yield* equal(yield* at(1010)(store.release({ ...next, forget: false })), true)
      const last = yield* at(1010)(acquired("three"))
      yield* isTrue(last.token > next.token, `${last.token} is more than ${next.token}`)
    })
  })
]
