/** Stores of leases, and leases over them, under one interleaving of those who use them after the other. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Fiber, HashMap, Layer, Option } from "effect"
import { Lease } from "heddle"
import type { StoreError } from "heddle/model/StoreError"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { asTimePasses, pause, perhaps, upTo } from "./Calls.js"
import { inTime } from "./Drive.js"

type Input =
  | { readonly _tag: "acquire"; readonly holder: string; readonly ttl: number }
  | { readonly _tag: "renew" | "release"; readonly holder: string; readonly token: number }
  | { readonly _tag: "enqueue" | "dequeue"; readonly holder: string }
  | { readonly _tag: "wait"; readonly millis: number }

/** The token of who has it, negative when that is somebody else, 0 when it is nobody; whether it was; a ticket. */
type Output = number | boolean | undefined

interface State {
  readonly now: number
  readonly holder: string
  readonly token: number
  readonly until: number
  /** Until when they wait, in their order, as a text, so that two that are the same are equal. */
  readonly line: string
}

const state = (state: State): State => Data.struct(state)
const renewal = 3
const place = 4

type Line = ReadonlyArray<readonly [holder: string, until: number]>

/** One resource, its line, and a clock. */
const model: Linearizability.Model<State, Input, Output> = {
  init: state({ now: 0, holder: "", token: 0, until: 0, line: "[]" }),
  step: (before, operation) => {
    const { now, token } = before
    const { input } = operation
    const answered = operation._tag === "Completed"
    const output = answered ? operation.output : undefined
    const isHeld = before.holder !== "" && now < before.until
    const line = (JSON.parse(before.line) as Line).filter(([, until]) => now < until)
    const next = (fields: Partial<State>, expected: Output) =>
      answered && output !== expected ? Option.none() : Option.some(state({ ...before, ...fields }))

    switch (input._tag) {
      case "wait":
        return next({ now: now + input.millis }, undefined)
      case "acquire": {
        const at = line.findIndex(([holder]) => holder === input.holder)
        const passesOver = line.length > 0 && at !== 0
        if (isHeld ? before.holder !== input.holder : passesOver) return next({}, isHeld ? -token : 0)
        const kept = before.holder === input.holder ? token : token + 1
        return next(
          {
            holder: input.holder,
            token: kept,
            until: now + input.ttl,
            line: JSON.stringify(line.filter((_, i) => i !== at))
          },
          kept
        )
      }
      case "renew":
      case "release": {
        const own = isHeld && before.holder === input.holder && token === input.token
        if (!own) return next({}, false)
        return next(input._tag === "renew" ? { until: now + renewal } : { holder: "", until: 0 }, true)
      }
      case "enqueue": {
        const until = now + place
        const is = line.some(([holder]) => holder === input.holder)
        const after: Line = is
          ? line.map(([holder, old]) => [holder, holder === input.holder ? until : old])
          : [...line, [input.holder, until]]
        return next({ line: JSON.stringify(after) }, undefined)
      }
      case "dequeue":
        return next({ line: JSON.stringify(line.filter(([holder]) => holder !== input.holder)) }, undefined)
    }
  }
}

const perform = (store: typeof LeaseStore.Service, input: Exclude<Input, { _tag: "wait" }>) => {
  const { holder } = input
  const request = { resource: "r", holder }
  switch (input._tag) {
    case "acquire":
      return Effect.map(store.acquire({ ...request, ttl: input.ttl }), (answer): Output =>
        answer._tag === "Acquired"
          ? answer.lease.token
          : Option.match(answer.lease, { onNone: () => 0, onSome: ({ token }) => -token })
      )
    case "renew":
      return store.renew({ ...request, token: input.token, ttl: renewal })
    case "release":
      return store.release({ ...request, token: input.token })
    case "enqueue":
      return Effect.as(store.enqueue({ ...request, ttl: place }), undefined)
    case "dequeue":
      return Effect.as(store.dequeue(request), undefined)
  }
}

