/** Stores of state under one interleaving of those who use them after the other. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, HashSet, Layer, Option } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import { type Entry, StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { asTimePasses, perhaps, upTo } from "./Calls.js"

type Input =
  | { readonly _tag: "get" | "getMany" | "list" | "delete" }
  | { readonly _tag: "set"; readonly value: string; readonly ttl: number | undefined }
  | {
      readonly _tag: "compareAndSet"
      readonly expected: number
      readonly value: string
      readonly ttl: number | undefined
    }
  | { readonly _tag: "wait"; readonly millis: number }

/** What get, set and compareAndSet, delete, and a wait give. */
type Output = Entry | number | boolean | undefined

/** `version` is unknown when who has set it was interrupted, and nobody has seen it since. */
interface Present {
  readonly value: string
  readonly version: number | undefined
  readonly expiresAt: number
}

interface State {
  readonly now: number
  readonly present: Option.Option<Present>
  readonly versions: HashSet.HashSet<number>
}

const state = (state: State): State => Data.struct(state)

/** One key whose value has a time to live, and a clock. */
const model: Linearizability.Model<State, Input, Output> = {
  init: state({ now: 0, present: Option.none(), versions: HashSet.empty() }),
  step: (before, operation) => {
    const { now, versions } = before
    const { input } = operation
    const answered = operation._tag === "Completed"
    const output = answered ? operation.output : undefined
    const is = Option.getOrUndefined(Option.filter(before.present, ({ expiresAt }) => now < expiresAt))

    const known = (version: number, present: Omit<Present, "version">) =>
      HashSet.has(versions, version)
        ? Option.none()
        : Option.some(
            state({
              now,
              present: Option.some(Data.struct({ ...present, version })),
              versions: HashSet.add(versions, version)
            })
          )
    const put = (value: string, ttl: number | undefined): Option.Option<State> => {
      const present = { value, expiresAt: now + (ttl ?? Infinity) }
      if (!answered) {
        return Option.some(state({ ...before, present: Option.some(Data.struct({ ...present, version: undefined })) }))
      }
      return typeof output === "number" ? known(output, present) : Option.none()
    }
    const unchangedIf = (holds: boolean) => (holds || !answered ? Option.some(before) : Option.none())

    switch (input._tag) {
      case "wait":
        return Option.some(state({ ...before, now: now + input.millis }))
      case "get":
      case "getMany":
      case "list": {
        if (typeof output !== "object" || is === undefined) return unchangedIf(output === undefined && is === undefined)
        if (is.version === undefined && is.value === output.value) return known(output.version, is)
        return unchangedIf(is.value === output.value && is.version === output.version)
      }
      case "delete":
        return answered && output !== (is !== undefined)
          ? Option.none()
          : Option.some(state({ ...before, present: Option.none() }))
      case "set":
        return put(input.value, input.ttl)
      case "compareAndSet":
        // whoever expects a version has seen it
        return input.expected === (is === undefined ? 0 : is.version)
          ? put(input.value, input.ttl)
          : unchangedIf(output === undefined)
    }
  }
}

const isRead = ({ _tag }: Input) => _tag === "get" || _tag === "getMany" || _tag === "list"

const anyTtl = Effect.map(upTo(3), (ttl) => (ttl === 0 ? undefined : ttl))

/** Three fibers that use one key, and one with which the time goes on; some calls are interrupted. */
const histories = (layer: Layer.Layer<StateStore, StoreError>) =>
  Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(layer), StateStore)
    const recorder = yield* Linearizability.recorder<Input, Output>()

    const perform = (input: Exclude<Input, { _tag: "wait" }>): Effect.Effect<Output, StoreError> => {
      switch (input._tag) {
        case "get":
          return Effect.map(store.get("k"), Option.getOrUndefined)
        case "getMany":
          return Effect.map(store.getMany(["k", "l"]), (found) => found.get("k"))
        case "list":
          return Effect.map(store.list({ prefix: "k", limit: 2 }), ([first]) =>
            first === undefined ? undefined : { value: first.value, version: first.version }
          )
        case "delete":
          return store.delete("k")
        case "set":
          return store.set("k", input.value, { ttl: input.ttl })
        case "compareAndSet":
          return Effect.map(
            store.compareAndSet("k", input.expected, input.value, { ttl: input.ttl }),
            Option.getOrUndefined
          )
      }
    }

    const using = (name: string) =>
      Effect.gen(function* () {
        let seen = 0
        for (let i = 0; i < 5; i++) {
          const write = { value: `${name}${i}`, ttl: yield* anyTtl }
          const kind = yield* upTo(8)
          const input =
            kind < 2
              ? ({ _tag: (["get", "getMany", "list"] as const)[yield* upTo(2)]! } as const)
              : kind < 3
                ? ({ _tag: "delete" } as const)
                : kind < 5
                  ? ({ _tag: "set", ...write } as const)
                  : ({ _tag: "compareAndSet", expected: seen, ...write } as const)
          const answer = yield* perhaps(recorder.record(input)(perform(input)))
          if (Option.isNone(answer)) continue
          const output = answer.value
          seen = typeof output === "number" ? output : typeof output === "object" ? output.version : 0
        }
      })

    yield* asTimePasses(["a", "b", "c"].map(using), (millis, pass) => recorder.record({ _tag: "wait", millis })(pass))
    return yield* recorder.history
  }).pipe(Effect.scoped)

describe("what several fibers see of one key of a StateStore, and of the end of its values, has an order", () => {
  for (const [name, layer, seeds] of [
    ["StateStoreMemory", () => StateStoreMemory.layer(), numRuns],
    ["StateStoreSqlite", () => StateStoreSqlite.layer({ filename: ":memory:" }), numRuns]
  ] as const) {
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          const seen = { won: 0, lost: 0, pending: 0, found: 0, expired: 0 }
          yield* SeededScheduler.explore({
            seeds,
            effect: Effect.gen(function* () {
              const history = yield* histories(layer())
              const order = yield* Linearizability.check(model, history)
              let now = 0
              let expiresAt = Infinity
              for (const operation of order) {
                const { input } = operation
                if (operation._tag === "Pending") seen.pending++
                else if (input._tag === "compareAndSet") seen[operation.output === undefined ? "lost" : "won"]++
                else if (isRead(input) && operation.output !== undefined) seen.found++
                else if (isRead(input) && expiresAt <= now) seen.expired++
                if (input._tag === "wait") now += input.millis
                else if (input._tag === "delete") expiresAt = Infinity
                else if (input._tag === "set") expiresAt = now + (input.ttl ?? Infinity)
              }
            })
          })
          // each of them has come about
          for (const [what, times] of Object.entries(seen)) assert.isAbove(times, seeds / 20, what)
        }),
      300_000
    )
  }
})
