/** Instances of a reducer that two processes drive over one store. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, Exit, Layer, Option, Random, Schema, TestClock } from "effect"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"
import { StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as RedisStore from "heddle/store/RedisStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import * as InstanceStore from "../../src/node/internal/InstanceStore.js"
import { numRuns } from "../numRuns.js"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { inTime } from "../seeds/Drive.js"
import { withPostgres, withRedis } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"
import * as RedisPrefix from "../store/RedisPrefix.js"
import { temporaryFile } from "../store/SqliteFile.js"

const room = 6

/** Takes what there is room for, and keeps who it was, in their order. */
const guests = Machine.make({
  id: "sharing/guests",
  context: Schema.Struct({ list: Schema.Array(Schema.String) }),
  events: { Come: { who: Schema.String }, Go: { who: Schema.String } },
  intents: { Greet: { who: Schema.String } },
  initial: "open",
  initialContext: { list: [] },
  history: 100,
  states: { open: {} },
  transitions: [
    {
      from: "open",
      on: "Come",
      to: "open",
      guard: { name: "has room", test: ({ list }) => list.length < room },
      actions: [
        { update: (context, { who }) => ({ list: [...context.list, who] }) },
        { emit: (_, { who }) => ({ _tag: "Greet", who }) }
      ]
    },
    {
      from: "open",
      on: "Go",
      to: "open",
      guard: { name: "is there", test: ({ list }, { who }) => list.includes(who) },
      actions: [{ update: (context, { who }) => ({ list: context.list.filter((other) => other !== who) }) }]
    }
  ]
})

class Guests extends ReducerNode.Service<Guests>()("sharing/Guests", { machine: guests }) {}

interface Accepted {
  readonly seq: number
  readonly event: string
  readonly list: ReadonlyArray<string>
}

/** `processes`: a store for each of them, over the same data. */
const share = (processes: ReadonlyArray<Layer.Layer<StateStore, StoreError>>, key: string) =>
  Effect.gen(function* () {
    const greeted: Array<readonly [id: string, who: string]> = []
    const layer = Guests.layer({
      intents: ({ who }, { id }) => Effect.sync(() => void greeted.push([id, who]))
    })
    const nodes = yield* Effect.forEach(processes, (store) =>
      Effect.map(Layer.build(Layer.fresh(Layer.provide(layer, store))), Context.get(Guests))
    )
    const accepted: Array<Accepted> = []
    yield* Effect.forEach(
      Array.range(1, 4),
      (client) =>
        Effect.gen(function* () {
          for (const n of [1, 2, 3]) {
            const who = `${client}.${n}`
            for (const _tag of ["Come", "Go"] as const) {
              if (_tag === "Go" && (yield* Random.nextBoolean)) continue
              const node = nodes[(client + n) % nodes.length]!
              yield* node.send(key, { _tag, who }).pipe(
                Effect.tap(({ context, seq }) =>
                  Effect.sync(() => accepted.push({ seq, event: `${_tag} ${who}`, list: context.list }))
                ),
                Effect.catchTag("TransitionRefused", () => Effect.void)
              )
            }
          }
        }),
      { concurrency: "unbounded" }
    )
    for (const node of nodes) yield* node.recover([key])
    const snapshot = yield* Effect.map(nodes[0]!.snapshot(key), Option.getOrThrow).pipe(
      Effect.zipLeft(Effect.sleep("10 millis")),
      Effect.repeat({ until: ({ pending }) => pending.length === 0 })
    )

    // what was accepted, one after the other, gives what is there, and each step what its caller saw
    const order = [...accepted].sort((a, b) => a.seq - b.seq)
    assert.deepStrictEqual(
      order.map(({ seq }) => seq),
      order.map((_, i) => i + 1),
      "each number is given once"
    )
    let list: ReadonlyArray<string> = []
    for (const { event, list: seen } of order) {
      const [tag, who] = event.split(" ") as [string, string]
      assert.isTrue(tag === "Come" ? list.length < room : list.includes(who), `${event} may take place`)
      list = tag === "Come" ? [...list, who] : list.filter((other) => other !== who)
      assert.deepStrictEqual(seen, list, "what its caller saw")
    }
    assert.deepStrictEqual(snapshot.context.list, list)
    assert.strictEqual(snapshot.seq, order.length)

    const issued = snapshot.history.flatMap(({ intents }) => intents)
    assert.lengthOf(new Set(issued), issued.length, "no intent id is issued twice")
    const came = order.filter(({ event }) => event.startsWith("Come"))
    const whose = new Map(greeted)
    assert.strictEqual(new Set(greeted.map(([, who]) => who)).size, whose.size, "an id is that of one intent")
    assert.deepStrictEqual(
      [...whose].sort(([a], [b]) => (a < b ? -1 : 1)),
      came
        .map(({ event, seq }) => [`sharing/guests:${key}:${seq}:0`, event.slice(5)] as [string, string])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
      "every intent is done, under its one id"
    )
  }).pipe(Effect.scoped)