/** Three fibers that want one resource, and one with which the time goes on; some calls are interrupted. */
const histories = (layer: Layer.Layer<LeaseStore, StoreError>) =>
  Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(layer), LeaseStore)
    const recorder = yield* Linearizability.recorder<Input, Output>()
    const using = (holder: string) =>
      Effect.gen(function* () {
        let token = 1
        for (let i = 0; i < 6; i++) {
          const kind = yield* upTo(9)
          const input: Exclude<Input, { _tag: "wait" }> =
            kind < 4
              ? { _tag: "acquire", holder, ttl: 1 + (yield* upTo(2)) }
              : kind < 6
                ? { _tag: "renew", holder, token }
                : kind < 8
                  ? { _tag: "release", holder, token }
                  : { _tag: kind < 9 ? "enqueue" : "dequeue", holder }
          const answer = yield* perhaps(recorder.record(input)(perform(store, input)))
          const output = Option.getOrUndefined(answer)
          if (typeof output === "number" && output !== 0) token = Math.abs(output)
        }
      })
    yield* asTimePasses(["a", "b", "c"].map(using), (millis, pass) => recorder.record({ _tag: "wait", millis })(pass))
    return yield* recorder.history
  }).pipe(Effect.scoped)

describe("what several fibers see of one resource of a LeaseStore has an order", () => {
  for (const [name, layer, seeds] of [
    ["LeaseStoreMemory", () => LeaseStoreMemory.layer(), numRuns],
    ["LeaseStoreSqlite", () => LeaseStoreSqlite.layer({ filename: ":memory:" }), Math.ceil(numRuns / 4)]
  ] as const) {
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          let seen = HashMap.empty<string, number>()
          yield* SeededScheduler.explore({
            seeds,
            effect: Effect.gen(function* () {
              const order = yield* Linearizability.check(model, yield* histories(layer()))
              for (const operation of order) {
                const { output } = operation._tag === "Completed" ? operation : { output: undefined }
                const answer =
                  operation._tag === "Pending"
                    ? "pending"
                    : typeof output === "number"
                      ? ["held", "passed over", "acquired"][Math.sign(output) + 1]!
                      : `${operation.input._tag} ${output}`
                seen = HashMap.modifyAt(seen, answer, (n) => Option.some(Option.getOrElse(n, () => 0) + 1))
              }
            })
          })
          // each of them has come about
          for (const what of [
            "pending",
            "held",
            "passed over",
            "acquired",
            "renew true",
            "renew false",
            "release true"
          ]) {
            assert.isAbove(
              Option.getOrElse(HashMap.get(seen, what), () => 0),
              seeds / 20,
              what
            )
          }
        }),
      300_000
    )
  }
})

/** Fibers of two processes that use one resource, some of which are interrupted. */
const scenario = Effect.gen(function* () {
  const processes = yield* Effect.forEach(["a", "b"], (owner) =>
    Effect.map(Layer.build(Layer.fresh(Lease.layer({ owner, poll: "60 millis" }))), Context.get(Lease.Lease))
  )
  const store = yield* LeaseStore
  let inside = 0
  const tokens: Array<number> = []
  const tickets: Array<number> = []
  const use = (lease: typeof Lease.Lease.Service) =>
    Effect.gen(function* () {
      assert.strictEqual(inside++, 0, "nobody else is inside")
      tokens.push(yield* Lease.token)
      const sleep = yield* upTo(400)
      yield* sleep < 20 ? pause : Effect.sleep(sleep)
      assert.isTrue(yield* Lease.isHeld)
    }).pipe(Effect.ensuring(Effect.sync(() => inside--)), lease.withLease("r", "100 millis"))
  const fibers = yield* Effect.forEach([0, 1, 2, 3], (i) =>
    Effect.gen(function* () {
      yield* Effect.sleep(yield* upTo(30))
      const using = yield* Effect.fork(use(processes[i % 2]!))
      if ((yield* upTo(3)) > 0) return yield* Fiber.join(using)
      yield* Effect.sleep(yield* upTo(300))
      yield* Fiber.interrupt(using)
    }).pipe(Effect.fork)
  )
  for (const fiber of fibers) yield* Fiber.join(fiber)
  assert.deepStrictEqual(
    tokens,
    [...new Set(tokens)].sort((a, b) => a - b),
    "tokens grow with each holder"
  )
  assert.isTrue(Option.isNone(yield* store.get("r")), "it is free")
  tickets.push(yield* store.enqueue({ resource: "r", holder: "last", ttl: 1 }))
  assert.deepStrictEqual(tickets, [1], "nobody is left in line")
}).pipe(Effect.scoped, Effect.provide(LeaseStoreMemory.layer()))

describe("withLease", () => {
  it.live(
    "lets one at a time inside, whatever the interleaving, and leaves nothing",
    () => SeededScheduler.explore({ seeds: numRuns, effect: inTime(Effect.orDie(scenario)) }),
    300_000
  )
})
