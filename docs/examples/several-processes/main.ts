/**
 * `npx tsx docs/examples/several-processes/main.ts work`, in as many terminals as you like, and
 * `npx tsx docs/examples/several-processes/main.ts submit 10` in another one.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Option, Stream } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { argv } from "node:process"
import { Pictures } from "./Pictures.js"

/** Where the runs are: nothing else in this file knows. */
const store = Layer.unwrapEffect(
  Effect.gen(function* () {
    const url = yield* Config.option(Config.redacted("HEDDLE_POSTGRES_URL"))
    const schema = yield* Config.withDefault(Config.string("HEDDLE_POSTGRES_SCHEMA"), "heddle")
    if (Option.isSome(url)) return PostgresStore.layerRunStore({ url: url.value, schema })
    return RunStoreSqlite.layer({ filename: yield* Config.withDefault(Config.string("HEDDLE_FILE"), "pictures.db") })
  })
)

/** What a process that has gone was doing, another one goes on with after a second. */
const lease = { heartbeat: "200 millis", expiry: "1 second" } as const

/** Drives the runs that it finds, two at a time, until Ctrl-C. */
const worker = Heddle.layer({ engine: { dags: [Pictures], maxRuns: 2, poll: "200 millis" }, lease }).pipe(
  Layer.tap(() => Console.log("working: Ctrl-C ends it"))
)

/** Drives nothing: it leaves the pictures to the workers, and waits for all of them. */
const submit = (count: number) =>
  Effect.gen(function* () {
    const runIds = yield* Effect.forEach(Array.from({ length: count }), (_, i) =>
      Engine.submit(Pictures, { name: `picture-${i}` }, { runId: RunId.make(`picture-${i}`) })
    )
    yield* Console.log(`${count} submitted`)
    yield* Effect.forEach(runIds, (runId) => Stream.runDrain(Engine.watch(runId)), { concurrency: "unbounded" })
    yield* Console.log(`${count} published`)
  }).pipe(Effect.provide(Heddle.layer({ engine: { poll: "200 millis" }, lease })))

const [command, count = "10"] = argv.slice(2)

NodeRuntime.runMain(
  command === "work"
    ? Layer.launch(Layer.provide(worker, store))
    : command === "submit"
      ? Effect.provide(submit(Number(count)), store)
      : Console.error("say work, or submit and a number")
)
