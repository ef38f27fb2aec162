/** What several clients of one Redis see of a value and of a lease has an order. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Data, Effect, Fiber, Layer, Option, Random } from "effect"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as RedisStore from "heddle/store/RedisStore"
import { type Entry, StateStore } from "heddle/store/StateStore"
import { Linearizability } from "heddle/testing"
import { withRedis } from "../services/Services.js"
import * as RedisPrefix from "./RedisPrefix.js"

type Input =
  | { readonly _tag: "get" | "list" | "delete" }
  | { readonly _tag: "set"; readonly value: string }
  | { readonly _tag: "compareAndSet"; readonly expected: number; readonly value: string }

/** What get and list, set and compareAndSet, and delete give. */
type Output = Entry | number | boolean | undefined

/** `version` is unknown when who has set it was interrupted, and nobody has seen it since. */
interface State {
  readonly value: string | undefined
  readonly version: number | undefined
  readonly last: number
}

const state = (value: string | undefined, version: number | undefined, last: number): State =>
  Data.struct({ value, version, last })

/** One key, whose versions grow. */
const entryModel: Linearizability.Model<State, Input, Output> = {
  init: state(undefined, undefined, 0),
  step: (before, operation) => {
    const { input } = operation
    const output = operation._tag === "Completed" ? operation.output : undefined
    const answered = operation._tag === "Completed"
    const put = (value: string) => {
      if (!answered) return Option.some(state(value, undefined, before.last))
      return typeof output === "number" && output > before.last
        ? Option.some(state(value, output, output))
        : Option.none()
    }
    const unchangedIf = (holds: boolean) => (holds || !answered ? Option.some(before) : Option.none())
    switch (input._tag) {
      case "get":
      case "list":
        if (typeof output !== "object") return unchangedIf(output === undefined && before.value === undefined)
        if (before.value !== output.value) return Option.none()
        if (before.version !== undefined) return unchangedIf(before.version === output.version)
        return output.version > before.last
          ? Option.some(state(before.value, output.version, output.version))
          : Option.none()
      case "delete":
        return answered && output !== (before.value !== undefined)
          ? Option.none()
          : Option.some(state(undefined, undefined, before.last))
      case "set":
        return put(input.value)
      case "compareAndSet": {
        const is = before.value === undefined ? 0 : before.version
        return input.expected === is ? put(input.value) : unchangedIf(output === undefined)
      }
    }
  }
}

type LeaseInput =
  | { readonly _tag: "acquire"; readonly holder: string }
  | { readonly _tag: "release" | "renew"; readonly holder: string; readonly token: number }
  | { readonly _tag: "get" }

/** The holder and the token of acquire (who has it) and get; whether it was the caller's. */
type LeaseOutput = string | boolean

interface Held {
  readonly holder: string
  readonly token: number
}

const held = (holder: string, token: number): Held => Data.struct({ holder, token })

/** One lease, whose time does not end while it is tested. */
const leaseModel: Linearizability.Model<Held, LeaseInput, LeaseOutput> = {
  init: held("", 0),
  step: (before, { _tag, ...operation }) => {
    if (_tag === "Pending") return Option.none()
    const { input } = operation
    const output = "output" in operation ? operation.output : ""
    const is = before.holder === "" ? "nobody" : `${before.holder} ${before.token}`
    switch (input._tag) {
      case "get":
        return output === is ? Option.some(before) : Option.none()
      case "acquire": {
        if (before.holder !== "") return output === is ? Option.some(before) : Option.none()
        const [holder, token] = String(output).split(" ")
        return holder === input.holder && Number(token) > before.token
          ? Option.some(held(input.holder, Number(token)))
          : Option.none()
      }
      case "renew":
      case "release": {
        const own = before.holder === input.holder && before.token === input.token
        if (output !== own) return Option.none()
        return Option.some(own && input._tag === "release" ? held("", before.token) : before)
      }
    }
  }
}

const upTo = (max: number) => Random.nextIntBetween(0, max + 1)

