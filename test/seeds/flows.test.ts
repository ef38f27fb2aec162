/** A registry that many use at once: what it has gone through is one order, which the audit trail tells. */
import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  Context,
  Effect,
  FastCheck as fc,
  Fiber,
  HashMap,
  Layer,
  Option,
  Random,
  type Scope,
  Stream
} from "effect"
import { FlowRegistry } from "heddle"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import * as FlowClient from "../registry/FlowClient.js"
import type { Client } from "../registry/FlowClient.js"
import type * as FlowModel from "../registry/FlowModel.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"
import { temporaryFile } from "../store/SqliteFile.js"
import { assertOrder, type Call } from "../registry/FlowOrder.js"

const pause = Effect.flatMap(Random.nextIntBetween(0, 4), (times) => Effect.replicateEffect(Effect.yieldNow(), times))

/** Each client changes what it finds; some give up in the middle of it. */
const scenario = (clients: ReadonlyArray<Client>, each: number) =>
  Effect.gen(function* () {
    const { registry, store } = clients[0]!
    const calls: Array<Call> = []
    let count = 0
    const call = (client: Client, command: FlowModel.Command) =>
      Effect.gen(function* () {
        const calling = FlowClient.call(client, calls, command, `call ${count++}`)
        if ((yield* Random.nextIntBetween(0, 10)) > 0) return yield* calling
        const fiber = yield* Effect.fork(calling)
        yield* pause
        yield* Fiber.interrupt(fiber)
      })
    for (const name of ["a", "b"]) yield* call(clients[0]!, FlowClient.registering(name))
    const watched: Array<FlowRegistry.FlowChange> = []
    const watching = yield* Effect.fork(
      Stream.runForEach(clients.at(-1)!.registry.changes, (change) => Effect.sync(() => void watched.push(change)))
    )
    const seed = yield* Random.nextIntBetween(0, 2 ** 31 - 1)
    const fibers = yield* Effect.forEach(clients, (client, i) =>
      Effect.fork(
        Effect.forEach(fc.sample(FlowClient.commands, { seed: seed + i, numRuns: each }), (command) =>
          Effect.zipRight(pause, call(client, command))
        )
      )
    )
    for (const fiber of fibers) yield* Fiber.join(fiber)
    const audit = Chunk.toReadonlyArray(yield* Stream.runCollect(registry.audit()))
    yield* FlowClient.tellsOf(watched, audit.at(-1)!)
    yield* Fiber.interrupt(watching)
    return { audit, calls, flows: yield* registry.list(), position: yield* store.position, watched }
  })

/** Several clients of stores, as each of as many processes has one. */
const clientsOf = (stores: ReadonlyArray<FlowStore["Type"]>, count: number) =>
  Effect.map(
    Effect.forEach(stores, (store) =>
      Effect.map(
        Layer.build(
          Layer.fresh(FlowRegistry.layer({ poll: "2 millis" })).pipe(Layer.provide(Layer.succeed(FlowStore, store)))
        ),
        (context): Client => ({ registry: Context.get(context, FlowRegistry.FlowRegistry), store })
      )
    ),
    (clients) => Array.from({ length: count }, (_, i) => clients[i % clients.length]!)
  )

const opened = <E>(layer: Layer.Layer<FlowStore, E>): Effect.Effect<FlowStore["Type"], E, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(FlowStore))

describe("changes of flows by many at once have an order, which the audit trail tells", () => {
  it.live(
    "in every interleaving",
    () =>
      Effect.gen(function* () {
        let seen = HashMap.empty<string, number>()
        yield* SeededScheduler.explore({
          seeds: numRuns,
          effect: Effect.gen(function* () {
            const store = yield* opened(FlowStoreMemory.layer())
            const told = yield* scenario(yield* clientsOf([store, store], 4), 5)
            assertOrder(told)
            for (const { command, result } of told.calls) {
              const what = result === undefined ? "interrupted" : typeof result === "string" ? result : command._tag
              seen = HashMap.modifyAt(seen, what, (n) => Option.some(Option.getOrElse(n, () => 0) + 1))
            }
          }).pipe(Effect.scoped)
        })
        // each of them has come about
        for (const what of [
          "interrupted",
          "FlowConflict",
          "FlowDiffers",
          "StatusNotAllowed",
          "UnknownFlow",
          "UnknownTool",
          "setFlowStatus",
          "acceptDrift",
          "reportDrift",
          "updateFlowState"
        ]) {
          assert.isAbove(
            Option.getOrElse(HashMap.get(seen, what), () => 0),
            numRuns / 20,
            what
          )
        }
      }),
    300_000
  )

  it.scopedLive(
    "of two connections to one SQLite file",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const stores = [
          yield* opened(FlowStoreSqlite.layer({ filename })),
          yield* opened(FlowStoreSqlite.layer({ filename }))
        ]
        assertOrder(yield* scenario(yield* clientsOf(stores, 6), 20))
      }),
    60_000
  )

  withPostgres((url) => {
    it.scopedLive(
      "of two connections to one PostgreSQL schema",
      () =>
        Effect.gen(function* () {
          const options = PostgresSchema.options(url, yield* PostgresSchema.freshSchema(url))
          const stores = [
            yield* opened(PostgresStore.layerFlowStore(options)),
            yield* opened(PostgresStore.layerFlowStore(options))
          ]
          assertOrder(yield* scenario(yield* clientsOf(stores, 6), 20))
        }),
      60_000
    )
  })
})
