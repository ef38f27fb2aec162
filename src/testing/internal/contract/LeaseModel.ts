/**
 * Whatever is asked of a store, in whatever order, it answers as a plain model does.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { type Acquired, type LeaseRow, LeaseStore } from "../../../store/LeaseStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import { at } from "./Moment.js"
import { type Options, property } from "./Property.js"

/** What is asked; `of` is how many tokens ago the one was given that is meant: 0 is the latest. */
type Operation =
  | { readonly _tag: "acquire"; readonly holder: string; readonly ttl: number; readonly above: number | undefined }
  | { readonly _tag: "renew"; readonly holder: string; readonly of: number; readonly ttl: number }
  | { readonly _tag: "release"; readonly holder: string; readonly of: number; readonly forget: boolean }
  | { readonly _tag: "enqueue"; readonly holder: string; readonly ttl: number }
  | { readonly _tag: "dequeue"; readonly holder: string }
  | { readonly _tag: "get" }
  | { readonly _tag: "wait"; readonly millis: number }

const { array, boolean, constant, constantFrom, integer, oneof, option, record } = FastCheck

const holder = constantFrom("a", "b", "c")
const ttl = integer({ min: 1, max: 20 })
const of = oneof({ weight: 3, arbitrary: constant(0) }, { weight: 1, arbitrary: integer({ min: 1, max: 2 }) })
const above = option(integer({ min: 0, max: 12 }), { nil: undefined, freq: 2 })

const anyOperation: FastCheck.Arbitrary<Operation> = oneof(
  { weight: 4, arbitrary: record({ _tag: constant("acquire" as const), holder, ttl, above }) },
  { weight: 2, arbitrary: record({ _tag: constant("renew" as const), holder, of, ttl }) },
  { weight: 2, arbitrary: record({ _tag: constant("release" as const), holder, of, forget: boolean() }) },
  { weight: 2, arbitrary: record({ _tag: constant("enqueue" as const), holder, ttl }) },
  { weight: 1, arbitrary: record({ _tag: constant("dequeue" as const), holder }) },
  { weight: 1, arbitrary: constant({ _tag: "get" as const }) },
  { weight: 2, arbitrary: record({ _tag: constant("wait" as const), millis: integer({ min: 1, max: 10 }) }) }
)

interface Waiter {
  readonly holder: string
  readonly ticket: number
  readonly until: number
}

export const checks = (options: Options): ReadonlyArray<Check.Check<LeaseStore>> =>
  Check.group("any operations", {
    "are answered as by a model": property(
      options,
      array(anyOperation, { maxLength: 40, size: "max" }),
      (operations, index) =>
        Effect.gen(function* () {
          const store = yield* LeaseStore
          const resource = `r${index}`
          let now = 1000
          let last = { holder: "", token: 0, until: 0 }
          let line: ReadonlyArray<Waiter> = []
          const tokens: Array<number> = []

          const tokenOf = (of: number) => tokens[tokens.length - 1 - of] ?? 1
          const present = (): LeaseRow | undefined =>
            last.holder !== "" && now < last.until
              ? { resource, holder: last.holder, token: last.token, remaining: last.until - now }
              : undefined
          const isOf = (holder: string, token: number) => present()?.holder === holder && present()?.token === token

          for (const operation of operations) {
            line = line.filter(({ until }) => now < until)
            switch (operation._tag) {
              case "acquire": {
                const { above = 0, holder, ttl } = operation
                const answer = yield* at(now)(store.acquire({ resource, holder, ttl, above: operation.above }))
                const is = present()
                const ticket = line.find((waiter) => waiter.holder === holder)?.ticket ?? Infinity
                const passesOver = is === undefined && line.some((waiter) => waiter.ticket < ticket)
                if (passesOver || (is !== undefined && is.holder !== holder)) {
                  yield* equal<Acquired>(
                    answer,
                    { _tag: "Held", lease: Option.fromNullable(is) },
                    `acquire by ${holder}`
                  )
                  break
                }
                yield* isTrue(answer._tag === "Acquired", `${holder} acquires it`)
                if (answer._tag === "Held") break
                const { token } = answer.lease
                yield* equal(answer.lease, { resource, holder, token, remaining: ttl })
                if (last.holder === holder && last.token > above)
                  yield* equal(token, last.token, `${holder} keeps its token`)
                else
                  yield* isTrue(token > Math.max(last.token, above), `${token} is more than ${last.token} and ${above}`)
                tokens.push(token)
                last = { holder, token, until: now + ttl }
                line = line.filter((waiter) => waiter.holder !== holder)
                break
              }
              case "renew": {
                const { holder, ttl } = operation
                const token = tokenOf(operation.of)
                const was = yield* at(now)(store.renew({ resource, holder, token, ttl }))
                yield* equal(was, isOf(holder, token), `renew by ${holder} with ${token}`)
                if (was) last = { ...last, until: now + ttl }
                break
              }
              case "release": {
                const { forget, holder } = operation
                const token = tokenOf(operation.of)
                const was = yield* at(now)(store.release({ resource, holder, token, forget }))
                yield* equal(was, isOf(holder, token), `release by ${holder} with ${token}`)
                if (was) last = { holder: "", token: forget ? 0 : last.token, until: 0 }
                break
              }
              case "enqueue": {
                const { holder, ttl } = operation
                const ticket = yield* at(now)(store.enqueue({ resource, holder, ttl }))
                const own = line.find((waiter) => waiter.holder === holder)
                if (own !== undefined) yield* equal(ticket, own.ticket, `${holder} keeps its ticket`)
                else {
                  const tickets = line.map((waiter) => waiter.ticket)
                  yield* isTrue(ticket > Math.max(0, ...tickets), `${ticket} is more than ${tickets.join(", ")}`)
                }
                line = [...line.filter((waiter) => waiter.holder !== holder), { holder, ticket, until: now + ttl }]
                break
              }
              case "dequeue": {
                yield* at(now)(store.dequeue({ resource, holder: operation.holder }))
                line = line.filter(({ holder }) => holder !== operation.holder)
                break
              }
              case "get":
                break
              case "wait":
                now += operation.millis
            }
            yield* equal(yield* at(now)(store.get(resource)), Option.fromNullable(present()), "who holds it")
          }
        })
    )
  })