withRedis((url) => {
  const stores = Effect.gen(function* () {
    const options = yield* RedisPrefix.options(url)
    return yield* Effect.replicateEffect(Layer.build(RedisStore.layer(options)), 4)
  })

  describe("what several clients of one Redis see has an order", () => {
    it.scopedLive("of a value", () =>
      Effect.gen(function* () {
        const clients = Array.map(yield* stores, Context.get(StateStore))
        const seen = { won: 0, lost: 0, pending: 0, found: 0 }
        for (let round = 0; round < 3; round++) {
          const { history, record } = yield* Linearizability.recorder<Input, Output>()
          const key = `k${round}`
          const using = (store: StateStore["Type"], name: string) =>
            Effect.gen(function* () {
              let version = 0
              for (let i = 0; i < 20; i++) {
                const value = `${name}${i}`
                const kind = yield* upTo(9)
                const input: Input =
                  kind < 2
                    ? { _tag: "get" }
                    : kind < 3
                      ? { _tag: "list" }
                      : kind < 4
                        ? { _tag: "delete" }
                        : kind < 6
                          ? { _tag: "set", value }
                          : { _tag: "compareAndSet", expected: version, value }
                const call = record(input)(perform(store, key, input))
                if (i % 7 === 6) {
                  const fiber = yield* Effect.fork(call)
                  yield* Effect.repeatN(Effect.yieldNow(), yield* upTo(5))
                  yield* Fiber.interrupt(fiber)
                  continue
                }
                const output = yield* call
                version = typeof output === "number" ? output : typeof output === "object" ? output.version : version
              }
            })
          yield* Effect.all(
            clients.map((store, i) => using(store, "abcd".charAt(i))),
            { concurrency: "unbounded" }
          )
          for (const operation of yield* Linearizability.check(entryModel, yield* history)) {
            if (operation._tag === "Pending") seen.pending++
            else if (operation.input._tag === "compareAndSet") seen[operation.output === undefined ? "lost" : "won"]++
            else if (typeof operation.output === "object") seen.found++
          }
        }
        for (const [what, times] of Object.entries(seen)) assert.isAbove(times, 0, what)
      })
    )

    it.scopedLive("of a lease", () =>
      Effect.gen(function* () {
        const clients = Array.map(yield* stores, Context.get(LeaseStore))
        const { history, record } = yield* Linearizability.recorder<LeaseInput, LeaseOutput>()
        const resource = "r"
        const shown = (lease: { readonly holder: string; readonly token: number }) => `${lease.holder} ${lease.token}`
        let acquired = 0
        const using = (store: LeaseStore["Type"], holder: string) =>
          Effect.gen(function* () {
            let token = 1
            for (let i = 0; i < 15; i++) {
              const is = yield* record({ _tag: "acquire", holder })(
                Effect.map(store.acquire({ resource, holder, ttl: 60_000 }), ({ lease }) =>
                  shown("holder" in lease ? lease : Option.getOrThrow(lease))
                )
              )
              if (String(is).startsWith(`${holder} `)) {
                acquired++
                token = Number(String(is).split(" ")[1])
              }
              if ((yield* upTo(1)) === 0) {
                yield* record({ _tag: "get" })(
                  Effect.map(store.get(resource), Option.match({ onNone: () => "nobody", onSome: shown }))
                )
                yield* record({ _tag: "renew", holder, token })(store.renew({ resource, holder, token, ttl: 60_000 }))
              }
              yield* record({ _tag: "release", holder, token })(store.release({ resource, holder, token }))
            }
          })
        yield* Effect.all(
          clients.map((store, i) => using(store, `h${i}`)),
          { concurrency: "unbounded" }
        )
        yield* Linearizability.check(leaseModel, yield* history)
        assert.isAbove(acquired, 1)
      })
    )
  })
})

const perform = (store: StateStore["Type"], key: string, input: Input) => {
  switch (input._tag) {
    case "get":
      return Effect.map(store.get(key), Option.getOrUndefined)
    case "list":
      return Effect.map(store.list({ prefix: key, limit: 2 }), ([entry]) => entry)
    case "delete":
      return store.delete(key)
    case "set":
      return store.set(key, input.value)
    case "compareAndSet":
      return Effect.map(store.compareAndSet(key, input.expected, input.value), Option.getOrUndefined)
  }
}
