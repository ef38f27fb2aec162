/** `npx tsx docs/examples/event-sourcing/main.ts <file | memory | postgres://...>`: the same program over each store. */
import { NodeRuntime } from "@effect/platform-node"
import { Chunk, Console, Effect, type Layer, Redacted, Stream } from "effect"
import { Aggregate, type StoreError } from "heddle"
import type { EventStore } from "heddle/store/EventStore"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { Account, balance, deposit, transfer, withdraw } from "./bank.js"

/** The only line that knows where events are kept. */
export const layer = (place: string): Layer.Layer<EventStore, StoreError> =>
  place === "memory"
    ? EventStoreMemory.layer()
    : place.startsWith("postgres")
      ? PostgresStore.layerEventStore({ url: Redacted.make(place) })
      : EventStoreSqlite.layer({ filename: place })

/** Each part of it may be sent again: what has happened does not happen again. */
export const program = Effect.gen(function* () {
  yield* deposit("ada", 1000, "salary")
  yield* Effect.all([transfer("ada", "bob", 300, "rent"), transfer("ada", "cem", 200, "lunch")], { concurrency: 2 })
  yield* transfer("ada", "bob", 300, "rent")
  const refused = yield* Effect.flip(withdraw("cem", 500, "car"))

  const changes = yield* Aggregate.changes(Account).pipe(Stream.take(5), Stream.runCollect)
  const rebuilt = yield* Aggregate.rebuild(Account)
  return {
    ada: yield* balance("ada"),
    bob: yield* balance("bob"),
    cem: yield* balance("cem"),
    refused: refused._tag,
    events: Chunk.size(changes),
    rebuilt
  }
})

if (argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.flatMap(program, Console.log).pipe(Effect.provide(layer(argv[2] ?? "bank.db"))))
}