/** Several times in one place, each under a key of its own. */
const times = (count: number, processes: ReadonlyArray<Layer.Layer<StateStore, StoreError>>) =>
  Effect.forEach(Array.range(1, count), (i) => share(processes, `key ${i}`), { discard: true })

describe("a reducer that two processes drive with one key", () => {
  it.live(
    "has a history that equals a serial order, in memory, whatever the interleaving",
    () =>
      SeededScheduler.explore({
        seeds: Math.ceil(numRuns / 5),
        effect: inTime(
          Effect.scoped(
            Effect.flatMap(Layer.build(StateStoreMemory.layer()), (context) => {
              const store = Layer.succeedContext(context)
              return share([store, store], "key")
            })
          )
        )
      }),
    300_000
  )

  it.scopedLive("has it over two connections to one SQLite file", () =>
    Effect.flatMap(temporaryFile, (filename) => {
      const store = StateStoreSqlite.layer({ filename })
      return times(3, [store, Layer.fresh(store)])
    })
  )

  withPostgres((url) => {
    it.scopedLive("has it over two pools of PostgreSQL", () =>
      Effect.flatMap(PostgresSchema.freshSchema(url), (schema) => {
        const store = PostgresStore.layerStateStore({ ...PostgresSchema.options(url, schema) })
        return times(3, [store, Layer.fresh(store)])
      })
    )
  })

  withRedis((url) => {
    it.scopedLive("has it over two connections to Redis", () =>
      Effect.flatMap(RedisPrefix.options(url), (options) => {
        const store = RedisStore.layerStateStore(options)
        return times(3, [store, Layer.fresh(store)])
      })
    )
  })
})

const refused = (reason: StoreError["reason"]) =>
  new StoreError({ reason, location: "here", operation: "compareAndSet", message: `it is ${reason}` })

/** `others` write between what a writer has read and each of its tries, of which the first ones have no answer. */
const writeAmong = (others: ReadonlyArray<number>, reasons: ReadonlyArray<StoreError["reason"]>) =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const common = { node: "n", prefix: "p:", schema: Schema.String }
    const elsewhere = InstanceStore.make({ ...common, store })
    let tries = 0
    const here = InstanceStore.make({
      ...common,
      store: {
        ...store,
        compareAndSet: (...request) =>
          Effect.gen(function* () {
            for (let i = 0; i < others[tries]!; i++) {
              yield* elsewhere.write("a", `${tries}.${i}`, yield* elsewhere.read("a"), "other")
            }
            const reason = reasons[tries++]
            return yield* reason === undefined ? store.compareAndSet(...request) : Effect.fail(refused(reason))
          }).pipe(Effect.mapError((error) => (error instanceof StoreError ? error : refused("failed"))))
      }
    })
    const fiber = yield* Effect.fork(Effect.either(here.write("a", "own", yield* Effect.orDie(here.read("a")), "own")))
    yield* TestClock.adjust("1 second")
    const exit = yield* fiber.await
    return Exit.isSuccess(exit) ? exit.value : yield* exit
  }).pipe(Effect.provide(StateStoreMemory.layer()))

describe("a writer of an instance, when many others have written since it has read", () => {
  it.effect("knows that a write was refused which the store did not do, or was too busy for", () =>
    Effect.gen(function* () {
      for (const [others, reasons] of [
        [[20], []],
        [[20], ["busy"]],
        [[0, 20], ["busy"]],
        [
          [0, 0, 20],
          ["busy", "busy", "busy"]
        ],
        [[8], ["unavailable"]]
      ] as const) {
        const outcome = yield* Effect.flatten(writeAmong(others, reasons))
        assert.strictEqual(outcome._tag, "Conflict")
        assert.strictEqual(outcome.loaded.snapshot, "other")
      }
      const outcome = yield* Effect.flatten(writeAmong([0, 0], ["unavailable"]))
      assert.strictEqual(outcome._tag, "Written")
    })
  )

  it.effect("does not know it of a write whose answer has not come", () =>
    Effect.gen(function* () {
      for (const [others, reasons] of [
        [[9], ["unavailable"]],
        [[0, 9], ["unavailable"]],
        [
          [0, 9],
          ["unavailable", "busy"]
        ]
      ] as const) {
        const { error, isKnown } = yield* Effect.flip(Effect.flatten(writeAmong(others, reasons)))
        assert.isFalse(isKnown)
        assert.include(error.message, "not found out")
      }
    })
  )
})
