/** `npx tsx docs/examples/two-stores/main.ts [file]`: counts its own starts. Two nodes, and each has a store of its own. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema } from "effect"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"

const counter = (id: string) =>
  Machine.make({
    id,
    context: Schema.Int,
    events: { Count: {} },
    initial: "counting",
    initialContext: 0,
    states: { counting: {} },
    transitions: [{ from: "counting", on: "Count", actions: [{ update: (n) => n + 1 }] }]
  })

/** What was counted since this process began. */
export class Session extends ReducerNode.Service<Session>()("counts/Session", { machine: counter("counts/session") }) {}

/** What was ever counted. */
export class Total extends ReducerNode.Service<Total>()("counts/Total", { machine: counter("counts/total") }) {}

/** Which store a node has is said where its Layer is made: neither node knows, and who uses them does not see it. */
export const layer = (filename: string) =>
  Layer.merge(
    Session.layer().pipe(Layer.provide(StateStoreMemory.layer())),
    Total.layer().pipe(Layer.provide(StateStoreSqlite.layer({ filename })))
  )

/** Counts with both. */
export const count = Effect.gen(function* () {
  const session = yield* Session.call({ key: "starts", event: { _tag: "Count" } })
  const total = yield* Total.call({ key: "starts", event: { _tag: "Count" } })
  return { session: session.context, total: total.context }
})

if (argv[1] === fileURLToPath(import.meta.url)) {
  const program = Effect.flatMap(count, ({ session, total }) => Console.log(`${session} now, ${total} in all`))
  NodeRuntime.runMain(Effect.provide(program, layer(argv[2] ?? "counts.db")))
}
