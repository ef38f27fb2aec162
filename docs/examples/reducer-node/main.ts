/** `npx tsx docs/examples/reducer-node/main.ts`: seats, which two processes sell one after the other. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, type Duration } from "effect"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { make } from "./Seats.js"

/** `hold`: for how long a seat is held; `gone`: for how long no process runs. */
export const program = (filename: string, hold: Duration.DurationInput, gone: Duration.DurationInput) => {
  const { Seats, layer } = make(hold)
  /** A process: what it knows ends with it, but for what is in the file. */
  const process = Layer.provide(layer, StateStoreSqlite.layer({ filename }))

  /** Intents are done by fibers of the Layer. */
  const done = (key: string) =>
    Effect.flatMap(Seats, (seats) =>
      Effect.repeat(Effect.delay(seats.snapshot(key), "10 millis"), {
        until: Option.exists(({ pending }) => pending.length === 0)
      })
    )

  const first = Effect.gen(function* () {
    const seats = yield* Seats
    yield* seats.send("12A", { _tag: "Hold", who: "ann" })
    yield* seats.send("12B", { _tag: "Hold", who: "bob" })
    const refused = yield* Effect.flip(seats.send("12A", { _tag: "Hold", who: "bob" }))
    yield* Console.log(refused.message)
    const part = yield* seats.send("12B", { _tag: "Pay", who: "bob", cents: 10_00 })
    yield* Console.log(`12B is ${part.state}, ${part.context.paid} are paid`)
    const sold = yield* seats.send("12A", { _tag: "Pay", who: "ann", cents: 25_00 })
    yield* Console.log(`12A is ${sold.state}`)
    yield* done("12A")
  })

  const second = Effect.gen(function* () {
    const seats = yield* Seats
    // nobody has paid the rest in time
    yield* seats.recover(["12A", "12B"])
    const { state } = yield* seats.get("12B")
    yield* Console.log(`12B is ${state}`)
    for (const { event, from, to } of yield* seats.history("12B")) yield* Console.log(`  ${event}: ${from} to ${to}`)
    yield* done("12B")
  })

  return Effect.gen(function* () {
    yield* Effect.provide(first, process)
    yield* Effect.sleep(gone)
    yield* Effect.provide(second, process)
  })
}

const inFolder = (folder: string) => program(join(folder, "seats.db"), "1 second", "2 seconds")

if (argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "heddle-seats-"))),
      inFolder,
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
  )
}
