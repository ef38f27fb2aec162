/** Counts in a StateStore, VISITS times from what is there on, and notes each count once it is acknowledged. */
import { Config, Effect, Option } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import * as CrashExplorer from "heddle/testing/CrashExplorer"

const visit = Effect.gen(function* () {
  const store = yield* StateStore
  const { value, version } = Option.getOrElse(yield* store.get("visits"), () => ({ value: "0", version: 0 }))
  const count = String(Number(value) + 1)
  return Option.as(yield* store.compareAndSet("visits", version, count), count)
}).pipe(Effect.repeat({ until: Option.isSome }), Effect.map(Option.getOrThrow))

const program = Effect.gen(function* () {
  const times = yield* Config.integer("VISITS")
  for (let i = 0; i < times; i++) yield* CrashExplorer.note(yield* visit)
})

await Effect.runPromise(Effect.provide(program, StateStoreSqlite.layer({ filename: "visits.db" })))
