/**
 * Those who wait in line for a resource.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../../model/StoreError.js"
import { LeaseStore } from "../../../store/LeaseStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch } from "./Expect.js"
import { acquired, held, ttl } from "./Leases.js"
import { at } from "./Moment.js"

const wait = (
  holder: string,
  request?: { readonly resource?: string; readonly ttl?: number }
): Effect.Effect<number, Mismatch | StoreError, LeaseStore> =>
  Effect.gen(function* () {
    const ticket = yield* (yield* LeaseStore).enqueue({ resource: "r", ttl, ...request, holder })
    yield* isTrue(Number.isSafeInteger(ticket) && ticket > 0, `a ticket is a positive whole number: ${ticket}`)
    return ticket
  })

const leave = (holder: string, resource = "r") =>
  Effect.flatMap(LeaseStore, (store) => store.dequeue({ resource, holder }))

/** They come before one another in this order. */
const inOrder = (tickets: ReadonlyArray<number>) =>
  equal(
    tickets,
    [...new Set(tickets)].sort((a, b) => a - b),
    "the tickets, in their order"
  )

export const checks = Check.group("waiting in line", {
  "tickets grow, and who waits keeps its own": Effect.gen(function* () {
    const tickets = []
    for (const holder of ["a", "b", "c"]) tickets.push(yield* at(1000)(wait(holder)))
    yield* inOrder(tickets)
    for (const [i, holder] of ["a", "b", "c"].entries()) yield* equal(yield* at(1050)(wait(holder)), tickets[i])
    yield* inOrder([...tickets, yield* at(1050)(wait("d"))])
  }),

  "those who wait acquire it in their order, and others after them": Effect.gen(function* () {
    const store = yield* LeaseStore
    let lease = yield* at(1000)(acquired("one"))
    for (const holder of ["b", "a", "c"]) yield* at(1000)(wait(holder))
    for (const next of ["b", "a", "c"]) {
      yield* at(1001)(held(next, { ...lease, remaining: 99 }))
      yield* equal(yield* at(1001)(store.release(lease)), true)
      for (const holder of ["a", "b", "c", "other", "one"]) {
        if (holder === next) continue
        yield* at(1001)(held(holder, undefined))
      }
      const before = lease
      lease = yield* at(1001)(acquired(next))
      yield* isTrue(lease.token > before.token, `${lease.token} is more than ${before.token}`)
      // so that the next round finds it as the first has
      lease = yield* at(1000)(acquired(next))
    }
    yield* equal(yield* at(1001)(store.release(lease)), true)
    yield* at(1001)(acquired("other"))
  }),

  "who holds it is not held up by those who wait": Effect.gen(function* () {
    const store = yield* LeaseStore
    const lease = yield* at(1000)(acquired("one"))
    yield* at(1000)(wait("a", { ttl: 1000 }))
    const again = yield* at(1050)(acquired("one"))
    yield* equal(again.token, lease.token)
    yield* equal(yield* at(1060)(store.renew({ ...lease, ttl })), true)
    // its time is over: it comes after them, and does not keep its token for that
    yield* at(1160)(held("one", undefined))
    const next = yield* at(1160)(acquired("a"))
    yield* isTrue(next.token > lease.token, `${next.token} is more than ${lease.token}`)
  }),

  "who acquires it waits no longer": Effect.gen(function* () {
    const store = yield* LeaseStore
    yield* at(1000)(wait("a"))
    for (const holder of ["a", "c"]) {
      yield* equal(yield* at(1000)(store.release(yield* at(1000)(acquired(holder)))), true)
    }
    const first = yield* at(1000)(wait("a"))
    const second = yield* at(1000)(wait("b"))
    const lease = yield* at(1000)(acquired("a"))
    yield* equal(yield* at(1000)(store.release(lease)), true)
    yield* at(1000)(held("a", undefined))
    yield* inOrder([first, second, yield* at(1000)(wait("a"))])
    yield* at(1000)(acquired("b"))
  }),

  "who does not wait again in time has lost its place": Effect.gen(function* () {
    yield* at(1000)(wait("a"))
    const second = yield* at(1000)(wait("b", { ttl: 1000 }))
    yield* at(1099)(held("b", undefined))
    yield* at(1099)(wait("a"))
    yield* at(1198)(held("b", undefined))
    yield* at(1199)(held("a", undefined))
    yield* inOrder([second, yield* at(1199)(wait("a"))])
    yield* at(1199)(acquired("b"))
  }),

  "who has lost its place is in nobody's way": Effect.gen(function* () {
    yield* at(1000)(wait("a"))
    yield* at(1099)(held("b", undefined))
    yield* at(1100)(acquired("b"))
  }),

  "the latest call says for how long": Effect.gen(function* () {
    yield* at(1000)(wait("a", { ttl: 1000 }))
    yield* at(1000)(wait("a", { ttl: 10 }))
    yield* at(1009)(held("b", undefined))
    yield* at(1010)(acquired("b"))
  }),

  "who leaves the line is in nobody's way, and begins at its end again": Effect.gen(function* () {
    yield* at(1000)(wait("a"))
    const second = yield* at(1000)(wait("b"))
    yield* at(1000)(leave("nobody"))
    yield* at(1000)(leave("a", "s"))
    yield* at(1000)(held("b", undefined))
    yield* at(1000)(leave("a"))
    yield* at(1000)(leave("a"))
    yield* inOrder([second, yield* at(1000)(wait("a"))])
    yield* at(1000)(acquired("b"))
  }),

  "each resource has a line of its own": Effect.gen(function* () {
    yield* at(1000)(wait("a"))
    yield* at(1000)(acquired("b", { resource: "s" }))
    yield* at(1000)(wait("b"))
    yield* at(1000)(wait("b", { resource: "t" }))
    yield* at(1000)(wait("a", { resource: "t" }))
    yield* at(1000)(held("b", undefined))
    yield* at(1000)(held("a", undefined, "t"))
    yield* at(1000)(acquired("a"))
    yield* at(1000)(acquired("b", { resource: "t" }))
  }),

  "a line is there before the first lease, and after it was forgotten": Effect.gen(function* () {
    const store = yield* LeaseStore
    yield* at(1000)(wait("a"))
    yield* at(1000)(held("c", undefined))
    const lease = yield* at(1000)(acquired("a"))
    yield* at(1000)(wait("b"))
    yield* equal(yield* at(1000)(store.release({ ...lease, forget: true })), true)
    yield* at(1000)(held("c", undefined))
    yield* at(1000)(acquired("b"))
  })
})
